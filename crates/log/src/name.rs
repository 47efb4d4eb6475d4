//! The name of a log: its origin and its root key.

use core::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use quotapass_protocol::note::NotePublicKey;
use sha2::{Digest, Sha256};

/// The longest origin, in bytes.
const MAX_ORIGIN: usize = 200;

/// The origin of a log: a name without a scheme that is unique, such as `relay.example/moderation`. It is the first line
/// of each checkpoint, and the name of the log's keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

/// Error: the text is not the origin of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an origin; it has 1 to 200 bytes, and no spaces, control characters or `+`, such as relay.example/log"
)]
pub struct NotAnOrigin(pub String);

impl Origin {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let is_plain = signed_note::is_key_name_valid(text) && !text.chars().any(char::is_control);
        if is_plain && text.len() <= MAX_ORIGIN { Ok(Self(text.into())) } else { Err(NotAnOrigin(text.into())) }
    }
}

/// The identity of a log: SHA-256 of origin, a zero byte and the 32 bytes of the Ed25519 root key. New working keys do not
/// change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; 32]);

impl LogId {
    /// Creates the identity with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the first 8 bytes, which passes state.
    pub fn to_short_bytes(self) -> [u8; 8] {
        core::array::from_fn(|place| self.0[place])
    }
}

/// Lower-case hexadecimal digits.
impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What a reader knows of a log from the start: its origin, and its root key, which is kept offline. They come with the
/// address of a room, never from the log's own server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogName {
    /// The origin.
    pub origin: Origin,
    /// The root key. It names the working keys that sign checkpoints.
    pub root_key: NotePublicKey,
}

impl LogName {
    /// Returns the identity.
    pub fn id(&self) -> LogId {
        let mut digest = Sha256::new();
        digest.update(self.origin.as_str());
        digest.update([0]);
        digest.update(ed25519_of(&self.root_key));
        LogId(digest.finalize().into())
    }
}

/// Returns the 32 bytes of the Ed25519 key, by which keys are compared: their names are free.
pub(crate) fn ed25519_of(key: &NotePublicKey) -> Vec<u8> {
    // A public key is text of the form name+hash+base64, and the first byte of the key is its algorithm.
    let text = key.to_string();
    let bytes = text.splitn(3, '+').nth(2).and_then(|key| BASE64_STANDARD.decode(key).ok()).unwrap_or_default();
    bytes.get(1..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use quotapass_protocol::note::NoteKey;

    use super::*;

    #[test]
    fn an_origin_is_one_word() {
        let long = "a".repeat(201);
        for wrong in ["", "two words", "a+b", "a\nb", "a\u{7f}", "a\u{a0}b", &long] {
            assert_eq!(wrong.parse::<Origin>(), Err(NotAnOrigin(wrong.into())));
        }
        assert_eq!("relay.example/log".parse::<Origin>().unwrap().to_string(), "relay.example/log");
    }

    #[test]
    fn the_identity_is_of_origin_and_root_key_whatever_the_name_of_the_key() {
        let name = |origin: &str, owner, seed| LogName {
            origin: origin.parse().unwrap(),
            root_key: NoteKey::from_seed(owner, &[seed; 32]).unwrap().public(),
        };
        let log = name("relay.example/log", "root", 1);
        // SHA-256 of the origin, a zero byte and the public key of the seed of 32 ones (RFC 8032), by another program.
        let key = hex::decode("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c").unwrap();
        assert_eq!(ed25519_of(&log.root_key), key);
        let expected: [u8; 32] = Sha256::digest([&b"relay.example/log\0"[..], &key].concat()).into();
        assert_eq!(log.id(), LogId::from_bytes(expected));
        assert_eq!(log.id().to_short_bytes(), expected[..8]);
        assert_eq!(log.id(), name("relay.example/log", "other", 1).id());
        assert_ne!(log.id(), name("relay.example/log", "root", 2).id());
        assert_ne!(log.id(), name("relay.example/other", "root", 1).id());
    }
}
