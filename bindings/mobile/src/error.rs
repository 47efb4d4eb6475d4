//! The error type of all operations except verification.

use quotapass_circuits::{
    moderation::record::RecordError,
    post::PostError,
    prover::{ProveError, TablesError},
    requirement::Ineligible,
};
use quotapass_wallet::{
    BadgeError, BoundPolicyError, KeyRefusal, PosterError, RecoverFailure,
    identity::SeedError,
    ledger::{LedgerError, LedgerRefusal},
    members::SyncError,
};

use crate::{Circuit, OwnedStrike};

/// Error of an operation. `reason` says what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[non_exhaustive]
pub enum QuotapassError {
    /// An argument is not valid.
    #[error("{argument}: {reason}")]
    BadInput {
        /// The argument.
        argument: String,
        /// The fault.
        reason: String,
    },
    /// The words are not a mnemonic.
    #[error("{reason}")]
    Mnemonic {
        /// The wrong word, or that the checksum is wrong.
        reason: String,
    },
    /// The handle was already wiped or released.
    #[error("{reason}")]
    Closed {
        /// The kind of handle.
        reason: String,
    },
    /// A handle of one registry or identity was used with a handle of another.
    #[error("{reason}")]
    Mismatch {
        /// The handles that do not match.
        reason: String,
    },
    /// The app does not pin the room's policy, or another relay states a different policy: do not post under it.
    #[error("{reason}")]
    Policy {
        /// The policy.
        reason: String,
    },
    /// A proving key or its tables cannot be used, or are not trusted.
    #[error("{reason}")]
    Key {
        /// The fault.
        reason: String,
    },
    /// The source of members did not answer, or its answer is malformed.
    #[error("{reason}")]
    Source {
        /// The failure.
        reason: String,
    },
    /// Some buckets that belong to the upper nodes are missing.
    #[error("{reason}")]
    BucketsNeeded {
        /// All buckets that are needed. Fetch them in this order.
        numbers: Vec<u32>,
        /// What to do.
        reason: String,
    },
    /// The tree of the source differs from the chain's.
    #[error("{reason}")]
    NotTheChains {
        /// The difference.
        reason: String,
    },
    /// The membership was never synced.
    #[error("{reason}")]
    NeverSynced {
        /// What to do.
        reason: String,
    },
    /// The deposit is not in the tree yet.
    #[error("{reason}")]
    NotYet {
        /// What to do.
        reason: String,
    },
    /// The member has left or was slashed.
    #[error("{reason}")]
    Removed {
        /// The member.
        reason: String,
    },
    /// Another identity has this index.
    #[error("{reason}")]
    OtherMember {
        /// The identity with this index.
        reason: String,
    },
    /// The member does not meet the room's requirement.
    #[error("{reason}")]
    Ineligible {
        /// The part of the requirement that is not met.
        reason: String,
    },
    /// All message ids of the epoch are used.
    #[error("{reason}")]
    QuotaUsed {
        /// Start of the next epoch in which ids can be reserved, in Unix seconds.
        next_begins: u64,
        /// Number of ids used.
        reason: String,
    },
    /// The limit leaves this device no message id in any epoch.
    #[error("{reason}")]
    NothingForDevice {
        /// What to do.
        reason: String,
    },
    /// The clock shows an epoch that was already left.
    #[error("{reason}")]
    EpochLeft {
        /// Time at which ids can be reserved again, in Unix seconds.
        next_begins: u64,
        /// What to do.
        reason: String,
    },
    /// The ledger may be older than the last use of the identity.
    #[error("{reason}")]
    MayBeStale {
        /// Time at which ids can be reserved again, in Unix seconds.
        resumes_at: u64,
        /// What to do.
        reason: String,
    },
    /// There is no ledger in these folders.
    #[error("{reason}")]
    LedgerMissing {
        /// What to do.
        reason: String,
    },
    /// A ledger of this identity exists or existed on the device.
    #[error("{reason}")]
    LedgerExists {
        /// What to do.
        reason: String,
    },
    /// The ledger is open elsewhere.
    #[error("{reason}")]
    LedgerInUse {
        /// What to do.
        reason: String,
    },
    /// The ledger cannot be read or written, or belongs to another account.
    #[error("{reason}")]
    Ledger {
        /// The fault.
        reason: String,
    },
    /// The call was cancelled. A message id that was already reserved stays used.
    #[error("{reason}")]
    Cancelled {
        /// The step that was not done.
        reason: String,
    },
    /// A list of the room contains a post of this account, so that it cannot post there.
    #[error("{reason}")]
    Struck {
        /// The strikes: which posts, why, until when, and where to appeal. Empty if the list changed while it was prepared;
        /// ask `Lists.strikes` then.
        strikes: Vec<OwnedStrike>,
        /// The strikes as text.
        reason: String,
    },
    /// The room has lists, and they were not read.
    #[error("{reason}")]
    ListsMissing {
        /// What to do.
        reason: String,
    },
    /// The room enforces a list of a log that the settings do not name.
    #[error("{reason}")]
    LogNotNamed {
        /// The log.
        reason: String,
    },
    /// What the servers show of a log is not used.
    #[error("{reason}")]
    LogRefused {
        /// The fault.
        reason: String,
    },
    /// The log has two histories. Do not post, and publish both checkpoints: they prove it.
    #[error("{reason}")]
    LogForked {
        /// The checkpoint that was accepted before.
        seen: String,
        /// The checkpoint that was shown now.
        shown: String,
        /// The log.
        reason: String,
    },
    /// What is to be remembered of a log cannot be read or written. No list was used.
    #[error("{reason}")]
    LogMemory {
        /// The fault.
        reason: String,
    },
    /// The account did not write the post.
    #[error("{reason}")]
    NotTheAuthor {
        /// What to do.
        reason: String,
    },
    /// The room does not take this report.
    #[error("{reason}")]
    ReportRefused {
        /// The rule.
        reason: String,
    },
    /// A key is needed. Fetch it, and pass it to `Prover.add_key`.
    #[error("{reason}")]
    KeyNeeded {
        /// The circuit of the key.
        circuit: Circuit,
        /// What to do.
        reason: String,
    },
    /// The relay did not answer to a post. It may have accepted it: post the same message again, which has the same id.
    #[error("{reason}")]
    NotSent {
        /// The failure.
        reason: String,
    },
    /// The prover failed.
    #[error("{reason}")]
    Prove {
        /// The cause.
        reason: String,
    },
    /// The two posts do not give a secret.
    #[error("{reason}")]
    NoEvidence {
        /// The cause.
        reason: String,
    },
}

impl QuotapassError {
    pub(crate) fn bad_input(argument: &str, reason: impl ToString) -> Self {
        Self::BadInput { argument: argument.into(), reason: reason.to_string() }
    }

    pub(crate) fn key(reason: impl ToString) -> Self {
        Self::Key { reason: reason.to_string() }
    }

    pub(crate) fn mismatch(reason: impl ToString) -> Self {
        Self::Mismatch { reason: reason.to_string() }
    }

    pub(crate) fn lists_missing() -> Self {
        Self::ListsMissing { reason: "the room has lists that were not read; sync them, and prepare with them".into() }
    }

    pub(crate) fn key_needed(circuit: Circuit) -> Self {
        let reason =
            format!("this needs the key of the circuit `{}`; fetch it, and add it to the prover", circuit.name());
        Self::KeyNeeded { circuit, reason }
    }

    pub(crate) fn closed(handle: &str) -> Self {
        Self::Closed { reason: format!("this {handle} was already wiped or released; create or open another one") }
    }
}

impl From<SeedError> for QuotapassError {
    fn from(error: SeedError) -> Self {
        Self::Mnemonic { reason: error.to_string() }
    }
}

impl From<BoundPolicyError> for QuotapassError {
    fn from(error: BoundPolicyError) -> Self {
        let argument = match error {
            BoundPolicyError::Policy(_) => "policy",
            BoundPolicyError::NoSuchScope(_) => "name",
            BoundPolicyError::NoSuchLevel { .. } => "stake",
            BoundPolicyError::NoReports(_) => return Self::ReportRefused { reason: error.to_string() },
            BoundPolicyError::NotPinned { .. } | BoundPolicyError::Differs { .. } => {
                return Self::Policy { reason: error.to_string() };
            }
            _ => "json",
        };
        Self::bad_input(argument, error)
    }
}

impl From<KeyRefusal> for QuotapassError {
    fn from(error: KeyRefusal) -> Self {
        Self::key(error)
    }
}

impl From<SyncError> for QuotapassError {
    fn from(error: SyncError) -> Self {
        let reason = error.to_string();
        match error {
            SyncError::NotTheChains(_) | SyncError::MemberCount { .. } | SyncError::Bucket(_) => {
                Self::NotTheChains { reason }
            }
            SyncError::NeverSynced => Self::NeverSynced { reason },
            SyncError::NotYet(_) => Self::NotYet { reason },
            SyncError::Removed(_) => Self::Removed { reason },
            SyncError::OtherMember { .. } => Self::OtherMember { reason },
            _ => Self::Source { reason },
        }
    }
}

impl From<LedgerError> for QuotapassError {
    fn from(error: LedgerError) -> Self {
        let reason = error.to_string();
        match error {
            LedgerError::Refused(refusal) => match refusal {
                LedgerRefusal::QuotaUsed { next_begins, .. } => Self::QuotaUsed { next_begins: next_begins.0, reason },
                LedgerRefusal::NothingForDevice { .. } => Self::NothingForDevice { reason },
                LedgerRefusal::EpochLeft { next_begins, .. } => Self::EpochLeft { next_begins: next_begins.0, reason },
                LedgerRefusal::Signal(_) => Self::bad_input("message", reason),
                LedgerRefusal::MayBeStale { resumes_at } => Self::MayBeStale { resumes_at: resumes_at.0, reason },
                _ => Self::Ledger { reason },
            },
            LedgerError::Missing(_) => Self::LedgerMissing { reason },
            LedgerError::Exists(_) | LedgerError::AnotherLedger { .. } => Self::LedgerExists { reason },
            LedgerError::InUse(_) => Self::LedgerInUse { reason },
            _ => Self::Ledger { reason },
        }
    }
}

impl From<Ineligible> for QuotapassError {
    fn from(error: Ineligible) -> Self {
        Self::Ineligible { reason: error.to_string() }
    }
}

impl From<ProveError> for QuotapassError {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Post(PostError::Ineligible(error)) => error.into(),
            ProveError::Record(error @ RecordError::Listed { .. }) => {
                Self::Struck { strikes: Vec::new(), reason: error.to_string() }
            }
            ProveError::LargeKeyMissing => Self::key_needed(Circuit::Record128),
            ProveError::WrongCircuit { .. } | ProveError::WrongSize => Self::key(error),
            error => Self::Prove { reason: error.to_string() },
        }
    }
}

impl From<TablesError> for QuotapassError {
    fn from(error: TablesError) -> Self {
        Self::key(error)
    }
}

impl From<PosterError> for QuotapassError {
    fn from(error: PosterError) -> Self {
        match error {
            PosterError::Prove(error) => error.into(),
            PosterError::Signal(error) => Self::bad_input("message", error),
            PosterError::OtherMember => Self::mismatch(PosterError::OtherMember),
            PosterError::ListsMissing(_) => Self::ListsMissing { reason: error.to_string() },
            error => Self::Prove { reason: error.to_string() },
        }
    }
}

impl From<BadgeError> for QuotapassError {
    fn from(error: BadgeError) -> Self {
        match error {
            BadgeError::Ineligible(error) => error.into(),
            BadgeError::Prove(error) => error.into(),
            BadgeError::ChatKey(error) => Self::bad_input("chat_key", error),
            error => Self::Prove { reason: error.to_string() },
        }
    }
}

impl From<RecoverFailure> for QuotapassError {
    fn from(error: RecoverFailure) -> Self {
        Self::NoEvidence { reason: error.to_string() }
    }
}
