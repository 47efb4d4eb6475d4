//! Reading events and applying them.

use core::{mem, time::Duration};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    thread,
    time::Instant,
};

use alloy_primitives::BlockNumber;
use quotapass_circuits::{
    membership::{MemberIndex, Root, TreeChange, TreeNode, Update},
    time::UnixSeconds,
};

use super::{
    Change, FollowError, Follower, RootChange, SyncProgress, SyncedMembers, Undone,
    first::find_first_block,
    range::RangeWidth,
    record::{End, StoredMember},
    store::CopyState,
};
use crate::{Block, Head, LoggedEvent, RegistryError, RegistryEvent, RegistryReader, node::NodeError};

/// Maximum number of reorganisations during a sync.
const REORGANISATIONS: u32 = 8;
/// Pause that gives the servers of an endpoint time to agree.
const SECOND_THOUGHTS: Duration = Duration::from_millis(500);

/// Changes that were made but not reported yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) undone: Option<Undone>,
    pub(super) roots: Vec<PendingRoot>,
    pub(super) changes: Vec<Change>,
    blocks: u64,
    events: u64,
}

/// A root, and the number of tree changes between the previous root and this one.
#[derive(Debug)]
pub(super) struct PendingRoot {
    pub(super) change: RootChange,
    pub(super) events: usize,
}

/// The changes of a range of events.
struct Applied {
    members: BTreeMap<MemberIndex, StoredMember>,
    nodes: BTreeMap<(u8, u32), TreeNode>,
    roots: Vec<PendingRoot>,
    changes: Vec<Change>,
}

/// Result of a step of a sync.
enum Step {
    Done(SyncedMembers),
    /// The chain was reorganised since the last step.
    Reorganised,
    /// The events contradict each other, or do not give the contract's root.
    Contradiction(FollowError),
}

impl Follower {
    /// Reads all events up to the latest block, applies them in order and compares the root with the contract's at that
    /// block. Returns everything that changed since the last call that succeeded. If the endpoint is
    /// [behind](SyncedMembers::behind) the copy, nothing changes.
    ///
    /// # Errors
    /// [`FollowError`]. The events that were read are kept, so the call can be repeated and continues from there. If
    /// events contradict each other or the root, they are read once more, from a first block that is searched for once
    /// more if no member is known; if that does not help, everything read since the last matching root is discarded.
    pub fn sync(&mut self, registry: &dyn RegistryReader) -> Result<SyncedMembers, FollowError> {
        let given = registry.id();
        if given != self.registry {
            return Err(FollowError::WrongRegistry { followed: self.registry, given });
        }
        let mut doubted = false;
        for _ in 0..REORGANISATIONS {
            let head = registry.head()?;
            let behind = self.blocks_behind(registry, head.block)?;
            if behind > 0 {
                return self.unchanged(behind);
            }
            if !self.return_to_common_ancestor(registry, head.block.number)? {
                thread::sleep(SECOND_THOUGHTS);
                continue;
            }
            let step = match self.read_up_to(registry, head) {
                Err(error) if error.is_contradiction() => {
                    if self.is_in_chain(registry)? {
                        Step::Contradiction(error)
                    } else {
                        Step::Reorganised
                    }
                }
                step => step?,
            };
            match step {
                Step::Done(synced) => return Ok(synced),
                Step::Reorganised => thread::sleep(SECOND_THOUGHTS),
                // The events may come from a server that does not have the latest ones yet.
                Step::Contradiction(_) if !doubted => {
                    doubted = true;
                    thread::sleep(SECOND_THOUGHTS);
                    let settled = head.block.number.saturating_sub(self.settings.reorganisation_limit);
                    self.rewind(Some(settled.max(self.state.verified.unwrap_or(0))))?;
                    self.doubt_first_block()?;
                }
                // Earlier events may be wrong as well, if they are unverified.
                Step::Contradiction(error) => {
                    self.rewind(self.state.verified)?;
                    let given = self.settings.first_block.filter(|_| self.tree.is_empty());
                    self.doubt_first_block()?;
                    (self.pending.blocks, self.pending.events) = (0, 0);
                    return Err(given.map_or(error, |first| FollowError::FirstBlockTooLate { first }));
                }
            }
        }
        Err(FollowError::Unsteady(REORGANISATIONS))
    }

    /// The result of a sync with an endpoint that is behind the copy: the copy as of the last verified block.
    fn unchanged(&mut self, behind: u64) -> Result<SyncedMembers, FollowError> {
        if self.head().is_none() {
            // A sync was interrupted, and the endpoint cannot complete it now.
            self.rewind(self.state.verified)?;
            (self.pending.blocks, self.pending.events) = (0, 0);
        }
        let head = self.head().ok_or(FollowError::NotSynced)?;
        let (roots, changes) = (Vec::new(), Vec::new());
        Ok(SyncedMembers { head, behind, undone: None, roots, changes, blocks: 0, events: 0 })
    }

    fn read_up_to(&mut self, registry: &dyn RegistryReader, head: Head) -> Result<Step, FollowError> {
        let first = self.first(registry, &head)?;
        let begun = Instant::now();
        let (from, members) = (self.next_block(first), self.tree.len() as u64);
        let mut width = RangeWidth::new();
        loop {
            let start = self.next_block(first);
            if start > head.block.number {
                break;
            }
            let end = self.range_end(start, width.get(), head.block.number);
            let asked = Instant::now();
            // Read the last block first: if the chain changes before its events are read, this block is not in the new
            // chain, and the next step or the next sync detects that.
            let last = if end == head.block.number { Some(head.block) } else { registry.block(end)? };
            let Some(last) = last else { return Ok(Step::Reorganised) };
            let events = match registry.events(start..=end) {
                Ok(events) => events,
                Err(RegistryError::Node(error)) if error.may_be_too_wide() && width.refused(end - start + 1) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            width.answered(end - start + 1, events.len() as u64, asked.elapsed());
            self.take_in(registry, start, last, &head, events)?;
            self.settings.progress.notify(SyncProgress {
                block: end,
                head: head.block.number,
                members: self.tree.len() as u64,
                member_count: head.member_count,
                blocks_read: end + 1 - from,
                members_read: (self.tree.len() as u64).saturating_sub(members),
                range: width.get(),
                elapsed: begun.elapsed(),
            });
        }
        self.verify(registry, head)
    }

    /// The first block to read: the one of the settings, or the one that was found.
    fn first(&mut self, registry: &dyn RegistryReader, head: &Head) -> Result<BlockNumber, FollowError> {
        if let Some(first) = self.first_block() {
            return Ok(first);
        }
        let first = find_first_block(registry, head)?;
        self.keep_first_block(Some(first))?;
        Ok(first)
    }

    /// Drops the first block, and whatever was read from it on, if no member is known: after a contradiction the block
    /// may be too late. It is then searched for again.
    fn doubt_first_block(&mut self) -> Result<(), FollowError> {
        if !self.tree.is_empty() {
            return Ok(());
        }
        self.rewind(None)?;
        self.keep_first_block(None)
    }

    fn keep_first_block(&mut self, first: Option<BlockNumber>) -> Result<(), FollowError> {
        let state = CopyState { first, ..self.state };
        self.store.write()?.commit(&state)?;
        self.state = state;
        Ok(())
    }

    fn next_block(&self, first: BlockNumber) -> BlockNumber {
        self.state.read.map_or(first, |read| read.number + 1)
    }

    /// The end of a range. It is at most the last block that no reorganisation may undo, so that there is a block to
    /// return to.
    fn range_end(&self, start: BlockNumber, width: u64, head: BlockNumber) -> BlockNumber {
        let end = start.saturating_add(width - 1).min(head);
        let settled = head.saturating_sub(self.settings.reorganisation_limit);
        if (start..end).contains(&settled) { settled } else { end }
    }

    /// Compares the root with the contract's.
    fn verify(&mut self, registry: &dyn RegistryReader, head: Head) -> Result<Step, FollowError> {
        let computed = self.tree.root();
        if self.state.read.is_some_and(|read| read.number > head.block.number) {
            // One of the endpoint's servers is behind the others.
            return Ok(Step::Reorganised);
        }
        let agreed = computed == head.root && self.tree.len() as u64 == head.member_count;
        if !agreed || self.state.read != Some(head.block) {
            if registry.block(head.block.number)? != Some(head.block) {
                return Ok(Step::Reorganised);
            }
            let (block, expected) = (head.block.number, head.root);
            return Ok(Step::Contradiction(FollowError::RootMismatch { block, expected, computed }));
        }
        if self.state.verified != Some(head.block.number) {
            let state = CopyState { verified: Some(head.block.number), ..self.state };
            self.store.write()?.commit(&state)?;
            self.state = state;
        }
        let Pending { undone, roots, changes, blocks, events } = mem::take(&mut self.pending);
        let roots = roots.into_iter().map(|root| root.change).collect();
        Ok(Step::Done(SyncedMembers { head, behind: 0, undone, roots, changes, blocks, events }))
    }

    /// Applies the events of a range and writes them in one transaction.
    fn take_in(
        &mut self,
        registry: &dyn RegistryReader,
        start: BlockNumber,
        last: Block,
        head: &Head,
        events: Vec<LoggedEvent>,
    ) -> Result<(), FollowError> {
        check_order(start, last.number, &events)?;
        let count = events.len() as u64;
        let recent = self.recent(registry, start, last, head, &events)?;
        let times = Times::read(registry, &events[recent..], last, self.history_since(head))?;
        let written = self.apply(&events, recent, &times).and_then(|applied| {
            let state = CopyState { read: Some(last), root: self.tree.root(), ..self.state };
            let settled = head.block.number.saturating_sub(self.settings.reorganisation_limit);
            // Unverified blocks may have to be undone as well.
            let oldest = settled.min(self.state.verified.unwrap_or(0));
            let writing = self.store.write()?;
            writing.put_members(&applied.members)?;
            writing.put_nodes(applied.nodes.into_values())?;
            writing.put_block(last, oldest)?;
            writing.commit(&state)?;
            Ok((state, applied.roots, applied.changes))
        });
        let (state, roots, changes) = match written {
            Ok(written) => written,
            Err(error) => {
                // The tree has some changes that the store does not have.
                self.load()?;
                return Err(error);
            }
        };
        self.state = state;
        self.pending.roots.extend(roots);
        self.pending.changes.extend(changes);
        self.pending.blocks += last.number - start + 1;
        self.pending.events += count;
        Ok(())
    }

    /// Time from which events are reported one by one.
    fn history_since(&self, head: &Head) -> UnixSeconds {
        head.block.timestamp.saturating_sub(self.settings.history.as_secs())
    }

    /// The position of the first event that is reported by itself.
    fn recent(
        &self,
        registry: &dyn RegistryReader,
        start: BlockNumber,
        last: Block,
        head: &Head,
        events: &[LoggedEvent],
    ) -> Result<usize, FollowError> {
        let since = self.history_since(head);
        if self.settings.history.is_zero() || last.timestamp < since {
            return Ok(events.len());
        }
        let before = self.state.read.filter(|read| read.number < start);
        if since == UnixSeconds(0) || before.is_some_and(|read| read.timestamp >= since) {
            return Ok(0);
        }
        // The times of blocks grow with their numbers.
        let (mut low, mut high) = (0, events.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let time = Times::of_block(registry, events[middle].block, last)?;
            if time < since {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn apply(&mut self, events: &[LoggedEvent], recent: usize, times: &Times) -> Result<Applied, FollowError> {
        let mut applied = Applied {
            members: BTreeMap::new(),
            nodes: BTreeMap::new(),
            roots: Vec::new(),
            changes: Vec::with_capacity(events.len() - recent),
        };
        let (older, newer) = events.split_at(recent);
        let (mut changes, mut len) = (Vec::with_capacity(older.len()), self.tree.len() as u32);
        for event in older {
            let change = self.note(event, len, &mut applied.members)?;
            len += u32::from(matches!(change, Some(TreeChange::Append(_))));
            changes.extend(change);
        }
        if let (Some(last), false) = (older.last(), changes.is_empty()) {
            let count = changes.len();
            applied.nodes.extend(self.tree.extend(changes)?.into_iter().map(keyed));
            let change = RootChange { root: self.tree.root(), since: times.older, block: last.block };
            applied.roots.push(PendingRoot { change, events: count });
        }
        for event in newer {
            let update = match self.note(event, self.tree.len() as u32, &mut applied.members)? {
                Some(TreeChange::Append(member)) => Some(self.tree.append(member)?),
                Some(TreeChange::Remove(index)) => Some(self.tree.remove(index)?),
                None => None,
            };
            if let Some(update) = &update {
                applied.nodes.extend(nodes_of(update).map(keyed));
            }
            let change = Change { event: *event, timestamp: times.get(event.block)?, update };
            if let Some(root) = change.root() {
                let change = RootChange { root, since: change.timestamp, block: event.block };
                applied.roots.push(PendingRoot { change, events: 1 });
            }
            applied.changes.push(change);
        }
        Ok(applied)
    }

    /// Records an event in its member, and returns its change of the tree, which has `len` members at that point.
    fn note(
        &self,
        logged: &LoggedEvent,
        len: u32,
        members: &mut BTreeMap<MemberIndex, StoredMember>,
    ) -> Result<Option<TreeChange>, FollowError> {
        let block = logged.block;
        if let RegistryEvent::MemberAdded { index, member, depositor, tier } = logged.event {
            let expected = MemberIndex(len);
            if index != expected {
                return Err(FollowError::Gap { expected, found: index });
            }
            let stored = StoredMember { member, depositor, tier, added: block, zeroed: None, exit: None, end: None };
            members.insert(index, stored);
            return Ok(Some(TreeChange::Append(member)));
        }
        // Payments do not change a member.
        let Some(index) = logged.event.index() else { return Ok(None) };
        let stored = match members.entry(index) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(entry) => self.store.member(index)?.map(|stored| entry.insert(stored)),
        };
        match logged.event {
            RegistryEvent::SlotZeroed { commitment, .. } => {
                let stored = stored
                    .filter(|stored| stored.zeroed.is_none() && stored.member.commitment == commitment)
                    .ok_or(FollowError::WrongSlot { index, commitment })?;
                stored.zeroed = Some(block);
                return Ok(Some(TreeChange::Remove(index)));
            }
            RegistryEvent::ExitRequested { withdrawable_at, .. } => {
                stored.ok_or(FollowError::UnknownMember(index))?.exit = Some((block, withdrawable_at));
            }
            RegistryEvent::Withdrawn { .. } => {
                stored.ok_or(FollowError::UnknownMember(index))?.end = Some((block, End::Withdrawn));
            }
            RegistryEvent::Slashed { .. } => {
                stored.ok_or(FollowError::UnknownMember(index))?.end = Some((block, End::Slashed));
            }
            RegistryEvent::MemberAdded { .. } | RegistryEvent::Credited { .. } | RegistryEvent::Claimed { .. } => {}
        }
        Ok(None)
    }
}

/// Checks that events are in order and come from the requested blocks.
fn check_order(from: BlockNumber, to: BlockNumber, events: &[LoggedEvent]) -> Result<(), FollowError> {
    let mut before = None;
    for event in events {
        let place = (event.block, event.log_index);
        if before.is_some_and(|before| place <= before) || !(from..=to).contains(&event.block) {
            return Err(FollowError::OutOfOrder { block: event.block, log_index: event.log_index });
        }
        before = Some(place);
    }
    Ok(())
}

/// The times of blocks.
struct Times {
    blocks: BTreeMap<BlockNumber, UnixSeconds>,
    /// A time for events that are applied in bulk: none of them is later.
    older: UnixSeconds,
}

impl Times {
    /// Reads the times of the events that are reported one by one.
    fn read(
        registry: &dyn RegistryReader,
        events: &[LoggedEvent],
        last: Block,
        since: UnixSeconds,
    ) -> Result<Self, FollowError> {
        let mut blocks = BTreeMap::new();
        for event in events {
            if let Entry::Vacant(entry) = blocks.entry(event.block) {
                entry.insert(Self::of_block(registry, event.block, last)?);
            }
        }
        Ok(Self { blocks, older: since.min(last.timestamp) })
    }

    fn of_block(registry: &dyn RegistryReader, number: BlockNumber, last: Block) -> Result<UnixSeconds, FollowError> {
        if number == last.number {
            return Ok(last.timestamp);
        }
        let block = registry.block(number)?;
        let missing = || RegistryError::Node(NodeError::BadAnswer(format!("events but no block {number}")));
        Ok(block.ok_or_else(missing)?.timestamp)
    }

    fn get(&self, block: BlockNumber) -> Result<UnixSeconds, FollowError> {
        let missing = || RegistryError::Node(NodeError::BadAnswer(format!("no time of block {block}")));
        Ok(*self.blocks.get(&block).ok_or_else(missing)?)
    }
}

/// Returns the nodes that an update changes.
fn nodes_of(update: &Update) -> impl Iterator<Item = TreeNode> + '_ {
    let bottom = update.index.0 / 2;
    (0u8..).zip(&update.nodes).map(move |(level, hash)| TreeNode {
        level,
        place: bottom >> (2 * u32::from(level)).min(31),
        hash: Root::from_field(*hash),
    })
}

fn keyed(node: TreeNode) -> ((u8, u32), TreeNode) {
    ((node.level, node.place), node)
}
