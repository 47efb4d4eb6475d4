//! How a failed verb tells scripts what kind of failure it was.

use std::{io, process::ExitCode};

use super::{policy::PolicyMismatch, post::NotNow, prompt::Declined, verify::NotAccepted};
use crate::registry::{FollowError, RegistryError, node::NodeError};

/// The exit codes, for `--help`.
pub(super) const HELP: &str = "Exit codes:\n  0  done\n  1  failed, for a reason not listed here\n  2  the arguments make \
                               no sense\n  3  the contract or the chain refused\n  4  the endpoint does not answer, or not \
                               as it should\n  5  no message can be sent now: the quota is used, or the ledger has to \
                               wait\n  6  a verdict other than accepted\n  7  you were asked, and said no\n  8  policies that should be the same are \
                               not";

/// The exit code of an error, by the first cause that has one.
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
