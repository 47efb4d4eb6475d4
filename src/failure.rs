//! Exit codes, which tell scripts the kind of a failure.

use std::{io, process::ExitCode};

use quotapass_registry::{FollowError, RegistryError, node::NodeError};

use super::{policy::PolicyMismatch, post::NotNow, prompt::Declined, verify::NotAccepted};

/// The list of exit codes for `--help`.
pub(super) const HELP: &str = "Exit codes:\n  0  success\n  1  failure for a reason not listed here\n  2  invalid \
                               arguments\n  3  the contract or the chain rejected the call\n  4  the endpoint does not \
                               answer, or answers incorrectly\n  5  no message can be sent now: the quota is used \
                               up, or the ledger has to wait\n  6  a verdict other than accepted\n  7  you declined \
                               the confirmation\n  8  policies differ that should be equal";

/// Returns the exit code of an error, which is the code of the first cause that has one.
pub(super) fn code(error: &anyhow::Error) -> ExitCode {
    let code = error.chain().find_map(|cause| {
        if cause.is::<PolicyMismatch>() {
            Some(8)
        } else if cause.is::<Declined>() {
            Some(7)
        } else if cause.is::<NotAccepted>() {
            Some(6)
        } else if cause.is::<NotNow>() {
            Some(5)
        } else if let Some(error) = cause.downcast_ref::<RegistryError>() {
            Some(of_registry(error))
        } else if let Some(FollowError::Registry(error)) = cause.downcast_ref::<FollowError>() {
            Some(of_registry(error))
        } else {
            cause.downcast_ref::<NodeError>().map(of_node)
        }
    });
    ExitCode::from(code.unwrap_or(1))
}

pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn of_registry(error: &RegistryError) -> u8 {
    match error {
        RegistryError::Refused(_) => 3,
        RegistryError::Node(error) => of_node(error),
        RegistryError::Unexpected(_) => 4,
        _ => 1,
    }
}

fn of_node(error: &NodeError) -> u8 {
    match error {
        NodeError::Reverted(_)
        | NodeError::Halted(_)
        | NodeError::Rejected(_)
        | NodeError::NoContract(_)
        | NodeError::InsufficientFunds { .. }
        | NodeError::NonceConflict(_)
        | NodeError::FeeTooLow(_) => 3,
        NodeError::Unreachable { .. }
        | NodeError::TimedOut { .. }
        | NodeError::RateLimited { .. }
        | NodeError::RangeTooWide(_)
        | NodeError::WrongChain { .. }
        | NodeError::Rpc { .. }
        | NodeError::BadAnswer(_)
        | NodeError::Unsteady => 4,
        _ => 1,
    }
}
