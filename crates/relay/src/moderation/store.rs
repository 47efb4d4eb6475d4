//! The store of moderation: records that relays share, and that change by one atomic operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use quotapass_protocol::{LogError, UnixSeconds};

use crate::MemoryLog;

/// The first byte of the keys that a cluster spreads over its servers, by their last byte. There may be millions of them,
/// and they have no order: [`scan`](ModerationStore::scan) refuses them. All other keys are together on one server.
pub const SPREAD: u8 = b'p';

/// A change of one record, from the value that the caller has read to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The key. Its first byte names the kind of record.
    pub key: Vec<u8>,
    /// The value that the record must have; none if it must not exist.
    pub expected: Option<Vec<u8>>,
    /// The new value; none removes the record.
    pub new: Option<Vec<u8>>,
    /// The time from which on [`expire`](crate::NullifierLog::expire) drops the record; none keeps it.
    pub keep_until: Option<UnixSeconds>,
}

impl Swap {
    /// Creates a record, unless there is one.
    pub fn create(key: Vec<u8>, new: Vec<u8>, keep_until: Option<UnixSeconds>) -> Self {
        Self { key, expected: None, new: Some(new), keep_until }
    }

    /// Removes a record, if it has this value.
    pub fn remove(key: Vec<u8>, expected: Vec<u8>) -> Self {
        Self { key, expected: Some(expected), new: None, keep_until: None }
    }
}

/// A key with its value.
pub type StoredRecord = (Vec<u8>, Vec<u8>);

/// A store of records that relays share.
///
/// A record changes only by [`swap`](Self::swap), one atomic operation: of any number of callers, on any number of
/// machines, that replace one value, exactly one succeeds. All else follows from this: that a report counts once, that
/// events have no gap, and that a deletion is final.
///
/// [`expire`](crate::NullifierLog::expire) of the log that the store belongs to drops the records whose time is over, some
/// of them per call. A record whose time is over may still be read: callers compare times themselves.
pub trait ModerationStore: Send + Sync {
    /// Returns a record's value; none if there is no such record.
    ///
    /// # Errors
    /// [`LogError`].
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LogError>;

    /// Reads many records. A store with a network does it in one round trip.
    fn read_all(&self, keys: &[Vec<u8>]) -> Vec<Result<Option<Vec<u8>>, LogError>> {
        keys.iter().map(|key| self.read(key)).collect()
    }

    /// Replaces a record if it has the expected value, and returns whether it did. The new value is durable when this
    /// returns.
    ///
    /// A store with a network repeats a change whose answer was lost. The repetition returns false if the change removed the
    /// record, or if another call has changed it since; so a caller that gets false reads the record again.
    ///
    /// # Errors
    /// [`LogError`]; the record then has the former value or the new one, and the caller reads it again.
    fn swap(&self, swap: &Swap) -> Result<bool, LogError>;

    /// Makes many changes, like calls of [`swap`](Self::swap) in this order. A store with a disk or a network does it in
    /// one write.
    fn swap_all(&self, swaps: &[Swap]) -> Vec<Result<bool, LogError>> {
        swaps.iter().map(|swap| self.swap(swap)).collect()
    }

    /// Returns records whose key begins with `prefix`, in the order of their keys: those after the key `after` if it is
    /// given, and at most `limit`.
    ///
    /// # Errors
    /// [`LogError`]; [`LogError::Unfit`] for keys that are [spread](SPREAD).
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<StoredRecord>, LogError>;
}

/// Refuses scans of keys that have no order.
pub(crate) fn check_scan(prefix: &[u8]) -> Result<(), LogError> {
    match prefix.first() {
        None | Some(&SPREAD) => Err(LogError::Unfit("records that are spread over servers have no order".into())),
        Some(_) => Ok(()),
    }
}

/// Returns the first key after all keys with this prefix; none if there is no such key.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

/// A range of keys.
pub(crate) type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Returns the range of keys that a scan reads; none if no key with the prefix is after `after`.
pub(crate) fn scanned(prefix: &[u8], after: Option<&[u8]>) -> Option<KeyRange> {
    let from = match after {
        Some(after) if after.starts_with(prefix) => Bound::Excluded(after.to_vec()),
        Some(after) if after > prefix => return None,
        _ => Bound::Included(prefix.to_vec()),
    };
    Some((from, after_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded)))
}

/// Records in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryRecords {
    records: BTreeMap<Vec<u8>, (Vec<u8>, Option<UnixSeconds>)>,
    ends: BTreeSet<(UnixSeconds, Vec<u8>)>,
}

impl MemoryRecords {
    pub(crate) fn expire(&mut self, now: UnixSeconds) {
        while let Some((end, _)) = self.ends.first()
            && *end <= now
        {
            let Some((_, key)) = self.ends.pop_first() else { return };
            self.records.remove(&key);
        }
    }

    fn swap(&mut self, Swap { key, expected, new, keep_until }: &Swap) -> bool {
        if self.records.get(key).map(|(value, _)| value) != expected.as_ref() {
            return false;
        }
        if let Some((_, Some(end))) = self.records.remove(key) {
            self.ends.remove(&(end, key.clone()));
        }
        if let Some(new) = new {
            self.ends.extend(keep_until.map(|end| (end, key.clone())));
            self.records.insert(key.clone(), (new.clone(), *keep_until));
        }
        true
    }
}

impl ModerationStore for MemoryLog {
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.moderation.lock().records.get(key).map(|(value, _)| value.clone()))
    }

    fn swap(&self, swap: &Swap) -> Result<bool, LogError> {
        Ok(self.moderation.lock().swap(swap))
    }

    fn swap_all(&self, swaps: &[Swap]) -> Vec<Result<bool, LogError>> {
        let mut records = self.moderation.lock();
        swaps.iter().map(|swap| Ok(records.swap(swap))).collect()
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<StoredRecord>, LogError> {
        check_scan(prefix)?;
        let records = self.moderation.lock();
        let Some(range) = scanned(prefix, after) else { return Ok(Vec::new()) };
        let found = records.records.range(range).take(limit);
        Ok(found.map(|(key, (value, _))| (key.clone(), value.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_after_a_prefix_is_after_all_its_keys() {
        assert_eq!(after_prefix(b"a"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(&[b'a', 0xff, 0xff]), Some(b"b".to_vec()));
        assert_eq!(after_prefix(&[0xff, 0xff]), None);
        assert_eq!(scanned(b"a", Some(b"b")), None);
        let from = |after: Option<&[u8]>| scanned(b"b", after).unwrap().0;
        assert_eq!(from(None), Bound::Included(b"b".to_vec()));
        assert_eq!(from(Some(b"a")), Bound::Included(b"b".to_vec()));
        assert_eq!(from(Some(b"bc")), Bound::Excluded(b"bc".to_vec()));
    }
}
