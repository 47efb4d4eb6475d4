//! Private path retrieval: a wallet without the whole tree gets its path without revealing its member.
//!
//! The wallet asks for a *bucket*, a subtree of six levels with 2,048 members, and for the *upper nodes*, the roots of
//! all buckets, which are the same for every wallet. It checks the bucket against its upper node, and the upper nodes
//! against the root on the chain. Then it computes the path from the checked data.

use ark_bn254::Fr;

use super::{ARITY, Levels, Member, MemberIndex, MemberPath, MemberTree, Root, TreeError};
use crate::poseidon;

/// The number of a bucket: the index of any slot in it, divided by the number of slots per bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct BucketNumber(pub u32);

impl BucketNumber {
    /// Returns the bucket of an index.
    pub const fn of(levels: Levels, index: MemberIndex) -> Self {
        Self((index.0 as u64 / levels.of_bucket().capacity()) as u32)
    }
}

impl core::fmt::Display for BucketNumber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// Errors of buckets and upper nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// The tree has no such bucket, or the bucket has no members yet.
    #[error("the tree has no members in bucket {0}")]
    NoSuchBucket(BucketNumber),
    /// The number of slots does not match the number of members.
    #[error("bucket {number} has {found} slots, but the number of members requires {expected}")]
    Length {
        /// The bucket.
        number: BucketNumber,
        /// Slots found.
        found: usize,
        /// Slots expected.
        expected: usize,
    },
    /// The trees have different numbers of levels.
    #[error("expected a tree of {expected} levels, found {found}")]
    Levels {
        /// Levels found.
        found: usize,
        /// Levels expected.
        expected: usize,
    },
    /// The members do not fit in the tree.
    #[error("the tree has too few levels for {0} members")]
    TooMany(u32),
    /// The upper nodes do not lead to the root.
    #[error("the upper nodes lead to the root {found}, expected {expected}")]
    Root {
        /// The root that they lead to.
        found: Root,
        /// The root expected.
        expected: Root,
    },
    /// The members do not hash to the upper node.
    #[error("the members of bucket {0} do not hash to its upper node")]
    UpperNode(BucketNumber),
    /// The index has no member, or a member is invalid.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// The roots of all buckets that have members, and the number of slots that were ever filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpperNodes {
    levels: Levels,
    member_count: u32,
    roots: Vec<Fr>,
}

impl UpperNodes {
    /// Creates upper nodes. `roots` must have one root for each bucket that has members.
    pub(crate) fn new(levels: Levels, member_count: u32, roots: Vec<Fr>) -> Self {
        Self { levels, member_count, roots }
    }

    /// Number of levels of the tree.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// Number of slots that were ever filled. The root does not prove this number; compare it with the registry's.
    pub fn member_count(&self) -> u32 {
        self.member_count
    }

    /// The roots, in the order of the buckets.
    pub fn bucket_roots(&self) -> impl ExactSizeIterator<Item = Root> + '_ {
        self.roots.iter().map(|root| Root::from_field(*root))
    }

    /// Returns the root of a bucket, or `None` if it has no members yet.
    pub fn bucket_root(&self, number: BucketNumber) -> Option<Root> {
        self.roots.get(number.0 as usize).map(|root| Root::from_field(*root))
    }

    /// Computes the root that the upper nodes lead to.
    pub fn root(&self) -> Root {
        Root::from_field(self.climb(0).1)
    }

    /// Checks that the upper nodes lead to `expected`. Take this root from the chain: a malicious server could answer
    /// each wallet with a different tree, of one member, and recognise the member later by the tree's root.
    ///
    /// # Errors
    /// [`BucketError::Root`].
    pub fn verify(&self, expected: Root) -> Result<(), BucketError> {
        let found = self.root();
        if found == expected { Ok(()) } else { Err(BucketError::Root { found, expected }) }
    }

    /// Returns the children of each node between a bucket and the root, and the root.
    fn climb(&self, bucket: usize) -> (Vec<[Fr; ARITY]>, Fr) {
        let first = self.levels.of_bucket().get();
        let empty = self.levels.empty_roots();
        let (mut nodes, mut place) = (self.roots.clone(), bucket);
        let mut way = Vec::with_capacity(self.levels.get() - first);
        for below in &empty[first - 1..self.levels.get() - 1] {
            let child = |node: usize| nodes.get(node).copied().unwrap_or(below.to_field());
            let eldest = place - place % ARITY;
            way.push(core::array::from_fn(|offset| child(eldest + offset)));
            let mut above = vec![Fr::default(); nodes.len().div_ceil(ARITY)];
            poseidon::hash_all::<ARITY>(&mut above, |node| core::array::from_fn(|offset| child(ARITY * node + offset)));
            nodes = above;
            place /= ARITY;
        }
        // A tree without members has no bucket and the empty root.
        let root = nodes.first().copied().unwrap_or(empty[self.levels.get() - 1].to_field());
        (way, root)
    }
}

/// The members of one bucket: one entry for each slot that was ever filled, `None` if its member was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    levels: Levels,
    number: BucketNumber,
    members: Vec<Option<Member>>,
}

impl Bucket {
    /// # Errors
    /// [`BucketError::NoSuchBucket`] if the bucket is outside the tree or has no slots, [`BucketError::Length`] if it
    /// has too many slots.
    pub(crate) fn new(levels: Levels, number: BucketNumber, members: Vec<Option<Member>>) -> Result<Self, BucketError> {
        let capacity = levels.of_bucket().capacity();
        if u64::from(number.0) >= levels.capacity() / capacity || members.is_empty() {
            return Err(BucketError::NoSuchBucket(number));
        }
        if members.len() as u64 > capacity {
            return Err(BucketError::Length { number, found: members.len(), expected: capacity as usize });
        }
        Ok(Self { levels, number, members })
    }

    /// Number of levels of the whole tree.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// The bucket's number.
    pub fn number(&self) -> BucketNumber {
        self.number
    }

    /// The bucket's slots in the order of their indices.
    pub fn members(&self) -> &[Option<Member>] {
        &self.members
    }

    /// Number of members that have not left.
    pub fn active_members(&self) -> usize {
        self.members.iter().flatten().count()
    }

    /// Returns the member at an index of the whole tree, or `None` if the index is outside the bucket or its member was
    /// removed.
    pub fn member(&self, index: MemberIndex) -> Option<Member> {
        let slot = index.0.checked_sub(self.first_index())?;
        self.members.get(slot as usize).copied().flatten()
    }

    /// Checks the bucket against its upper node, and builds the subtree that paths are computed from. This takes about
    /// 1,400 hashes.
    ///
    /// # Errors
    /// [`BucketError`] if the bucket is not of this tree, if its length does not match the number of members, or if its
    /// members do not hash to the upper node.
    pub fn verify(self, upper: &UpperNodes) -> Result<VerifiedBucket, BucketError> {
        if self.levels != upper.levels {
            return Err(BucketError::Levels { found: self.levels.get(), expected: upper.levels.get() });
        }
        let expected = upper.bucket_root(self.number).ok_or(BucketError::NoSuchBucket(self.number))?;
        let capacity = self.levels.of_bucket().capacity() as usize;
        let slots = (upper.member_count as usize).saturating_sub(self.first_index() as usize).min(capacity);
        if self.members.len() != slots {
            return Err(BucketError::Length { number: self.number, found: self.members.len(), expected: slots });
        }
        let tree = MemberTree::build(self.levels.of_bucket(), self.members.iter().copied())?;
        if tree.root() != expected {
            return Err(BucketError::UpperNode(self.number));
        }
        Ok(VerifiedBucket { bucket: self, tree })
    }

    fn first_index(&self) -> u32 {
        // `new` refuses numbers whose indices do not fit.
        (u64::from(self.number.0) * self.levels.of_bucket().capacity()) as u32
    }
}

/// A bucket whose members hash to its upper node.
#[derive(Clone, Debug)]
pub struct VerifiedBucket {
    bucket: Bucket,
    tree: MemberTree,
}

impl VerifiedBucket {
    /// The bucket.
    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The root of the bucket.
    pub fn root(&self) -> Root {
        self.tree.root()
    }

    /// Returns the path of a member of the bucket to the root that the upper nodes lead to. The upper nodes may be
    /// newer than those of [`Bucket::verify`], but the bucket's own root must be the same.
    ///
    /// # Errors
    /// [`BucketError`] if the member is not in the bucket or has left, or if the upper nodes have another root for the
    /// bucket.
    pub fn path(&self, upper: &UpperNodes, index: MemberIndex) -> Result<MemberPath, BucketError> {
        let number = self.bucket.number;
        if self.bucket.levels != upper.levels {
            return Err(BucketError::Levels { found: self.bucket.levels.get(), expected: upper.levels.get() });
        }
        if upper.bucket_root(number) != Some(self.tree.root()) {
            return Err(BucketError::UpperNode(number));
        }
        let slot = index.0.checked_sub(self.bucket.first_index()).ok_or(TreeError::NoSuchIndex(index))?;
        let within = self.tree.path(MemberIndex(slot)).map_err(|error| match error {
            TreeError::Removed(_) => TreeError::Removed(index),
            _ => TreeError::NoSuchIndex(index),
        })?;
        let place = number.0 as usize;
        Ok(within.extended(index, place, &upper.climb(place).0))
    }
}

/// The answers of a server with the whole tree.
impl MemberTree {
    /// Returns the roots of all buckets. The answer is the same for every wallet.
    pub fn upper_nodes(&self) -> UpperNodes {
        let level = self.levels().of_bucket().get() - 1;
        // A tree has at most 2^31 slots.
        let member_count = self.len() as u32;
        let roots = (0..self.levels().buckets(member_count)).map(|bucket| self.node(level, bucket as usize)).collect();
        UpperNodes::new(self.levels(), member_count, roots)
    }

    /// Returns the root of one bucket, or `None` if it has no members yet.
    pub fn bucket_root(&self, number: BucketNumber) -> Option<Root> {
        let is_begun = number.0 < self.levels().buckets(self.len() as u32);
        is_begun.then(|| Root::from_field(self.node(self.levels().of_bucket().get() - 1, number.0 as usize)))
    }

    /// Returns the members of one bucket, or `None` if it has no members yet.
    pub fn bucket(&self, number: BucketNumber) -> Option<Bucket> {
        let capacity = self.levels().of_bucket().capacity() as usize;
        let first = (number.0 as usize).checked_mul(capacity)?;
        let last = self.len().min(first.checked_add(capacity)?);
        let members = (first..last).map(|slot| self.member(MemberIndex(slot as u32))).collect();
        Bucket::new(self.levels(), number, members).ok()
    }
}
