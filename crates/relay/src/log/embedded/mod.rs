//! The nullifier log of one relay on its own disk, without other software to install.
//!
//! **Durable.** Every answered write is on disk: it survives a kill and a power failure. Concurrent callers share one
//! flush (group commit), so that more callers, and larger batches, cost little more.
//!
//! **Bounded.** Memory does not grow with epochs, nullifiers or members: tables are on disk, with filters that show,
//! for nearly every new nullifier, that it is not in a table. Expired epochs are dropped at once, with their files.
//!
//! **Never silently new.** A log that cannot be opened, is damaged or belongs to another registry is an error. Counts
//! and a [witness](self#files) distinguish a log that lost answered writes from a log that a crash cut off.
//!
//! # The engine
//!
//! The database is [fjall](https://docs.rs/fjall), a log-structured merge tree in Rust. Nullifiers are random, so that
//! in a B-tree each one goes to a different page: redb 4.5 wrote one page per nullifier, and slowed down as the file
//! grew. fjall writes a sequential journal, and tables in the background. Measured with 10 million nullifiers in four
//! epochs, in batches of 256, with a read before each write and a flush after each batch, on a busy machine with two
//! cores:
//!
//! | | fjall 3.1 | redb 4.5 |
//! |---|---|---|
//! | nullifiers per second | 57,000 | 9,400, stopped after 8.5 million |
//! | time per batch, median | 1 to 8 ms | 8 to 32 ms |
//! | maximum resident memory | 228 MiB | 275 MiB |
//! | disk space per nullifier | 115 bytes | 175 bytes |
//! | time to open after a kill | 0.71 s | 0.02 s, with its quick repair |
//! | time to drop an epoch | 0.07 s | 1.6 s |
//!
//! RocksDB was left out: its C++ build takes minutes, and needs a C++ compiler and libclang.
//!
//! # Files
//!
//! A log is a folder that only its owner can read, because the evidence in it reveals secrets. `nullifier-log.json`
//! names the log's registry, `witness` contains the number of the last commit, and `database` belongs to fjall. Copy
//! the folder only while the relay is stopped: a copy of changing files is damaged.

mod error;
mod manifest;
mod moderation;
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use error::EmbeddedLogError;
use parking_lot::RwLock;
use quotapass_circuits::{identity::IdentityCommitment, registry_id::RegistryId, share::Nullifier};

use self::{
    error::failed,
    store::Store,
    writer::{Shared, Writer},
};
use super::super::{
    BadgeBook, BoundKey, Conviction, Entry, LogEpoch, LogStatistics, ModerationStore, NullifierLog, Outcome, Persona,
    PersonaRecord, Recorded, Restriction, Settlement, SlashClaims, Swap, WorkerId,
    moderation::{StoredRecord, store::check_scan},
};
use crate::log::{LogChoice, LogIdentity};
use quotapass_protocol::{LogError, UnixSeconds};
use quotapass_wallet::files;

/// Settings of an embedded log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmbeddedSettings {
    /// Size of the table cache in bytes. The log takes about 200 MiB of memory in addition.
    pub cache_bytes: u64,
}

impl Default for EmbeddedSettings {
    /// Returns settings with a cache of 64 MiB.
    fn default() -> Self {
        Self { cache_bytes: 64 << 20 }
    }
}

/// A nullifier log in a folder of this machine; see the [module](self).
///
/// A failed write (for example on a full disk) returns [`LogError::Unavailable`], and so do all later calls, including
/// reads, until the database accepts writes again. The log tries that once per second, even without calls.
pub struct EmbeddedLog {
    writer: Writer,
    store: Shared,
    path: PathBuf,
    identity: LogIdentity,
}

impl EmbeddedLog {
    /// Creates a new log of a registry. Missing parent folders are created; the log itself must not exist.
    ///
    /// # Errors
    /// [`EmbeddedLogError::Exists`], or [`EmbeddedLogError::Failed`]; nothing is left behind then.
    pub fn create(path: &Path, registry: &RegistryId, settings: &EmbeddedSettings) -> Result<Self, EmbeddedLogError> {
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                EmbeddedLogError::Exists(path.into())
            }
            _ => failed("create", path, &error),
        };
        if path.exists() && fs::read_dir(path).map_err(refused)?.next().is_some() {
            return Err(EmbeddedLogError::Exists(path.into()));
        }
        let parent = files::folder_of(path);
        fs::create_dir_all(parent).map_err(refused)?;
        // It appears at its path only when it is complete, even after a crash.
        let mut builder = tempfile::Builder::new();
        builder.prefix(".nullifier-log-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let draft = builder.tempdir_in(parent).map_err(refused)?;
        Store::create(draft.path(), registry)?;
        fs::rename(draft.path(), path).map_err(refused)?;
        let _moved = draft.keep();
        files::sync_folder(parent).map_err(refused)?;
        Self::open(path, registry, settings)
    }

    /// Opens an existing log.
    ///
    /// # Errors
    /// [`EmbeddedLogError`]; nothing is changed then.
    pub fn open(path: &Path, registry: &RegistryId, settings: &EmbeddedSettings) -> Result<Self, EmbeddedLogError> {
        let opened = Store::open(path, registry, settings)?;
        let identity = opened.identity();
        let store = Arc::new(RwLock::new(Ok(opened)));
        let writer = Writer::start(Arc::clone(&store), path.into(), *registry, settings.clone(), identity)?;
        Ok(Self { writer, store, path: path.into(), identity })
    }

    /// Opens the log that the choice allows. Creates a new log if the path does not exist or is an empty folder, and
    /// the choice allows it.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`create`](Self::create); [`EmbeddedLogError::Gone`] or
    /// [`EmbeddedLogError::Another`] if it is not the known log.
    pub fn choose(
        path: &Path,
        registry: &RegistryId,
        settings: &EmbeddedSettings,
        choice: LogChoice,
    ) -> Result<Self, EmbeddedLogError> {
        match choice {
            LogChoice::Known(known) => match Self::open(path, registry, settings) {
                Ok(log) if log.identity != known => Err(EmbeddedLogError::Another(path.into())),
                Err(EmbeddedLogError::Missing(path)) => Err(EmbeddedLogError::Gone(path)),
                opened => opened,
            },
            LogChoice::First | LogChoice::New => match Self::create(path, registry, settings) {
                Err(EmbeddedLogError::Exists(_)) => Self::open(path, registry, settings),
                made => made,
            },
        }
    }

    /// Checks a log without opening its database and without writing: whether it is the log of this registry, and the
    /// known one. Another process may have it open. Returns its identity; `None` if there is no log yet and `known` names
    /// none.
    ///
    /// # Errors
    /// As [`choose`](Self::choose), except for damage within the database.
    pub fn inspect(
        path: &Path,
        registry: &RegistryId,
        known: Option<LogIdentity>,
    ) -> Result<Option<LogIdentity>, EmbeddedLogError> {
        let is_vacant = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        match (Store::inspect(path, registry), known) {
            (Err(EmbeddedLogError::Missing(path)), Some(_)) => Err(EmbeddedLogError::Gone(path)),
            (Err(EmbeddedLogError::Missing(_)), None) => Ok(None),
            (Err(EmbeddedLogError::Foreign(_)), None) if is_vacant() => Ok(None),
            (Ok(found), Some(known)) if found != known => Err(EmbeddedLogError::Another(path.into())),
            (inspected, _) => inspected.map(Some),
        }
    }

    /// Returns the identity of the log, which a relay stores.
    pub fn identity(&self) -> LogIdentity {
        self.identity
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn reading<T>(&self, ask: impl FnOnce(&Store) -> Result<T, LogError>) -> Result<T, LogError> {
        self.store.read().as_ref().map_err(Clone::clone).and_then(ask)
    }
}

impl core::fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "EmbeddedLog({})", self.path.display())
    }
}

impl NullifierLog for EmbeddedLog {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        let entry = entry.clone();
        self.writer.write(1, move |transaction| transaction.record(&entry))?
    }

    fn record_all(&self, entries: &[Entry]) -> Vec<Result<Outcome, LogError>> {
        if entries.is_empty() {
            return Vec::new();
        }
        let owned = entries.to_vec();
        let written = self
            .writer
            .write(entries.len(), move |transaction| owned.iter().map(|entry| transaction.record(entry)).collect());
        written.unwrap_or_else(|error| vec![Err(error); entries.len()])
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        self.reading(|store| store.lookup(epoch, nullifier))
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        let commitment = conviction.secret().ok_or(LogError::Damaged)?.commitment();
        let conviction = conviction.clone();
        self.writer.write(1, move |transaction| transaction.convict(commitment, &conviction))?
    }

    fn convict_all(&self, convictions: &[Conviction]) -> Vec<Result<bool, LogError>> {
        if convictions.is_empty() {
            return Vec::new();
        }
        // Hashes are computed here, because the writer thread has no time for them.
        let commitment =
            |conviction: &Conviction| conviction.secret().map(|secret| secret.commitment()).ok_or(LogError::Damaged);
        let owned: Vec<_> = convictions.iter().map(|conviction| (commitment(conviction), conviction.clone())).collect();
        let written = self.writer.write(convictions.len(), move |transaction| {
            let convict = |(commitment, conviction): (Result<_, LogError>, _)| {
                commitment.and_then(|commitment| transaction.convict(commitment, &conviction))
            };
            owned.into_iter().map(convict).collect()
        });
        written.unwrap_or_else(|error| vec![Err(error); convictions.len()])
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        self.reading(|store| store.convictions(from))
    }

    fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        self.writer.expire(now)
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        self.reading(Store::statistics)
    }

    fn reopen(&self, now: UnixSeconds) -> Result<UnixSeconds, LogError> {
        self.writer.reopen(now)?;
        self.reading(|store| Ok(store.watermark()))
    }

    fn probe(&self) -> Result<(), LogError> {
        self.reading(|_| Ok(()))
    }
}

impl BadgeBook for EmbeddedLog {
    fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError> {
        self.reading(|store| store.persona(persona))
    }

    fn bind_first(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        // Most badges were shown before, and need no flush.
        if let Some(bound) = self.persona(persona)?.bound {
            return Ok(Some(bound));
        }
        let key = key.clone();
        self.writer.write(1, move |transaction| transaction.bind(persona, &key, false))?
    }

    fn rebind(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        let key = key.clone();
        self.writer.write(1, move |transaction| transaction.bind(persona, &key, true))?
    }

    fn restrict(&self, persona: Persona, restriction: &Restriction) -> Result<(), LogError> {
        let restriction = restriction.clone();
        self.writer.write(1, move |transaction| transaction.restrict(persona, &restriction).map(drop))?
    }

    fn lift(&self, persona: Persona) -> Result<bool, LogError> {
        self.writer.write(1, move |transaction| transaction.lift(persona))?
    }
}

impl ModerationStore for EmbeddedLog {
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        self.reading(|store| Ok(store.moderation().read(key)?.map(|kept| kept.value)))
    }

    fn swap(&self, swap: &Swap) -> Result<bool, LogError> {
        let swap = swap.clone();
        self.writer.write(1, move |transaction| transaction.swap(swap))?
    }

    fn swap_all(&self, swaps: &[Swap]) -> Vec<Result<bool, LogError>> {
        if swaps.is_empty() {
            return Vec::new();
        }
        let owned = swaps.to_vec();
        let written = self
            .writer
            .write(swaps.len(), move |transaction| owned.into_iter().map(|swap| transaction.swap(swap)).collect());
        written.unwrap_or_else(|error| vec![Err(error); swaps.len()])
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<StoredRecord>, LogError> {
        check_scan(prefix)?;
        self.reading(|store| store.moderation().scan(prefix, after, limit))
    }
}

impl SlashClaims for EmbeddedLog {
    fn claim(
        &self,
        commitment: IdentityCommitment,
        worker: &WorkerId,
        now: UnixSeconds,
        until: UnixSeconds,
    ) -> Result<bool, LogError> {
        let worker = worker.clone();
        self.writer.write(1, move |transaction| transaction.claim(commitment, &worker, now, until))?
    }

    fn settle(&self, commitment: IdentityCommitment, settlement: &Settlement) -> Result<(), LogError> {
        let settlement = settlement.clone();
        self.writer.write(1, move |transaction| transaction.settle(commitment, settlement))?
    }

    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError> {
        self.reading(|store| store.settlement(commitment))
    }
}
