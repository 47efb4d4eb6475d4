//! Reasons to reject a pass.

use quotapass_protocol::{Malformed, Verdict};

/// How a gossip node treats the peer that sent a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Gossip {
    /// Pass it on.
    Accept,
    /// Do not pass it on, without a penalty for the sender.
    Ignore,
    /// Do not pass it on, and penalise the sender.
    Reject,
}

impl From<quotapass_protocol::Gossip> for Gossip {
    fn from(gossip: quotapass_protocol::Gossip) -> Self {
        match gossip {
            quotapass_protocol::Gossip::Accept => Self::Accept,
            quotapass_protocol::Gossip::Ignore => Self::Ignore,
            quotapass_protocol::Gossip::Reject => Self::Reject,
        }
    }
}

/// The verdict on a rejected pass. `verdict` is its stable name, which relays use too; `reason` is a sentence that
/// begins with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// `unknown_root`: the root is not among the given roots, which may be out of date.
    #[error("{reason}")]
    UnknownRoot {
        /// The stable name.
        verdict: String,
        /// How to treat the sender.
        gossip: Gossip,
        /// The fault.
        reason: String,
    },
    /// `stale_root`: the root was superseded longer ago than the room's window.
    #[error("{reason}")]
    StaleRoot {
        /// The stable name.
        verdict: String,
        /// How to treat the sender.
        gossip: Gossip,
        /// The fault.
        reason: String,
        /// The time when it was superseded, in Unix seconds.
        superseded_at: u64,
    },
    /// `epoch_out_of_range`: the epoch is neither the current one nor within the allowed clock difference of it.
    #[error("{reason}")]
    EpochOutOfRange {
        /// The stable name.
        verdict: String,
        /// How to treat the sender.
        gossip: Gossip,
        /// The fault.
        reason: String,
        /// The Unix second at which the epoch of the pass begins.
        begins: u64,
        /// The first Unix second after the epoch.
        ends: u64,
    },
    /// `requirement_mismatch`: a value that the pass states differs from the room's.
    #[error("{reason}")]
    RequirementMismatch {
        /// The stable name.
        verdict: String,
        /// How to treat the sender.
        gossip: Gossip,
        /// The fault.
        reason: String,
        /// The value's name: `epoch_seconds`, `min_stake`, `since_max` or `limit_cap`.
        field: String,
    },
    /// `list_mismatch`: the post has no records for the room's lists, or for other versions of them than are accepted here.
    #[error("{reason}")]
    ListMismatch {
        /// The stable name.
        verdict: String,
        /// How to treat the sender.
        gossip: Gossip,
        /// The fault.
        reason: String,
    },
    /// `invalid_proof`: the proof does not prove the statement.
    #[error("{reason}")]
    InvalidProof {
        /// The stable name.
        verdict: String,
        /// How to treat the sender.
        gossip: Gossip,
        /// The fault.
        reason: String,
    },
    /// `malformed`: the bytes are not a pass.
    #[error("{reason}")]
    Malformed {
        /// The stable name.
        verdict: String,
        /// How to treat the sender.
        gossip: Gossip,
        /// The fault.
        reason: String,
        /// The offset of the fault, if the fault is in the bytes.
        offset: Option<u64>,
    },
    /// There is no verdict: the verifier was loaded without the badge key.
    #[error("{reason}")]
    NoKey {
        /// What to do.
        reason: String,
    },
    /// Any other verdict that depends only on the pass.
    #[error("{reason}")]
    Other {
        /// The stable name.
        verdict: String,
        /// How to treat the sender.
        gossip: Gossip,
        /// The fault.
        reason: String,
    },
}

impl From<Verdict> for Rejection {
    fn from(verdict: Verdict) -> Self {
        let (gossip, reason) = (verdict.gossip().into(), verdict.to_string());
        let name = verdict.name().to_owned();
        match verdict {
            Verdict::UnknownRoot => Self::UnknownRoot { verdict: name, gossip, reason },
            Verdict::StaleRoot { superseded_at } => {
                Self::StaleRoot { verdict: name, gossip, reason, superseded_at: superseded_at.0 }
            }
            Verdict::EpochOutOfRange { epoch, .. } => {
                let (begins, ends) = (epoch.begins().0, epoch.ends().0);
                Self::EpochOutOfRange { verdict: name, gossip, reason, begins, ends }
            }
            Verdict::RequirementMismatch { mismatch, .. } => {
                Self::RequirementMismatch { verdict: name, gossip, reason, field: mismatch.field().into() }
            }
            Verdict::ListMismatch(_) => Self::ListMismatch { verdict: name, gossip, reason },
            Verdict::InvalidProof => Self::InvalidProof { verdict: name, gossip, reason },
            Verdict::Malformed(malformed) => {
                let offset = match malformed {
                    Malformed::Pass(error) => Some(error.offset as u64),
                    _ => None,
                };
                Self::Malformed { verdict: name, gossip, reason, offset }
            }
            _ => Self::Other { verdict: name, gossip, reason },
        }
    }
}
