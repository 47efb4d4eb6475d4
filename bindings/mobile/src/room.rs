//! Rooms and their policies.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::signal::Epoch;
use quotapass_protocol::{DatedPolicy, Policy, PolicyHash, UnixSeconds};
use quotapass_wallet::BoundPolicy;

use crate::{QuotapassError, Registry};

/// A room's requirements for posters. The policy is public and the same for all.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RoomPolicy {
    /// The room's name, from which its scope is derived; 1 to 255 bytes.
    pub name: String,
    /// Length of an epoch in seconds, not zero.
    pub epoch_seconds: u32,
    /// Maximum number of messages in each epoch, even if the member's own limit is higher; not zero.
    pub limit_cap: u16,
    /// Minimum stake, in the registry's units.
    pub min_stake: u32,
    /// Minimum age of a deposit in days.
    pub min_age_days: u16,
    /// Time for which a root is accepted after it was superseded, in seconds.
    pub root_window: u32,
    /// Clock difference allowed around an epoch's edges, in seconds; at most one epoch.
    pub max_clock_skew: u32,
    /// The number of the policy among the policies of its scope.
    #[uniffi(default = 1)]
    pub version: u32,
    /// The Unix second at which it takes effect; zero if none is stated.
    #[uniffi(default = 0)]
    pub holds_from: u64,
    /// The stakes of which a post proves one, ascending from `min_stake`; only `min_stake` if not given.
    #[uniffi(default = [])]
    pub stake_levels: Vec<u32>,
    /// Whose lists the room enforces, and how its posts are reported. Without it, there is no moderation.
    #[uniffi(default = None)]
    pub moderation: Option<ModerationPolicy>,
}

/// The moderation of a room.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ModerationPolicy {
    /// The lists that each post answers to, in this order.
    pub lists: Vec<PolicyList>,
    /// Time for which a superseded version of a list is accepted, in seconds.
    pub list_window: u32,
    /// Days in which a post can be reported; 0 if none can.
    pub report_days: u16,
    /// Number of reports at which a post is held, if any.
    pub hide_at: Option<u16>,
    /// The recipients of age to which reports are encrypted.
    pub report_recipients: Vec<String>,
}

/// A list that a room enforces: the strikes in force of a moderation log.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PolicyList {
    /// Identity of the log: 64 hexadecimal digits.
    pub log: String,
    /// The most entries, 1 to 1,024. The newest count.
    pub limit: u16,
}

impl ModerationPolicy {
    fn read(self) -> Result<quotapass_protocol::ModerationPolicy, QuotapassError> {
        let list = |PolicyList { log, limit }: PolicyList| {
            let log = log.parse().map_err(|error| QuotapassError::bad_input("policy.moderation.lists", error))?;
            Ok(quotapass_protocol::PolicyList { log, limit })
        };
        Ok(quotapass_protocol::ModerationPolicy {
            lists: self.lists.into_iter().map(list).collect::<Result<_, QuotapassError>>()?,
            list_window: self.list_window,
            report_days: self.report_days,
            hide_at: self.hide_at.and_then(NonZeroU16::new),
            report_recipients: self.report_recipients,
        })
    }

    fn of(policy: &quotapass_protocol::ModerationPolicy) -> Self {
        let list = |list: &quotapass_protocol::PolicyList| PolicyList { log: list.log.to_string(), limit: list.limit };
        Self {
            lists: policy.lists.iter().map(list).collect(),
            list_window: policy.list_window,
            report_days: policy.report_days,
            hide_at: policy.hide_at.map(NonZeroU16::get),
            report_recipients: policy.report_recipients.clone(),
        }
    }
}

/// The epoch at some time.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct EpochTimes {
    /// Its number.
    pub number: u64,
    /// The Unix second at which it begins.
    pub begins: u64,
    /// The first Unix second after it.
    pub ends: u64,
}

impl From<Epoch> for EpochTimes {
    fn from(epoch: Epoch) -> Self {
        Self { number: epoch.number(), begins: epoch.begins().0, ends: epoch.ends().0 }
    }
}

/// A room at a registry, and its policy.
#[derive(Clone, Debug, uniffi::Object)]
pub struct Room {
    bound: BoundPolicy,
}

#[uniffi::export]
impl Room {
    /// Creates the room with this policy.
    ///
    /// # Errors
    /// `BadInput` says which values contradict each other.
    #[uniffi::constructor]
    pub fn new(registry: Registry, policy: RoomPolicy) -> Result<Self, QuotapassError> {
        let zero = |value| QuotapassError::bad_input(value, "must not be zero");
        let (version, from) = (policy.version, UnixSeconds(policy.holds_from));
        let policy = Policy {
            name: policy.name,
            epoch_seconds: NonZeroU32::new(policy.epoch_seconds).ok_or_else(|| zero("policy.epoch_seconds"))?,
            limit_cap: NonZeroU16::new(policy.limit_cap).ok_or_else(|| zero("policy.limit_cap"))?,
            min_stake: policy.min_stake,
            min_age_days: policy.min_age_days,
            root_window: policy.root_window,
            max_clock_skew: policy.max_clock_skew,
            stake_levels: policy.stake_levels,
            moderation: policy.moderation.map(ModerationPolicy::read).transpose()?,
        };
        Ok(Self { bound: BoundPolicy::new(registry.id()?, DatedPolicy { policy, version, from })? })
    }

    /// Reads a room from a relay's answer to `GET /v1/policy`.
    ///
    /// A relay that gives each poster another policy can recognise posters by it. Get the policy from the room's
    /// publisher, check it with `require_pinned`, or compare the answers of several relays with `require_same`.
    ///
    /// # Errors
    /// `BadInput` if the JSON is not a relay's policy, does not list the room, or states a scope that does not match
    /// the room.
    #[uniffi::constructor]
    pub fn from_policy_json(json: String, name: String) -> Result<Self, QuotapassError> {
        Ok(Self { bound: BoundPolicy::from_policy_document(&json, &name)? })
    }

    /// SHA-256 of the policy's canonical JSON (RFC 8785), 64 hexadecimal digits. Relays publish it as `policy_hash`. It
    /// is computed from the values that posts state.
    ///
    /// # Errors
    /// `BadInput` if the policy has no canonical form.
    pub fn policy_hash(&self) -> Result<String, QuotapassError> {
        Ok(self.bound.policy_hash()?.to_string())
    }

    /// Refuses the room unless the app pins the hash of its policy. An app pins the policy of today and the announced
    /// next ones. A relay that serves a special policy to one member recognises this member's posts by it.
    ///
    /// # Errors
    /// `Policy` if the policy is not pinned, `BadInput` if one of `hashes` is not a hash.
    pub fn require_pinned(&self, hashes: Vec<String>) -> Result<(), QuotapassError> {
        let pins = hashes.iter().map(|hash| hash.parse()).collect::<Result<Vec<PolicyHash>, _>>();
        let pins = pins.map_err(|error| QuotapassError::bad_input("hashes", error))?;
        self.bound.clone().pinned(&pins)?;
        Ok(())
    }

    /// Refuses the room unless another relay states the same policy for it. Ask a relay of another operator; if the
    /// policy is just being changed, ask again later.
    ///
    /// # Errors
    /// `Policy`.
    pub fn require_same(&self, other: &Room) -> Result<(), QuotapassError> {
        self.bound.clone().confirmed_by(&other.bound)?;
        Ok(())
    }

    /// The room's name.
    pub fn name(&self) -> String {
        self.bound.values().name.clone()
    }

    /// The registry whose members may post.
    pub fn registry(&self) -> Registry {
        (*self.bound.registry()).into()
    }

    /// The policy.
    pub fn policy(&self) -> RoomPolicy {
        let DatedPolicy { policy, version, from } = self.bound.dated();
        RoomPolicy {
            name: policy.name.clone(),
            epoch_seconds: policy.epoch_seconds.get(),
            limit_cap: policy.limit_cap.get(),
            min_stake: policy.min_stake,
            min_age_days: policy.min_age_days,
            root_window: policy.root_window,
            max_clock_skew: policy.max_clock_skew,
            version: *version,
            holds_from: from.0,
            stake_levels: policy.stake_levels.clone(),
            moderation: policy.moderation.as_ref().map(ModerationPolicy::of),
        }
    }

    /// The scope: a field element derived from registry and name.
    pub fn scope(&self) -> String {
        self.bound.scope().to_string()
    }

    /// The epoch at `now`.
    pub fn epoch_at(&self, now: u64) -> EpochTimes {
        self.bound.values().epoch_at(UnixSeconds(now)).into()
    }
}

impl Room {
    pub(crate) fn bound_policy(&self) -> &BoundPolicy {
        &self.bound
    }
}
