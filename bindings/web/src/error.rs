//! Errors for JavaScript: an `Error` with a stable `code`, and `nextBegins` if there is a time to wait for.

use js_sys::{Error, Reflect};
use quotapass_circuits::{
    field::FieldError,
    formats::wire::DecodeError,
    membership::{TermsError, TreeError},
    post::PostError,
    prover::ProveError,
    verifier::WrongKey,
};
use quotapass_protocol::UnixSeconds;
use quotapass_wallet::{
    BadgeError, KeyRefusal, NotAHash, PosterError, RecoverFailure, RoomError,
    identity::SeedError,
    ledger::{FormatError, LedgerRefusal, NoSuchDevice},
    members::SyncError,
};
use wasm_bindgen::JsValue;

/// Errors of the module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// An argument is not valid.
    #[error("{0}")]
    Argument(String),
    /// An argument is not a field element.
    #[error("the {what} is not one: {reason}")]
    Field {
        /// The argument.
        what: &'static str,
        /// The fault.
        reason: FieldError,
    },
    /// A trusted hash is not a hash.
    #[error(transparent)]
    Hash(#[from] NotAHash),
    /// The words are not a mnemonic.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// Bytes do not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The bytes of a membership do not decode.
    #[error(transparent)]
    Members(FormatError),
    /// The room is not valid.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// A key is refused.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// A key does not match its circuit.
    #[error(transparent)]
    WrongKey(#[from] WrongKey),
    /// The badge key is not loaded.
    #[error("the prover was loaded without the badge key; load it with one")]
    NoBadgeKey,
    /// The path is not available.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A post cannot be made.
    #[error(transparent)]
    Poster(#[from] PosterError),
    /// A badge cannot be made.
    #[error(transparent)]
    Badge(#[from] BadgeError),
    /// Two posts do not give a secret.
    #[error(transparent)]
    Recover(#[from] RecoverFailure),
    /// No message id was reserved.
    #[error(transparent)]
    Refused(#[from] LedgerRefusal),
    /// The device number is not valid.
    #[error(transparent)]
    Device(#[from] NoSuchDevice),
    /// The record of a ledger cannot be read.
    #[error(
        "the ledger cannot be read: {0}. Replace it with a new one with an unknown history; posting resumes after the \
         next epoch"
    )]
    Ledger(FormatError),
    /// A ledger, or one of its ids, belongs to another account or room.
    #[error("the ledger belongs to another account; open the ledger of this account")]
    OtherLedger,
    /// Account and room belong to different registries.
    #[error("the account and the room belong to different registries; make an account for the room's registry")]
    OtherRegistry,
    /// The threads cannot be started.
    #[cfg(feature = "threads")]
    #[error("the threads cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl Failure {
    /// Returns an error for an argument that is not valid.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::Argument(message.into())
    }

    /// The stable name, one of `ErrorCode` in js/errors.ts.
    fn code(&self) -> &'static str {
        match self {
            Self::Argument(_)
            | Self::Field { .. }
            | Self::Hash(_)
            | Self::Room(_)
            | Self::Device(_)
            | Self::OtherRegistry => "invalid_argument",
            Self::Seed(_) => "invalid_mnemonic",
            Self::Decode(_) | Self::Members(_) => "malformed",
            Self::Key(
                KeyRefusal::NotPinned(_)
                | KeyRefusal::Development(_)
                | KeyRefusal::Untrusted { .. }
                | KeyRefusal::NothingTrusted,
            ) => "untrusted_key",
            Self::Key(_) | Self::WrongKey(_) => "invalid_key",
            Self::NoBadgeKey => "no_key",
            Self::Sync(error) => match error {
                SyncError::Source(_) => "source_failed",
                SyncError::NeverSynced => "never_synced",
                SyncError::NotYet(_) => "not_yet",
                SyncError::Removed(_) => "removed",
                SyncError::OtherMember { .. } => "other_member",
                _ => "not_the_chains",
            },
            Self::Poster(PosterError::Prove(ProveError::Post(PostError::Ineligible(_))))
            | Self::Badge(BadgeError::Ineligible(_)) => "ineligible",
            Self::Poster(PosterError::OtherMember) => "other_member",
            Self::Badge(BadgeError::ChatKey(_)) => "invalid_argument",
            Self::Poster(_) | Self::Badge(_) => "prove_failed",
            Self::Recover(_) => "cannot_recover",
            Self::Refused(refusal) => match refusal {
                LedgerRefusal::QuotaUsed { .. } => "quota_used",
                LedgerRefusal::NothingForDevice { .. } => "nothing_for_device",
                LedgerRefusal::EpochLeft { .. } => "epoch_left",
                _ => "may_be_stale",
            },
            Self::Ledger(_) => "ledger_damaged",
            Self::OtherLedger => "ledger_of_another",
            #[cfg(feature = "threads")]
            Self::Threads(_) => "start_failed",
        }
    }

    /// The time from which the call may work.
    fn next_begins(&self) -> Option<UnixSeconds> {
        match self {
            Self::Refused(
                LedgerRefusal::QuotaUsed { next_begins, .. } | LedgerRefusal::EpochLeft { next_begins, .. },
            ) => Some(*next_begins),
            Self::Refused(LedgerRefusal::MayBeStale { resumes_at }) => Some(*resumes_at),
            _ => None,
        }
    }
}

impl From<TermsError> for Failure {
    fn from(error: TermsError) -> Self {
        Self::Argument(error.to_string())
    }
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        Self::Argument(error.to_string())
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let error = Error::new(&failure.to_string());
        // Setting a property of a new object cannot fail.
        let set = |name: &str, value: JsValue| Reflect::set(&error, &name.into(), &value).is_ok();
        set("code", failure.code().into());
        if let Some(UnixSeconds(second)) = failure.next_begins() {
            set("nextBegins", (second as f64).into());
        }
        error.into()
    }
}
