//! The member tree, kept whole.

mod bulk;

use ark_bn254::Fr;
use ark_ff::Zero;

pub use bulk::{RestoreError, TreeChange, TreeNode};

use super::{ARITY, Levels, Member, MemberIndex, MemberPath, Root, Terms};
use crate::{identity::IdentityCommitment, poseidon};

/// An operation that the tree refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// All slots are taken.
    #[error("the tree is full: it holds {0} members, removed ones included")]
    Full(u64),
    /// No member was ever appended at this index.
    #[error("no member was ever appended at index {0}")]
    NoSuchIndex(MemberIndex),
    /// The slot is zero.
    #[error("the member at index {0} was removed")]
    Removed(MemberIndex),
    /// The commitment zero marks a removed member and belongs to nobody.
    #[error("zero is not an identity commitment")]
    ZeroCommitment,
}

/// What one change does to the tree: the slot's new content and the new hash of every node above it. Whoever keeps a
/// path, and no tree, follows changes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The slot that changed.
    pub index: MemberIndex,
    /// Its new commitment and word, both zero for a removed member.
    pub cell: [Fr; 2],
    /// The new hashes from the bottom node to the root.
    pub nodes: Vec<Fr>,
}

/// A tree with four children a node, whose bottom nodes hold two members each: `H4(idc_a, word_a, idc_b, word_b)`.
///
/// Nodes lie in one array a level, as far as members have been appended; what lies beyond is empty. A member costs 40
/// bytes and about 21 more for the nodes above it.
#[derive(Clone, Debug)]
pub struct MemberTree {
    levels: Levels,
    commitments: Vec<Fr>,
    /// Terms in 64 bits each; zero for a removed member, for no terms pack to it.
    terms: Vec<u64>,
    nodes: Vec<Vec<Fr>>,
    empty: Vec<Fr>,
}

impl MemberTree {
    /// A tree without members.
    pub fn new(levels: Levels) -> Self {
        Self {
            levels,
            commitments: Vec::new(),
            terms: Vec::new(),
            nodes: vec![Vec::new(); levels.get()],
            empty: levels.empty_roots().into_iter().map(Root::to_field).collect(),
        }
    }

    /// Builds a tree at once; `None` is a removed member. Faster than appending one by one, and on all cores with the
    /// feature `parallel`.
    ///
    /// # Errors
    /// [`TreeError`] if they do not fit, or a commitment is zero.
    pub fn build(levels: Levels, members: impl IntoIterator<Item = Option<Member>>) -> Result<Self, TreeError> {
        let mut tree = Self::new(levels);
        for member in members {
            tree.push(member)?;
        }
        for level in 0..levels.get() {
            tree.nodes[level] = tree.compute(level, tree.node_count(level), |n| n);
        }
        Ok(tree)
    }

    /// The hashes of nodes of a level, `place` giving those from 0 to `count`.
    fn compute(&self, level: usize, count: usize, place: impl Fn(usize) -> usize + Sync) -> Vec<Fr> {
        let mut hashes = vec![Fr::zero(); count];
        let compute = |first: usize, hashes: &mut [Fr]| {
            poseidon::hash_all(hashes, |n| self.children(level, place(first + n)));
        };
        #[cfg(feature = "parallel")]
        {
            use rayon::prelude::*;
            const TOGETHER: usize = 64;
            let chunks = hashes.par_chunks_mut(TOGETHER).enumerate();
            chunks.for_each(|(chunk, hashes)| compute(TOGETHER * chunk, hashes));
        }
        #[cfg(not(feature = "parallel"))]
        compute(0, &mut hashes);
        hashes
    }

    /// How many levels it has.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// How many slots were ever filled; the index of the next member.
    pub fn len(&self) -> usize {
        self.commitments.len()
    }

    /// Whether no member was ever appended.
    pub fn is_empty(&self) -> bool {
        self.commitments.is_empty()
    }

    /// The root.
    pub fn root(&self) -> Root {
        Root::from_field(self.node(self.levels.get() - 1, 0))
    }

    /// The member at an index; none if it was removed or never there.
    pub fn member(&self, index: MemberIndex) -> Option<Member> {
        let slot = index.0 as usize;
        let packed = *self.terms.get(slot)?;
        (packed != 0).then(|| Member {
            commitment: IdentityCommitment::from_field(self.commitments[slot]),
            terms: Terms::unpack(packed),
        })
    }

    /// Where a commitment stands; none if it does not, or was removed. It is looked for from the first to the last.
    pub fn index_of(&self, commitment: IdentityCommitment) -> Option<MemberIndex> {
        let (wanted, mut slots) = (commitment.to_field(), self.commitments.iter());
        if wanted.is_zero() {
            None
        } else {
            slots.position(|stored| *stored == wanted).map(|slot| MemberIndex(slot as u32))
        }
    }

    /// Appends a member.
    ///
    /// # Errors
    /// [`TreeError::Full`] and [`TreeError::ZeroCommitment`]; the tree is then unchanged.
    pub fn append(&mut self, member: Member) -> Result<Update, TreeError> {
        self.push(Some(member))?;
        Ok(self.rehash(self.len() - 1))
    }

    /// Zeroes the slot of a member.
    ///
    /// # Errors
    /// [`TreeError::NoSuchIndex`] and [`TreeError::Removed`]; the tree is then unchanged.
    pub fn remove(&mut self, index: MemberIndex) -> Result<Update, TreeError> {
        self.zero(index)?;
        Ok(self.rehash(index.0 as usize))
    }

    /// The path of a member.
    ///
    /// # Errors
    /// [`TreeError::NoSuchIndex`] and [`TreeError::Removed`].
    pub fn path(&self, index: MemberIndex) -> Result<MemberPath, TreeError> {
        let slot = index.0 as usize;
        if slot >= self.len() {
            return Err(TreeError::NoSuchIndex(index));
        }
        if self.terms[slot] == 0 {
            return Err(TreeError::Removed(index));
        }
        let mut node = slot / 2;
        let mut children = Vec::with_capacity(self.levels.get() - 1);
        for level in 0..self.levels.get() - 1 {
            children.push(self.four(level, node - node % ARITY));
            node /= ARITY;
        }
        Ok(MemberPath::new(index, self.cell(slot ^ 1), children))
    }

    /// Zeroes a slot, not the nodes above it. Returns who was there.
    fn zero(&mut self, index: MemberIndex) -> Result<Member, TreeError> {
        let slot = index.0 as usize;
        let Some(member) = self.member(index) else {
            let removed = slot < self.len();
            return Err(if removed { TreeError::Removed(index) } else { TreeError::NoSuchIndex(index) });
        };
        self.commitments[slot] = Fr::zero();
        self.terms[slot] = 0;
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
        self.commitments.push(commitment);
        self.terms.push(terms);
        Ok(())
    }

    /// Recomputes the nodes above a slot.
    fn rehash(&mut self, slot: usize) -> Update {
        let mut node = slot / 2;
        let mut nodes = Vec::with_capacity(self.levels.get());
        for level in 0..self.levels.get() {
            let hash = poseidon::hash(&self.children(level, node));
            match self.nodes[level].get_mut(node) {
                Some(stored) => *stored = hash,
                None => self.nodes[level].push(hash),
            }
            nodes.push(hash);
            node /= ARITY;
        }
        Update { index: MemberIndex(slot as u32), cell: self.cell(slot), nodes }
    }

    fn cell(&self, slot: usize) -> [Fr; 2] {
        match self.terms.get(slot) {
            None | Some(0) => [Fr::zero(); 2],
            Some(packed) => [self.commitments[slot], Terms::unpack(*packed).word().to_field()],
        }
    }

    pub(super) fn node(&self, level: usize, node: usize) -> Fr {
        self.nodes[level].get(node).copied().unwrap_or(self.empty[level])
    }

    /// What a node is the hash of.
    fn children(&self, level: usize, node: usize) -> [Fr; ARITY] {
        if level == 0 {
            let ([idc_a, word_a], [idc_b, word_b]) = (self.cell(2 * node), self.cell(2 * node + 1));
            [idc_a, word_a, idc_b, word_b]
        } else {
            self.four(level - 1, ARITY * node)
        }
    }

    /// Four nodes next to each other.
    fn four(&self, level: usize, first: usize) -> [Fr; ARITY] {
        match self.nodes[level].get(first..).and_then(<[Fr]>::first_chunk) {
            Some(four) => *four,
            None => core::array::from_fn(|offset| self.node(level, first + offset)),
        }
    }
}
