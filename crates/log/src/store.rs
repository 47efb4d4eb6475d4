//! Where a log keeps its entries and hashes.

use core::ops::Range;
use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;

use crate::TreeHash;

/// Errors of a store. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be read or written now.
    #[error("the log's store does not answer ({0}); nothing was written: check the disk, and try again")]
    Unavailable(String),
    /// The store lacks something that it must have.
    #[error(
        "the log's store is damaged ({0}); restore it from a backup, or fetch the log from a relay that follows it"
    )]
    Damaged(String),
    /// Another writer was faster.
    #[error("the log has {found} entries, not {expected}: something else writes to it; stop the other writer")]
    Raced {
        /// The size that the writer expected.
        expected: u64,
        /// The size of the store.
        found: u64,
    },
}

/// A hash of a tile, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedHash {
    /// The level of tiles: the hash is at eight times this level of the tree.
    pub level: u8,
    /// The place in the level.
    pub index: u64,
    /// The hash.
    pub hash: TreeHash,
}

/// A change of a store, which happens as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The number of entries that the store must have before the change.
    pub base: u64,
    /// New entries, from `base` on.
    pub entries: Vec<Vec<u8>>,
    /// The hashes that these entries complete.
    pub hashes: Vec<PlacedHash>,
    /// Named values to write, or to remove where there is none.
    pub values: BTreeMap<String, Option<Vec<u8>>>,
}

impl Change {
    /// Creates a change that writes one named value, or removes it.
    pub fn of_value(base: u64, name: &str, value: Option<Vec<u8>>) -> Self {
        Self { base, values: BTreeMap::from([(name.to_owned(), value)]), ..Self::default() }
    }
}

/// A store of one log: entries and hashes, which are only ever added, and a few named values. It does not know what an
/// entry means.
pub trait LogStore: Send + Sync {
    /// Returns the number of entries.
    ///
    /// # Errors
    /// [`StoreError`].
    fn size(&self) -> Result<u64, StoreError>;

    /// Returns entries in order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if one is missing.
    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Returns hashes of a level of tiles, in order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if one is missing.
    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<TreeHash>, StoreError>;

    /// Returns a named value.
    ///
    /// # Errors
    /// [`StoreError`].
    fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Makes a change, and returns once it outlives a crash.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed, or the store does not answer until it knows.
    fn commit(&self, change: &Change) -> Result<(), StoreError>;
}

/// Implements the trait for a kind of pointer.
macro_rules! by_pointer {
    ($($pointer:ty),*) => {$(
        impl<S: LogStore + ?Sized> LogStore for $pointer {
    fn size(&self) -> Result<u64, StoreError> {
        (**self).size()
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        (**self).entries(range)
    }

    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<TreeHash>, StoreError> {
        (**self).hashes(level, range)
    }

    fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).value(name)
    }

    fn commit(&self, change: &Change) -> Result<(), StoreError> {
        (**self).commit(change)
    }
        }
    )*};
}

by_pointer!(Arc<S>, &S);

/// A store in memory, for tests and for readers that keep nothing.
#[derive(Debug, Default)]
pub struct MemoryStore(RwLock<Contents>);

#[derive(Debug, Default)]
struct Contents {
    entries: Vec<Vec<u8>>,
    hashes: BTreeMap<(u8, u64), TreeHash>,
    values: BTreeMap<String, Vec<u8>>,
}

impl LogStore for MemoryStore {
    fn size(&self) -> Result<u64, StoreError> {
        Ok(self.0.read().entries.len() as u64)
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let contents = self.0.read();
        let place = |index| usize::try_from(index).ok();
        let found = place(range.start).zip(place(range.end)).and_then(|(begin, end)| contents.entries.get(begin..end));
        found.map(<[_]>::to_vec).ok_or_else(|| missing("entries", &range))
    }

    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<TreeHash>, StoreError> {
        let contents = self.0.read();
        let hash = |index| contents.hashes.get(&(level, index)).copied();
        range.clone().map(hash).collect::<Option<_>>().ok_or_else(|| missing("hashes", &range))
    }

    fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.read().values.get(name).cloned())
    }

    fn commit(&self, change: &Change) -> Result<(), StoreError> {
        let mut contents = self.0.write();
        let found = contents.entries.len() as u64;
        if found != change.base {
            return Err(StoreError::Raced { expected: change.base, found });
        }
        contents.entries.extend(change.entries.iter().cloned());
        contents.hashes.extend(change.hashes.iter().map(|placed| ((placed.level, placed.index), placed.hash)));
        for (name, value) in &change.values {
            match value {
                Some(value) => contents.values.insert(name.clone(), value.clone()),
                None => contents.values.remove(name),
            };
        }
        Ok(())
    }
}

pub(crate) fn missing(what: &str, range: &Range<u64>) -> StoreError {
    StoreError::Damaged(format!("it lacks {what} from {} to {}", range.start, range.end))
}
