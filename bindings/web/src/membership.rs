//! A member's data of the tree.

use core::cell::Cell;
use std::collections::BTreeMap;

use js_sys::Uint8Array;
use quotapass_circuits::membership::{
    Bucket, BucketNumber, Levels, Member, MemberIndex, MemberPath, MemberTree, UpperNodes,
};
use quotapass_wallet::members::{
    BucketGroup, ChainHead, LightMembers, MembersSource, OwnMembership, SourceError, SyncError, SyncedPath,
};
use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{argument, error::Failure, to_json};

/// The path of a member, with the data that it was checked against.
#[wasm_bindgen]
pub struct Membership {
    members: LightMembers,
    own: OwnMembership,
}

#[wasm_bindgen]
impl Membership {
    /// Creates a membership without data.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn create(index: f64, commitment: &str) -> Result<Self, Failure> {
        let index = MemberIndex(argument::whole("index", index)?);
        let own = OwnMembership { index, commitment: argument::commitment(commitment)? };
        Ok(Self { members: LightMembers::new(Levels::STANDARD, own), own })
    }

    /// Reads the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// `malformed`.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        let members = LightMembers::from_bytes(bytes, Levels::STANDARD).map_err(Failure::Members)?;
        let own = members.own();
        Ok(Self { members, own })
    }

    /// Creates a membership from the JSON of all members, null for removed ones.
    ///
    /// # Errors
    /// `invalid_argument`, or those of [`sync`](Self::sync).
    #[wasm_bindgen(js_name = fromList)]
    pub fn from_list(index: f64, commitment: &str, members: &str) -> Result<Self, Failure> {
        let mut membership = Self::create(index, commitment)?;
        let tree = MemberTree::build(Levels::STANDARD, argument::members(members)?)?;
        let head = ChainHead { root: tree.root(), member_count: tree.len() as u64 };
        membership.members.sync(&tree, &head)?;
        Ok(membership)
    }

    /// Syncs to the chain's head with the given upper nodes and buckets. Returns JSON: `{"needs": "upper"}` or
    /// `{"needs": [bucket, ...]}` if more must be fetched, and then everything must be passed again; or
    /// `{"needs": null, "asked", "hiddenAmong"}`.
    ///
    /// # Errors
    /// Those of a sync, `malformed`, or `invalid_argument`.
    pub fn sync(
        &mut self,
        root: &str,
        member_count: f64,
        upper: Option<Box<[u8]>>,
        numbers: &[u32],
        buckets: Vec<Uint8Array>,
    ) -> Result<String, Failure> {
        let root = argument::field("root", root)?;
        let head = ChainHead { root, member_count: argument::whole("number of members", member_count)? };
        let upper = upper.map(|bytes| UpperNodes::from_bytes(&bytes)).transpose()?;
        let decode =
            |(number, bytes): (&u32, Uint8Array)| Ok((BucketNumber(*number), Bucket::from_bytes(&bytes.to_vec())?));
        let buckets = numbers.iter().zip(buckets).map(decode).collect::<Result<_, Failure>>()?;
        let source = Fetched { upper, buckets, missing: Cell::new(None) };
        let answer = match (self.members.sync(&source, &head), source.missing.get()) {
            (_, Some(Missing::Upper)) => json!({ "needs": "upper" }),
            (_, Some(Missing::Buckets)) => json!({ "needs": self.group(&source, head.member_count) }),
            (Ok(SyncedPath { asked, hidden_among }), None) => {
                let asked = asked.map(|group| [group.first(), group.last()]);
                json!({ "needs": null, "asked": asked, "hiddenAmong": hidden_among })
            }
            (Err(error), None) => return Err(error.into()),
        };
        Ok(to_json(&answer))
    }

    /// The root that the path leads to; `None` before the first sync.
    pub fn root(&self) -> Option<String> {
        self.members.root().map(|root| root.to_string())
    }

    /// The member as JSON.
    ///
    /// # Errors
    /// Those of a sync.
    pub fn member(&self) -> Result<String, Failure> {
        let (Member { commitment, terms }, _) = self.members.membership()?;
        Ok(to_json(&json!({
            "commitment": commitment,
            "stake": terms.stake,
            "messageLimit": terms.message_limit,
            "since": terms.since,
        })))
    }

    /// Counts the known members who meet a room's requirement at `now` (Unix seconds), at a stake level or at the lowest
    /// one.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn meeting(&self, room: &str, stake: Option<u32>, now: f64) -> Result<usize, Failure> {
        let requirement = argument::policy_at(room, stake)?.requirement_at(argument::moment(now)?);
        Ok(self.members.meeting(&requirement))
    }

    /// The data as bytes, for storage.
    #[wasm_bindgen(js_name = toBytes)]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.members.to_bytes()
    }
}

impl Membership {
    /// The member with its terms, and its path.
    pub(crate) fn located(&self) -> Result<(Member, MemberPath), SyncError> {
        self.members.membership()
    }

    /// The requested buckets that have members.
    fn group(&self, source: &Fetched, member_count: u64) -> Vec<BucketNumber> {
        let group = self.members.group();
        let group = group.unwrap_or_else(|| BucketGroup::of(Levels::STANDARD, member_count, self.own.index));
        let is_begun =
            |number: &BucketNumber| source.upper.as_ref().is_some_and(|upper| upper.bucket_root(*number).is_some());
        group.buckets().filter(is_begun).collect()
    }
}

/// The data fetched so far. A sync reads the data it needs and ends at the first missing part; the missing part is
/// fetched, and the sync starts again.
struct Fetched {
    upper: Option<UpperNodes>,
    buckets: BTreeMap<BucketNumber, Bucket>,
    missing: Cell<Option<Missing>>,
}

#[derive(Clone, Copy)]
enum Missing {
    Upper,
    Buckets,
}

impl Fetched {
    fn or_missing<T>(&self, found: Option<T>, what: Missing) -> Result<T, SourceError> {
        found.ok_or_else(|| {
            self.missing.set(Some(what));
            // The caller sees that a part is missing and ignores this error.
            SourceError::NoSuchBucket(BucketNumber(0))
        })
    }
}

impl MembersSource for Fetched {
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError> {
        self.or_missing(self.upper.clone(), Missing::Upper)
    }

    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError> {
        self.or_missing(self.buckets.get(&number).cloned(), Missing::Buckets)
    }
}
