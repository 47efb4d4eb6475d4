//! The whole member tree.

mod bulk;
mod chunks;
mod store;

use ark_bn254::Fr;
use ark_ff::Zero;

pub use bulk::{RestoreError, TreeChange, TreeNode};
use store::Store;

use super::{ARITY, Levels, Member, MemberIndex, MemberPath, Root, Terms, path::cell};
use crate::{identity::IdentityCommitment, poseidon};

/// Number of nodes that are computed before they are stored.
const AT_ONCE: usize = 1 << 10;

/// Errors of operations on the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// All slots are taken.
    #[error("the tree is full: it holds {0} members, removed ones included")]
    Full(u64),
    /// No member was ever appended at this index.
    #[error("no member was ever appended at index {0}")]
    NoSuchIndex(MemberIndex),
    /// The member was removed, so its slot is zero.
    #[error("the member at index {0} was removed")]
    Removed(MemberIndex),
    /// The commitment is zero. Zero marks a removed member.
    #[error("zero is not an identity commitment")]
    ZeroCommitment,
}

/// The effect of one change on the tree: the slot's new content, and the new hash of every node above it. A client that
/// keeps a path but no tree updates the path with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The slot that changed.
    pub index: MemberIndex,
    /// The slot's new member, or `None` if the member was removed.
    pub member: Option<Member>,
    /// The new hashes from the bottom node to the root.
    pub nodes: Vec<Fr>,
}

/// A tree with four children per node. A bottom node holds two members: `H4(idc_a, word_a, idc_b, word_b)`.
///
/// The tree stores only the slots that were ever filled and the nodes above them; the rest of the tree is empty. A
/// member takes 40 bytes, and about 21 more for the nodes above it.
///
/// A clone is a snapshot that shares memory with the tree. A change copies the parts that it changes, unless no snapshot
/// has them, so a snapshot is cheap, stays as it is, and can be read without a lock while the tree goes on.
#[derive(Clone, Debug)]
pub struct MemberTree {
    levels: Levels,
    store: Store,
}

impl MemberTree {
    /// Creates a tree without members.
    pub fn new(levels: Levels) -> Self {
        Self { levels, store: Store::new(levels) }
    }

    /// Builds a tree from all its members; `None` is a removed member. This is faster than appending them one by one.
    /// With the feature `threads` it uses all cores.
    ///
    /// # Errors
    /// [`TreeError`] if the members do not fit, or if a commitment is zero.
    pub fn build(levels: Levels, members: impl IntoIterator<Item = Option<Member>>) -> Result<Self, TreeError> {
        let mut tree = Self::new(levels);
        for member in members {
            tree.push(member)?;
        }
        for level in 0..levels.get() {
            let count = tree.node_count(level);
            for first in (0..count).step_by(AT_ONCE) {
                let hashes = tree.compute(level, AT_ONCE.min(count - first), |n| first + n);
                (first..).zip(hashes).for_each(|(place, hash)| tree.store.set_node(level, place, hash));
            }
        }
        Ok(tree)
    }

    /// Computes the hashes of `count` nodes of a level. `place` maps the numbers below `count` to places in the level.
    fn compute(&self, level: usize, count: usize, place: impl Fn(usize) -> usize + Sync) -> Vec<Fr> {
        let mut hashes = vec![Fr::zero(); count];
        let compute = |first: usize, hashes: &mut [Fr]| {
            poseidon::hash_all(hashes, |n| self.children(level, place(first + n)));
        };
        #[cfg(feature = "threads")]
        {
            use rayon::prelude::*;
            const TOGETHER: usize = 64;
            let chunks = hashes.par_chunks_mut(TOGETHER).enumerate();
            chunks.for_each(|(chunk, hashes)| compute(TOGETHER * chunk, hashes));
        }
        #[cfg(not(feature = "threads"))]
        compute(0, &mut hashes);
        hashes
    }

    /// Number of levels.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// Number of slots that were ever filled. It is also the index of the next member.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Returns whether no member was ever appended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The root.
    pub fn root(&self) -> Root {
        Root::from_field(self.node(self.levels.get() - 1, 0))
    }

    /// Returns the member at an index, or `None` if it was removed or never appended.
    pub fn member(&self, index: MemberIndex) -> Option<Member> {
        let (commitment, packed) = self.store.slot(index.0 as usize);
        (packed != 0)
            .then(|| Member { commitment: IdentityCommitment::from_field(commitment), terms: Terms::unpack(packed) })
    }

    /// Returns the first index of a commitment, or `None` if the tree does not contain it. The search is linear.
    pub fn index_of(&self, commitment: IdentityCommitment) -> Option<MemberIndex> {
        self.indices_of(commitment).next()
    }

    /// Returns all indices of a commitment, in ascending order.
    pub fn indices_of(&self, commitment: IdentityCommitment) -> impl Iterator<Item = MemberIndex> {
        let wanted = commitment.to_field();
        let is_there = move |stored: &Fr| !wanted.is_zero() && *stored == wanted;
        let slots = self.store.commitments().enumerate();
        slots.filter(move |(_, stored)| is_there(stored)).map(|(slot, _)| MemberIndex(slot as u32))
    }

    /// Appends a member.
    ///
    /// # Errors
    /// [`TreeError::Full`] and [`TreeError::ZeroCommitment`]. The tree is then unchanged.
    pub fn append(&mut self, member: Member) -> Result<Update, TreeError> {
        self.push(Some(member))?;
        Ok(self.rehash(self.len() - 1))
    }

    /// Removes a member: its slot becomes zero.
    ///
    /// # Errors
    /// [`TreeError::NoSuchIndex`] and [`TreeError::Removed`]. The tree is then unchanged.
    pub fn remove(&mut self, index: MemberIndex) -> Result<Update, TreeError> {
        self.zero(index)?;
        Ok(self.rehash(index.0 as usize))
    }

    /// Returns the path of a member.
    ///
    /// # Errors
    /// [`TreeError::NoSuchIndex`] and [`TreeError::Removed`].
    pub fn path(&self, index: MemberIndex) -> Result<MemberPath, TreeError> {
        let slot = index.0 as usize;
        if slot >= self.len() {
            return Err(TreeError::NoSuchIndex(index));
        }
        if self.store.slot(slot).1 == 0 {
            return Err(TreeError::Removed(index));
        }
        let neighbour = MemberIndex(index.0 ^ 1);
        Ok(MemberPath::new(index, self.member(neighbour), self.store.others_above(slot)))
    }

    /// Zeroes a slot, but not the nodes above it. Returns the removed member.
    fn zero(&mut self, index: MemberIndex) -> Result<Member, TreeError> {
        let slot = index.0 as usize;
        let Some(member) = self.member(index) else {
            let removed = slot < self.len();
            return Err(if removed { TreeError::Removed(index) } else { TreeError::NoSuchIndex(index) });
        };
        self.store.put(slot, Fr::zero(), 0);
        Ok(member)
    }

    fn push(&mut self, member: Option<Member>) -> Result<(), TreeError> {
        if self.len() as u64 >= self.levels.capacity() {
            return Err(TreeError::Full(self.levels.capacity()));
        }
        let (commitment, terms) = member.map_or((Fr::zero(), 0), |m| (m.commitment.to_field(), m.terms.pack()));
        if terms != 0 && commitment.is_zero() {
            return Err(TreeError::ZeroCommitment);
        }
        self.store.push(commitment, terms);
        Ok(())
    }

    /// Recomputes the nodes above a slot.
    fn rehash(&mut self, slot: usize) -> Update {
        let mut node = slot / 2;
        let mut nodes = Vec::with_capacity(self.levels.get());
        for level in 0..self.levels.get() {
            let hash = poseidon::hash(&self.children(level, node));
            self.store.set_node(level, node, hash);
            nodes.push(hash);
            node /= ARITY;
        }
        Update { index: MemberIndex(slot as u32), member: self.member(MemberIndex(slot as u32)), nodes }
    }

    pub(super) fn node(&self, level: usize, node: usize) -> Fr {
        self.store.node(level, node)
    }

    /// Returns the inputs of a node's hash.
    fn children(&self, level: usize, node: usize) -> [Fr; ARITY] {
        if level == 0 {
            let cell = |slot| cell(self.member(MemberIndex(slot as u32)));
            let ([idc_a, word_a], [idc_b, word_b]) = (cell(2 * node), cell(2 * node + 1));
            [idc_a, word_a, idc_b, word_b]
        } else {
            self.store.siblings(level - 1, ARITY * node)
        }
    }
}
