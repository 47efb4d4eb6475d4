//! Hashes of the tree (RFC 6962, SHA-256).

use core::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tlog_tiles::tlog::{self, Hash};

/// A hash of the tree: of an entry, of a node, or of the whole tree (its root).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeHash([u8; 32]);

impl TreeHash {
    /// The number of bytes of a hash.
    pub const BYTES: usize = 32;
    /// The root of a tree without entries: SHA-256 of nothing.
    pub const EMPTY: Self = Self(tlog::EMPTY_HASH.0);

    /// Returns the hash of an entry.
    pub fn of_entry(entry: &[u8]) -> Self {
        Self(tlog::record_hash(entry).0)
    }

    /// Creates the hash with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    pub(crate) const fn inner(self) -> Hash {
        Hash(self.0)
    }

    pub(crate) const fn of_inner(hash: Hash) -> Self {
        Self(hash.0)
    }
}

/// Base64, as in checkpoints.
impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeHash({self})")
    }
}

/// Error: the text is not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash of the tree is 32 bytes in base64")]
pub struct NotATreeHash;

impl FromStr for TreeHash {
    type Err = NotATreeHash;

    fn from_str(text: &str) -> Result<Self, NotATreeHash> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| NotATreeHash)?;
        bytes.try_into().map(Self).map_err(|_| NotATreeHash)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hashes_return_and_other_text_is_refused(bytes: [u8; 32], text in "\\PC{0,50}|[A-Za-z0-9+/]{43}=") {
            let hash = TreeHash::from_bytes(bytes);
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
            prop_assert!(text.parse::<TreeHash>().map_or(true, |read| read.to_string() == text));
        }
    }

    #[test]
    fn hashes_are_those_of_rfc_6962() {
        assert_eq!(TreeHash::EMPTY.to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        // SHA-256 of one zero byte.
        assert_eq!(
            hex::encode(TreeHash::of_entry(b"").as_bytes()),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
