//! Undoing the changes of blocks that are no longer in the chain.

use std::collections::BTreeMap;

use alloy_primitives::BlockNumber;

use super::{FollowError, Follower, Undone, store::CopyState};
use crate::{Block, RegistryReader};

/// The endpoint's answer about a block that was read.
enum Standing {
    /// The block is in the chain.
    InChain,
    /// Another block is in its place, or the chain ends before it.
    Replaced,
    /// One of the endpoint's servers does not have it yet, although another one has a later block.
    Missing,
}

impl Standing {
    fn of(block: Block, registry: &dyn RegistryReader, head: BlockNumber) -> Result<Self, FollowError> {
        Ok(match registry.block(block.number)? {
            Some(found) if found == block => Self::InChain,
            None if block.number <= head => Self::Missing,
            _ => Self::Replaced,
        })
    }
}

impl Follower {
    /// Whether the last block read is still in the chain.
    pub(super) fn is_in_chain(&self, registry: &dyn RegistryReader) -> Result<bool, FollowError> {
        let Some(read) = self.state.read else { return Ok(true) };
        Ok(registry.block(read.number)? == Some(read))
    }

    /// Returns by how many blocks the endpoint is behind the copy: its chain ends before the last verified block, and
    /// no block of it is known to differ. Zero otherwise.
    pub(super) fn blocks_behind(&self, registry: &dyn RegistryReader, head: Block) -> Result<u64, FollowError> {
        let Some(verified) = self.state.verified.filter(|verified| head.number < *verified) else { return Ok(0) };
        // A chain that contains a block contains all blocks before it.
        let shared = self.store.blocks()?.into_iter().rfind(|known| known.number <= head.number);
        let is_same = match shared {
            Some(known) => registry.block(known.number)? == Some(known),
            None => true,
        };
        Ok(if is_same { verified - head.number } else { 0 })
    }

    /// If the last block read is no longer in the chain, undoes everything after the latest block that still is.
    /// Returns false if the endpoint's servers disagree about the blocks up to `head`; nothing is undone then.
    pub(super) fn return_to_common_ancestor(
        &mut self,
        registry: &dyn RegistryReader,
        head: BlockNumber,
    ) -> Result<bool, FollowError> {
        let Some(read) = self.state.read else { return Ok(true) };
        match Standing::of(read, registry, head)? {
            Standing::InChain => return Ok(true),
            Standing::Missing => return Ok(false),
            Standing::Replaced => {}
        }
        let known = self.store.blocks()?;
        // A chain that contains a block contains all blocks before it.
        let (mut low, mut high) = (0, known.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match Standing::of(known[middle], registry, head)? {
                Standing::InChain => low = middle + 1,
                Standing::Replaced => high = middle,
                Standing::Missing => return Ok(false),
            }
        }
        let ancestor = low.checked_sub(1).map(|place| known[place]);
        let limit = self.settings.reorganisation_limit;
        // The lowest known block that was replaced.
        let replaced = known.get(low).map_or(read.number, |block| block.number);
        // Later blocks than the verified one were never reported, so any number of them may be undone.
        let depth = self.state.verified.and_then(|verified| verified.checked_sub(replaced));
        if depth.is_some_and(|depth| depth >= limit) {
            return Err(FollowError::ReorganisedTooDeep { limit });
        }
        let roots = self.rewind(ancestor.map(|block| block.number))?;
        if depth.is_some() {
            let undone = self.pending.undone.get_or_insert(Undone { ancestor, roots: 0 });
            undone.ancestor = ancestor;
            undone.roots += roots;
        }
        Ok(true)
    }

    /// Undoes all changes after `block`, or after the latest earlier block whose hash is known, or everything if
    /// `block` is `None`. Returns the number of reported roots that are no longer part of the history.
    pub(super) fn rewind(&mut self, block: Option<BlockNumber>) -> Result<usize, FollowError> {
        let known = self.store.blocks()?;
        let read = block.and_then(|block| known.into_iter().rfind(|known| known.number <= block));
        let block = read.map(|read| read.number);
        let (mut len, mut restored, mut rewound, mut undone) = (0, Vec::new(), BTreeMap::new(), 0);
        self.store.for_each_member(|index, stored| {
            let is_after = |number: BlockNumber| block.is_none_or(|block| number > block);
            let zeroed = stored.zeroed.is_some_and(is_after);
            undone += usize::from(is_after(stored.added)) + usize::from(zeroed);
            let Some(block) = block.filter(|block| stored.added <= *block) else { return };
            len = index.0 as usize + 1;
            let mut former = stored;
            former.rewind(block);
            if former != stored {
                rewound.insert(index, former);
            }
            if zeroed {
                restored.push((index, stored.member));
            }
        })?;
        let written = self.tree.rewind(len, &restored).map_err(FollowError::from).and_then(|nodes| {
            let verified = self.state.verified.zip(read).map(|(verified, read)| verified.min(read.number));
            let state = CopyState { read, verified, root: self.tree.root(), ..self.state };
            let writing = self.store.write()?;
            writing.truncate_to(&self.tree)?;
            writing.put_members(&rewound)?;
            writing.put_nodes(nodes)?;
            writing.remove_blocks_after(block)?;
            writing.commit(&state)?;
            Ok(state)
        });
        match written {
            Ok(state) => self.state = state,
            Err(error) => {
                self.load()?;
                return Err(error);
            }
        }
        let is_after = |number: BlockNumber| block.is_none_or(|block| number > block);
        self.pending.changes.retain(|change| !is_after(change.event.block));
        let untold: usize =
            self.pending.roots.iter().filter(|root| is_after(root.change.block)).map(|root| root.events).sum();
        self.pending.roots.retain(|root| !is_after(root.change.block));
        Ok(undone.saturating_sub(untold))
    }
}
