//! What ties a relay to its registry (feature `relay-chain`): roots that follow the chain, the member tree for light
//! wallets, and slashed members that may be forgotten.
//!
//! A [`ChainFollower`] keeps a [`Follower`](crate::registry::Follower) in step with the registry and tells the relay each
//! new root with the time of its block, and how many roots a reorganisation undid. The roots of the longest window are
//! kept in a file beside the copy, so that a relay that is started while the chain's endpoint is gone serves what it
//! served before. While the endpoint is gone the relay keeps judging on the roots it knows, and the status says so, until
//! members who left meanwhile may have their deposits back: see [`Horizon`](super::Horizon).

mod departures;
mod embedded;
mod follow;
mod limits;
mod link;
mod saved;

use std::time::Duration;

pub use embedded::ClockedChain;
pub use follow::{ChainFollower, ChainParts, RegistryCheck};
pub use link::RegistryLink;

use super::Backoff;
use crate::registry::{FollowError, RegistryError};

/// How a chain is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainSettings {
    /// The pause between two looks at the chain.
    pub poll: Duration,
    /// The pause after a failure.
    pub backoff: Backoff,
    /// Whether the chain is in this process. Nobody can hide its blocks, so that the newest one is never
    /// [too old](super::Horizon), however long ago it was made.
    pub is_own: bool,
}

impl Default for ChainSettings {
    /// A look every four seconds; pauses of one second to one minute; a chain elsewhere.
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(4),
            backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) },
            is_own: false,
        }
    }
}

/// Why the chain was not followed. Except for [`Unfit`](Self::Unfit), trying again may help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The registry is not one for this relay: its code, its key or its terms.
    #[error("{0}")]
    Unfit(String),
    /// The registry did not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The copy does not have the registry's tree.
    #[error(transparent)]
    Follow(#[from] FollowError),
}
