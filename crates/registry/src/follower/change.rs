//! Reports of the changes that a follower made.

use core::time::Duration;

use alloy_primitives::BlockNumber;
use quotapass_circuits::{
    membership::{Root, Update},
    time::UnixSeconds,
};

use crate::{Block, Head, LoggedEvent};

/// An applied event and its change of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The event.
    pub event: LoggedEvent,
    /// The time of its block.
    pub timestamp: UnixSeconds,
    /// The change of the tree, for events that change it.
    pub update: Option<Update>,
}

impl Change {
    /// The root after the event, if it changed.
    pub fn root(&self) -> Option<Root> {
        self.update.as_ref().and_then(|update| update.nodes.last()).map(|root| Root::from_field(*root))
    }
}

/// A root of the tree at some block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootChange {
    /// The root.
    pub root: Root,
    /// Time from which this root is current and the earlier one superseded. It is the time of the block. For events
    /// that were applied in bulk, it is a time before the history and not earlier than the times of the events.
    pub since: UnixSeconds,
    /// The block.
    pub block: BlockNumber,
}

/// Result of a sync: everything since the last sync that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedMembers {
    /// The latest block, with the root and member count, which are equal in the contract and the copy.
    pub head: Head,
    /// Number of blocks by which the endpoint is behind `head`. It is above zero if the endpoint's chain ends before
    /// `head` and is not known to differ from the chain that was read. The copy then waits for later blocks.
    pub behind: u64,
    /// What a reorganisation undid, if there was one. Apply it before the other fields.
    pub undone: Option<Undone>,
    /// The new roots, oldest first. Events that were applied in bulk give one root per range of blocks.
    pub roots: Vec<RootChange>,
    /// The events that were applied one by one, oldest first.
    pub changes: Vec<Change>,
    /// Number of blocks read.
    pub blocks: u64,
    /// Number of events applied.
    pub events: u64,
}

/// Changes that a reorganisation undid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The latest block that is still in the chain; `None` if there is none.
    pub ancestor: Option<Block>,
    /// Number of reported roots that are no longer part of the history.
    pub roots: usize,
}

/// Progress of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncProgress {
    /// The last block read.
    pub block: BlockNumber,
    /// The latest block, at which the sync ends.
    pub head: BlockNumber,
    /// Number of members read, including those read before this sync.
    pub members: u64,
    /// Number of members of the registry.
    pub member_count: u64,
    /// Number of blocks read in this sync.
    pub blocks_read: u64,
    /// Number of members read in this sync.
    pub members_read: u64,
    /// Maximum number of blocks in the next range.
    pub range: u64,
    /// The time since the sync began.
    pub elapsed: Duration,
}

impl SyncProgress {
    /// Members read per second.
    pub fn members_per_second(&self) -> f64 {
        self.members_read as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Estimated remaining time at the present rate; `None` if there is no estimate yet.
    pub fn remaining(&self) -> Option<Duration> {
        let part = |done: u64, left: u64| (left > 0).then(|| done as f64 / (done + left) as f64);
        let blocks = part(self.blocks_read, self.head.saturating_sub(self.block));
        let members = part(self.members_read, self.member_count.saturating_sub(self.members));
        // Blocks without members are fast, and members may be unevenly distributed, so the slower of the two estimates
        // counts.
        let done = match (blocks, members) {
            (None, _) => return Some(Duration::ZERO),
            (Some(blocks), None) => blocks,
            (Some(blocks), Some(members)) => blocks.min(members),
        };
        (done > 0.0).then(|| self.elapsed.mul_f64((1.0 - done) / done))
    }
}
