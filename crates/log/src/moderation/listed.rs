//! Listed posts, and the lists that scopes enforce.

use core::{fmt, str::FromStr};

use quotapass_circuits::{
    field::FieldError,
    registry_id::RegistryId,
    share::{Nullifier, Share, ShareValue},
    signal::SignalHash,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::formats::{Digest, registry};
use crate::{LogId, TreeHash};

/// The longest name of a scope in an entry, in bytes.
pub const MAX_SCOPE: usize = 1_024;
/// The most entries of a list.
pub const MAX_LIST: usize = 1_024;
/// What the names of the scopes of reports begin with.
const REPORTS: &str = "report/";

/// A listed post: what all readers see of it. Its author alone can compute that it is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListedEntry {
    /// The signal hash of the message. It is never zero: an entry with zero would lock out all members.
    pub x: SignalHash,
    /// The share of the post.
    pub y: ShareValue,
    /// The nullifier of the post.
    pub nullifier: Nullifier,
}

impl ListedEntry {
    /// The number of bytes of an entry.
    pub const BYTES: usize = 96;

    /// Returns the entry of a post.
    pub const fn new(share: Share, nullifier: Nullifier) -> Self {
        Self { x: share.x, y: share.y, nullifier }
    }

    /// Returns x, y and nullifier, 32 bytes big-endian each.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(&self.x.to_be_bytes());
        bytes[32..64].copy_from_slice(&self.y.to_be_bytes());
        bytes[64..].copy_from_slice(&self.nullifier.to_be_bytes());
        bytes
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// [`FieldError`] if x is zero, or one of the numbers is not canonical.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Result<Self, FieldError> {
        let part = |place: usize| core::array::from_fn(|byte| bytes[32 * place + byte]);
        Ok(Self {
            x: SignalHash::from_be_bytes(&part(0))?,
            y: ShareValue::from_be_bytes(&part(1))?,
            nullifier: Nullifier::from_be_bytes(&part(2))?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatedEntry {
    x: Digest,
    y: Digest,
    nullifier: Digest,
}

impl Serialize for ListedEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [x, y, nullifier] = [self.x.to_be_bytes(), self.y.to_be_bytes(), self.nullifier.to_be_bytes()].map(Digest);
        StatedEntry { x, y, nullifier }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ListedEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let StatedEntry { x, y, nullifier } = StatedEntry::deserialize(deserializer)?;
        let mut bytes = [0; Self::BYTES];
        for (part, stated) in bytes.chunks_exact_mut(32).zip([x, y, nullifier]) {
            part.copy_from_slice(&stated.0);
        }
        Self::from_bytes(&bytes).map_err(D::Error::custom)
    }
}

/// Error: the bytes are not a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the bytes are not a list of at most 1,024 entries with 96 bytes each, with x not zero and all numbers canonical"
)]
pub struct NotAList;

/// Returns the bytes of a list.
pub fn write_list(entries: &[ListedEntry]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_bytes()).collect()
}

/// Reads the bytes of a list.
///
/// # Errors
/// [`NotAList`].
pub fn read_list(bytes: &[u8]) -> Result<Vec<ListedEntry>, NotAList> {
    let (entries, rest) = bytes.as_chunks::<{ ListedEntry::BYTES }>();
    if !rest.is_empty() || entries.len() > MAX_LIST {
        return Err(NotAList);
    }
    entries.iter().map(|entry| ListedEntry::from_bytes(entry).map_err(|_| NotAList)).collect()
}

/// The list that a log announces for a scope: the strikes in force of this registry in the scope and in the scopes of its
/// reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListKey {
    /// The registry of the members.
    #[serde(with = "registry")]
    pub registry: RegistryId,
    /// The name of the scope.
    pub scope: String,
}

impl ListKey {
    /// Returns the list that a strike in a scope belongs to. A strike of a report, in `report/SCOPE/NULLIFIER`, belongs to the
    /// list of the reported scope.
    pub fn of_strike(registry: RegistryId, scope: &str) -> Self {
        Self { registry, scope: reported_scope(scope).unwrap_or(scope).into() }
    }
}

/// Returns the scope of a report's scope `report/SCOPE/NULLIFIER`.
fn reported_scope(scope: &str) -> Option<&str> {
    let (reported, nullifier) = scope.strip_prefix(REPORTS)?.rsplit_once('/')?;
    (!reported.is_empty() && nullifier.parse::<Digest>().is_ok()).then_some(reported)
}

/// The scopes whose strikes a list has: one name, or all names that begin with a prefix (`room/*`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopePattern(String);

/// Error: the text is not a pattern of scopes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a pattern of scopes; write a name of at most 1,024 bytes, or a prefix followed by /*")]
pub struct NotAPattern(String);

impl ScopePattern {
    /// Returns whether a scope matches. A strike of a report matches where a strike in the reported scope does.
    pub fn matches(&self, scope: &str) -> bool {
        let is_match = |scope: &str| match self.0.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('/') => scope.len() > prefix.len() && scope.starts_with(prefix),
            _ => self.0 == scope,
        };
        is_match(scope) || reported_scope(scope).is_some_and(is_match)
    }
}

impl fmt::Display for ScopePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ScopePattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let is_pattern = (1..=MAX_SCOPE).contains(&text.len()) && text != "/*";
        if is_pattern { Ok(Self(text.into())) } else { Err(NotAPattern(text.into())) }
    }
}

/// What a scope's policy takes from a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRule {
    /// The scope's registry. Strikes of another registry's members never hit: the secrets differ.
    pub registry: RegistryId,
    /// Strikes in these scopes count.
    pub scopes: Vec<ScopePattern>,
    /// The most entries, at most [`MAX_LIST`]; the newest count.
    pub limit: usize,
}

/// The list of a log at one size, as a pass states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListReference {
    /// The log.
    pub log: LogId,
    /// The number of entries of the log.
    pub size: u64,
    /// The root of the tree of these entries.
    pub root: TreeHash,
}

impl ListReference {
    /// Returns the first 8 bytes of the log's identity, the size as u64 big-endian, and the first 8 bytes of the root.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.log.to_short_bytes());
        bytes[8..16].copy_from_slice(&self.size.to_be_bytes());
        bytes[16..].copy_from_slice(&self.root.as_bytes()[..8]);
        bytes
    }
}

/// One list in the index of all lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexedList {
    /// The registry of the members.
    #[serde(with = "registry")]
    pub registry: RegistryId,
    /// The name of the scope.
    pub scope: String,
    /// The number of entries.
    pub count: u32,
    /// The hash of the [bytes](write_list) of the list.
    pub sha256: Digest,
}

impl IndexedList {
    /// The key of the list.
    pub fn key(&self) -> ListKey {
        ListKey { registry: self.registry, scope: self.scope.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [7; 20] };

    #[test]
    fn a_strike_of_a_report_belongs_to_the_reported_scope() {
        let nullifier = "ab".repeat(32);
        let of = |scope: &str| ListKey::of_strike(REGISTRY, scope).scope;
        assert_eq!(of("room"), "room");
        assert_eq!(of(&format!("report/room/hall/{nullifier}")), "room/hall");
        for other in ["report/room/x", "report/room", &format!("report//{nullifier}"), &format!("report/{nullifier}")] {
            assert_eq!(of(other), other);
        }
    }

    #[test]
    fn a_pattern_is_a_name_or_a_prefix() {
        let matches = |pattern: &str, scope: &str| pattern.parse::<ScopePattern>().unwrap().matches(scope);
        assert!(matches("room", "room") && !matches("room", "room/hall") && !matches("room", "roo"));
        assert!(matches("room/*", "room/hall") && matches("room/*", "room/hall/2"));
        assert!(!matches("room/*", "room/") && !matches("room/*", "room") && !matches("room/*", "rooms/hall"));
        let report = format!("report/room/hall/{}", "ab".repeat(32));
        assert!(matches("room/*", &report) && matches("room/hall", &report) && !matches("room", &report));
        assert!(!matches("*", "room"));
        for wrong in ["", "/*", &"a".repeat(1_025)] {
            assert!(wrong.parse::<ScopePattern>().is_err());
        }
    }

    proptest! {
        #[test]
        fn lists_return_and_other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400), low: [u8; 31]) {
            prop_assert!(read_list(&bytes).map_or(true, |list| write_list(&list) == bytes));
            let mut entry = [0; 96];
            for part in entry.chunks_exact_mut(32) {
                part[1..].copy_from_slice(&low);
            }
            entry[31] |= 1;
            let list = ListedEntry::from_bytes(&entry).unwrap();
            prop_assert_eq!(read_list(&write_list(&[list, list])), Ok(vec![list, list]));
            let json = serde_json::to_string(&list).unwrap();
            prop_assert_eq!(serde_json::from_str::<ListedEntry>(&json).unwrap(), list);
        }
    }

    #[test]
    fn zero_and_numbers_that_are_not_canonical_are_refused() {
        let mut entry = [0; 96];
        assert!(ListedEntry::from_bytes(&entry).is_err());
        entry[31] = 1;
        assert!(ListedEntry::from_bytes(&entry).is_ok());
        for place in [0, 32, 64] {
            let mut large = entry;
            large[place..place + 32].fill(0xff);
            assert!(ListedEntry::from_bytes(&large).is_err());
        }
        assert_eq!(read_list(&[0; 95]), Err(NotAList));
        assert_eq!(read_list(&entry.repeat(MAX_LIST + 1)), Err(NotAList));
        assert_eq!(read_list(&entry.repeat(MAX_LIST)).map(|list| list.len()), Ok(MAX_LIST));
    }
}
