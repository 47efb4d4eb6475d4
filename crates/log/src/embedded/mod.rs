//! A store on this machine's disk, without other software to install.
//!
//! **Durable.** Each answered change is on disk: it survives a kill at any instruction, and a power failure.
//!
//! **Never silently new.** A store that cannot be opened, is damaged or belongs to another log is an error. The number of the
//! last change stands in a file beside the database. A database with fewer changes has lost answered ones: with it the log
//! would go on from an older state, and its readers would see a fork.
//!
//! # Files
//!
//! A store is a folder. `log.json` names the log, `witness` contains the number of the last change, and `database` belongs to
//! [fjall](https://docs.rs/fjall), as in the relay's nullifier log. Copy the folder only while nothing writes to it.

mod database;
mod error;
mod files;
#[cfg(test)]
mod tests;
mod witness;

use core::ops::Range;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use parking_lot::RwLock;

use self::{database::Database, error::failed};
pub use self::{error::EmbeddedError, witness::Witness};
use crate::{Change, LogStore, Origin, StoreError, TreeHash};

/// The time between two attempts to open a database whose disk failed.
const RETRY: Duration = Duration::from_secs(1);

/// A store in a folder of this machine.
///
/// After a failed write, on a full disk for example, each call returns [`StoreError::Unavailable`] until the database takes
/// writes again. The store tries that once a second, when it is called.
pub struct EmbeddedStore {
    path: PathBuf,
    origin: Origin,
    state: RwLock<Result<Database, Failed>>,
}

struct Failed {
    reason: String,
    at: Instant,
}

impl EmbeddedStore {
    /// Creates a store for the log with this origin. Missing parent folders are created; the store itself must not exist.
    ///
    /// # Errors
    /// [`EmbeddedError::Exists`], or [`EmbeddedError::Failed`]; nothing is left behind then.
    pub fn create(path: &Path, origin: &Origin) -> Result<Self, EmbeddedError> {
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                EmbeddedError::Exists(path.into())
            }
            _ => failed("create", path, &error),
        };
        if path.exists() && fs::read_dir(path).map_err(refused)?.next().is_some() {
            return Err(EmbeddedError::Exists(path.into()));
        }
        let parent = files::folder_of(path);
        fs::create_dir_all(parent).map_err(refused)?;
        // It appears at its path only when it is complete, even after a crash.
        let mut builder = tempfile::Builder::new();
        builder.prefix(".log-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let draft = builder.tempdir_in(parent).map_err(refused)?;
        Database::create(draft.path(), origin)?;
        fs::rename(draft.path(), path).map_err(refused)?;
        let _moved = draft.keep();
        files::sync_folder(parent).map_err(refused)?;
        Self::open(path, origin)
    }

    /// Opens an existing store.
    ///
    /// # Errors
    /// [`EmbeddedError`]; nothing is changed then.
    pub fn open(path: &Path, origin: &Origin) -> Result<Self, EmbeddedError> {
        let database = Database::open(path, origin)?;
        Ok(Self { path: path.into(), origin: origin.clone(), state: RwLock::new(Ok(database)) })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn reading<T>(&self, read: impl FnOnce(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        {
            if let Ok(database) = &*self.state.read() {
                return read(database);
            }
        }
        let mut state = self.state.write();
        self.reopen(&mut state)?;
        match &*state {
            Ok(database) => read(database),
            Err(failed) => Err(StoreError::Unavailable(failed.reason.clone())),
        }
    }

    /// Opens the database again after a failure, unless that was tried a moment ago.
    fn reopen(&self, state: &mut Result<Database, Failed>) -> Result<(), StoreError> {
        let Err(failed) = state else { return Ok(()) };
        if failed.at.elapsed() < RETRY {
            return Err(StoreError::Unavailable(failed.reason.clone()));
        }
        match Database::open(&self.path, &self.origin).and_then(|database| {
            database.try_disk().map_err(|error| error::failed("write", &self.path, &error))?;
            Ok(database)
        }) {
            Ok(database) => {
                *state = Ok(database);
                Ok(())
            }
            Err(EmbeddedError::Damaged { reason, .. }) => Err(StoreError::Damaged(reason)),
            Err(error) => {
                let reason = error.reason();
                *state = Err(Failed { reason: reason.clone(), at: Instant::now() });
                Err(StoreError::Unavailable(reason))
            }
        }
    }
}

impl core::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "EmbeddedStore({})", self.path.display())
    }
}

impl LogStore for EmbeddedStore {
    fn size(&self) -> Result<u64, StoreError> {
        self.reading(|database| Ok(database.size()))
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        self.reading(|database| database.entries(range))
    }

    fn hashes(&self, level: u8, range: Range<u64>) -> Result<Vec<TreeHash>, StoreError> {
        self.reading(|database| database.hashes(level, range))
    }

    fn value(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading(|database| database.value(name))
    }

    fn commit(&self, change: &Change) -> Result<(), StoreError> {
        let mut state = self.state.write();
        self.reopen(&mut state)?;
        let Ok(database) = &mut *state else { return Err(StoreError::Unavailable("an earlier write failed".into())) };
        let committed = database.commit(change);
        if let Err(StoreError::Unavailable(reason)) = &committed {
            // Whether the change is on disk shows when the database is opened again.
            *state = Err(Failed { reason: reason.clone(), at: Instant::now() });
        }
        committed
    }
}
