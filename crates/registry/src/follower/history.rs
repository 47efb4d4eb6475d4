//! The recent roots of the tree, recomputed from the stored members.

use std::collections::BTreeMap;

use alloy_primitives::BlockNumber;
use quotapass_circuits::{
    membership::{Member, MemberIndex, Root, TreeChange},
    time::UnixSeconds,
};

use super::{FollowError, Follower, RootChange};
use crate::{RegistryError, RegistryReader, node::NodeError};

/// The changes of the tree in recent blocks.
#[derive(Default)]
struct BlockChanges {
    added: Vec<(MemberIndex, Member)>,
    zeroed: Vec<(MemberIndex, Member)>,
}

type Blocks = BTreeMap<BlockNumber, BlockChanges>;

impl Follower {
    /// Returns whether the tree ever had this root at the end of a block, up to [`head`](Self::head). The registry is not
    /// asked. The cost is that of hashing the whole tree again, unless the root is found early; recent roots come first.
    ///
    /// # Errors
    /// [`FollowError::NotSynced`], and others if the store fails.
    pub fn had_root(&self, root: Root) -> Result<bool, FollowError> {
        let mut tree = self.tree()?.clone();
        let mut blocks = self.blocks()?;
        while tree.root() != root {
            let Some((_, BlockChanges { added, zeroed })) = blocks.pop_last() else { return Ok(false) };
            let before = tree.len() - added.len();
            let restored: Vec<_> = zeroed.into_iter().filter(|(index, _)| (index.0 as usize) < before).collect();
            tree.rewind(before, &restored)?;
        }
        Ok(true)
    }

    /// Returns the changes of all blocks.
    fn blocks(&self) -> Result<Blocks, FollowError> {
        let mut blocks = Blocks::new();
        self.store.for_each_member(|index, stored| {
            blocks.entry(stored.added).or_default().added.push((index, stored.member));
            if let Some(block) = stored.zeroed {
                blocks.entry(block).or_default().zeroed.push((index, stored.member));
            }
        })?;
        Ok(blocks)
    }

    /// Returns the root at [`head`](Self::head) and the earlier roots that were current at `since` or later, oldest
    /// first. Each is the root at the end of a block. The registry is only asked for the times of blocks.
    ///
    /// The first one was current at `since`; its [`RootChange::since`] is unknown and set to zero. A relay or reader
    /// fills its root history with this list when it starts.
    ///
    /// # Errors
    /// [`FollowError::NotSynced`], and others if the store or the registry fails.
    pub fn roots_since(
        &self,
        registry: &dyn RegistryReader,
        since: UnixSeconds,
    ) -> Result<Vec<RootChange>, FollowError> {
        let mut tree = self.tree()?.clone();
        let mut blocks = self.blocks()?;
        let numbers: Vec<BlockNumber> = blocks.keys().copied().collect();
        // The times of blocks grow with their numbers.
        let (mut low, mut high) = (0, numbers.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if time_of(registry, numbers[middle])? < since {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(first) = numbers.get(low) else {
            let block = numbers.last().copied().unwrap_or_default();
            return Ok(vec![RootChange { root: tree.root(), since: UnixSeconds(0), block }]);
        };
        let recent = blocks.split_off(first);
        let added = recent.values().map(|changes| changes.added.len()).sum::<usize>();
        let before = tree.len() - added;
        let restored: Vec<_> = recent
            .values()
            .flat_map(|changes| changes.zeroed.iter().copied())
            .filter(|(index, _)| (index.0 as usize) < before)
            .collect();
        tree.rewind(before, &restored)?;
        let last = blocks.last_key_value().map_or(0, |(number, _)| *number);
        let mut roots = vec![RootChange { root: tree.root(), since: UnixSeconds(0), block: last }];
        for (number, BlockChanges { mut added, zeroed }) in recent {
            added.sort_unstable_by_key(|(index, _)| *index);
            let appended = added.into_iter().map(|(_, member)| TreeChange::Append(member));
            tree.extend(appended.chain(zeroed.into_iter().map(|(index, _)| TreeChange::Remove(index))))?;
            roots.push(RootChange { root: tree.root(), since: time_of(registry, number)?, block: number });
        }
        Ok(roots)
    }
}

fn time_of(registry: &dyn RegistryReader, number: BlockNumber) -> Result<UnixSeconds, FollowError> {
    let missing =
        || RegistryError::Node(NodeError::BadAnswer(format!("block {number} is missing, although it was read before")));
    Ok(registry.block(number)?.ok_or_else(missing)?.timestamp)
}
