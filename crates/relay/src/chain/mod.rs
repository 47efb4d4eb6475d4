//! The connection of a relay to its registry: it follows the chain's roots, keeps the member
//! tree for light wallets, and forgets slashed members when that is safe.
//!
//! A [`ChainFollower`] synchronizes a [`Follower`](quotapass_registry::Follower) with the registry. It reports to the
//! relay each new root with the time of its block, and the number of roots that a reorganisation undid. The roots of
//! the longest window are kept in a file beside the copy, so that a relay that starts while the chain's endpoint is
//! unreachable serves the same roots as before. While the endpoint is unreachable, the relay continues to judge with
//! the known roots, and the status says so. This ends when members who left meanwhile may have their deposits back: see
//! [`Horizon`](quotapass_protocol::Horizon). An endpoint that is behind is waited for. A reorganisation that is deeper
//! than the copy may undo is a [trouble](crate::TroubleKind::ChainReorganised), which ends when the operator makes a new
//! copy.

mod archive;
mod departures;
#[cfg(feature = "embedded-chain")]
mod embedded;
mod follow;
mod limits;
mod link;
mod saved;

use std::time::Duration;

pub use archive::{ArchiveError, RootArchive};
#[cfg(feature = "embedded-chain")]
pub use embedded::ClockedChain;
pub use follow::{ChainFollower, ChainParts, RegistryCheck};
pub use link::RegistryLink;

use super::Backoff;
use quotapass_registry::{FollowError, RegistryError, StoreError, node::NodeError};

/// Settings of a chain follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainSettings {
    /// The pause between two polls of the chain.
    pub poll: Duration,
    /// The pause after a failure.
    pub backoff: Backoff,
    /// Whether the chain is in this process. Its blocks cannot be hidden, so its newest block is never [too
    /// old](quotapass_protocol::Horizon), whatever its age.
    pub is_own: bool,
}

impl Default for ChainSettings {
    /// A poll every four seconds; pauses of one second to one minute; a chain outside this process.
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(4),
            backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) },
            is_own: false,
        }
    }
}

/// Errors of following the chain. A retry may help, except after [`Unfit`](Self::Unfit).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The registry does not suit this relay: its code, its key or its terms differ.
    #[error("{0}")]
    Unfit(String),
    /// The registry did not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The copy differs from the registry's tree.
    #[error(transparent)]
    Follow(#[from] FollowError),
}

impl ChainError {
    /// Returns the cause in words that anybody may read: they name neither the endpoint nor a path.
    pub fn cause(&self) -> String {
        match self {
            Self::Registry(error) | Self::Follow(FollowError::Registry(error)) => of_registry(error),
            Self::Follow(FollowError::Store(error)) => of_copy(error),
            Self::Follow(error) => error.to_string(),
            Self::Unfit(reason) => reason.clone(),
        }
    }
}

fn of_registry(error: &RegistryError) -> String {
    let RegistryError::Node(error) = error else { return error.to_string() };
    match error {
        NodeError::Unreachable { .. } => "the endpoint cannot be reached".into(),
        NodeError::TimedOut { timeout, .. } => {
            format!("the endpoint did not answer within {} s", timeout.as_secs_f32())
        }
        NodeError::RateLimited { .. } => "the endpoint received too many requests".into(),
        NodeError::RangeTooWide(_) => "the endpoint refuses to list the registry's events".into(),
        NodeError::Rpc { code, .. } => format!("the endpoint answered with error {code}"),
        NodeError::BadAnswer(_) => "the endpoint's answer is invalid".into(),
        NodeError::InvalidEndpoint(_) => "the endpoint's address is invalid".into(),
        NodeError::Certificates(_) => "the certificates for the endpoint cannot be read".into(),
        NodeError::Password(_) => "the password of the endpoint cannot be read".into(),
        NodeError::WrongChain { .. } | NodeError::NoContract(_) | NodeError::Unsteady | NodeError::Failed => {
            error.to_string()
        }
        _ => "the endpoint refuses the request".into(),
    }
}

fn of_copy(error: &StoreError) -> String {
    match error {
        StoreError::InUse(_) => "another program has the copy of the members open".into(),
        StoreError::Damaged { reason, .. } => format!("the copy of the members is damaged: {reason}"),
        StoreError::Failed { action, reason, .. } => format!("cannot {action} the copy of the members: {reason}"),
        _ => "the copy of the members cannot be used".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_true_and_names_no_endpoint_and_no_path() {
        let node = |error: NodeError| ChainError::from(RegistryError::from(error));
        let store = |error| ChainError::from(FollowError::from(error));
        let (endpoint, path) = (String::from("https://rpc.example"), std::path::PathBuf::from("/var/lib/members.redb"));
        let unreachable =
            NodeError::Unreachable { endpoint: endpoint.clone(), reason: "https://rpc.example/key".into() };
        let timeout = Duration::from_secs(30);
        let message = "https://rpc.example/key".to_owned();
        let full = StoreError::Failed { action: "write", path: path.clone(), reason: "No space left on device".into() };
        for (error, cause) in [
            (node(unreachable), "cannot be reached"),
            (node(NodeError::TimedOut { endpoint, timeout }), "within 30 s"),
            (node(NodeError::Rpc { code: -32_000, message: message.clone() }), "error -32000"),
            (node(NodeError::BadAnswer(message)), "invalid"),
            (node(NodeError::WrongChain { expected: 1, found: 5 }), "on chain 5"),
            (store(full), "cannot write the copy of the members: No space left on device"),
            (store(StoreError::InUse(path)), "another program"),
            (ChainError::from(FollowError::ReorganisedTooDeep { limit: 256 }), "deeper than 256 blocks"),
        ] {
            let told = error.cause();
            assert!(told.contains(cause) && !told.contains("example") && !told.contains("/var"), "{told}");
        }
    }
}
