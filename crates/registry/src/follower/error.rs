//! Errors of a follower and its store.

use std::path::PathBuf;

use alloy_primitives::{Address, BlockNumber};
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{MemberIndex, Root, TreeError},
    registry_id::RegistryId,
};

use crate::RegistryError;

/// Advice for a copy that cannot be continued.
const READ_AGAIN: &str =
    "read everything again with `quotapass sync --from-scratch`, or for a relay with `quotapass relay resync`";

/// Advice after events that contradict each other or the contract.
const ASK_ANOTHER: &str = "ask another endpoint, or, if it says the same, read everything again with `quotapass sync \
                           --from-scratch`, or for a relay with `quotapass relay resync`";

/// Errors of a follower. Unless the variant says otherwise, everything read before is kept, and the call can be
/// repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The registry did not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing has been read yet, or a sync was interrupted.
    #[error("the local copy of the registry is not complete; sync it first")]
    NotSynced,
    /// The registry differs from the one followed so far.
    #[error(
        "this is a copy of registry {}, but it was asked to follow {}; use another store for that registry",
        named(followed),
        named(given)
    )]
    WrongRegistry {
        /// The registry of the copy.
        followed: RegistryId,
        /// The registry that was given.
        given: RegistryId,
    },
    /// The reorganisation replaced more blocks than can be undone.
    #[error(
        "the chain was reorganised deeper than {limit} blocks, or this is another chain; if you trust the endpoint, {}",
        READ_AGAIN
    )]
    ReorganisedTooDeep {
        /// Maximum number of blocks that can be undone.
        limit: u64,
    },
    /// The chain was reorganised too often during one sync, or the endpoint's servers disagreed.
    #[error(
        "the chain was reorganised, or the endpoint's servers disagreed, {0} times during the sync; try again later, or \
         ask another endpoint"
    )]
    Unsteady(u32),
    /// The events from the given first block on do not begin with the first member.
    #[error(
        "the events from block {first} on do not begin with the registry's first member: `first_block` is later than its \
         deposit, or the endpoint leaves events out; correct the setting, or ask another endpoint"
    )]
    FirstBlockTooLate {
        /// The first block of the settings.
        first: BlockNumber,
    },
    /// Events are missing between two members.
    #[error("the next member has index {found} instead of {expected}: events are missing; {}", ASK_ANOTHER)]
    Gap {
        /// The expected index.
        expected: MemberIndex,
        /// The index of the event.
        found: MemberIndex,
    },
    /// Events were repeated, or came from blocks that were not requested.
    #[error("an event of block {block}, log {log_index}, is out of order; {}", ASK_ANOTHER)]
    OutOfOrder {
        /// The block of the event.
        block: BlockNumber,
        /// The index of the event's log in it.
        log_index: u64,
    },
    /// A slot was zeroed for a commitment that it does not hold.
    #[error("slot {index} was zeroed for {commitment}, which is not what it holds; {}", ASK_ANOTHER)]
    WrongSlot {
        /// The slot.
        index: MemberIndex,
        /// The commitment in the event.
        commitment: IdentityCommitment,
    },
    /// An event concerns a member who never joined.
    #[error("an event concerns member {0}, who was never added; {ask}", ask = ASK_ANOTHER)]
    UnknownMember(MemberIndex),
    /// The tree cannot apply an event.
    #[error("the tree cannot apply the event: {0}; {ask}", ask = ASK_ANOTHER)]
    Tree(#[from] TreeError),
    /// All events are applied, but the roots differ. Everything read since the last matching root is discarded.
    #[error("at block {block} the events give the root {computed}, but the contract has {expected}; {}", ASK_ANOTHER)]
    RootMismatch {
        /// The block.
        block: BlockNumber,
        /// The contract's root.
        expected: Root,
        /// The root that the events give.
        computed: Root,
    },
}

impl FollowError {
    /// Whether events contradict each other or the contract.
    pub(super) fn is_contradiction(&self) -> bool {
        matches!(
            self,
            Self::Gap { .. }
                | Self::OutOfOrder { .. }
                | Self::WrongSlot { .. }
                | Self::UnknownMember(_)
                | Self::Tree(_)
                | Self::RootMismatch { .. }
        )
    }
}

/// Errors of a follower's store. A store that fails is never replaced by a new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file does not exist.
    #[error("{0} does not exist; check the path, or sync first")]
    Missing(PathBuf),
    /// A new store would replace an existing file.
    #[error("{0} exists; open it, or choose another path for a new copy")]
    Exists(PathBuf),
    /// Another process, or another handle in this process, has the store open.
    #[error("{0} is in use by another program that follows this registry; wait until it is done, or close it")]
    InUse(PathBuf),
    /// The file is of another kind.
    #[error("{0} is not a copy of a registry (nothing was written to it); check the path, or {again}", again = READ_AGAIN)]
    Foreign(PathBuf),
    /// The file is of another version of quotapass.
    #[error("{path} has version {found}, which this program does not read; {}", READ_AGAIN)]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        found: u32,
    },
    /// The file belongs to another registry.
    #[error("{path} is a copy of registry {}, not of {}; use another path for this one", named(found), named(expected))]
    WrongRegistry {
        /// The file.
        path: PathBuf,
        /// The registry of the copy.
        found: RegistryId,
        /// The requested registry.
        expected: RegistryId,
    },
    /// The content was changed after it was written.
    #[error("{path} is damaged ({reason}); {}", READ_AGAIN)]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// The system or the database refused.
    #[error("cannot {action} {path}: {reason}; check the disk, then start again")]
    Failed {
        /// The action that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

fn named(id: &RegistryId) -> String {
    format!("{} on chain {}", Address::from(id.address), id.chain_id)
}
