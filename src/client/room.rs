//! Where messages are posted.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{membership::Terms, registry_id::RegistryId, requirement::Requirement, signal::Scope};
use serde::Deserialize;

use crate::{
    relay::{DatedPolicy, Policy, PolicyError, PolicyHistory},
    wallet::ledger::Quota,
};

/// A room that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoomError {
    /// The policy's values do not go together.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// What a relay published is not what `/v1/policy` answers.
    #[error("this is not what a relay answers at /v1/policy: {0}; check the address")]
    Document(serde_json::Error),
    /// The registry's address is none.
    #[error("the relay's registry address is not 0x and 40 hexadecimal digits; ask another relay")]
    Address,
    /// The relay carries no scope of this name.
    #[error("the relay carries no scope `{0}`; take one that it lists")]
    NoSuchScope(String),
    /// The scope that the relay states is not that of its registry and this name.
    #[error("the scope `{name}` at this registry is {expected}, not {stated}; do not trust this relay")]
    OtherScope {
        /// The scope's name.
        name: String,
        /// The scope.
        expected: Scope,
        /// What the relay states.
        stated: Scope,
    },
}

/// A room: a scope at a registry, and what its policy asks for.
#[derive(Clone, Debug)]
pub struct Room {
    registry: RegistryId,
    scope: Scope,
    policy: DatedPolicy,
    /// The policy as a history that never changes.
    policies: PolicyHistory,
}

/// What a relay answers at `/v1/policy`, as far as it concerns a room.
#[derive(Deserialize)]
struct Document {
    registry: RegistryDocument,
    scopes: Vec<ScopeDocument>,
}

#[derive(Deserialize)]
struct RegistryDocument {
    chain_id: u64,
    address: String,
}

#[derive(Deserialize)]
struct ScopeDocument {
    name: String,
    scope: Scope,
    epoch_seconds: NonZeroU32,
    limit_cap: NonZeroU16,
    min_stake: u32,
    min_age_days: u16,
    root_window: u32,
    max_clock_skew: u32,
}

impl Room {
    /// The room of a policy at a registry.
    ///
    /// # Errors
    /// [`RoomError::Policy`] if the policy is not valid.
    pub fn new(registry: RegistryId, policy: impl Into<DatedPolicy>) -> Result<Self, RoomError> {
        let policy = policy.into();
        let scope = Scope::new(&registry, &policy.policy.name);
        Ok(Self { registry, scope, policies: PolicyHistory::new([policy.clone()])?, policy })
    }

    /// The room of this name among those in the JSON that a relay answers at `/v1/policy`. Registry and policy are then
    /// as the relay says; whether the registry is the one that was deposited at, a [`Poster`](super::Poster) finds out.
    ///
    /// # Errors
    /// [`RoomError`].
    pub fn from_policy_document(json: &str, name: &str) -> Result<Self, RoomError> {
        let Document { registry, scopes } = serde_json::from_str(json).map_err(RoomError::Document)?;
        let mut address = [0; 20];
        let digits = registry.address.strip_prefix("0x").ok_or(RoomError::Address)?;
        hex::decode_to_slice(digits, &mut address).map_err(|_| RoomError::Address)?;
        let registry = RegistryId { chain_id: registry.chain_id, address };
        let scope = scopes.into_iter().find(|scope| scope.name == name);
        let scope = scope.ok_or_else(|| RoomError::NoSuchScope(name.into()))?;
        let policy = Policy {
            name: scope.name,
            epoch_seconds: scope.epoch_seconds,
            limit_cap: scope.limit_cap,
            min_stake: scope.min_stake,
            min_age_days: scope.min_age_days,
            root_window: scope.root_window,
            max_clock_skew: scope.max_clock_skew,
        };
        Self::new(registry, policy)?.stated_as(scope.scope)
    }

    /// This room, if its scope is the one that a relay states.
    ///
    /// # Errors
    /// [`RoomError::OtherScope`].
    pub fn stated_as(self, stated: Scope) -> Result<Self, RoomError> {
        match self.scope == stated {
            true => Ok(self),
            false => Err(RoomError::OtherScope { name: self.policy().name.clone(), expected: self.scope, stated }),
        }
    }

    /// The registry whose members may post.
    pub fn registry(&self) -> &RegistryId {
        &self.registry
    }

    /// The scope.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy.policy
    }

    /// The policy as a history that never changed.
    pub(super) fn policies(&self) -> &PolicyHistory {
        &self.policies
    }

    /// What a member with these terms may post in an epoch.
    pub fn quota(&self, terms: &Terms) -> Quota {
        let policy = self.policy();
        Quota::new(self.scope, policy.epoch_seconds, terms, policy.limit_cap)
    }

    /// What a post must state that is made at `now` (Unix seconds).
    pub fn requirement_at(&self, now: u64) -> Requirement {
        self.policy().requirement(self.policy().epoch_at(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: RegistryId = RegistryId { chain_id: 7, address: [0x11; 20] };
    const DOCUMENT: &str = r#"{"now": 1, "registry": {"chain_id": 7, "address": "0x1111111111111111111111111111111111111111"},
        "development_keys": true, "unlisted": "reject", "scopes": [{"name": "lobby", "scope": "SCOPE", "epoch_seconds": 60,
        "limit_cap": 5, "min_stake": 1, "min_age_days": 2, "root_window": 3600, "max_clock_skew": 20, "epoch": 1,
        "epoch_ends": 2, "since_max": 3}]}"#;

    fn document() -> String {
        DOCUMENT.replace("SCOPE", &Scope::new(&REGISTRY, "lobby").to_string())
    }

    #[test]
    fn a_room_is_read_from_what_a_relay_publishes() {
        let room = Room::from_policy_document(&document(), "lobby").unwrap();
        assert_eq!(*room.registry(), REGISTRY);
        assert_eq!(room.scope(), Scope::new(&REGISTRY, "lobby"));
        let policy = room.policy();
        assert_eq!((policy.epoch_seconds.get(), policy.limit_cap.get(), policy.max_clock_skew), (60, 5, 20));
    }

    #[test]
    fn what_is_no_policy_document_is_refused() {
        let refusal = |json: &str, name| Room::from_policy_document(json, name).unwrap_err();
        let document = document();
        assert!(matches!(refusal(&document, "attic"), RoomError::NoSuchScope(name) if name == "attic"));
        assert!(matches!(refusal("{}", "lobby"), RoomError::Document(_)));
        assert!(matches!(refusal(DOCUMENT, "lobby"), RoomError::Document(_)));
        assert!(matches!(refusal(&document.replace("0x1111", "0x111g"), "lobby"), RoomError::Address));
        assert!(matches!(refusal(&document.replace("0x1111", "1111"), "lobby"), RoomError::Address));
        let skew = document.replace(r#""max_clock_skew": 20"#, r#""max_clock_skew": 61"#);
        assert!(matches!(refusal(&skew, "lobby"), RoomError::Policy(_)));
    }

    #[test]
    fn a_scope_of_another_registry_is_refused() {
        let document = document().replace(r#""chain_id": 7"#, r#""chain_id": 8"#);
        let expected = Scope::new(&RegistryId { chain_id: 8, ..REGISTRY }, "lobby");
        match Room::from_policy_document(&document, "lobby") {
            Err(RoomError::OtherScope { name, expected: found, stated }) => {
                assert_eq!((name.as_str(), found, stated), ("lobby", expected, Scope::new(&REGISTRY, "lobby")));
            }
            other => panic!("{other:?}"),
        }
    }
}
