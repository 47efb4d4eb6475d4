//! The database of an embedded store. Everything is in one keyspace, under a letter:
//!
//! | key | value |
//! |---|---|
//! | `c` | number of changes, u64 |
//! | `n` | number of entries, u64 |
//! | `t` | 65,536 bytes, written to test the disk |
//! | `e`, place u64 | an entry |
//! | `h`, level u8, place u64 | a hash of a tile |
//! | `v`, name | a named value |
//!
//! Numbers are big-endian. Entries and hashes are never written a second time.

use core::ops::Range;
use std::{
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use fjall::{Error, Keyspace, KeyspaceCreateOptions, LsmError, OwnedWriteBatch, PersistMode};
use parking_lot::Mutex;

use super::{
    error::{EmbeddedError, damaged, failed},
    files,
    witness::Witness,
};
use crate::{Change, Origin, StoreError, TreeHash, store::missing};

const DATABASE: &str = "database";
const RECORDS: &str = "log";
/// Size of the table cache in bytes. Logs are read rarely.
const CACHE_BYTES: u64 = 8 << 20;
/// Bytes that are written to a disk that failed, before it is trusted again.
const TRIAL_BYTES: usize = 64 << 10;
/// Threads that write tables in the background.
const WORKERS: usize = 1;

/// An open database.
pub(super) struct Database {
    database: fjall::Database,
    records: Keyspace,
    changes: u64,
    size: u64,
    witness: Mutex<Witness>,
}

impl Database {
    /// Creates the files of a new store in an existing, empty folder.
    pub(super) fn create(folder: &Path, origin: &Origin) -> Result<(), EmbeddedError> {
        let made = guarded(|| {
            let database = open(folder)?;
            let records = database.keyspace(RECORDS, options)?;
            let mut batch = database.batch().durability(Some(PersistMode::SyncAll));
            batch.insert(&records, "c", 0u64.to_be_bytes());
            batch.insert(&records, "n", 0u64.to_be_bytes());
            batch.commit()
        });
        made.map_err(|error| failed("create", folder, &error))?;
        files::create(folder, origin)
    }

    /// Opens a store, and checks that it is this log's and that nothing is missing.
    pub(super) fn open(folder: &Path, origin: &Origin) -> Result<Self, EmbeddedError> {
        files::check(folder, origin)?;
        // Without this check, the database would create a missing folder anew.
        if !folder.join(DATABASE).is_dir() {
            return Err(damaged(folder, &"its database is missing"));
        }
        let unread = |error: Failure| match error {
            Failure::Engine(Error::Locked) => EmbeddedError::InUse(folder.into()),
            Failure::Engine(Error::Io(error) | Error::Storage(LsmError::Io(error)))
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) =>
            {
                failed("open", folder, &error)
            }
            error => damaged(folder, &error),
        };
        let database = guarded(|| open(folder)).map_err(unread)?;
        if !database.keyspace_exists(RECORDS) {
            return Err(damaged(folder, &"the database's table is missing"));
        }
        let records = guarded(|| database.keyspace(RECORDS, options)).map_err(unread)?;
        let number = |name: &str| guarded(|| records.get(name)).map_err(unread);
        let numbers = number_from(number("c")?.as_deref()).zip(number_from(number("n")?.as_deref()));
        let (changes, size) = numbers.ok_or_else(|| damaged(folder, &"its counts are missing"))?;
        let (witness, seen) =
            Witness::open(folder).map_err(|error| damaged(folder, &format_args!("its witness: {error}")))?;
        let seen = seen.ok_or_else(|| damaged(folder, &"its witness is invalid"))?;
        if changes < seen {
            return Err(damaged(folder, &format_args!("it has only {changes} of {seen} changes")));
        }
        let opened = Self { database, records, changes, size, witness: witness.into() };
        opened.check_last().map_err(|error| damaged(folder, &error))?;
        Ok(opened)
    }

    /// Checks that the last entry is there with its hash, and that none follows it.
    fn check_last(&self) -> Result<(), StoreError> {
        let beyond = guarded(|| {
            self.records.range(entry_key(self.size)..entry_key(u64::MAX)).next().map(fjall::Guard::key).transpose()
        })?;
        if beyond.is_some() {
            return Err(StoreError::Damaged("it has entries beyond its count".into()));
        }
        let Some(last) = self.size.checked_sub(1) else { return Ok(()) };
        let hashes: Vec<_> = self.entries(last..self.size)?.iter().map(|entry| TreeHash::of_entry(entry)).collect();
        if hashes == self.hashes(0, last..self.size)? {
            return Ok(());
        }
        Err(StoreError::Damaged("its last entry has another hash".into()))
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        if range.end > self.size {
            return Err(missing("entries", &range));
        }
        self.read("entries", range, entry_key)
    }

    pub(super) fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<TreeHash>, StoreError> {
        let values = self.read("hashes", range.clone(), |place| hash_key(level, place))?;
        let hash = |value: Vec<u8>| value.try_into().map(TreeHash::from_bytes);
        values.into_iter().map(hash).collect::<Result<_, _>>().map_err(|_| missing("hashes", &range))
    }

    /// Reads the values of neighbours, all of which must be there.
    fn read(&self, what: &str, range: Range<u64>, key: impl Fn(u64) -> Vec<u8>) -> Result<Vec<Vec<u8>>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let found = guarded(|| {
            let found = self.records.range(key(range.start)..key(range.end));
            found.map(fjall::Guard::into_inner).collect::<Result<Vec<_>, _>>()
        })?;
        let are_all = found.iter().map(|(found, _)| found.to_vec()).eq(range.clone().map(&key));
        if !are_all {
            return Err(missing(what, &range));
        }
        Ok(found.into_iter().map(|(_, value)| value.to_vec()).collect())
    }

    pub(super) fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = guarded(|| self.records.get(value_key(name)))?;
        Ok(found.map(|value| value.to_vec()))
    }

    pub(super) fn commit(&mut self, change: &Change) -> Result<(), StoreError> {
        if change.base != self.size {
            return Err(StoreError::Raced { expected: change.base, found: self.size });
        }
        let size = self.size + change.entries.len() as u64;
        let mut batch = self.batch(self.changes + 1);
        batch.insert(&self.records, "n", size.to_be_bytes());
        for (entry, place) in change.entries.iter().zip(change.base..) {
            batch.insert(&self.records, entry_key(place), entry.as_slice());
        }
        for placed in &change.hashes {
            batch.insert(&self.records, hash_key(placed.level, placed.index), placed.hash.as_bytes().as_slice());
        }
        for (name, value) in &change.values {
            match value {
                Some(value) => batch.insert(&self.records, value_key(name), value.as_slice()),
                None => batch.remove(&self.records, value_key(name)),
            }
        }
        guarded(|| batch.commit())?;
        self.size = size;
        self.changes += 1;
        // A witness that cannot be written stays behind the database: it then detects less, but no data is lost.
        let _ = self.witness.lock().write(self.changes);
        Ok(())
    }

    /// Writes as much as a usual change, to test whether the disk accepts it.
    pub(super) fn try_disk(&self) -> Result<(), StoreError> {
        let mut batch = self.batch(self.changes);
        batch.insert(&self.records, "t", vec![0; TRIAL_BYTES]);
        Ok(guarded(|| batch.commit())?)
    }

    fn batch(&self, change: u64) -> OwnedWriteBatch {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.records, "c", change.to_be_bytes());
        batch
    }
}

fn open(folder: &Path) -> Result<fjall::Database, Error> {
    fjall::Database::builder(folder.join(DATABASE))
        .cache_size(CACHE_BYTES)
        .worker_threads(WORKERS)
        .manual_journal_persist(true)
        .open()
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
}

fn entry_key(place: u64) -> Vec<u8> {
    [&b"e"[..], &place.to_be_bytes()].concat()
}

fn hash_key(level: u8, place: u64) -> Vec<u8> {
    [&[b'h', level][..], &place.to_be_bytes()].concat()
}

fn value_key(name: &str) -> Vec<u8> {
    [&b"v"[..], name.as_bytes()].concat()
}

fn number_from(bytes: Option<&[u8]>) -> Option<u64> {
    bytes.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
}

/// Errors of the database.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Engine(#[from] Error),
    #[error("the database cannot read it")]
    Panic,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Engine(Error::Io(error) | Error::Storage(LsmError::Io(error))) => {
                Self::Unavailable(error.kind().to_string())
            }
            Failure::Engine(Error::Poisoned | Error::KeyspaceDeleted) => {
                Self::Unavailable("an earlier write failed".into())
            }
            Failure::Engine(error) => Self::Damaged(error.to_string()),
            Failure::Panic => Self::Damaged(failure.to_string()),
        }
    }
}

/// Runs an operation of the database, which panics on some damage and on some disk failures.
fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(Failure::Engine),
        Err(_) => Err(Failure::Panic),
    }
}
