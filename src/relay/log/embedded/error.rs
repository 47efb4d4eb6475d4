//! Why an embedded log was not opened.

use std::path::{Path, PathBuf};

use quotapass_circuits::registry_id::RegistryId;

/// Why an embedded log was not made or opened. It is never replaced by a new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedLogError {
    /// There is no such folder.
    #[error("{0} does not exist; check the path, or create a new log")]
    Missing(PathBuf),
    /// The log that the relay knows is not there any more.
    #[error(
        "the nullifier log {0} is gone, and without it members could post twice what they posted in the running epochs: \
             restore it, or begin a new one with --new-log when those epochs are over"
    )]
    Gone(PathBuf),
    /// The log is another than the one that the relay knows.
    #[error(
        "{0} is not the nullifier log that this relay has worked with, and without that one members could post twice what \
             they posted in the running epochs: restore it, or take this one with --new-log when those epochs are over"
    )]
    Another(PathBuf),
    /// A new log would replace what is there.
    #[error("{0} exists; open it, or choose another path for a new log")]
    Exists(PathBuf),
    /// Another process, or another handle of this one, has it open.
    #[error("{0} is in use; stop the other relay, or give this one a log of its own")]
    InUse(PathBuf),
    /// The folder holds something else.
    #[error("{0} is not a nullifier log; check the path (nothing was written to it)")]
    Foreign(PathBuf),
    /// The log is of another version of quotapass.
    #[error("{path} has version {found}, which this program does not read; use the program that wrote it")]
    Version {
        /// The folder.
        path: PathBuf,
        /// The version it has.
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
        /// Whose log it is.
        found: RegistryId,
        /// Whose log was asked for.
        expected: RegistryId,
    },
    /// It does not hold all that was written.
    #[error(
        "{path} is damaged ({reason}); restore it from a backup, or move it away and start a new one, in which nullifiers \
             of the running epochs are missing"
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system refused.
    #[error("cannot {action} {path}: {reason}; check the disk, then start again")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// On which folder.
        path: PathBuf,
        /// The reason it gave.
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
