//! Why a reader does not use what it was shown of a log.

use core::error::Error;

use quotapass_protocol::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::{CheckpointError, LeafError, SignedCheckpoint, SourceError, StoreError};

/// Two checkpoints of one log that do not belong to one history, each a signed note. With the same size they prove that
/// the log shows different things to different readers. With different sizes the log's server gave no proof that one
/// grew from the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equivocation {
    /// The checkpoint that the reader accepted before.
    pub seen: String,
    /// The checkpoint that it was shown.
    pub shown: String,
}

impl Equivocation {
    /// Returns whether the checkpoints have one size and two roots, and so prove the fork by themselves.
    pub fn is_proof(&self) -> bool {
        let read = |note: &str| SignedCheckpoint::read(note.as_bytes()).ok();
        let both = read(&self.seen).zip(read(&self.shown));
        both.is_some_and(|(seen, shown)| {
            let (seen, shown) = (seen.checkpoint(), shown.checkpoint());
            seen.size == shown.size && seen.root != shown.root
        })
    }
}

/// Refusals. Nothing of what was shown is used, and what was accepted before stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Fetching failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The reader's own store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The checkpoint is not one.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is of another log.
    #[error("the server shows the log `{found}` instead of `{expected}`; check the address")]
    OtherLog {
        /// The origin of the log that the reader follows.
        expected: String,
        /// The origin that it was shown.
        found: String,
    },
    /// The checkpoint is not signed by a working key that the log's root key named.
    #[error("the checkpoint is not signed by a working key of the log; do not use it, and ask another server")]
    NotSigned,
    /// The policy that names the working keys is not valid, or is not in the log.
    #[error("the log's policy is not signed by its root key, or is not in the log ({0}); do not use this log")]
    Policy(String),
    /// Too few of the reader's witnesses cosigned the checkpoint. A checkpoint that is shown to one reader alone has no
    /// cosignature.
    #[error(
        "only {found} of {required} witnesses cosigned the checkpoint: it may be shown to you alone; do not use it, try \
             again after the log's interval"
    )]
    Cosignatures {
        /// The number of witnesses that cosigned it.
        found: usize,
        /// The number of witnesses that the reader's settings require.
        required: usize,
    },
    /// The cosignatures are too old.
    #[error(
        "the witnesses last saw this checkpoint at {at} (Unix time), longer than {limit} s ago; ask another server"
    )]
    Stale {
        /// The time at which enough witnesses had cosigned it.
        at: UnixSeconds,
        /// The longest time in seconds.
        limit: u64,
    },
    /// The log has become shorter.
    #[error("the log had {seen} entries and is shown with {shown}: entries are withheld; ask another server")]
    Rollback {
        /// The size that the reader accepted before.
        seen: u64,
        /// The size that it was shown.
        shown: u64,
    },
    /// The log does not continue what the reader accepted before.
    #[error("the log does not continue what it showed before; do not use it, and publish both checkpoints")]
    Fork(Box<Equivocation>),
    /// A proof or a tile does not match the root of the checkpoint.
    #[error("what the server returns does not match the checkpoint; ask another server")]
    Mismatch,
    /// An entry does not follow the rules of the log.
    #[error("entry {index} of the log is not valid: {reason}; do not use this log")]
    Entry {
        /// The place of the entry.
        index: u64,
        /// The rule.
        #[source]
        reason: Box<dyn Error + Send + Sync>,
    },
    /// An entry is of the future. With such entries a log could end strikes before their time.
    #[error("an entry of the log is dated {0} (Unix time), which is in the future; check the clock of this machine")]
    Future(UnixSeconds),
    /// The log's rules do not allow a checkpoint after this number of entries.
    #[error("the log may not have a checkpoint with {size} entries: {reason}; do not use this log")]
    End {
        /// The size of the checkpoint.
        size: u64,
        /// The rule.
        #[source]
        reason: Box<dyn Error + Send + Sync>,
    },
    /// Something that the log serves beside its entries does not have the form it must have.
    #[error("`{path}` is not valid ({reason}); ask another server")]
    Content {
        /// The path.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl Refusal {
    /// The name of the refusal, for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Source(SourceError::Wanted(_)) => "log_wanted",
            Self::Source(_) => "log_unavailable",
            Self::Store(_) => "log_store",
            Self::Checkpoint(_) => "log_checkpoint",
            Self::OtherLog { .. } => "log_other",
            Self::NotSigned => "log_not_signed",
            Self::Policy(_) => "log_policy",
            Self::Cosignatures { .. } => "log_cosignatures",
            Self::Stale { .. } => "log_stale",
            Self::Rollback { .. } => "log_rollback",
            Self::Fork(_) => "log_fork",
            Self::Mismatch => "log_mismatch",
            Self::Entry { .. } => "log_entry",
            Self::Future(_) => "log_future",
            Self::End { .. } => "log_end",
            Self::Content { .. } => "log_content",
        }
    }
}

impl From<LeafError> for Refusal {
    fn from(error: LeafError) -> Self {
        Self::Content { path: "an entry".into(), reason: error.to_string() }
    }
}
