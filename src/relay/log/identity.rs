//! Which log a relay works with.

use core::{fmt, str::FromStr};

use rand::{RngCore, rngs::OsRng};

/// The identity of a durable log: a random number that is written once, when the log is begun.
///
/// The attack that it answers: a log is lost, and one that is empty takes its place in silence, so that whatever was posted
/// in the running epochs is accepted once more. Each relay keeps the identity that it has seen, and refuses another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogIdentity([u8; 16]);

/// Bytes that are no identity of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no identity of a nullifier log: it has 32 hexadecimal digits")]
pub struct LogIdentityError;

impl LogIdentity {
    /// That of a log that is begun now.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads its 16 bytes.
    ///
    /// # Errors
    /// [`LogIdentityError`] if there are not as many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LogIdentityError> {
        bytes.try_into().map(Self).map_err(|_| LogIdentityError)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for LogIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for LogIdentity {
    type Err = LogIdentityError;

    fn from_str(text: &str) -> Result<Self, LogIdentityError> {
        // One form only.
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if !text.bytes().all(is_digit) {
            return Err(LogIdentityError);
        }
        let bytes = hex::decode(text).map_err(|_| LogIdentityError)?;
        Self::from_bytes(&bytes)
    }
}

/// Which log a relay takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogChoice {
    /// The one that it has seen before, and none other.
    Known(LogIdentity),
    /// For a relay that has seen none: the one that is there. Where there is nothing at all, a new one is begun.
    First,
    /// Whatever is there, also in place of another that the relay has seen. Where there is none, or only part of one, a new
    /// one is begun. What was recorded in the lost one can be posted again.
    New,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn identities_return_and_other_text_is_refused(bytes: [u8; 16], text in "[0-9a-fA-F]{30,34}|.*") {
            let identity = LogIdentity::from_bytes(&bytes).unwrap();
            prop_assert_eq!(identity.to_string().parse(), Ok(identity));
            prop_assert!(text.parse::<LogIdentity>().is_ok_and(|read| read.to_string() == text)
                || text.parse::<LogIdentity>().is_err());
            prop_assert_eq!(LogIdentity::from_bytes(&bytes[1..]), Err(LogIdentityError));
        }
    }
}
