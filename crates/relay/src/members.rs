//! The member tree that a relay reads.

use std::{mem, sync::Arc};

use parking_lot::RwLock;
use quotapass_circuits::membership::MemberTree;

/// The latest snapshot of the member tree. The chain follower sets it after each sync; the routes of light wallets and
/// the lookup of message limits read it. All clones have the same latest snapshot.
#[derive(Clone, Debug)]
pub struct LatestTree(Arc<RwLock<Arc<MemberTree>>>);

impl LatestTree {
    /// Creates the first snapshot.
    pub fn new(tree: MemberTree) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(tree))))
    }

    /// Returns the latest snapshot. Readers use it without a lock, and it stays as it is.
    pub fn get(&self) -> Arc<MemberTree> {
        Arc::clone(&self.0.read())
    }

    /// Replaces the latest snapshot. Earlier snapshots stay with their readers.
    pub fn set(&self, tree: MemberTree) {
        let tree = Arc::new(tree);
        // The former snapshot is dropped after the lock.
        let _former = mem::replace(&mut *self.0.write(), tree);
    }
}

#[cfg(test)]
mod tests {
    use quotapass_circuits::membership::Levels;

    use super::*;

    #[test]
    fn a_reader_keeps_its_snapshot_and_does_not_block_the_writer() {
        let first = MemberTree::new(Levels::STANDARD);
        let second = MemberTree::new(Levels::new(2).unwrap());
        let latest = LatestTree::new(first.clone());
        let (reader, held) = (latest.clone(), latest.get());
        latest.set(second.clone());
        assert_eq!((held.root(), reader.get().root()), (first.root(), second.root()));
    }
}
