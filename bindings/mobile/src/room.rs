//! Where is posted, and what is asked for there.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass::relay::{Policy, PolicyHistory};
use quotapass_circuits::{
    registry_id::RegistryId,
    signal::{Epoch, Scope},
};
use serde::Deserialize;

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
    registry: RegistryId,
    scope: Scope,
    policy: Policy,
    history: PolicyHistory,
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
        Self::of(registry.id()?, policy)
    }

    /// A room that a relay carries, from what it answers to `GET /v1/policy`.
    ///
    /// A relay that gave every poster another policy would know them by it. Take the policy from where the room
    /// publishes it, or compare the answers of several relays.
    ///
    /// # Errors
    /// `BadInput` if the JSON is not a relay's policy, or does not list the room.
    #[uniffi::constructor]
    pub fn from_policy_json(json: String, name: String) -> Result<Self, QuotapassError> {
        let body: PolicyBody = serde_json::from_str(&json).map_err(|error| {
            QuotapassError::bad_input("json", format!("not what a relay answers to /v1/policy: {error}"))
        })?;
        let registry = body.registry.id()?;
        let scope = body.scopes.into_iter().find(|scope| scope.name == name);
        let scope = scope.ok_or_else(|| {
            QuotapassError::bad_input("name", format!("the relay does not carry the scope `{name}`; ask another one"))
        })?;
        let stated = scope.scope;
        let room = Self::of(registry, scope.into())?;
        if room.scope != stated {
            let reason =
                format!("the scope `{name}` at this registry is {}, not {stated}; do not trust this relay", room.scope);
            return Err(QuotapassError::bad_input("json", reason));
        }
        Ok(room)
    }

    /// The room's name.
    pub fn name(&self) -> String {
        self.policy.name.clone()
    }

    /// The registry whose members may post.
    pub fn registry(&self) -> Registry {
        self.registry.into()
    }

    /// The policy.
    pub fn policy(&self) -> RoomPolicy {
        let policy = &self.policy;
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
        self.scope.to_string()
    }

    /// The epoch that `now` lies in.
    pub fn epoch_at(&self, now: u64) -> EpochTimes {
        self.policy.epoch_at(now).into()
    }
}

impl Room {
    fn of(registry: RegistryId, policy: Policy) -> Result<Self, QuotapassError> {
        let (scope, history) = (Scope::new(&registry, &policy.name), PolicyHistory::new(policy.clone())?);
        Ok(Self { registry, scope, policy, history })
    }

    pub(crate) fn registry_id(&self) -> RegistryId {
        self.registry
    }

    pub(crate) fn scope_hash(&self) -> Scope {
        self.scope
    }

    pub(crate) fn rules(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn history(&self) -> &PolicyHistory {
        &self.history
    }
}

/// The parts of a relay's answer that matter to posters and verifiers.
#[derive(Deserialize)]
struct PolicyBody {
    registry: RegistryBody,
    scopes: Vec<ScopeBody>,
}

#[derive(Deserialize)]
struct RegistryBody {
    chain_id: u64,
    address: String,
}

impl RegistryBody {
    fn id(self) -> Result<RegistryId, QuotapassError> {
        Registry { chain_id: self.chain_id, address: self.address }.id()
    }
}

#[derive(Deserialize)]
struct ScopeBody {
    name: String,
    scope: Scope,
    epoch_seconds: NonZeroU32,
    limit_cap: NonZeroU16,
    min_stake: u32,
    min_age_days: u16,
    root_window: u32,
    max_clock_skew: u32,
}

impl From<ScopeBody> for Policy {
    fn from(body: ScopeBody) -> Self {
        Self {
            name: body.name,
            epoch_seconds: body.epoch_seconds,
            limit_cap: body.limit_cap,
            min_stake: body.min_stake,
            min_age_days: body.min_age_days,
            root_window: body.root_window,
            max_clock_skew: body.max_clock_skew,
        }
    }
}
