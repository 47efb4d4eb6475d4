//! The writer's side: appending, checkpoints, cosignatures, and what the log serves.

use parking_lot::Mutex;
use quotapass_protocol::{UnixSeconds, note::NoteKey};

use crate::{
    Checkpoint, CheckpointError, CosignerPublicKey, MAX_ENTRY, MAX_SIZE, Origin, SignedCheckpoint, Source, SourceError,
    StoreError, TreeHash,
    store::{Change, LogStore},
    tile::{TileId, TileKind, write_entries, write_hashes},
    tree::{self, Stored},
};

/// The name of the published checkpoint in the store: its time (u64 BE), and the note.
const PUBLISHED: &str = "published";

/// The path of the newest checkpoint.
pub const CHECKPOINT_PATH: &str = "checkpoint";

/// Errors of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The checkpoint cannot be made, or a cosignature is not valid.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is too long.
    #[error("an entry of a log has at most 65,535 bytes, this one has {0}; shorten it")]
    LongEntry(usize),
    /// The log has as many entries as it can have.
    #[error("the log is full: it has 2^40 entries; begin another log")]
    Full,
    /// Others saw more of the log than its store has.
    #[error(
        "others saw {seen} entries of this log, and its store has {own}: it was restored from an old backup; fetch the rest \
             from a relay that follows the log, and append nothing before, or readers see a fork"
    )]
    Behind {
        /// The number of entries in the store.
        own: u64,
        /// The number of entries that others saw.
        seen: u64,
    },
    /// Others saw other entries than the store has.
    #[error(
        "others saw other entries of this log than its store has; append nothing, and find out which store is right"
    )]
    Forked,
}

/// A checkpoint that the log has published.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The checkpoint, with the cosignatures that the log has.
    pub note: SignedCheckpoint,
    /// The time at which it was made.
    pub at: UnixSeconds,
}

impl Published {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.at.0.to_be_bytes()[..], self.note.to_string().as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (at, note) = bytes.split_first_chunk::<8>()?;
        Some(Self { note: SignedCheckpoint::read(note).ok()?, at: UnixSeconds(u64::from_be_bytes(*at)) })
    }
}

/// The result of [`Log::publish`].
#[derive(Clone, Debug, PartialEq)]
pub enum Publication {
    /// A new checkpoint.
    New(Published),
    /// Nothing was appended since the last one.
    Unchanged,
    /// The interval since the last one is not over; it is at this time.
    TooSoon(UnixSeconds),
}

/// A log that this process writes. It does not know what an entry means.
///
/// **Entries that are not published are not served.** A checkpoint is published at most once in an interval, so that sizes
/// do not tell readers apart, and no state between two checkpoints is ever shown.
///
/// **No two checkpoints of one size.** Entries are on disk before a checkpoint of them is signed, and the checkpoint is on
/// disk before it is served. So a crash leaves a log that goes on where its readers are.
#[derive(Debug)]
pub struct Log<S> {
    origin: Origin,
    store: S,
    /// Held by each change.
    writing: Mutex<()>,
}

impl<S: LogStore> Log<S> {
    /// Opens the log with this origin in a store.
    ///
    /// # Errors
    /// [`LogError::Store`] if the store's published checkpoint is not of this log, or the store has fewer or other entries
    /// than it.
    pub fn open(origin: Origin, store: S) -> Result<Self, LogError> {
        let log = Self { origin, store, writing: Mutex::default() };
        if let Some(Published { note, .. }) = log.published()? {
            let Checkpoint { origin, size, root } = note.checkpoint();
            if *origin != log.origin {
                return Err(StoreError::Damaged(format!("it is of the log {origin}, not of {}", log.origin)).into());
            }
            if log.size()? < *size || log.root(*size)? != *root {
                return Err(StoreError::Damaged("its entries are not those of its last checkpoint".into()).into());
            }
        }
        Ok(log)
    }

    /// The origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Returns the number of entries, published or not.
    ///
    /// # Errors
    /// [`LogError::Store`].
    pub fn size(&self) -> Result<u64, LogError> {
        Ok(self.store.size()?)
    }

    /// Returns the root of the first `size` entries.
    ///
    /// # Errors
    /// [`LogError::Store`], also if there are not as many.
    pub fn root(&self, size: u64) -> Result<TreeHash, LogError> {
        Ok(tree::root(&self.store, size)?)
    }

    /// Appends entries, all or none, and returns the number of entries after them. They are on disk then.
    ///
    /// # Errors
    /// [`LogError`]; nothing is appended then.
    pub fn append(&self, entries: Vec<Vec<u8>>) -> Result<u64, LogError> {
        let _writing = self.writing.lock();
        let base = self.store.size()?;
        self.append_at(base, entries)
    }

    /// Appends entries to a log that has `base` entries.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`StoreError::Raced`] if the log has more or fewer.
    pub fn append_after(&self, base: u64, entries: Vec<Vec<u8>>) -> Result<u64, LogError> {
        let _writing = self.writing.lock();
        self.append_at(base, entries)
    }

    fn append_at(&self, base: u64, entries: Vec<Vec<u8>>) -> Result<u64, LogError> {
        if let Some(long) = entries.iter().find(|entry| entry.len() > MAX_ENTRY) {
            return Err(LogError::LongEntry(long.len()));
        }
        let size = base.checked_add(entries.len() as u64).filter(|size| *size <= MAX_SIZE).ok_or(LogError::Full)?;
        if entries.is_empty() {
            return Ok(size);
        }
        let hashes = tree::grow(&self.store, base, &entries)?.hashes;
        self.store.commit(&Change { base, entries, hashes, ..Change::default() })?;
        Ok(size)
    }

    /// Returns the published checkpoint.
    ///
    /// # Errors
    /// [`LogError::Store`].
    pub fn published(&self) -> Result<Option<Published>, LogError> {
        let Some(bytes) = self.store.value(PUBLISHED)? else { return Ok(None) };
        let published = Published::from_bytes(&bytes);
        published.map(Some).ok_or_else(|| StoreError::Damaged("its published checkpoint is not one".into()).into())
    }

    /// Publishes a checkpoint of all entries, if something was appended, and the last one is at least `interval` seconds
    /// old. The key is a working key: its name is the log's origin.
    ///
    /// # Errors
    /// [`LogError`]; nothing is published then.
    pub fn publish(&self, key: &NoteKey, now: UnixSeconds, interval: u64) -> Result<Publication, LogError> {
        let _writing = self.writing.lock();
        let size = self.store.size()?;
        if let Some(last) = self.published()? {
            if last.note.checkpoint().size == size {
                return Ok(Publication::Unchanged);
            }
            // A clock that was far ahead, and was set right, does not silence the log.
            if last.at.abs_diff(now) < interval {
                return Ok(Publication::TooSoon(last.at + interval));
            }
        }
        let root = tree::root(&self.store, size)?;
        let note = SignedCheckpoint::sign(Checkpoint { origin: self.origin.clone(), size, root }, key)?;
        let published = Published { note, at: now };
        self.keep(size, &published)?;
        Ok(Publication::New(published))
    }

    /// Adds the cosignature of a witness to the published checkpoint, and returns whether it is newer than what was there.
    ///
    /// # Errors
    /// [`LogError::Checkpoint`] if it is not a cosignature of the published checkpoint by one of these witnesses.
    pub fn add_cosignature(&self, line: &str, witnesses: &[CosignerPublicKey]) -> Result<bool, LogError> {
        let _writing = self.writing.lock();
        let mut published = self.published()?.ok_or(CheckpointError::Cosignature)?;
        let is_newer = published.note.add_cosignature(line, witnesses)?;
        if is_newer {
            self.keep(self.store.size()?, &published)?;
        }
        Ok(is_newer)
    }

    fn keep(&self, base: u64, published: &Published) -> Result<(), LogError> {
        Ok(self.store.commit(&Change::of_value(base, PUBLISHED, Some(published.to_bytes())))?)
    }

    /// Checks that the store is not behind a checkpoint of this log that another relay saw. Call it with what the log's
    /// followers saw before the first entry after a start.
    ///
    /// # Errors
    /// [`LogError::Behind`], [`LogError::Forked`]: appending would then fork the log.
    pub fn check_not_behind(&self, seen: &Checkpoint) -> Result<(), LogError> {
        let own = self.size()?;
        if seen.origin != self.origin {
            return Err(LogError::Forked);
        }
        if seen.size > own {
            return Err(LogError::Behind { own, seen: seen.size });
        }
        if self.root(seen.size)? == seen.root { Ok(()) } else { Err(LogError::Forked) }
    }

    /// Returns the proof that an entry is in the tree of this size. None if there is no such entry or size.
    ///
    /// # Errors
    /// [`LogError::Store`].
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Option<Vec<TreeHash>>, LogError> {
        if index >= size || size > self.size()? {
            return Ok(None);
        }
        Ok(Some(tree::inclusion(&Stored(&self.store), size, index, || {
            StoreError::Damaged("a hash is missing".into())
        })?))
    }

    /// Returns the proof that the tree of `size` begins with that of `former`. None if there are not as many entries.
    ///
    /// # Errors
    /// [`LogError::Store`].
    pub fn consistency(&self, former: u64, size: u64) -> Result<Option<Vec<TreeHash>>, LogError> {
        if former > size || size > self.size()? {
            return Ok(None);
        }
        let broken = || StoreError::Damaged("a hash is missing".into());
        Ok(Some(tree::consistency(&Stored(&self.store), size, former, broken)?))
    }

    /// Returns what the log serves at a path: its published checkpoint, and tiles of the published entries.
    ///
    /// # Errors
    /// [`LogError::Store`].
    pub fn resource(&self, path: &str) -> Result<Option<Vec<u8>>, LogError> {
        let Some(published) = self.published()? else { return Ok(None) };
        if path == CHECKPOINT_PATH {
            return Ok(Some(published.note.to_string().into_bytes()));
        }
        let tile = path.parse::<TileId>().ok().filter(|tile| tile.is_in_tree(published.note.checkpoint().size));
        Ok(tile.map(|tile| read_tile(&self.store, &tile)).transpose()?)
    }
}

/// Returns the bytes of a tile of a store.
pub(crate) fn read_tile<S: LogStore + ?Sized>(store: &S, tile: &TileId) -> Result<Vec<u8>, StoreError> {
    match tile.kind() {
        TileKind::Hashes(level) => Ok(write_hashes(&store.hashes(level, tile.range())?)),
        TileKind::Entries => {
            let entries = store.entries(tile.range())?;
            write_entries(&entries).map_err(|error| StoreError::Damaged(error.to_string()))
        }
    }
}

/// A log in this process, as its readers see it.
impl<S: LogStore> Source for Log<S> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let found = self.resource(path).map_err(|error| tree::unreadable(path, &error))?;
        found.ok_or_else(|| SourceError::NotFound(path.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CosignerKey, MemoryStore, check_consistency, check_inclusion};

    fn origin() -> Origin {
        "relay.example/log".parse().unwrap()
    }

    fn key() -> NoteKey {
        NoteKey::from_seed("relay.example/log", &[1; 32]).unwrap()
    }

    fn log() -> Log<MemoryStore> {
        Log::open(origin(), MemoryStore::default()).unwrap()
    }

    fn entries(count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|number| number.to_string().into_bytes()).collect()
    }

    #[test]
    fn what_is_not_published_is_not_served() {
        let log = log();
        let now = UnixSeconds(1_800_000_000);
        log.append(entries(300)).unwrap();
        assert_eq!(log.resource("checkpoint"), Ok(None));
        assert_eq!(log.resource("tile/entries/000"), Ok(None));
        assert!(matches!(log.publish(&key(), now, 600), Ok(Publication::New(_))));
        log.append(entries(300)).unwrap();
        let served = |path: &str| log.resource(path).unwrap().map(|bytes| bytes.len());
        assert_eq!(served("tile/0/000"), Some(256 * 32));
        assert_eq!(served("tile/0/001.p/44"), Some(44 * 32));
        assert_eq!(served("tile/0/001.p/43"), Some(43 * 32));
        assert_eq!(served("tile/1/000.p/1"), Some(32));
        for path in
            ["tile/0/001.p/45", "tile/0/001", "tile/1/000.p/2", "tile/entries/001.p/45", "tile/2/000.p/1", "other"]
        {
            assert_eq!(served(path), None, "{path}");
        }
        assert_eq!(log.publish(&key(), now + 599, 600), Ok(Publication::TooSoon(now + 600)));
        assert_eq!(served("tile/0/001"), None);
        assert!(matches!(log.publish(&key(), now + 600, 600), Ok(Publication::New(_))));
        assert_eq!(log.publish(&key(), now + 6_000, 600), Ok(Publication::Unchanged));
        assert_eq!(served("tile/0/001"), Some(256 * 32));
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_silence_a_log() {
        let log = log();
        log.append(entries(1)).unwrap();
        log.publish(&key(), UnixSeconds(2_000_000_000), 600).unwrap();
        log.append(entries(1)).unwrap();
        assert!(matches!(log.publish(&key(), UnixSeconds(1_800_000_000), 600), Ok(Publication::New(_))));
    }

    #[test]
    fn proofs_are_those_of_the_published_root() {
        let log = log();
        log.append(entries(700)).unwrap();
        let (former, root) = (log.root(300).unwrap(), log.root(700).unwrap());
        let proof = log.inclusion(299, 700).unwrap().unwrap();
        assert_eq!(check_inclusion(&proof, 700, root, 299, TreeHash::of_entry(b"299")), Ok(()));
        let proof = log.consistency(300, 700).unwrap().unwrap();
        assert_eq!(check_consistency(&proof, 700, root, 300, former), Ok(()));
        assert_eq!((log.inclusion(5, 5), log.inclusion(5, 701)), (Ok(None), Ok(None)));
        assert_eq!((log.consistency(6, 5), log.consistency(5, 701)), (Ok(None), Ok(None)));
    }

    #[test]
    fn long_entries_and_other_writers_are_refused() {
        let log = log();
        assert_eq!(log.append(vec![vec![0; MAX_ENTRY + 1]]), Err(LogError::LongEntry(MAX_ENTRY + 1)));
        assert_eq!(log.append(entries(2)), Ok(2));
        let raced = log.append_after(1, entries(1));
        assert_eq!(raced, Err(LogError::Store(StoreError::Raced { expected: 1, found: 2 })));
        assert_eq!(log.size(), Ok(2));
    }

    #[test]
    fn a_restored_backup_is_noticed_before_it_forks_the_log() {
        let (log, backup) = (log(), log());
        log.append(entries(5)).unwrap();
        backup.append(entries(4)).unwrap();
        let seen = Checkpoint { origin: origin(), size: 5, root: log.root(5).unwrap() };
        assert_eq!(log.check_not_behind(&seen), Ok(()));
        assert_eq!(backup.check_not_behind(&seen), Err(LogError::Behind { own: 4, seen: 5 }));
        backup.append(entries(1)).unwrap();
        assert_eq!(backup.check_not_behind(&seen), Err(LogError::Forked));
    }

    #[test]
    fn a_store_opens_only_as_the_log_it_is() {
        let log = log();
        log.append(entries(3)).unwrap();
        log.publish(&key(), UnixSeconds(0), 600).unwrap();
        let witness = CosignerKey::from_seed("w", &[2; 32]).unwrap();
        let line = log.published().unwrap().unwrap().note.cosign(&witness, UnixSeconds(7));
        assert_eq!(log.add_cosignature(&line, &[]), Err(LogError::Checkpoint(CheckpointError::Cosignature)));
        assert_eq!(log.add_cosignature(&line, &[witness.public()]), Ok(true));
        let store = log.store;
        assert!(matches!(Log::open("other".parse().unwrap(), &store as &dyn LogStore), Err(LogError::Store(_))));
        let again = Log::open(origin(), &store as &dyn LogStore).unwrap();
        assert_eq!(again.published().unwrap().unwrap().note.cosigned_at(&witness.public()), Some(UnixSeconds(7)));
        let other = MemoryStore::default();
        let value = store.value(PUBLISHED).unwrap();
        let change = Change { entries: entries(3), ..Change::of_value(0, PUBLISHED, value) };
        let hashes = tree::grow(&other, 0, &[b"x".to_vec(), b"y".to_vec(), b"z".to_vec()]).unwrap().hashes;
        other.commit(&Change { hashes, ..change }).unwrap();
        assert!(matches!(Log::open(origin(), other), Err(LogError::Store(StoreError::Damaged(_)))));
    }
}
