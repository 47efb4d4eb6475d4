//! Where a member stands in the tree.

use std::sync::{Arc, Mutex};

use quotapass::wallet::members::{self, BucketGroup, LightMembers, OwnMembership, SourceError, SyncError};
use quotapass_circuits::membership::{Bucket, Levels, Member, MemberIndex, MemberPath, UpperNodes};

use crate::{
    CancelToken, ChainHead, MembersSource, QuotapassError, Room, lock,
    progress::Progress,
    source::{FetchedSource, ForeignSource},
    text::field,
};

/// Levels of the trees that proofs are made in.
pub(crate) const LEVELS: Levels = Levels::STANDARD;

/// What a sync has done.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SyncReport {
    /// The buckets that were asked for besides the upper nodes; none if they were known and had not changed.
    pub asked: Vec<u32>,
    /// Members of the buckets who have not left: whom this one hides among, itself included.
    pub hidden_among: u32,
}

impl From<members::Synced> for SyncReport {
    fn from(synced: members::Synced) -> Self {
        let asked = synced.asked.map_or_else(Vec::new, |group| group.buckets().map(|number| number.0).collect());
        // Two buckets hold 4,096 members.
        Self { asked, hidden_among: synced.hidden_among as u32 }
    }
}

/// The terms of a deposit.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct MemberTerms {
    /// The stake in the registry's units.
    pub stake: u32,
    /// Messages for each epoch and scope.
    pub message_limit: u16,
    /// The day of the deposit, counted from the Unix epoch.
    pub since: u16,
}

/// What an app knows of the member tree: the upper nodes and the bucket of its member, or two, all of it checked against
/// the root of the chain. Nobody is ever asked for a path, and so nobody learns whose it is.
#[derive(uniffi::Object)]
pub struct Membership {
    own: OwnMembership,
    light: Mutex<LightMembers>,
}

#[uniffi::export]
impl Membership {
    /// A membership of which nothing is known yet: the index that the deposit was given, and the commitment that was
    /// deposited for.
    ///
    /// # Errors
    /// `BadInput` if the commitment is none.
    #[uniffi::constructor]
    pub fn new(index: u32, commitment: String) -> Result<Self, QuotapassError> {
        let own = OwnMembership { index: MemberIndex(index), commitment: field("commitment", &commitment)? };
        Ok(Self { own, light: Mutex::new(LightMembers::new(LEVELS, own)) })
    }

    /// Reads what `to_bytes` wrote for the same member. It is checked against the chain by the next sync.
    ///
    /// # Errors
    /// `BadInput` if the bytes are damaged, or another member's.
    #[uniffi::constructor]
    pub fn from_bytes(cache: Vec<u8>, index: u32, commitment: String) -> Result<Self, QuotapassError> {
        let own = OwnMembership { index: MemberIndex(index), commitment: field("commitment", &commitment)? };
        let bad = |reason: String| {
            let reason = format!("{reason}; begin with an empty membership, and ask another relay than before");
            QuotapassError::bad_input("cache", reason)
        };
        let light = LightMembers::from_bytes(&cache, LEVELS).map_err(|error| bad(error.to_string()))?;
        if light.own() != own {
            return Err(bad("these bytes are another member's".into()));
        }
        Ok(Self { own, light: Mutex::new(light) })
    }

    /// What is known, as bytes, so that a restart asks for nothing. They say who the member is: keep them as private as
    /// the identity.
    pub fn to_bytes(&self) -> Vec<u8> {
        lock(&self.light).to_bytes()
    }

    /// The member's index.
    pub fn index(&self) -> u32 {
        self.own.index.0
    }

    /// The member's commitment.
    pub fn commitment(&self) -> String {
        self.own.commitment.to_string()
    }

    /// The root that was synced to last; none before the first sync.
    pub fn root(&self) -> Option<String> {
        lock(&self.light).root().map(|root| root.to_string())
    }

    /// The terms of the deposit.
    ///
    /// # Errors
    /// `NeverSynced`, `NotYet`, `Removed`, `OtherMember`.
    pub fn terms(&self) -> Result<MemberTerms, QuotapassError> {
        let (member, _) = self.locate()?;
        let terms = member.terms;
        Ok(MemberTerms { stake: terms.stake, message_limit: terms.message_limit, since: terms.since.0 })
    }

    /// How many of the members that are known meet what a room asks for at `now`. A post comes from one of all members of the
    /// tree who do, so that this is a lower bound. Warn before posting if it is low: 50 is what the program warns below.
    pub fn meeting(&self, room: &Room, now: u64) -> u64 {
        lock(&self.light).meeting(&room.client().requirement_at(now)) as u64
    }

    /// Brings it to the chain's root. It asks for nothing if it is there, for the upper nodes if the root has changed,
    /// and for buckets if one of its own has changed.
    ///
    /// Sync by the clock, for example once in an epoch, and not when there is something to post: a request just before
    /// each message ties the two together.
    ///
    /// # Errors
    /// `NotTheChains` if the source has another tree than the chain, `Source` if it does not answer, `NotYet` if the
    /// deposit is not in the tree yet, `Cancelled`, `BadInput`. What was known before is kept.
    #[uniffi::method(default(token = None))]
    pub fn sync(
        &self,
        head: ChainHead,
        source: Arc<dyn MembersSource>,
        token: Option<Arc<CancelToken>>,
    ) -> Result<SyncReport, QuotapassError> {
        let (progress, cancelled) = (Progress::of(token), Mutex::new(None));
        let source = ForeignSource { source: &*source, progress: &progress, cancelled: &cancelled };
        // Not under the lock: the source is the app's code, and may use this handle.
        let mut light = lock(&self.light).clone();
        let synced = light.sync(&source, &head.parse()?);
        if let Some(error) = lock(&cancelled).take() {
            return Err(error);
        }
        let report = synced?.into();
        *lock(&self.light) = light;
        Ok(report)
    }

    /// The same with what the app has fetched itself: the upper nodes, and buckets, which may be none at first.
    ///
    /// # Errors
    /// `BucketsNeeded` with the numbers of the buckets to fetch and hand in, together with the same upper nodes; else as
    /// `sync`.
    pub fn sync_fetched(
        &self,
        head: ChainHead,
        upper_nodes: Vec<u8>,
        buckets: Vec<Vec<u8>>,
    ) -> Result<SyncReport, QuotapassError> {
        let head = head.parse()?;
        let upper =
            UpperNodes::from_bytes(&upper_nodes).map_err(|error| QuotapassError::bad_input("upper_nodes", error))?;
        let buckets = buckets.iter().map(|bytes| Bucket::from_bytes(bytes)).collect::<Result<Vec<_>, _>>();
        let buckets = buckets.map_err(|error| QuotapassError::bad_input("buckets", error))?;
        let source = FetchedSource { upper, buckets };
        let mut light = lock(&self.light);
        match light.sync(&source, &head) {
            Ok(synced) => Ok(synced.into()),
            Err(SyncError::Source(SourceError::NoSuchBucket(_))) => {
                let group = light.group().unwrap_or_else(|| BucketGroup::of(LEVELS, head.member_count, self.own.index));
                let known = group.buckets().filter(|number| source.upper.bucket_root(*number).is_some());
                let numbers = known.map(|number| number.0).collect();
                let reason = "fetch these buckets in this order, and hand them in with the same upper nodes".into();
                Err(QuotapassError::BucketsNeeded { numbers, reason })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Membership {
    /// The member with its terms, and its path to the root that was synced to last.
    pub(crate) fn locate(&self) -> Result<(Member, MemberPath), QuotapassError> {
        Ok(lock(&self.light).membership()?)
    }
}
