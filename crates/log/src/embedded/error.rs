//! Errors of opening an embedded store.

use std::path::{Path, PathBuf};

/// Errors of creating or opening a store. A store that cannot be opened is never replaced by a new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The folder does not exist.
    #[error("{0} does not exist; check the path, or create a new log")]
    Missing(PathBuf),
    /// The path exists, and a new log would replace it.
    #[error("{0} exists; open it, or choose another path for a new log")]
    Exists(PathBuf),
    /// Another process, or another handle of this one, has it open.
    #[error("{0} is in use; stop the other relay, or give this one another log")]
    InUse(PathBuf),
    /// The folder contains something else.
    #[error("{0} is not a log; check the path (nothing was written to it)")]
    Foreign(PathBuf),
    /// The store is of another version of quotapass.
    #[error("{path} has version {found}, which this program does not read; use the program that wrote it")]
    Version {
        /// The folder.
        path: PathBuf,
        /// The version of the store.
        found: u32,
    },
    /// The store belongs to another log.
    #[error("{path} has the log `{found}`, not `{expected}`; use another path for this one")]
    WrongLog {
        /// The folder.
        path: PathBuf,
        /// The origin of the log in it.
        found: String,
        /// The expected origin.
        expected: String,
    },
    /// The store does not contain everything that was written.
    #[error(
        "{path} is damaged ({reason}); restore it from a backup, and compare it with the relays that follow the log before \
             anything is appended"
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An operation of the system failed.
    #[error("cannot {action} {path}: {reason}; check the disk, then start again")]
    Failed {
        /// The operation.
        action: &'static str,
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
}

impl EmbeddedError {
    /// Returns the reason without the path, for readers who must not see it.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Failed { reason, .. } | Self::Damaged { reason, .. } => reason.clone(),
            Self::InUse(_) => "its database is in use".into(),
            _ => "its folder is gone, or is another".into(),
        }
    }
}

pub(super) fn damaged(path: &Path, reason: &dyn core::fmt::Display) -> EmbeddedError {
    EmbeddedError::Damaged { path: path.into(), reason: reason.to_string() }
}

pub(super) fn failed(action: &'static str, path: &Path, reason: &dyn core::fmt::Display) -> EmbeddedError {
    EmbeddedError::Failed { action, path: path.into(), reason: reason.to_string() }
}
