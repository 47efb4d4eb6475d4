//! The identifier of a proving key.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The identifier of a proving key: SHA-256 of its [key file](crate::prover::ProvingKey::to_bytes) without the hashes at
/// the file's end.
///
/// It covers the circuit and all points that proofs are computed from, in one canonical form. So the final `.zkey` file
/// of a ceremony, the key that is imported from it and its key file have the same identifier, and a key is trusted by
/// it in programs, relays and apps alike.
///
/// A contract has only the verifying key, and states the [hash](crate::verifier::VerifyingKeyHash) of its points. That
/// hash does not identify a proving key: two keys can have the same verifying key, and proofs that are made with a
/// forged one can reveal the prover.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

/// Error: the text is not the identifier of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a key has 64 hexadecimal digits")]
pub struct NotAKeyId;

impl FromStr for KeyId {
    type Err = NotAKeyId;

    /// Reads 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        let mut id = [0; 32];
        hex::decode_to_slice(text, &mut id).map_err(|_| NotAKeyId)?;
        Ok(Self(id))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| D::Error::custom(format_args!("`{text}`: {error}")))
    }
}
