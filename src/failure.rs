//! Failures of the program: their exit codes, and how they are reported.

use std::{error::Error, io, process::ExitCode};

use quotapass_registry::{FollowError, RegistryError, node::NodeError, rpc::AccountError};
use quotapass_relay::{ValkeyLogError, chain::ChainError};
use quotapass_setup::ceremony::CeremonyError;
use quotapass_wallet::{
    identity::IdentityStoreError,
    members::{ClientError, SourceError, SyncError},
};

use super::{exit_code::ExitKind, output, policy::PolicyMismatch};

/// Error: a failure that the program itself finds, with its kind. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Failure {
    kind: ExitKind,
    text: String,
}

impl Failure {
    pub(super) fn new(kind: ExitKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// Returns the failure for an argument or a setting that is missing or not valid.
pub(super) fn usage(text: impl Into<String>) -> Failure {
    Failure::new(ExitKind::Arguments, text)
}

/// Returns the failure for a call that the contract would reject.
pub(super) fn refused(text: impl Into<String>) -> Failure {
    Failure::new(ExitKind::Refused, text)
}

/// Returns the list of exit codes for `--help`.
pub(super) fn help() -> String {
    let lines = ExitKind::ALL.map(|kind| format!("\n  {}  {}", kind.code(), kind.meaning()));
    format!("Exit codes:{}", lines.concat())
}

/// Reports an error on standard error, and returns its exit code. A closed pipe counts as success.
pub(super) fn report(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let kind = kind(error);
    output::failure(kind, &format!("{error:#}"));
    kind.code().into()
}

/// Reports what clap found: a request for help or the version, or invalid arguments.
pub(super) fn report_arguments(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || !output::is_json() {
        // If the stream fails, there is nowhere left to report.
        let _ = error.print();
        let kind = if error.use_stderr() { ExitKind::Arguments } else { ExitKind::Success };
        return kind.code().into();
    }
    let rendered = error.render().to_string();
    let reason = match error.kind() {
        clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a subcommand is missing; see --help",
        // The usage that follows repeats `--help`.
        _ => rendered.split("\n\nUsage:").next().unwrap_or(&rendered),
    };
    let words: Vec<_> = reason.strip_prefix("error: ").unwrap_or(reason).split_whitespace().collect();
    output::failure(ExitKind::Arguments, &words.join(" "));
    ExitKind::Arguments.code().into()
}

/// Returns the kind of an error, which is that of the first cause that has one.
fn kind(error: &anyhow::Error) -> ExitKind {
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.kind,
        None => error.chain().find_map(of_cause).unwrap_or(ExitKind::Unlisted),
    }
}

fn of_cause(cause: &(dyn Error + 'static)) -> Option<ExitKind> {
    if cause.is::<PolicyMismatch>() {
        Some(ExitKind::PolicyMismatch)
    } else if let Some(error) = cause.downcast_ref::<RegistryError>() {
        Some(of_registry(error))
    } else if let Some(error) = cause.downcast_ref::<FollowError>() {
        Some(of_follower(error))
    } else if let Some(error) = cause.downcast_ref::<ChainError>() {
        Some(match error {
            ChainError::Registry(error) => of_registry(error),
            ChainError::Follow(error) => of_follower(error),
            _ => ExitKind::Unlisted,
        })
    } else if let Some(error) = cause.downcast_ref::<NodeError>() {
        Some(of_node(error))
    } else if let Some(error) = cause.downcast_ref::<SyncError>() {
        Some(match error {
            SyncError::NeverSynced => ExitKind::Unlisted,
            SyncError::NotYet(_) | SyncError::Removed(_) => ExitKind::Refused,
            SyncError::OtherMember { .. } => ExitKind::Arguments,
            _ => ExitKind::Endpoint,
        })
    } else if let Some(error) = cause.downcast_ref::<ValkeyLogError>() {
        Some(match error {
            ValkeyLogError::Address(_) => ExitKind::Arguments,
            ValkeyLogError::Files(_) | ValkeyLogError::Threads(_) | ValkeyLogError::Lost(_) => ExitKind::Unlisted,
            _ => ExitKind::Endpoint,
        })
    } else if cause.is::<SourceError>() {
        Some(ExitKind::Endpoint)
    } else if let Some(ClientError::Address(_) | ClientError::Proxy(_)) = cause.downcast_ref() {
        Some(ExitKind::Arguments)
    } else if let Some(IdentityStoreError::Name(_)) = cause.downcast_ref() {
        Some(ExitKind::Arguments)
    } else if let Some(AccountError::InvalidPrivateKey) = cause.downcast_ref() {
        Some(ExitKind::Arguments)
    } else if let Some(CeremonyError::Name | CeremonyError::Beacon | CeremonyError::BeaconTooLong(_)) =
        cause.downcast_ref()
    {
        Some(ExitKind::Arguments)
    } else {
        None
    }
}

fn of_registry(error: &RegistryError) -> ExitKind {
    match error {
        RegistryError::Refused(_) => ExitKind::Refused,
        RegistryError::Node(error) => of_node(error),
        RegistryError::Unexpected(_) => ExitKind::Endpoint,
        _ => ExitKind::Unlisted,
    }
}

fn of_follower(error: &FollowError) -> ExitKind {
    match error {
        FollowError::Registry(error) => of_registry(error),
        FollowError::FirstBlockTooLate { .. } => ExitKind::Arguments,
        FollowError::Store(_) | FollowError::NotSynced | FollowError::WrongRegistry { .. } => ExitKind::Unlisted,
        _ => ExitKind::Endpoint,
    }
}

fn of_node(error: &NodeError) -> ExitKind {
    match error {
        NodeError::Reverted(_)
        | NodeError::Halted(_)
        | NodeError::Rejected(_)
        | NodeError::NoContract(_)
        | NodeError::InsufficientFunds { .. }
        | NodeError::NonceConflict(_)
        | NodeError::FeeTooLow(_) => ExitKind::Refused,
        NodeError::Unreachable { .. }
        | NodeError::TimedOut { .. }
        | NodeError::RateLimited { .. }
        | NodeError::RangeTooWide(_)
        | NodeError::BlockTooLarge { .. }
        | NodeError::WrongChain { .. }
        | NodeError::Rpc { .. }
        | NodeError::BadAnswer(_)
        | NodeError::Unsteady
        | NodeError::Unconfirmed { .. }
        | NodeError::NotIncluded { .. } => ExitKind::Endpoint,
        NodeError::InvalidEndpoint(_) | NodeError::NoKey(_) => ExitKind::Arguments,
        _ => ExitKind::Unlisted,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn the_first_cause_with_a_kind_decides() {
        let down = || NodeError::Unreachable { endpoint: "x".into(), reason: "down".into() };
        let cases = [
            (anyhow!("a reason"), ExitKind::Unlisted),
            (anyhow!(usage("--fee")).context("deploy"), ExitKind::Arguments),
            (anyhow!("not hexadecimal").context(usage("--value")), ExitKind::Arguments),
            (None::<()>.context(usage("`registry` is not set")).unwrap_err(), ExitKind::Arguments),
            (anyhow!(RegistryError::from(down())).context("cannot read the token"), ExitKind::Endpoint),
            (anyhow!(ChainError::from(FollowError::from(RegistryError::from(down())))), ExitKind::Endpoint),
            (anyhow!(FollowError::NotSynced), ExitKind::Unlisted),
            (anyhow!(FollowError::Unsteady(3)), ExitKind::Endpoint),
            (anyhow!(NodeError::NoContract([0; 20].into())), ExitKind::Refused),
            (anyhow!(SourceError::Timeout { url: "x".into() }), ExitKind::Endpoint),
            (anyhow!(SyncError::from(SourceError::Timeout { url: "x".into() })), ExitKind::Endpoint),
            (anyhow!(ClientError::Address("x".into())), ExitKind::Arguments),
        ];
        for (error, expected) in cases {
            assert_eq!(kind(&error), expected, "{error:#}");
        }
    }
}
