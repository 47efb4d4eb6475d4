//! The identity of a log, and the choice of the log that a relay uses.

use core::{fmt, str::FromStr};

use rand::{RngCore, rngs::OsRng};

/// The identity of a durable log: a random number that is written once, when the log is created.
///
/// It prevents this attack: a log is lost, and an empty one silently takes its place, so that all posts of the running
/// epochs are accepted again. Each relay stores the identity that it has seen, and refuses another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogIdentity([u8; 16]);

/// Error for bytes or text that are not the identity of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the identity of a nullifier log; expected 32 hexadecimal digits")]
pub struct LogIdentityError;

impl LogIdentity {
    /// Generates the identity of a new log.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the 16 bytes.
    ///
    /// # Errors
    /// [`LogIdentityError`] if there are not 16.
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
        // Only lower case, so that an identity has one text form.
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if !text.bytes().all(is_digit) {
            return Err(LogIdentityError);
        }
        let bytes = hex::decode(text).map_err(|_| LogIdentityError)?;
        Self::from_bytes(&bytes)
    }
}

/// Choice of the log that a relay uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogChoice {
    /// The log that the relay has seen before, and no other.
    Known(LogIdentity),
    /// For a relay that has seen no log: the existing log. If there is nothing at all, a new log is created.
    First,
    /// The existing log, even if the relay has seen another one. If there is no log, or only part of one, a new log is
    /// created. Posts that were recorded in the lost log can then be posted again.
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
