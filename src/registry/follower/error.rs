//! Why a follower does not have the registry's tree.

use std::path::PathBuf;

use alloy_primitives::{Address, BlockNumber};
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{MemberIndex, Root, TreeError},
    registry_id::RegistryId,
};

use crate::registry::RegistryError;

/// Why a follower does not have the registry's tree. Except where it says so, what was read before stays, and the call
/// can be repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The registry did not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing was read yet, or a sync was interrupted.
    #[error("the local copy of the registry is not complete; sync it first")]
    NotSynced,
    /// The registry is another one than was followed so far.
    #[error(
        "this is a copy of registry {}, and it was asked to follow {}; use another store for that one",
        named(followed),
        named(given)
    )]
    WrongRegistry {
        /// Whose copy it is.
        followed: RegistryId,
        /// The registry that was given.
        given: RegistryId,
    },
    /// More blocks were replaced than can be followed.
    #[error(
        "the chain was reorganised deeper than {limit} blocks, or this is another chain; if you trust the endpoint, \
             sync anew with --from-scratch"
    )]
    ReorganisedTooDeep {
        /// The most blocks that can be undone.
        limit: u64,
    },
    /// The chain was reorganised again and again during one sync.
    #[error("the chain was reorganised {0} times during the sync; try again later, or ask another endpoint")]
    Unsteady(u32),
    /// Events are missing between two members.
    #[error("the next member has index {found} where {expected} was due: events are missing; ask another endpoint")]
    Gap {
        /// The index that was due.
        expected: MemberIndex,
        /// The index of the event.
        found: MemberIndex,
    },
    /// Events came twice or from blocks that were not asked for.
    #[error("an event of block {block}, log {log_index}, is out of its place; ask another endpoint")]
    OutOfOrder {
        /// The block of the event.
        block: BlockNumber,
        /// The event's place in it.
        log_index: u64,
    },
    /// A slot was zeroed that belongs to another commitment, or to none.
    #[error("slot {index} was zeroed for {commitment}, which is not what it holds; ask another endpoint")]
    WrongSlot {
        /// The slot.
        index: MemberIndex,
        /// The commitment in the event.
        commitment: IdentityCommitment,
    },
    /// Somebody leaves who never joined.
    #[error("an event tells of member {0}, who was never added; ask another endpoint")]
    UnknownMember(MemberIndex),
    /// The tree does not take what an event says.
    #[error("the tree cannot follow the event: {0}; ask another endpoint")]
    Tree(#[from] TreeError),
    /// All events are applied and the roots differ. What was read since the last root that agreed is discarded.
    #[error("at block {block} the events give the root {computed}, the contract has {expected}; ask another endpoint")]
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
    /// Whether events contradict one another, or the contract.
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

/// Why a follower's store was not opened, read or written. It is never replaced by a new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such file.
    #[error("{0} does not exist; check the path, or sync first")]
    Missing(PathBuf),
    /// A new store would replace an existing file.
    #[error("{0} exists; open it, or choose another path for a new copy")]
    Exists(PathBuf),
    /// Another process, or another handle of this one, has it open.
    #[error("{0} is in use; close the other program that follows this registry, or give this one a store of its own")]
    InUse(PathBuf),
    /// The file is of another kind.
    #[error("{0} is not a copy of a registry; check the path (nothing was written to it)")]
    Foreign(PathBuf),
    /// The file is of another version of quotapass.
    #[error("{path} has version {found}, which this program does not read; sync anew with --from-scratch")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it has.
        found: u32,
    },
    /// The file belongs to another registry.
    #[error("{path} is a copy of registry {}, not of {}; use another path for this one", named(found), named(expected))]
    WrongRegistry {
        /// The file.
        path: PathBuf,
        /// Whose copy it is.
        found: RegistryId,
        /// Whose copy was asked for.
        expected: RegistryId,
    },
    /// What it holds is not what was written.
    #[error("{path} is damaged ({reason}); sync anew with --from-scratch")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system or the database refused.
    #[error("cannot {action} {path}: {reason}; check the disk, then start again")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The reason it gave.
        reason: String,
    },
}

fn named(id: &RegistryId) -> String {
    format!("{} on chain {}", Address::from(id.address), id.chain_id)
}
