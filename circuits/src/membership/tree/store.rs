//! The memory layout of members and nodes.
//!
//! Computing a path reads one cache line of members, and four siblings per level, each from a different address. So it
//! waits for memory and for the translation of page addresses. The two lowest levels have the most nodes; what a path
//! reads from them is in one block. The levels above are small enough to stay in caches.
//!
//! Blocks and upper levels are lists in [`Chunks`], which a clone shares.

use core::hint::black_box;

use ark_bn254::Fr;
use ark_ff::Zero;

use super::{ARITY, Levels, chunks::Chunks};
use crate::membership::{Root, path::Others};

/// Members of a block: the members below four siblings of level 1.
const MEMBERS: usize = 2 * ARITY * ARITY;

/// 32 members, and the nodes of levels 0 and 1 above them. With this alignment, four siblings fill two cache lines that
/// the processor fetches together.
#[derive(Clone, Debug)]
#[repr(align(128))]
struct Block {
    commitments: [Fr; MEMBERS],
    low: [[Fr; ARITY]; ARITY],
    high: [Fr; ARITY],
    /// Packed terms, 64 bits each. Zero marks a removed member: no valid terms pack to zero.
    terms: [u64; MEMBERS],
}

/// Members, and the nodes above them. A node without members below it has the hash of an empty subtree.
#[derive(Clone, Debug)]
pub(super) struct Store {
    len: usize,
    blocks: Chunks<Block>,
    /// The siblings of level 2 and of the levels above it.
    upper: Vec<Chunks<[Fr; ARITY]>>,
    /// For each level, the hash of a node without members below it.
    empty: Vec<Fr>,
}

impl Store {
    pub(super) fn new(levels: Levels) -> Self {
        let empty: Vec<Fr> = levels.empty_roots().into_iter().map(Root::to_field).collect();
        // A tree of one level reads no siblings of level 1.
        let siblings = |level: usize| [empty.get(level).copied().unwrap_or_default(); ARITY];
        let blank = Block {
            commitments: [Fr::zero(); MEMBERS],
            low: [siblings(0); ARITY],
            high: siblings(1),
            terms: [0; MEMBERS],
        };
        let upper = (2..empty.len()).map(|level| Chunks::new(siblings(level))).collect();
        Self { len: 0, blocks: Chunks::new(blank), upper, empty }
    }

    /// Number of slots that were ever filled.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Number of nodes of a level that have members below them.
    pub(super) fn node_count(&self, level: usize) -> usize {
        (0..level).fold(self.len.div_ceil(2), |count, _| count.div_ceil(ARITY))
    }

    /// Returns the commitment and the packed terms of a slot; both are zero if the slot is empty.
    pub(super) fn slot(&self, slot: usize) -> (Fr, u64) {
        let block = self.blocks.get(slot / MEMBERS);
        (block.commitments[slot % MEMBERS], block.terms[slot % MEMBERS])
    }

    /// Returns all commitments, with zero for a removed member.
    pub(super) fn commitments(&self) -> impl Iterator<Item = &Fr> {
        let blocks = (0..self.len.div_ceil(MEMBERS)).map(|block| self.blocks.get(block));
        blocks.flat_map(|block| &block.commitments).take(self.len)
    }

    /// Fills the next slot. It does not update the nodes above the slot: new ones have the hash of an empty subtree,
    /// and existing ones keep their old hash.
    pub(super) fn push(&mut self, commitment: Fr, terms: u64) {
        self.len += 1;
        self.put(self.len - 1, commitment, terms);
    }

    /// Replaces the content of a slot that was filled before.
    pub(super) fn put(&mut self, slot: usize, commitment: Fr, terms: u64) {
        let block = self.blocks.get_mut(slot / MEMBERS);
        block.commitments[slot % MEMBERS] = commitment;
        block.terms[slot % MEMBERS] = terms;
    }

    /// Returns the hash of a node.
    pub(super) fn node(&self, level: usize, place: usize) -> Fr {
        self.siblings(level, place)[place % ARITY]
    }

    /// Returns the hashes of a node and its siblings, from the left.
    pub(super) fn siblings(&self, level: usize, place: usize) -> [Fr; ARITY] {
        let group = place / ARITY;
        match level {
            0 => self.blocks.get(group / ARITY).low[group % ARITY],
            1 => self.blocks.get(group).high,
            _ => *self.upper[level - 2].get(group),
        }
    }

    /// Returns the siblings of each node above a filled slot, from the left. The root has none.
    pub(super) fn others_above(&self, slot: usize) -> Vec<Others> {
        let groups = || {
            let block = slot / MEMBERS;
            let Block { low, high, .. } = self.blocks.get(block);
            let places = core::iter::successors(Some(block / ARITY), |place| Some(place / ARITY));
            let upper = self.upper.iter().zip(places).map(|(siblings, place)| siblings.get(place));
            [&low[slot / 2 / ARITY % ARITY], high].into_iter().chain(upper).take(self.empty.len() - 1)
        };
        // Reads one word of each group before copying any, so that the processor waits for all of them at once.
        black_box(groups().fold(0, |words, siblings| words ^ siblings[0].0.0[0]));
        let mut above = vec![[Fr::zero(); ARITY - 1]; self.empty.len() - 1];
        let mut node = slot / 2;
        for (to, siblings) in above.iter_mut().zip(groups()) {
            for (n, other) in to.iter_mut().enumerate() {
                *other = siblings[n + usize::from(n >= node % ARITY)];
            }
            node /= ARITY;
        }
        above
    }

    /// Replaces a node that has members below it.
    pub(super) fn set_node(&mut self, level: usize, place: usize, hash: Fr) {
        let group = place / ARITY;
        let siblings = match level {
            0 => &mut self.blocks.get_mut(group / ARITY).low[group % ARITY],
            1 => &mut self.blocks.get_mut(group).high,
            _ => self.upper[level - 2].get_mut(group),
        };
        siblings[place % ARITY] = hash;
    }

    /// Drops the members after the first `len`, and the nodes that have no other members below them.
    pub(super) fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        let counts: Vec<_> = (0..self.empty.len()).map(|level| self.node_count(level)).collect();
        let before = core::mem::replace(&mut self.len, len);
        let kept = len.div_ceil(MEMBERS);
        for slot in len..before.min(kept * MEMBERS) {
            self.put(slot, Fr::zero(), 0);
        }
        self.blocks.truncate(kept);
        for (level, before) in counts.into_iter().enumerate() {
            let count = self.node_count(level);
            if let Some(siblings) = level.checked_sub(2) {
                self.upper[siblings].truncate(count.div_ceil(ARITY));
            }
            // A dropped node may have siblings that are kept, or may be in a block that is kept.
            let end = if level == 0 { kept * ARITY * ARITY } else { count.next_multiple_of(ARITY) };
            for place in count..before.min(end) {
                self.set_node(level, place, self.empty[level]);
            }
        }
    }
}
