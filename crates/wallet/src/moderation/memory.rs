//! What a wallet remembers of logs.

use core::cell::RefCell;
use std::collections::BTreeMap;

use quotapass_log::{LogId, Memory};

/// Errors of a [`LogMemory`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogMemoryError {
    /// It cannot be read or written.
    #[error("cannot {action} what is known of the log {log}: {reason}; no list was used")]
    Store {
        /// The log.
        log: LogId,
        /// The action that failed.
        action: &'static str,
        /// The reason.
        reason: String,
    },
    /// It is damaged, or of another log.
    #[error(
        "what is known of the log {log} is damaged or of another log; restore it from a backup. Without it the log is \
         read as at first contact, and an older state of it goes unnoticed"
    )]
    Damaged {
        /// The log.
        log: LogId,
    },
    /// Two programs were shown different histories of a log.
    #[error(
        "another program with this data folder was shown another history of the log {log}; do not post, and publish both \
         checkpoints"
    )]
    Forked {
        /// The log.
        log: LogId,
    },
}

/// A store of what followers of logs remember: the last checkpoint that was accepted.
///
/// A wallet that forgets it can be shown an older state of a log, from before a lift or after a strike that others do not
/// see. So it is durable before a list is used.
pub trait LogMemory {
    /// Reads what is known of a log; `None` before the first contact.
    ///
    /// # Errors
    /// [`LogMemoryError`].
    fn load(&self, log: LogId) -> Result<Option<Memory>, LogMemoryError>;

    /// Writes what is known of a log. On return it survives a power loss.
    ///
    /// # Errors
    /// [`LogMemoryError`].
    fn save(&self, log: LogId, memory: &Memory) -> Result<(), LogMemoryError>;
}

/// For programs that store the map themselves, before they use a list.
impl LogMemory for RefCell<BTreeMap<LogId, Memory>> {
    fn load(&self, log: LogId) -> Result<Option<Memory>, LogMemoryError> {
        Ok(self.borrow().get(&log).cloned())
    }

    fn save(&self, log: LogId, memory: &Memory) -> Result<(), LogMemoryError> {
        self.borrow_mut().insert(log, memory.clone());
        Ok(())
    }
}

#[cfg(feature = "files")]
pub use folder::MemoryFolder;

#[cfg(feature = "files")]
mod folder {
    use std::{
        fs::{self, File},
        io,
        path::{Path, PathBuf},
    };

    use quotapass_log::{Checkpoint, SignedCheckpoint};

    use super::*;
    use crate::files::{create_private_folder, write_atomically};

    /// A folder with a file for each log that the wallet follows. Several programs may use it at a time.
    #[derive(Clone, Debug)]
    pub struct MemoryFolder(PathBuf);

    impl MemoryFolder {
        /// The files in this folder, which is created when it is first needed.
        pub fn new(folder: &Path) -> Self {
            Self(folder.into())
        }

        fn path(&self, log: LogId) -> PathBuf {
            self.0.join(format!("{log}.json"))
        }

        /// Waits until no other program writes.
        fn lock(&self) -> io::Result<File> {
            create_private_folder(&self.0)?;
            let file = File::options().create(true).truncate(false).write(true).open(self.0.join("lock"))?;
            // Android has no locks in the standard library; there one app has the folder.
            match file.lock() {
                Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
                _ => Ok(file),
            }
        }
    }

    fn checkpoint(log: LogId, memory: &Memory) -> Result<Checkpoint, LogMemoryError> {
        let note = SignedCheckpoint::read(memory.checkpoint.as_bytes()).map_err(|_| LogMemoryError::Damaged { log })?;
        Ok(note.checkpoint().clone())
    }

    impl LogMemory for MemoryFolder {
        fn load(&self, log: LogId) -> Result<Option<Memory>, LogMemoryError> {
            let text = match fs::read(self.path(log)) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(LogMemoryError::Store { log, action: "read", reason: error.to_string() }),
            };
            serde_json::from_slice(&text).map(Some).map_err(|_| LogMemoryError::Damaged { log })
        }

        /// Another program may have accepted a newer checkpoint in the meantime, which stays.
        fn save(&self, log: LogId, memory: &Memory) -> Result<(), LogMemoryError> {
            let failed = |error: io::Error| LogMemoryError::Store { log, action: "write", reason: error.to_string() };
            let _lock = self.lock().map_err(failed)?;
            let new = checkpoint(log, memory)?;
            if let Some(kept) = self.load(log)? {
                let kept = checkpoint(log, &kept)?;
                if kept.size == new.size && kept.root != new.root {
                    return Err(LogMemoryError::Forked { log });
                }
                if kept.size > new.size {
                    return Ok(());
                }
            }
            let text = serde_json::to_vec(memory).map_err(|error| failed(error.into()))?;
            write_atomically(&self.path(log), &text).map_err(failed)
        }
    }
}
