//! Members and the tree that holds them.

mod bucket;
pub(crate) mod gadget;
mod path;
mod terms;
mod tree;

use ark_bn254::Fr;

pub use bucket::{Bucket, BucketError, BucketNumber, UpperNodes, VerifiedBucket};
pub use path::{MemberPath, PathError};
pub use terms::{Day, Terms, TermsError, Word};
pub use tree::{MemberTree, RestoreError, TreeChange, TreeError, TreeNode, Update};

use crate::{
    field::field_type,
    identity::{IdentityCommitment, IdentitySecret},
    poseidon,
};

/// Number of children of every node above the bottom level.
pub(crate) const ARITY: usize = 4;

field_type! {
    /// The root of a member tree.
    Root
}

/// The index of a member: its position in the order of deposits, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct MemberIndex(pub u32);

impl core::fmt::Display for MemberIndex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// A member: a commitment and the terms of its deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The identity commitment, never zero.
    pub commitment: IdentityCommitment,
    /// Stake, message limit and day of the deposit.
    pub terms: Terms,
}

/// A membership with its secret.
#[derive(Clone, Copy, Debug)]
pub struct Membership<'a> {
    /// The identity secret.
    pub secret: &'a IdentitySecret,
    /// Commitment and terms.
    pub member: &'a Member,
    /// The path to the root that the proof is for.
    pub path: &'a MemberPath,
}

/// The number of levels is not 1 to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a member tree has 1 to 16 levels, not {0}")]
pub struct LevelsError(pub u32);

/// The number of levels of hashes of a tree. A tree of `n` levels holds 2 * 4^(n - 1) members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Levels(u8);

impl Levels {
    /// The standard tree: 11 levels, 2,097,152 members.
    pub const STANDARD: Self = Self(11);

    const BUCKET: u8 = 6;

    /// # Errors
    /// [`LevelsError`] unless `levels` is 1 to 16.
    pub const fn new(levels: u32) -> Result<Self, LevelsError> {
        if levels >= 1 && levels <= 16 { Ok(Self(levels as u8)) } else { Err(LevelsError(levels)) }
    }

    /// The number of levels.
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// Maximum number of members.
    pub const fn capacity(self) -> u64 {
        2 * 4u64.pow(self.0 as u32 - 1)
    }

    /// The levels of a [`Bucket`]: 6, or all levels of a smaller tree.
    pub const fn of_bucket(self) -> Self {
        if self.0 < Self::BUCKET { self } else { Self(Self::BUCKET) }
    }

    /// Number of buckets that `members` slots fill. The last bucket may be partly filled.
    pub const fn buckets(self, members: u32) -> u32 {
        (members as u64).div_ceil(self.of_bucket().capacity()) as u32
    }

    /// Roots of empty subtrees, lowest level first: `z1 = H4(0, 0, 0, 0)`, `z2 = H4(z1, z1, z1, z1)`, ...
    pub fn empty_roots(self) -> Vec<Root> {
        let mut below = Fr::default();
        (0..self.get())
            .map(|_| {
                below = poseidon::hash(&[below; ARITY]);
                Root::from_field(below)
            })
            .collect()
    }
}
