//! The exit code of a failure.

use std::{io, process::ExitCode};

use quotapass_registry::{FollowError, RegistryError, node::NodeError};

use super::{exit_code::ExitKind, policy::PolicyMismatch, post::NotNow, prompt::Declined, verify::NotAccepted};

/// Returns the list of exit codes for `--help`.
pub(super) fn help() -> String {
    let lines = ExitKind::ALL.map(|kind| format!("\n  {}  {}", kind.code(), kind.meaning()));
    format!("Exit codes:{}", lines.concat())
}

/// Returns the exit code of an error, which is the code of the first cause that has one.
pub(super) fn code(error: &anyhow::Error) -> ExitCode {
    let kind = error.chain().find_map(|cause| {
        if cause.is::<PolicyMismatch>() {
            Some(ExitKind::PolicyMismatch)
        } else if cause.is::<Declined>() {
            Some(ExitKind::Declined)
        } else if cause.is::<NotAccepted>() {
            Some(ExitKind::NotAccepted)
        } else if cause.is::<NotNow>() {
            Some(ExitKind::NotNow)
        } else if let Some(error) = cause.downcast_ref::<RegistryError>() {
            Some(of_registry(error))
        } else if let Some(FollowError::Registry(error)) = cause.downcast_ref::<FollowError>() {
            Some(of_registry(error))
        } else {
            cause.downcast_ref::<NodeError>().map(of_node)
        }
    });
    kind.unwrap_or(ExitKind::Unlisted).code().into()
}

pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn of_registry(error: &RegistryError) -> ExitKind {
    match error {
        RegistryError::Refused(_) => ExitKind::Refused,
        RegistryError::Node(error) => of_node(error),
        RegistryError::Unexpected(_) => ExitKind::Endpoint,
        _ => ExitKind::Unlisted,
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
        | NodeError::Unsteady => ExitKind::Endpoint,
        _ => ExitKind::Unlisted,
    }
}
