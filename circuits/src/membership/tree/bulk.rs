//! Batches of changes that hash each changed node once, their reversal, and restoring a stored tree.

use ark_bn254::Fr;
use ark_ff::Zero;

use super::{ARITY, Member, MemberIndex, MemberTree, TreeError};
use crate::membership::{Levels, Root};

/// A change of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeChange {
    /// A member is appended.
    Append(Member),
    /// The slot of a member is zeroed.
    Remove(MemberIndex),
}

/// A node of the tree and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeNode {
    /// The node's level, 0 for a bottom node.
    pub level: u8,
    /// The node's place in the level, from the left.
    pub place: u32,
    /// The node's hash.
    pub hash: Root,
}

/// Errors of restoring a tree from stored members and nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The members do not fit in the tree, or a commitment is zero.
    #[error(transparent)]
    Members(#[from] TreeError),
    /// A level has too few nodes for its members, or too many.
    #[error("level {level} has {found} nodes, but its members require {expected}")]
    Nodes {
        /// The level, 0 for bottom nodes.
        level: usize,
        /// Nodes found.
        found: usize,
        /// Nodes expected.
        expected: usize,
    },
    /// A node has an invalid level, or is out of order.
    #[error("node {place} of level {level} is out of order")]
    OutOfPlace {
        /// The node's level.
        level: u8,
        /// The node's place.
        place: u32,
    },
}

impl MemberTree {
    /// Makes many changes in order, and rehashes each node above them once. With the feature `threads` it uses all
    /// cores. Returns the changed nodes, level by level, so that the caller can store them.
    ///
    /// # Errors
    /// [`TreeError`] of the first change that the tree refuses. The tree is then unchanged.
    pub fn extend(&mut self, changes: impl IntoIterator<Item = TreeChange>) -> Result<Vec<TreeNode>, TreeError> {
        let len = self.len();
        let mut removed = Vec::new();
        let mut touched = Vec::new();
        for change in changes {
            let done = match change {
                TreeChange::Append(member) => self.push(Some(member)).map(|()| self.len() - 1),
                TreeChange::Remove(index) => self.zero(index).map(|member| {
                    removed.push((index, member));
                    index.0 as usize
                }),
            };
            match done {
                Ok(slot) => touched.push(slot / 2),
                Err(refused) => {
                    self.put_back(len, &removed);
                    return Err(refused);
                }
            }
        }
        Ok(self.rehash_all(touched))
    }

    /// Reverts changes after a reorganisation of the chain: drops the members after the first `len`, and puts removed
    /// members back into their slots. Returns the changed nodes; the nodes beyond [`node_count`](Self::node_count) no
    /// longer exist.
    ///
    /// # Errors
    /// [`TreeError::NoSuchIndex`] if a restored member's index is not below the new length,
    /// [`TreeError::ZeroCommitment`] if its commitment is zero. The tree is then unchanged.
    pub fn rewind(&mut self, len: usize, restored: &[(MemberIndex, Member)]) -> Result<Vec<TreeNode>, TreeError> {
        let len = len.min(self.len());
        if let Some((beyond, _)) = restored.iter().find(|(index, _)| index.0 as usize >= len) {
            return Err(TreeError::NoSuchIndex(*beyond));
        }
        if restored.iter().any(|(_, member)| member.commitment.to_field().is_zero()) {
            return Err(TreeError::ZeroCommitment);
        }
        let shrunk = len < self.len();
        self.put_back(len, restored);
        let mut touched: Vec<usize> = restored.iter().map(|(index, _)| index.0 as usize / 2).collect();
        // The last remaining node had members, or nodes, that no longer exist.
        touched.extend((shrunk && len > 0).then(|| (len - 1) / 2));
        Ok(self.rehash_all(touched))
    }

    /// Number of nodes of a level that have members below them.
    pub fn node_count(&self, level: usize) -> usize {
        self.store.node_count(level)
    }

    /// Returns all nodes that have members below them, level by level from the bottom.
    pub fn nodes(&self) -> impl Iterator<Item = TreeNode> + '_ {
        let places = |level| (0..self.node_count(level)).map(move |place| (level, place));
        (0..self.levels.get()).flat_map(places).map(|(level, place)| node(level, place, self.node(level, place)))
    }

    /// Restores a stored tree without hashing. `None` is a removed member; the nodes must be in the order of
    /// [`nodes`](Self::nodes).
    ///
    /// It does not check that each node is the hash of its children. A caller who takes a path from the tree must
    /// compare the path's root with the tree's root, and the tree's root with the registry's.
    ///
    /// # Errors
    /// [`RestoreError`] if the members do not fit, or if the nodes are not exactly the nodes that have members below
    /// them.
    pub fn restore(
        levels: Levels,
        members: impl IntoIterator<Item = Option<Member>>,
        nodes: impl IntoIterator<Item = TreeNode>,
    ) -> Result<Self, RestoreError> {
        let mut tree = Self::new(levels);
        for member in members {
            tree.push(member)?;
        }
        let expected: Vec<usize> = (0..levels.get()).map(|level| tree.node_count(level)).collect();
        let mut found = vec![0; levels.get()];
        for TreeNode { level, place, hash } in nodes {
            let number = usize::from(level);
            match found.get_mut(number) {
                Some(found) if *found == place as usize => {
                    if *found < expected[number] {
                        tree.store.set_node(number, *found, hash.to_field());
                    }
                    *found += 1;
                }
                _ => return Err(RestoreError::OutOfPlace { level, place }),
            }
        }
        for (level, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            if found != expected {
                return Err(RestoreError::Nodes { level, found, expected });
            }
        }
        Ok(tree)
    }

    /// Reverts only the slots: drops the members after the first `len`, and puts others back.
    fn put_back(&mut self, len: usize, restored: &[(MemberIndex, Member)]) {
        self.store.truncate(len);
        for (index, member) in restored.iter().filter(|(index, _)| (index.0 as usize) < len) {
            self.store.put(index.0 as usize, member.commitment.to_field(), member.terms.pack());
        }
    }

    /// Recomputes the changed bottom nodes and the nodes above them.
    fn rehash_all(&mut self, mut touched: Vec<usize>) -> Vec<TreeNode> {
        let mut changed = Vec::new();
        for level in 0..self.levels.get() {
            touched.sort_unstable();
            touched.dedup();
            let hashes = self.compute(level, touched.len(), |n| touched[n]);
            for (place, hash) in touched.iter().zip(hashes) {
                self.store.set_node(level, *place, hash);
                changed.push(node(level, *place, hash));
            }
            touched.iter_mut().for_each(|place| *place /= ARITY);
        }
        changed
    }
}

fn node(level: usize, place: usize, hash: Fr) -> TreeNode {
    TreeNode { level: level as u8, place: place as u32, hash: Root::from_field(hash) }
}
