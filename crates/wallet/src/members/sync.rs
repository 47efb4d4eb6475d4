//! A light wallet's verified data of the tree, and its synchronisation.

use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{
        BucketError, BucketNumber, Levels, Member, MemberIndex, MemberPath, Root, TreeError, UpperNodes, VerifiedBucket,
    },
    requirement::Requirement,
};

use super::{BucketGroup, MembersSource, SourceError};

/// The state of the member tree on the chain at one block. Read both values at the same block, from an endpoint that
/// the source does not control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The root.
    pub root: Root,
    /// Members ever added.
    pub member_count: u64,
}

/// The membership whose path is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnMembership {
    /// The index that the registry gave the deposit.
    pub index: MemberIndex,
    /// The identity commitment of the deposit.
    pub commitment: IdentityCommitment,
}

/// Errors of a sync. The data from before is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The upper nodes do not match the chain.
    #[error(
        "the source's tree differs from the chain's: {0}. It may be a block behind or ahead: read the chain's root \
         again and ask again; if they still differ, do not trust this source"
    )]
    NotTheChains(BucketError),
    /// The number of members differs from the chain's.
    #[error("the source reports {found} members, but the chain has {expected}; do not trust this source")]
    MemberCount {
        /// The source's number.
        found: u64,
        /// The chain's number.
        expected: u64,
    },
    /// A bucket does not match the tree.
    #[error(
        "a bucket does not match the tree: {0}. The tree may have changed between two answers: read the chain's root \
         again and ask again; if it still does not match, do not trust this source"
    )]
    Bucket(BucketError),
    /// No sync has succeeded yet.
    #[error("the tree was never synced; sync first")]
    NeverSynced,
    /// The index is beyond the last member.
    #[error("there is no member {0} yet; wait until the deposit is in a block, then sync again")]
    NotYet(MemberIndex),
    /// The member has left.
    #[error("member {0} has left or was slashed, and cannot post")]
    Removed(MemberIndex),
    /// Another identity has this index.
    #[error("member {index} is {found}, not this identity; check the index of the deposit")]
    OtherMember {
        /// The index.
        index: MemberIndex,
        /// The commitment at this index.
        found: IdentityCommitment,
    },
}

/// Result of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncedPath {
    /// The group requested besides the upper nodes; `None` if nothing had changed.
    pub asked: Option<BucketGroup>,
    /// Number of members of the group who have not left: the anonymity set of this member, itself included.
    pub hidden_among: usize,
}

/// Whether a member meets a requirement.
pub fn meets(requirement: &Requirement, member: &Member) -> bool {
    member.terms.stake >= requirement.min_stake && member.terms.since <= requirement.since_max
}

/// A light wallet's data of the tree, all of it verified.
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
    /// A wallet without data.
    pub fn new(levels: Levels, own: OwnMembership) -> Self {
        Self { levels, own, known: None }
    }

    /// The membership whose path it is.
    pub fn own(&self) -> OwnMembership {
        self.own
    }

    /// The root that paths lead to; `None` before the first sync.
    pub fn root(&self) -> Option<Root> {
        self.known.as_ref().map(|known| known.upper.root())
    }

    /// The requested group; `None` before it is chosen.
    pub fn group(&self) -> Option<BucketGroup> {
        self.known.as_ref().map(|known| known.group)
    }

    /// Syncs the wallet to the chain's root. It requests nothing if the root is unchanged, the upper nodes if the root
    /// has changed, and also its group if a bucket of the group has changed.
    ///
    /// Sync at fixed times, for example once per epoch, and not when there is a message to post: a request just before
    /// each message links the two.
    ///
    /// # Errors
    /// [`SyncError`]; the data from before is kept.
    pub fn sync(&mut self, source: &dyn MembersSource, head: &ChainHead) -> Result<SyncedPath, SyncError> {
        if let Some(known) = &self.known
            && known.upper.root() == head.root
            && u64::from(known.upper.member_count()) == head.member_count
        {
            return Ok(SyncedPath { asked: None, hidden_among: known.active_members() });
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
                Ok(SyncedPath { asked: None, hidden_among: known.active_members() })
            }
            _ => {
                let buckets = fetch(source, &upper, group)?;
                let known = self.known.insert(Known { upper, group, buckets });
                Ok(SyncedPath { asked: Some(group), hidden_among: known.active_members() })
            }
        }
    }

    /// Counts the known members who meet a requirement. A pass with this requirement may come from any member of the
    /// tree who meets it. The wallet knows only the members of its group, so the count is a lower bound.
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
    /// [`SyncError`] if the wallet was never synced, or the member has left or is another one.
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

/// Fetches and verifies all buckets of a group, first to last.
fn fetch(source: &dyn MembersSource, upper: &UpperNodes, group: BucketGroup) -> Result<Vec<VerifiedBucket>, SyncError> {
    let mut buckets = Vec::new();
    // A reorganisation of the chain can remove the last bucket of the group.
    for number in group.buckets().filter(|number| upper.bucket_root(*number).is_some()) {
        let bucket = source.bucket(number)?;
        if bucket.number() != number {
            return Err(SyncError::Bucket(BucketError::NoSuchBucket(number)));
        }
        buckets.push(bucket.verify(upper).map_err(SyncError::Bucket)?);
    }
    Ok(buckets)
}
