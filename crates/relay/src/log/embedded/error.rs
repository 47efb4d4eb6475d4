//! Errors of opening an embedded log.

use std::path::{Path, PathBuf};

use quotapass_circuits::registry_id::RegistryId;

/// Errors of creating or opening an embedded log. A log that cannot be opened is never replaced by a new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedLogError {
    /// The folder does not exist.
    #[error("{0} does not exist; check the path, or create a new log")]
    Missing(PathBuf),
    /// The log that the relay knows no longer exists.
    #[error(
        "the nullifier log {0} is gone; without it, members could use their quotas of the running epochs twice: \
             restore it, or start a new one with --new-log after those epochs"
    )]
    Gone(PathBuf),
    /// The log is not the one that the relay knows.
    #[error(
        "{0} is not the nullifier log that this relay used before; without that log, members could use their quotas of \
             the running epochs twice: restore it, or take this one with --new-log after those epochs"
    )]
    Another(PathBuf),
    /// The path exists, and a new log would replace it.
    #[error("{0} exists; open it, or choose another path for a new log")]
    Exists(PathBuf),
    /// Another process, or another handle of this one, has it open.
    #[error("{0} is in use; stop the other relay, or give this one another log")]
    InUse(PathBuf),
    /// The folder contains something else.
    #[error("{0} is not a nullifier log; check the path (nothing was written to it)")]
    Foreign(PathBuf),
    /// The log is of another version of quotapass.
    #[error("{path} has version {found}, which this program does not read; use the program that wrote it")]
    Version {
        /// The folder.
        path: PathBuf,
        /// The version of the log.
        found: u32,
    },
    /// The log belongs to another registry.
    #[error(
        "{path} is the log of registry {}, not of {}; use another path for this one",
        named(found),
        named(expected)
    )]
    WrongRegistry {
        /// The folder.
        path: PathBuf,
        /// The registry of the log.
        found: RegistryId,
        /// The expected registry.
        expected: RegistryId,
    },
    /// The log does not contain everything that was written.
    #[error(
        "{path} is damaged ({reason}); restore it from a backup, or move it away and start a new one, which lacks the \
             nullifiers of the running epochs"
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

fn named(id: &RegistryId) -> String {
    format!("0x{} on chain {}", hex::encode(id.address), id.chain_id)
}

pub(super) fn damaged(path: &Path, reason: &dyn core::fmt::Display) -> EmbeddedLogError {
    EmbeddedLogError::Damaged { path: path.into(), reason: reason.to_string() }
}

pub(super) fn failed(action: &'static str, path: &Path, reason: &dyn core::fmt::Display) -> EmbeddedLogError {
    EmbeddedLogError::Failed { action, path: path.into(), reason: reason.to_string() }
}
