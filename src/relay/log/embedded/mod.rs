//! The nullifier log of one relay on its own disk, for which nothing has to be installed.
//!
//! **Durable.** What was answered is on disk: it survives a kill and a power failure. Callers that come at the same time
//! share one flush (group commit), so that more of them, and larger batches, cost little more.
//!
//! **Bounded.** Memory does not grow with epochs, nullifiers or members: tables are on disk, with filters that say of
//! nearly every new nullifier that it is not there. Epochs that end go with their files, at once.
//!
//! **Never silently new.** A log that cannot be opened, is damaged or belongs to another registry is an error. Counts and
//! a [witness](self#files) tell a log that lost something it had answered from one that a crash cut off.
//!
//! # The engine
//!
//! The database is [fjall](https://docs.rs/fjall), a log-structured merge tree in Rust. A nullifier is random, so in a
//! B-tree each goes to a page of its own: redb 4.5 wrote a page a nullifier and slowed down with the size of the file,
//! where fjall writes a journal in sequence and tables in the background. 10 million nullifiers in four epochs, in batches
//! of 256 with a read before each write and a flush after each batch, on a busy machine with two cores:
//!
//! | | fjall 3.1 | redb 4.5 |
//! |---|---|---|
//! | nullifiers a second | 57,000 | 9,400, ended after 8.5 million |
//! | a batch, median | 1 to 8 ms | 8 to 32 ms |
//! | resident at most | 228 MiB | 275 MiB |
//! | on disk, a nullifier | 115 bytes | 175 bytes |
//! | opened after a kill | 0.71 s | 0.02 s, with its quick repair |
//! | an epoch dropped | 0.07 s | 1.6 s |
//!
//! RocksDB was left out: it is a build of C++ that takes minutes, and needs a C++ compiler and libclang.
//!
//! # Files
//!
//! A log is a folder, readable to its owner alone, for evidence in it gives secrets away: `nullifier-log.json` says whose
//! log it is, `witness` holds the number of the last commit, `database` is fjall's. Copy it only while the relay is
//! stopped: a copy of files that change is damaged.

mod error;
mod manifest;
mod store;
mod transaction;
mod witness;
mod writer;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

pub use error::EmbeddedLogError;
use quotapass_circuits::{identity::IdentityCommitment, registry_id::RegistryId, share::Nullifier};

use self::{
    error::failed,
    store::Store,
    writer::{Shared, Writer},
};
use super::super::{
    BadgeBook, BoundKey, Conviction, Entry, LogEpoch, LogError, LogStatistics, NullifierLog, Outcome, Persona,
    PersonaRecord, Recorded, Restriction, Settlement, SlashClaims, WorkerId, read,
};
use crate::{
    files,
    relay::log::{LogChoice, LogIdentity},
};

/// What an embedded log may use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmbeddedSettings {
    /// Bytes of tables kept in memory. With all else, the log takes about 200 MiB more than this.
    pub cache_bytes: u64,
}

impl Default for EmbeddedSettings {
    /// 64 MiB.
    fn default() -> Self {
        Self { cache_bytes: 64 << 20 }
    }
}

/// A nullifier log in a folder of this machine; see the [module](self).
///
/// A write that fails (a full disk) is answered with [`LogError::Unavailable`], and so is all that follows, reading included,
/// until the database takes writes again. That is tried once a second, whether or not anybody asks for something.
pub struct EmbeddedLog {
    writer: Writer,
    store: Shared,
    path: PathBuf,
    identity: LogIdentity,
}

impl EmbeddedLog {
    /// Makes a new log of a registry. Missing folders are made; the log itself must not be there.
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
        // It stands at its path only when it is complete, whatever happens before.
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

    /// Opens a log that is there.
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

    /// Opens the log of a choice, or makes a new one if nothing is at the path, or an empty folder, and the choice allows it.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`create`](Self::create); [`EmbeddedLogError::Gone`] or [`EmbeddedLogError::Another`] if
    /// it is not the one that is known.
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

    /// The identity of the log; a relay keeps it.
    pub fn identity(&self) -> LogIdentity {
        self.identity
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn reading<T>(&self, ask: impl FnOnce(&Store) -> Result<T, LogError>) -> Result<T, LogError> {
        read(&self.store).as_ref().map_err(Clone::clone).and_then(ask)
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
        self.convict_all(core::slice::from_ref(conviction)).pop().unwrap_or(Err(LogError::Damaged))
    }

    fn convict_all(&self, convictions: &[Conviction]) -> Vec<Result<bool, LogError>> {
        if convictions.is_empty() {
            return Vec::new();
        }
        // The thread that writes has no time for hashes.
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

    fn expire(&self, now: u64) -> Result<(), LogError> {
        self.writer.expire(now)
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        self.reading(Store::statistics)
    }

    fn reopen(&self, now: u64) -> Result<u64, LogError> {
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
        // Most badges are shown again, and need no flush.
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

impl SlashClaims for EmbeddedLog {
    fn claim(&self, commitment: IdentityCommitment, worker: &WorkerId, now: u64, until: u64) -> Result<bool, LogError> {
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
