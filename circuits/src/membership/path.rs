//! What a member needs to show that it is in the tree.

use ark_bn254::Fr;

use super::{ARITY, Member, MemberIndex, Root, Update};
use crate::poseidon;

/// A path and what it was used with do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The path has another number of levels.
    #[error("the path has {found} levels, the tree {expected}")]
    Levels {
        /// Levels of the path or update.
        found: usize,
        /// Levels expected.
        expected: usize,
    },
    /// The update changes the path's own member.
    #[error("the update changes the member that the path belongs to")]
    OwnMember,
}

/// The other cells of every node between a member and the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberPath {
    index: MemberIndex,
    /// Commitment and word of the other member in the bottom node.
    neighbour: [Fr; 2],
    /// For each level above the bottom, all four children; the one on the path is recomputed, never trusted.
    children: Vec<[Fr; ARITY]>,
}

impl MemberPath {
    pub(super) fn new(index: MemberIndex, neighbour: [Fr; 2], children: Vec<[Fr; ARITY]>) -> Self {
        Self { index, neighbour, children }
    }

    /// The path of a subtree's member in a whole tree, where it has another index and the subtree's root more nodes above.
    pub(super) fn extended(mut self, index: MemberIndex, above: Vec<[Fr; ARITY]>) -> Self {
        self.index = index;
        self.children.extend(above);
        self
    }

    /// The member's index.
    pub fn index(&self) -> MemberIndex {
        self.index
    }

    /// How many levels of hashes the path climbs.
    pub fn levels(&self) -> usize {
        self.children.len() + 1
    }

    /// The root that the path leads to from a member.
    pub fn root(&self, member: &Member) -> Root {
        Root::from_field(self.climb(member).1)
    }

    /// Follows a change of another member.
    ///
    /// # Errors
    /// [`PathError`] if the change is of this member or of another tree's shape; the path is then unchanged.
    pub fn apply(&mut self, update: &Update) -> Result<(), PathError> {
        if update.nodes.len() != self.levels() {
            return Err(PathError::Levels { found: update.nodes.len(), expected: self.levels() });
        }
        if update.index == self.index {
            return Err(PathError::OwnMember);
        }
        let (mut own, mut other) = (self.index.0 as usize / 2, update.index.0 as usize / 2);
        if own == other {
            self.neighbour = update.cell;
        }
        for (children, hash) in self.children.iter_mut().zip(&update.nodes) {
            if own / ARITY == other / ARITY {
                children[other % ARITY] = *hash;
            }
            own /= ARITY;
            other /= ARITY;
        }
        Ok(())
    }

    /// Whether the member is the second of its bottom node.
    pub(crate) fn is_right(&self) -> bool {
        self.index.0 % 2 == 1
    }

    pub(crate) fn neighbour(&self) -> [Fr; 2] {
        self.neighbour
    }

    /// The children of each node above the bottom, the path's own included, and the root.
    pub(crate) fn climb(&self, member: &Member) -> (Vec<[Fr; ARITY]>, Fr) {
        let own = [member.commitment.to_field(), member.terms.word().to_field()];
        let (left, right) = if self.is_right() { (self.neighbour, own) } else { (own, self.neighbour) };
        let mut hash = poseidon::hash(&[left[0], left[1], right[0], right[1]]);
        let mut node = self.index.0 as usize / 2;
        let mut filled = self.children.clone();
        for children in &mut filled {
            children[node % ARITY] = hash;
            hash = poseidon::hash(children);
            node /= ARITY;
        }
        (filled, hash)
    }
}
