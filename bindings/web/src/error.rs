//! Errors for JavaScript: an `Error` with a stable `code`, `nextBegins` if there is a time to wait for, and `checkpoints` if a
//! log has two histories.

use js_sys::{Error, JSON, Reflect};
use quotapass_circuits::{
    field::FieldError,
    formats::wire::DecodeError,
    key_id::NotAKeyId,
    membership::{TermsError, TreeError},
    moderation::{NotTheAuthor, record::RecordError},
    post::PostError,
    prover::ProveError,
    verifier::WrongKey,
};
use quotapass_log::{Refusal, SourceError};
use quotapass_protocol::{ErrorCode, UnixSeconds};
use quotapass_wallet::{
    BadgeError, BoundPolicyError, KeyRefusal, PosterError, RecoverFailure,
    identity::SeedError,
    ledger::{FormatError, LedgerRefusal, NoSuchDevice},
    members::SyncError,
    moderation::{AuthorError, ListError, LogMemoryError, LogSettingsError, MakeReportError},
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
    /// A trusted id is not an id.
    #[error(transparent)]
    KeyId(#[from] NotAKeyId),
    /// The words are not a mnemonic.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// Bytes do not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The bytes of a membership do not decode.
    #[error(transparent)]
    Members(FormatError),
    /// The policy is not valid.
    #[error(transparent)]
    Policy(#[from] BoundPolicyError),
    /// A key is refused.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// A key does not match its circuit.
    #[error(transparent)]
    WrongKey(#[from] WrongKey),
    /// A key is not loaded.
    #[error("the prover was loaded without the key of the circuit `{0}`; load it with one")]
    NoKey(&'static str),
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
    /// The settings of a log are not valid.
    #[error(transparent)]
    LogSettings(#[from] LogSettingsError),
    /// A list cannot be used.
    #[error(transparent)]
    List(#[from] ListError),
    /// The room has lists, and they were not read.
    #[error("the room has lists that were not read; sync them, and prepare with them")]
    ListsUnread,
    /// A proof cannot be made.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// A deletion or an appeal cannot be made.
    #[error(transparent)]
    Author(#[from] AuthorError),
    /// A report cannot be made.
    #[error(transparent)]
    Report(#[from] MakeReportError),
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

    /// The stable name.
    fn code(&self) -> ErrorCode {
        match self {
            Self::Argument(_)
            | Self::Field { .. }
            | Self::KeyId(_)
            | Self::Policy(_)
            | Self::Device(_)
            | Self::OtherRegistry => ErrorCode::INVALID_ARGUMENT,
            Self::Seed(_) => ErrorCode::INVALID_MNEMONIC,
            Self::Decode(_) | Self::Members(_) => ErrorCode::MALFORMED,
            Self::Key(
                KeyRefusal::NotPinned(_)
                | KeyRefusal::Development(_)
                | KeyRefusal::Untrusted { .. }
                | KeyRefusal::NothingTrusted,
            ) => ErrorCode::UNTRUSTED_KEY,
            Self::Key(_) | Self::WrongKey(_) => ErrorCode::INVALID_KEY,
            Self::NoKey(_) => ErrorCode::NO_KEY,
            Self::Sync(error) => match error {
                SyncError::Source(_) => ErrorCode::SOURCE_FAILED,
                SyncError::NeverSynced => ErrorCode::NEVER_SYNCED,
                SyncError::NotYet(_) => ErrorCode::NOT_YET,
                SyncError::Removed(_) => ErrorCode::REMOVED,
                SyncError::OtherMember { .. } => ErrorCode::OTHER_MEMBER,
                _ => ErrorCode::NOT_THE_CHAINS,
            },
            Self::Poster(error) => of_poster(error),
            Self::Badge(error) => match error {
                BadgeError::Ineligible(_) => ErrorCode::INELIGIBLE,
                BadgeError::ChatKey(_) => ErrorCode::INVALID_ARGUMENT,
                _ => ErrorCode::PROVE_FAILED,
            },
            Self::Prove(error) => of_proof(error),
            Self::LogSettings(error) => of_settings(error),
            Self::List(error) => of_list(error),
            Self::ListsUnread => ErrorCode::LISTS_MISSING,
            Self::Author(error) => of_author(error),
            Self::Report(error) => match error {
                MakeReportError::Post(error) => of_poster(error),
                MakeReportError::Author(error) => of_author(error),
                MakeReportError::Policy(error) if !matches!(error, BoundPolicyError::NoReports(_)) => {
                    ErrorCode::INVALID_ARGUMENT
                }
                MakeReportError::Signal(_) => ErrorCode::PROVE_FAILED,
                _ => ErrorCode::REPORT_REFUSED,
            },
            Self::Recover(_) => ErrorCode::CANNOT_RECOVER,
            Self::Refused(refusal) => match refusal {
                LedgerRefusal::QuotaUsed { .. } => ErrorCode::QUOTA_USED,
                LedgerRefusal::NothingForDevice { .. } => ErrorCode::NOTHING_FOR_DEVICE,
                LedgerRefusal::EpochLeft { .. } => ErrorCode::EPOCH_LEFT,
                LedgerRefusal::Signal(_) => ErrorCode::INVALID_ARGUMENT,
                _ => ErrorCode::MAY_BE_STALE,
            },
            Self::Ledger(_) => ErrorCode::LEDGER_DAMAGED,
            Self::OtherLedger => ErrorCode::LEDGER_OF_ANOTHER,
            #[cfg(feature = "threads")]
            Self::Threads(_) => ErrorCode::START_FAILED,
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

fn of_poster(error: &PosterError) -> ErrorCode {
    match error {
        PosterError::Prove(error) => of_proof(error),
        PosterError::OtherMember => ErrorCode::OTHER_MEMBER,
        PosterError::ListsMissing(_) => ErrorCode::LISTS_MISSING,
        _ => ErrorCode::PROVE_FAILED,
    }
}

fn of_proof(error: &ProveError) -> ErrorCode {
    match error {
        ProveError::Post(PostError::Ineligible(_)) => ErrorCode::INELIGIBLE,
        ProveError::Record(RecordError::Listed { .. }) => ErrorCode::STRUCK,
        ProveError::LargeKeyMissing => ErrorCode::NO_KEY,
        _ => ErrorCode::PROVE_FAILED,
    }
}

fn of_settings(error: &LogSettingsError) -> ErrorCode {
    match error {
        LogSettingsError::Unnamed { .. } => ErrorCode::LOG_NOT_NAMED,
        _ => ErrorCode::INVALID_ARGUMENT,
    }
}

fn of_list(error: &ListError) -> ErrorCode {
    match error {
        ListError::Settings(error) => of_settings(error),
        ListError::Memory(LogMemoryError::Damaged { .. }) => ErrorCode::LOG_MEMORY_DAMAGED,
        ListError::Memory(LogMemoryError::Store { .. }) => ErrorCode::STORAGE_FAILED,
        ListError::Refused {
            refusal: Refusal::Source(SourceError::Unavailable { .. } | SourceError::NotFound(_)),
            ..
        } => ErrorCode::SOURCE_FAILED,
        ListError::Struck(_) => ErrorCode::STRUCK,
        _ => ErrorCode::LOG_REFUSED,
    }
}

fn of_author(error: &AuthorError) -> ErrorCode {
    match error {
        AuthorError::NotTheAuthor(NotTheAuthor) => ErrorCode::NOT_THE_AUTHOR,
        AuthorError::Action(_) => ErrorCode::INVALID_ARGUMENT,
        _ => ErrorCode::PROVE_FAILED,
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
        set("code", failure.code().name().into());
        if let Some(UnixSeconds(second)) = failure.next_begins() {
            set("nextBegins", (second as f64).into());
        }
        if let Failure::List(ListError::Refused { refusal: Refusal::Fork(checkpoints), .. }) = &failure {
            // Both together prove that the log has two histories.
            let text = serde_json::to_string(checkpoints).unwrap_or_default();
            if let Ok(checkpoints) = JSON::parse(&text) {
                set("checkpoints", checkpoints);
            }
        }
        error.into()
    }
}
