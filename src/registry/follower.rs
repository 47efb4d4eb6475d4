//! A copy of the member tree, kept up to date from the registry's events and checked against its root.

use alloy_primitives::BlockNumber;
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Levels, MemberIndex, MemberTree, Root, TreeError, Update},
};

use super::{Block, LoggedEvent, Registry, RegistryError, RegistryEvent};

/// Why a follower does not have the registry's tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The registry did not answer. The follower is as it was; try again.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A block that the follower has read is no longer in the chain.
    #[error("the chain was reorganised: block {} is no longer the one that was read; read all events anew", .0.number)]
    Reorganised(Block),
    /// Events are missing between two members.
    #[error("the next member has index {found} where {expected} was due: events are missing; ask another endpoint")]
    Gap {
        /// The index that was due.
        expected: MemberIndex,
        /// The index of the event.
        found: MemberIndex,
    },
    /// Events came out of order, twice, or from blocks that were not asked for.
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
    /// The tree does not take what an event says.
    #[error("the tree cannot follow the event: {0}; ask another endpoint")]
    Tree(#[from] TreeError),
    /// All events are applied and the roots differ.
    #[error("at block {block} the events give the root {computed}, the contract has {expected}; ask another endpoint")]
    RootMismatch {
        /// The block.
        block: BlockNumber,
        /// The contract's root.
        expected: Root,
        /// The root that the events give.
        computed: Root,
    },
    /// An earlier call found the events wrong, and the tree has taken some of them.
    #[error("this follower has read events that were wrong; start a new one")]
    Failed,
}

/// An event that was applied, and what it changed in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The event.
    pub event: LoggedEvent,
    /// The change of the tree, for events that change it.
    pub update: Option<Update>,
}

impl Change {
    /// The root after the event, if it changed.
    pub fn root(&self) -> Option<Root> {
        self.update.as_ref().and_then(|update| update.nodes.last()).map(|root| Root::from_field(*root))
    }
}

/// A copy of a registry's member tree.
#[derive(Clone, Debug)]
pub struct Follower {
    tree: MemberTree,
    /// The first block that may have events of the registry.
    first: BlockNumber,
    /// The latest block that was read.
    head: Option<Block>,
    failed: bool,
}

impl Follower {
    /// A follower that has read nothing. The registry's events begin at `first_block`, where it was deployed, or later;
    /// zero is always right, and slower.
    pub fn new(first_block: BlockNumber) -> Self {
        Self { tree: MemberTree::new(Levels::STANDARD), first: first_block, head: None, failed: false }
    }

    /// The tree as of [`head`](Self::head).
    pub fn tree(&self) -> &MemberTree {
        &self.tree
    }

    /// The latest block that was read; none before the first call of [`sync`](Self::sync).
    pub fn head(&self) -> Option<Block> {
        self.head
    }

    /// Reads all events up to the latest block, applies them in order and compares the root with the contract's at
    /// that block. Returns what happened since the last call, oldest first.
    ///
    /// # Errors
    /// [`FollowError`]. After [`FollowError::Registry`] the follower is as before and the call can be repeated; after
    /// any other it is of no more use, and says so.
    pub fn sync(&mut self, registry: &dyn Registry) -> Result<Vec<Change>, FollowError> {
        if self.failed {
            return Err(FollowError::Failed);
        }
        let head = registry.head()?;
        if let Some(read) = self.head {
            // A chain that is shorter, or has another block at this height, has been reorganised.
            if registry.block(read.number)? != Some(read) {
                self.failed = true;
                return Err(FollowError::Reorganised(read));
            }
        }
        let from = self.head.map_or(self.first, |read| read.number + 1);
        let events = if from <= head.block.number { registry.events(from..=head.block.number)? } else { Vec::new() };
        self.failed = true;
        let changes = self.apply_all(from, head.block.number, events)?;
        let computed = self.tree.root();
        if computed != head.root {
            return Err(FollowError::RootMismatch { block: head.block.number, expected: head.root, computed });
        }
        self.failed = false;
        self.head = Some(head.block);
        Ok(changes)
    }

    fn apply_all(
        &mut self,
        from: BlockNumber,
        to: BlockNumber,
        events: Vec<LoggedEvent>,
    ) -> Result<Vec<Change>, FollowError> {
        let mut last = None;
        let mut changes = Vec::with_capacity(events.len());
        for event in events {
            let place = (event.block, event.log_index);
            if last.is_some_and(|last| place <= last) || !(from..=to).contains(&event.block) {
                return Err(FollowError::OutOfOrder { block: event.block, log_index: event.log_index });
            }
            last = Some(place);
            changes.push(Change { event, update: self.apply(&event.event)? });
        }
        Ok(changes)
    }

    fn apply(&mut self, event: &RegistryEvent) -> Result<Option<Update>, FollowError> {
        match *event {
            RegistryEvent::MemberAdded { index, member, .. } => {
                let expected = MemberIndex(self.tree.len() as u32);
                if index != expected {
                    return Err(FollowError::Gap { expected, found: index });
                }
                Ok(Some(self.tree.append(member)?))
            }
            RegistryEvent::SlotZeroed { index, commitment } => {
                if self.tree.member(index).is_none_or(|member| member.commitment != commitment) {
                    return Err(FollowError::WrongSlot { index, commitment });
                }
                Ok(Some(self.tree.remove(index)?))
            }
            RegistryEvent::ExitRequested { .. } | RegistryEvent::Withdrawn { .. } | RegistryEvent::Slashed { .. } => {
                Ok(None)
            }
        }
    }
}
