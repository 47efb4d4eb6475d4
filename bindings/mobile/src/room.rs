//! Where is posted, and what is asked for there.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass::{client, relay::Policy};
use quotapass_circuits::signal::Epoch;

use crate::{QuotapassError, Registry};

/// What a room asks of its posters: published, and the same for all.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RoomPolicy {
    /// The room's name, which its scope is made of; 1 to 255 bytes.
    pub name: String,
    /// Length of an epoch in seconds, not zero.
    pub epoch_seconds: u32,
    /// Cap on messages for each epoch, whatever the member's own limit; not zero.
    pub limit_cap: u16,
    /// Least stake, in the registry's units.
    pub min_stake: u32,
    /// Least age of a deposit in days.
    pub min_age_days: u16,
    /// How long a root is accepted after it was superseded, in seconds.
    pub root_window: u32,
    /// Clock difference allowed around an epoch's edges, in seconds; at most one epoch.
    pub max_clock_skew: u32,
}

/// The epoch of a moment.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct EpochTimes {
    /// Its number.
    pub number: u64,
    /// The Unix second it begins with.
    pub begins: u64,
    /// The first Unix second after it.
    pub ends: u64,
}

impl From<Epoch> for EpochTimes {
    fn from(epoch: Epoch) -> Self {
        Self { number: epoch.number(), begins: epoch.begins(), ends: epoch.ends() }
    }
}

/// A room at a registry, and its policy.
#[derive(Clone, Debug, uniffi::Object)]
pub struct Room {
    room: client::Room,
}

#[uniffi::export]
impl Room {
    /// The room with this policy.
    ///
    /// # Errors
    /// `BadInput` says which values do not go together.
    #[uniffi::constructor]
    pub fn new(registry: Registry, policy: RoomPolicy) -> Result<Self, QuotapassError> {
        let zero = |value| QuotapassError::bad_input(value, "must not be zero");
        let policy = Policy {
            name: policy.name,
            epoch_seconds: NonZeroU32::new(policy.epoch_seconds).ok_or_else(|| zero("policy.epoch_seconds"))?,
            limit_cap: NonZeroU16::new(policy.limit_cap).ok_or_else(|| zero("policy.limit_cap"))?,
            min_stake: policy.min_stake,
            min_age_days: policy.min_age_days,
            root_window: policy.root_window,
            max_clock_skew: policy.max_clock_skew,
        };
        Ok(Self { room: client::Room::new(registry.id()?, policy)? })
    }

    /// A room that a relay carries, from what it answers to `GET /v1/policy`.
    ///
    /// A relay that gave every poster another policy would know them by it. Take the policy from where the room
    /// publishes it, or compare the answers of several relays.
    ///
    /// # Errors
    /// `BadInput` if the JSON is not a relay's policy, does not list the room, or states a scope that is not the room's.
    #[uniffi::constructor]
    pub fn from_policy_json(json: String, name: String) -> Result<Self, QuotapassError> {
        Ok(Self { room: client::Room::from_policy_document(&json, &name)? })
    }

    /// The room's name.
    pub fn name(&self) -> String {
        self.room.policy().name.clone()
    }

    /// The registry whose members may post.
    pub fn registry(&self) -> Registry {
        (*self.room.registry()).into()
    }

    /// The policy.
    pub fn policy(&self) -> RoomPolicy {
        let policy = self.room.policy();
        RoomPolicy {
            name: policy.name.clone(),
            epoch_seconds: policy.epoch_seconds.get(),
            limit_cap: policy.limit_cap.get(),
            min_stake: policy.min_stake,
            min_age_days: policy.min_age_days,
            root_window: policy.root_window,
            max_clock_skew: policy.max_clock_skew,
        }
    }

    /// The scope: a field element of registry and name.
    pub fn scope(&self) -> String {
        self.room.scope().to_string()
    }

    /// The epoch that `now` lies in.
    pub fn epoch_at(&self, now: u64) -> EpochTimes {
        self.room.policy().epoch_at(now).into()
    }
}

impl Room {
    pub(crate) fn client(&self) -> &client::Room {
        &self.room
    }
}
