//! The table of records of moderation.

use std::collections::HashMap;

use fjall::{Keyspace, OwnedWriteBatch};
use quotapass_protocol::{LogError, UnixSeconds};

use super::store::{guarded, numbered};
use crate::moderation::{StoredRecord, store::scanned};

/// A record with the time until which it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) until: Option<UnixSeconds>,
    pub(super) value: Vec<u8>,
}

impl Kept {
    /// Returns the time, the greatest for none, and the value.
    fn to_bytes(&self) -> Vec<u8> {
        [&self.until.unwrap_or(UnixSeconds::MAX).0.to_be_bytes()[..], &self.value].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, LogError> {
        let (until, value) = bytes.split_first_chunk().ok_or(LogError::Damaged)?;
        let until = Some(UnixSeconds(u64::from_be_bytes(*until))).filter(|until| *until != UnixSeconds::MAX);
        Ok(Self { until, value: value.to_vec() })
    }
}

/// Changed records by their keys; none is a record to remove.
pub(super) type ModerationWrites = HashMap<Vec<u8>, Option<Kept>>;

/// The keyspace: a zero byte and a key with the [record](Kept); and a byte 1, an end and a key, by which ended records are
/// found. A record may have another end by now.
pub(super) struct ModerationTable(pub(super) Keyspace);

impl ModerationTable {
    /// Returns a record.
    pub(super) fn read(&self, key: &[u8]) -> Result<Option<Kept>, LogError> {
        let found = guarded(|| self.0.get(record_key(key)))?;
        found.map(|bytes| Kept::from_bytes(&bytes)).transpose()
    }

    /// Returns records in the order of their keys; see [`ModerationStore::scan`](crate::ModerationStore::scan).
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<StoredRecord>, LogError> {
        let after = after.map(record_key);
        let Some(range) = scanned(&record_key(prefix), after.as_deref()) else { return Ok(Vec::new()) };
        let found =
            guarded(|| self.0.range(range).take(limit).map(fjall::Guard::into_inner).collect::<Result<Vec<_>, _>>())?;
        let record = |(key, value): (fjall::UserKey, fjall::UserValue)| {
            let key = key.get(1..).ok_or(LogError::Damaged)?.to_vec();
            Ok((key, Kept::from_bytes(&value)?.value))
        };
        found.into_iter().map(record).collect()
    }

    /// Returns what to remove when records end at `now`, for at most `limit` of them.
    pub(super) fn ended(&self, now: UnixSeconds, limit: usize) -> Result<Vec<Vec<u8>>, LogError> {
        let ends = guarded(|| {
            let ends = self.0.range(end_key(UnixSeconds(0), &[])..end_key(now.saturating_add(1), &[]));
            ends.take(limit).map(fjall::Guard::key).collect::<Result<Vec<_>, _>>()
        })?;
        let mut keys = Vec::new();
        for end in ends {
            let Some((until, key)) = end.get(1..).and_then(<[u8]>::split_first_chunk::<8>) else {
                return Err(LogError::Damaged);
            };
            let until = UnixSeconds(u64::from_be_bytes(*until));
            if self.read(key)?.is_some_and(|kept| kept.until == Some(until)) {
                keys.push(record_key(key));
            }
            keys.push(end.to_vec());
        }
        Ok(keys)
    }

    /// Adds changes to a batch.
    pub(super) fn write(&self, writes: ModerationWrites, batch: &mut OwnedWriteBatch) {
        for (key, kept) in writes {
            match kept {
                Some(kept) => {
                    if let Some(until) = kept.until {
                        batch.insert(&self.0, end_key(until, &key), "");
                    }
                    batch.insert(&self.0, record_key(&key), kept.to_bytes());
                }
                None => batch.remove(&self.0, record_key(&key)),
            }
        }
    }
}

fn record_key(key: &[u8]) -> Vec<u8> {
    [&[0][..], key].concat()
}

fn end_key(until: UnixSeconds, key: &[u8]) -> Vec<u8> {
    [&numbered(1, until.0)[..], key].concat()
}
