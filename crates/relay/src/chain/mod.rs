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

mod departures;
#[cfg(feature = "embedded-chain")]
mod embedded;
mod follow;
mod limits;
mod link;
mod saved;

use std::time::Duration;

#[cfg(feature = "embedded-chain")]
pub use embedded::ClockedChain;
pub use follow::{ChainFollower, ChainParts, RegistryCheck};
pub use link::RegistryLink;

use super::Backoff;
use quotapass_registry::{FollowError, RegistryError};

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
