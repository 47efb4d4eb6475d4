//! The Merkle path of a member.

use ark_bn254::Fr;
use ark_ff::Zero;

use super::{ARITY, Member, MemberIndex, Root, Update};
use crate::poseidon;

/// Errors of updating a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The update is of a tree with another number of levels.
    #[error("the update is of a tree of {found} levels, but the path has {expected}")]
    Levels {
        /// Levels of the update.
        found: usize,
        /// Levels expected.
        expected: usize,
    },
    /// The update changes the path's own member.
    #[error("the update changes the member that the path belongs to")]
    OwnMember,
}

/// A Merkle path: the siblings at every level between a member and the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPath {
    index: MemberIndex,
    /// The other member in the bottom node.
    neighbour: Option<Member>,
    /// For each level above the bottom, the other three children, from the left.
    others: Vec<Others>,
}

/// The children of a node without the child on the path, from the left.
pub(super) type Others = [Fr; ARITY - 1];

/// Returns the children without the child at `own`.
pub(super) fn others(children: &[Fr; ARITY], own: usize) -> Others {
    core::array::from_fn(|n| children[n + usize::from(n >= own)])
}

/// Inserts the child at `own` again.
fn children(others: &Others, own: usize, hash: Fr) -> [Fr; ARITY] {
    core::array::from_fn(|n| if n == own { hash } else { others[n - usize::from(n > own)] })
}

impl MemberPath {
    pub(super) fn new(index: MemberIndex, neighbour: Option<Member>, others: Vec<Others>) -> Self {
        Self { index, neighbour, others }
    }

    /// Extends the path from a subtree to the whole tree. There the member has another index, and the subtree's root is
    /// at `place` of its level, with more nodes above it.
    pub(super) fn extended(mut self, index: MemberIndex, mut place: usize, above: &[[Fr; ARITY]]) -> Self {
        self.index = index;
        for children in above {
            self.others.push(others(children, place % ARITY));
            place /= ARITY;
        }
        self
    }

    /// The member's index.
    pub fn index(&self) -> MemberIndex {
        self.index
    }

    /// Number of levels of hashes on the path.
    pub fn levels(&self) -> usize {
        self.others.len() + 1
    }

    /// Computes the root that the path leads to from a member.
    pub fn root(&self, member: &Member) -> Root {
        Root::from_field(self.climb(member).1)
    }

    /// Updates the path after a change of another member.
    ///
    /// # Errors
    /// [`PathError`] if the update changes this member, or is of a tree with another number of levels. The path is then
    /// unchanged.
    pub fn apply(&mut self, update: &Update) -> Result<(), PathError> {
        if update.nodes.len() != self.levels() {
            return Err(PathError::Levels { found: update.nodes.len(), expected: self.levels() });
        }
        if update.index == self.index {
            return Err(PathError::OwnMember);
        }
        let (mut own, mut other) = (self.index.0 as usize / 2, update.index.0 as usize / 2);
        if own == other {
            self.neighbour = update.member;
        }
        for (others, hash) in self.others.iter_mut().zip(&update.nodes) {
            if own / ARITY == other / ARITY && own != other {
                others[other % ARITY - usize::from(other > own)] = *hash;
            }
            own /= ARITY;
            other /= ARITY;
        }
        Ok(())
    }

    /// Returns whether the member is the second one in its bottom node.
    pub(crate) fn is_right(&self) -> bool {
        self.index.0 % 2 == 1
    }

    /// The commitment and the word of the other member in the bottom node; both are zero if the slot is empty.
    pub(crate) fn neighbour(&self) -> [Fr; 2] {
        cell(self.neighbour)
    }

    /// Computes the root, and the children of each node above the bottom level, including the child on the path.
    pub(crate) fn climb(&self, member: &Member) -> (Vec<[Fr; ARITY]>, Fr) {
        let (own, neighbour) = (cell(Some(*member)), self.neighbour());
        let (left, right) = if self.is_right() { (neighbour, own) } else { (own, neighbour) };
        let mut hash = poseidon::hash(&[left[0], left[1], right[0], right[1]]);
        let mut node = self.index.0 as usize / 2;
        let climbed = self.others.iter().map(|others| {
            let children = children(others, node % ARITY, hash);
            hash = poseidon::hash(&children);
            node /= ARITY;
            children
        });
        (climbed.collect(), hash)
    }
}

/// Returns the commitment and the word as the tree hashes them; both are zero for an empty slot.
pub(super) fn cell(member: Option<Member>) -> [Fr; 2] {
    member.map_or([Fr::zero(); 2], |member| [member.commitment.to_field(), member.terms.word().to_field()])
}
