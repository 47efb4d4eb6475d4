//! Memberships in the tree.

use std::sync::{Arc, Mutex};

use quotapass_circuits::membership::{Bucket, Levels, Member, MemberIndex, MemberPath, UpperNodes};
use quotapass_protocol::UnixSeconds;
use quotapass_wallet::members::{self, BucketGroup, LightMembers, OwnMembership, SourceError, SyncError};

use crate::{
    CancelToken, ChainHead, MembersSource, QuotapassError, Room, lock,
    prepared::at_level,
    progress::Progress,
    source::{FetchedSource, ForeignSource},
    text::field,
};

/// Number of levels of the trees that proofs are made for.
pub(crate) const LEVELS: Levels = Levels::STANDARD;

/// Result of a sync.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SyncReport {
    /// The buckets requested besides the upper nodes; empty if nothing had changed.
    pub asked: Vec<u32>,
    /// Number of members of the buckets who have not left: the anonymity set of this member, itself included.
    pub hidden_among: u32,
}

impl From<members::SyncedPath> for SyncReport {
    fn from(synced: members::SyncedPath) -> Self {
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

/// An app's data of the member tree: the upper nodes and one or two buckets, which contain its member. All of it is
/// checked against the root of the chain. A path is never requested, so no source learns which member it is.
#[derive(uniffi::Object)]
pub struct Membership {
    own: OwnMembership,
    light: Mutex<LightMembers>,
}

#[uniffi::export]
impl Membership {
    /// Creates a membership without data. It has the index that the registry gave the deposit, and the commitment of
    /// the deposit.
    ///
    /// # Errors
    /// `BadInput` if the commitment is not valid.
    #[uniffi::constructor]
    pub fn new(index: u32, commitment: String) -> Result<Self, QuotapassError> {
        let own = OwnMembership { index: MemberIndex(index), commitment: field("commitment", &commitment)? };
        Ok(Self { own, light: Mutex::new(LightMembers::new(LEVELS, own)) })
    }

    /// Reads the bytes of `to_bytes` of the same member. The next sync checks them against the chain.
    ///
    /// # Errors
    /// `BadInput` if the bytes are damaged or belong to another member.
    #[uniffi::constructor]
    pub fn from_bytes(cache: Vec<u8>, index: u32, commitment: String) -> Result<Self, QuotapassError> {
        let own = OwnMembership { index: MemberIndex(index), commitment: field("commitment", &commitment)? };
        let bad = |reason: String| {
            let reason = format!("{reason}; start with an empty membership, and ask another relay than before");
            QuotapassError::bad_input("cache", reason)
        };
        let light = LightMembers::from_bytes(&cache, LEVELS).map_err(|error| bad(error.to_string()))?;
        if light.own() != own {
            return Err(bad("these bytes belong to another member".into()));
        }
        Ok(Self { own, light: Mutex::new(light) })
    }

    /// Returns the data as bytes, so that a restart needs no requests. The bytes reveal which member this is: keep them
    /// as private as the identity.
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

    /// The root of the last sync; none before the first one.
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

    /// Counts the known members who meet a room's requirement at `now`, at a stake level or at the lowest one. A post may
    /// come from any member of the tree who meets it, so the count is a lower bound. Warn before posting if it is low: the
    /// command line warns below 50.
    ///
    /// # Errors
    /// `BadInput` if the room has no such stake level.
    #[uniffi::method(default(stake = None))]
    pub fn meeting(&self, room: &Room, now: u64, stake: Option<u32>) -> Result<u64, QuotapassError> {
        let requirement = at_level(room, stake)?.requirement_at(UnixSeconds(now));
        Ok(lock(&self.light).meeting(&requirement) as u64)
    }

    /// Syncs to the chain's root. It requests nothing if the root is unchanged, the upper nodes if the root has
    /// changed, and also the buckets if one of them has changed.
    ///
    /// Sync at fixed times, for example once per epoch, and not when there is a message to post: a request just before
    /// each message links the two.
    ///
    /// # Errors
    /// `NotTheChains` if the source's tree differs from the chain's, `Source` if it does not answer, `NotYet` if the
    /// deposit is not in the tree yet, `Cancelled`, `BadInput`. The data from before is kept.
    #[uniffi::method(default(token = None))]
    pub fn sync(
        &self,
        head: ChainHead,
        source: Arc<dyn MembersSource>,
        token: Option<Arc<CancelToken>>,
    ) -> Result<SyncReport, QuotapassError> {
        let (progress, cancelled) = (Progress::of(token), Mutex::new(None));
        let source = ForeignSource { source: &*source, progress: &progress, cancelled: &cancelled };
        // Not under the lock: the source is code of the app, and may use this handle.
        let mut light = lock(&self.light).clone();
        let synced = light.sync(&source, &head.parse()?);
        if let Some(error) = lock(&cancelled).take() {
            return Err(error);
        }
        let report = synced?.into();
        *lock(&self.light) = light;
        Ok(report)
    }

    /// The same with data that the app has fetched itself: the upper nodes, and buckets. The list of buckets may be
    /// empty at first.
    ///
    /// # Errors
    /// `BucketsNeeded` with the numbers of the buckets to fetch and pass, together with the same upper nodes; otherwise
    /// as `sync`.
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
                let reason = "fetch these buckets in this order, and pass them with the same upper nodes".into();
                Err(QuotapassError::BucketsNeeded { numbers, reason })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Membership {
    /// The member with its terms, and its path to the root of the last sync.
    pub(crate) fn locate(&self) -> Result<(Member, MemberPath), QuotapassError> {
        Ok(lock(&self.light).membership()?)
    }
}
