//! What a light wallet knows of the tree, and how it learns more.

use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{
        BucketError, BucketNumber, Levels, Member, MemberIndex, MemberPath, Root, TreeError, UpperNodes, VerifiedBucket,
    },
    requirement::Requirement,
};

use super::{BucketGroup, MembersSource, SourceError};

/// The member tree as the chain has it at one block. Read both values there together, from an endpoint that the source
/// has no say in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The root.
    pub root: Root,
    /// Members ever added.
    pub member_count: u64,
}

/// Whose path is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnMembership {
    /// The index that the deposit was given.
    pub index: MemberIndex,
    /// The identity commitment that was deposited for.
    pub commitment: IdentityCommitment,
}

/// Why there is no path. What was known before is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// No answer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The upper nodes are not those of the chain.
    #[error(
        "the source has another tree than the chain: {0}. It may be a block behind or ahead: read the chain's root again \
         and ask again; if they still differ, do not trust this source"
    )]
    NotTheChains(BucketError),
    /// The number of members is not the chain's.
    #[error("the source speaks of {found} members and the chain of {expected}; do not trust this source")]
    MemberCount {
        /// What the source says.
        found: u64,
        /// What the chain says.
        expected: u64,
    },
    /// A bucket is not of the tree.
    #[error(
        "a bucket does not fit the tree: {0}. The tree may have changed between two answers: read the chain's root again \
         and ask again; if it still does not fit, do not trust this source"
    )]
    Bucket(BucketError),
    /// Nothing was ever asked.
    #[error("nothing is known of the tree yet; sync first")]
    NeverSynced,
    /// The index is beyond the last member.
    #[error("there is no member {0} yet; wait until the deposit is in a block, then sync again")]
    NotYet(MemberIndex),
    /// The member has left.
    #[error("member {0} has left or was slashed, and cannot post")]
    Removed(MemberIndex),
    /// Another identity has this index.
    #[error("member {index} is {found} and not this identity; check the index that the deposit was given")]
    OtherMember {
        /// The index.
        index: MemberIndex,
        /// Whose it is.
        found: IdentityCommitment,
    },
}

/// What a sync has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// What was asked for besides the upper nodes; nothing if it was known and had not changed.
    pub asked: Option<BucketGroup>,
    /// Members of the group who have not left: whom this one hides among, itself included.
    pub hidden_among: usize,
}

/// Whether a member meets a requirement.
pub fn meets(requirement: &Requirement, member: &Member) -> bool {
    member.terms.stake >= requirement.min_stake && member.terms.since <= requirement.since_max
}

/// What a light wallet knows of the tree, all of it checked.
#[derive(Clone, Debug)]
pub struct LightMembers {
    pub(super) levels: Levels,
    pub(super) own: OwnMembership,
    pub(super) known: Option<Known>,
}

/// Upper nodes, and the buckets of a group that hash to them.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) upper: UpperNodes,
    pub(super) group: BucketGroup,
    pub(super) buckets: Vec<VerifiedBucket>,
}

impl LightMembers {
    /// A wallet that knows nothing yet.
    pub fn new(levels: Levels, own: OwnMembership) -> Self {
        Self { levels, own, known: None }
    }

    /// Whose path it is.
    pub fn own(&self) -> OwnMembership {
        self.own
    }

    /// The root that paths lead to, once there is one.
    pub fn root(&self) -> Option<Root> {
        self.known.as_ref().map(|known| known.upper.root())
    }

    /// The group that is asked for, once it is chosen.
    pub fn group(&self) -> Option<BucketGroup> {
        self.known.as_ref().map(|known| known.group)
    }

    /// Brings the wallet to the chain's root. It asks for nothing if it is there, for the upper nodes if the root has
    /// changed, and for its group besides if a bucket of the group has changed.
    ///
    /// Sync by the clock, for example once in an epoch, and not when there is something to post: a request just before
    /// each message ties the two together.
    ///
    /// # Errors
    /// [`SyncError`]; what was known before is kept.
    pub fn sync(&mut self, source: &dyn MembersSource, head: &ChainHead) -> Result<Synced, SyncError> {
        if let Some(known) = &self.known
            && known.upper.root() == head.root
            && u64::from(known.upper.member_count()) == head.member_count
        {
            return Ok(Synced { asked: None, hidden_among: known.active_members() });
        }
        if u64::from(self.own.index.0) >= head.member_count {
            return Err(SyncError::NotYet(self.own.index));
        }
        let upper = source.upper_nodes()?;
        if upper.levels() != self.levels {
            let levels = BucketError::Levels { found: upper.levels().get(), expected: self.levels.get() };
            return Err(SyncError::NotTheChains(levels));
        }
        upper.verify(head.root).map_err(SyncError::NotTheChains)?;
        if u64::from(upper.member_count()) != head.member_count {
            return Err(SyncError::MemberCount { found: upper.member_count().into(), expected: head.member_count });
        }
        let group = self.group().unwrap_or_else(|| BucketGroup::of(self.levels, head.member_count, self.own.index));
        match &mut self.known {
            Some(known) if known.buckets_are_of(&upper) => {
                known.upper = upper;
                Ok(Synced { asked: None, hidden_among: known.active_members() })
            }
            _ => {
                let buckets = fetch(source, &upper, group)?;
                let known = self.known.insert(Known { upper, group, buckets });
                Ok(Synced { asked: Some(group), hidden_among: known.active_members() })
            }
        }
    }

    /// How many of the members that are known meet a requirement. A pass that states it comes from one of all members of the
    /// tree who do, so that this is a lower bound: the wallet knows those of its group.
    pub fn meeting(&self, requirement: &Requirement) -> usize {
        let buckets = self.known.iter().flat_map(|known| &known.buckets);
        buckets
            .flat_map(|bucket| bucket.bucket().members())
            .flatten()
            .filter(|member| meets(requirement, member))
            .count()
    }

    /// The member with its terms, and its path to [`root`](Self::root).
    ///
    /// # Errors
    /// [`SyncError`] if nothing was synced, or the member has left, or is another.
    pub fn membership(&self) -> Result<(Member, MemberPath), SyncError> {
        let known = self.known.as_ref().ok_or(SyncError::NeverSynced)?;
        let OwnMembership { index, commitment } = self.own;
        let number = BucketNumber::of(self.levels, index);
        let bucket = known.buckets.iter().find(|bucket| bucket.bucket().number() == number);
        let bucket = bucket.ok_or(SyncError::NotYet(index))?;
        let path = bucket.path(&known.upper, index).map_err(|error| match error {
            BucketError::Tree(TreeError::Removed(index)) => SyncError::Removed(index),
            BucketError::Tree(TreeError::NoSuchIndex(index)) => SyncError::NotYet(index),
            other => SyncError::Bucket(other),
        })?;
        let member = bucket.bucket().member(index).ok_or(SyncError::Removed(index))?;
        if member.commitment != commitment {
            return Err(SyncError::OtherMember { index, found: member.commitment });
        }
        Ok((member, path))
    }
}

impl Known {
    fn active_members(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.bucket().active_members()).sum()
    }

    /// Whether no bucket of the group has changed.
    fn buckets_are_of(&self, upper: &UpperNodes) -> bool {
        self.group.buckets().all(|number| {
            let bucket = self.buckets.iter().find(|bucket| bucket.bucket().number() == number);
            bucket.map(VerifiedBucket::root) == upper.bucket_root(number)
        })
    }
}

/// All buckets of a group, first to last, checked.
fn fetch(source: &dyn MembersSource, upper: &UpperNodes, group: BucketGroup) -> Result<Vec<VerifiedBucket>, SyncError> {
    let mut buckets = Vec::new();
    // A reorganisation of the chain can take back the bucket that the group ends with.
    for number in group.buckets().filter(|number| upper.bucket_root(*number).is_some()) {
        let bucket = source.bucket(number)?;
        if bucket.number() != number {
            return Err(SyncError::Bucket(BucketError::NoSuchBucket(number)));
        }
        buckets.push(bucket.verify(upper).map_err(SyncError::Bucket)?);
    }
    Ok(buckets)
}
