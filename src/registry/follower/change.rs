//! What a follower tells of the changes it made.

use core::time::Duration;

use alloy_primitives::BlockNumber;
use quotapass_circuits::membership::{Root, Update};

use crate::registry::{Block, Head, LoggedEvent};

/// An event that was applied, and what it changed in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The event.
    pub event: LoggedEvent,
    /// The time of its block, in Unix seconds.
    pub timestamp: u64,
    /// The change of the tree, for events that change it.
    pub update: Option<Update>,
}

impl Change {
    /// The root after the event, if it changed.
    pub fn root(&self) -> Option<Root> {
        self.update.as_ref().and_then(|update| update.nodes.last()).map(|root| Root::from_field(*root))
    }
}

/// A root that the tree had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootChange {
    /// The root.
    pub root: Root,
    /// Since when, and since when the one before is superseded, in Unix seconds: the time of the block; after events that
    /// were applied at once a time before the history, not earlier than theirs.
    pub since: u64,
    /// The block.
    pub block: BlockNumber,
}

/// What a sync did: everything since the last one that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The latest block, and the root and member count that contract and copy have in common there.
    pub head: Head,
    /// What a reorganisation took back, if there was one. It comes before all else.
    pub undone: Option<Undone>,
    /// The roots that are new, oldest first. Events that were applied at once leave one root for a range of blocks.
    pub roots: Vec<RootChange>,
    /// The events that were applied one by one, oldest first.
    pub changes: Vec<Change>,
    /// Blocks that were read.
    pub blocks: u64,
    /// Events that were applied.
    pub events: u64,
}

/// What a reorganisation took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The latest block that stayed; none if nothing did.
    pub ancestor: Option<Block>,
    /// How many roots that were told before never were.
    pub roots: usize,
}

/// How far a sync has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncProgress {
    /// The block that it is read to.
    pub block: BlockNumber,
    /// The latest block, where it ends.
    pub head: BlockNumber,
    /// Members that were read, also before this sync.
    pub members: u64,
    /// Members there are.
    pub member_count: u64,
    /// Blocks that were read in this sync.
    pub blocks_read: u64,
    /// Members that were read in this sync.
    pub members_read: u64,
    /// How many blocks the next range will have at most.
    pub range: u64,
    /// The time since the sync began.
    pub elapsed: Duration,
}

impl SyncProgress {
    /// Members read in a second.
    pub fn members_per_second(&self) -> f64 {
        self.members_read as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// How long the rest will take if it goes on like this; none as long as nothing can be said.
    pub fn remaining(&self) -> Option<Duration> {
        let part = |done: u64, left: u64| (left > 0).then(|| done as f64 / (done + left) as f64);
        let blocks = part(self.blocks_read, self.head.saturating_sub(self.block));
        let members = part(self.members_read, self.member_count.saturating_sub(self.members));
        // Blocks without members fly by, and members may lie anywhere: the slower of the two counts.
        let done = match (blocks, members) {
            (None, _) => return Some(Duration::ZERO),
            (Some(blocks), None) => blocks,
            (Some(blocks), Some(members)) => blocks.min(members),
        };
        (done > 0.0).then(|| self.elapsed.mul_f64((1.0 - done) / done))
    }
}
