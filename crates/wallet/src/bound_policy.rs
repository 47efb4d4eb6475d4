//! Policies that are bound to a registry.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{membership::Terms, registry_id::RegistryId, requirement::Requirement, signal::Scope};
use quotapass_protocol::{DatedPolicy, Policy, PolicyError, PolicyHistory, UnixSeconds};
#[cfg(feature = "notes")]
use quotapass_protocol::{PolicyHash, note::NoteError};
use quotapass_text::{AddressError, EvmAddress};
use serde::Deserialize;

use crate::ledger::Quota;

/// Error of a [`BoundPolicy`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoundPolicyError {
    /// The policy's values contradict each other.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The JSON is not an answer to `/v1/policy`.
    #[error("this is not a relay's answer to /v1/policy: {0}; check the address")]
    Document(serde_json::Error),
    /// The registry's address is not valid.
    #[error("the address of the relay's registry is not valid: {0}; ask another relay")]
    Address(AddressError),
    /// The relay has no scope of this name.
    #[error("the relay has no scope `{0}`; choose one that it lists")]
    NoSuchScope(String),
    /// The app does not pin the policy.
    #[cfg(feature = "notes")]
    #[error(
        "the policy of `{name}` has the hash {found}, which this app does not pin; do not post under it: the relay \
         that serves it may recognise your posts by its values. Ask another relay, or get a newer version of the app"
    )]
    NotPinned {
        /// The scope's name.
        name: String,
        /// The hash of the policy.
        found: PolicyHash,
    },
    /// The policy has no canonical form.
    #[cfg(feature = "notes")]
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Two relays state different policies.
    #[error(
        "relays state different policies of `{name}` (versions {version} and {other}); do not post until you know why: \
         a relay that serves a policy to you alone recognises your posts by it. If the policy is just being changed, \
         ask again later"
    )]
    Differs {
        /// The scope's name.
        name: String,
        /// The version of this one.
        version: u32,
        /// The version of the other one.
        other: u32,
    },
    /// The scope that the relay states does not match its registry and this name.
    #[error("the scope `{name}` at this registry is {expected}, not {stated}; do not trust this relay")]
    OtherScope {
        /// The scope's name.
        name: String,
        /// The scope.
        expected: Scope,
        /// The scope that the relay states.
        stated: Scope,
    },
}

/// A policy that is bound to a registry, with the scope that follows from both.
#[derive(Clone, Debug)]
pub struct BoundPolicy {
    registry: RegistryId,
    scope: Scope,
    policy: DatedPolicy,
    /// The policy as a history that never changes.
    history: PolicyHistory,
}

/// The parts of a relay's answer to `/v1/policy` that concern one scope.
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
    /// Older relays state neither version nor time.
    #[serde(default = "first_version")]
    version: u32,
    #[serde(default)]
    from: UnixSeconds,
}

fn first_version() -> u32 {
    1
}

impl BoundPolicy {
    /// Binds a policy to a registry.
    ///
    /// # Errors
    /// [`BoundPolicyError::Policy`] if the policy is not valid.
    pub fn new(registry: RegistryId, policy: impl Into<DatedPolicy>) -> Result<Self, BoundPolicyError> {
        let policy = policy.into();
        let scope = Scope::new(&registry, &policy.policy.name);
        Ok(Self { registry, scope, history: PolicyHistory::new([policy.clone()])?, policy })
    }

    /// Reads the policy of the scope of this name from the JSON that a relay answers at `/v1/policy`. Registry and
    /// policy are then what the relay states. A [`Poster`](super::Poster) fails if the member did not deposit at that
    /// registry.
    ///
    /// # Errors
    /// [`BoundPolicyError`].
    pub fn from_policy_document(json: &str, name: &str) -> Result<Self, BoundPolicyError> {
        let Document { registry, scopes } = serde_json::from_str(json).map_err(BoundPolicyError::Document)?;
        let address = EvmAddress::from_prefixed(&registry.address);
        let EvmAddress(address) = address.map_err(BoundPolicyError::Address)?;
        let registry = RegistryId { chain_id: registry.chain_id, address };
        let scope = scopes.into_iter().find(|scope| scope.name == name);
        let scope = scope.ok_or_else(|| BoundPolicyError::NoSuchScope(name.into()))?;
        let policy = Policy {
            name: scope.name,
            epoch_seconds: scope.epoch_seconds,
            limit_cap: scope.limit_cap,
            min_stake: scope.min_stake,
            min_age_days: scope.min_age_days,
            root_window: scope.root_window,
            max_clock_skew: scope.max_clock_skew,
        };
        Self::new(registry, DatedPolicy { policy, version: scope.version, from: scope.from })?.stated_as(scope.scope)
    }

    /// Returns this policy if the app pins its hash. An app pins the policy of today and the announced next ones.
    ///
    /// This protects against a relay that serves a special policy to one member, and then recognises this member's
    /// posts by the values that they state.
    ///
    /// # Errors
    /// [`BoundPolicyError::NotPinned`].
    #[cfg(feature = "notes")]
    pub fn pinned(self, pins: &[PolicyHash]) -> Result<Self, BoundPolicyError> {
        let found = self.policy_hash()?;
        match pins.contains(&found) {
            true => Ok(self),
            false => Err(BoundPolicyError::NotPinned { name: self.values().name.clone(), found }),
        }
    }

    /// The hash of the policy, which apps pin.
    ///
    /// # Errors
    /// [`BoundPolicyError::Note`] if the policy has no canonical form. Policies that relays publish have one.
    #[cfg(feature = "notes")]
    pub fn policy_hash(&self) -> Result<PolicyHash, BoundPolicyError> {
        Ok(PolicyHash::of(&self.registry, &self.policy)?)
    }

    /// Returns this policy if another relay states the same one. Ask a relay of another operator, over another
    /// connection. See [`pinned`](Self::pinned) for the attack.
    ///
    /// # Errors
    /// [`BoundPolicyError::Differs`].
    pub fn confirmed_by(self, other: &Self) -> Result<Self, BoundPolicyError> {
        match (self.registry, &self.policy) == (other.registry, &other.policy) {
            true => Ok(self),
            false => Err(BoundPolicyError::Differs {
                name: self.values().name.clone(),
                version: self.policy.version,
                other: other.policy.version,
            }),
        }
    }

    /// Returns this policy if its scope is the one that a relay states.
    ///
    /// # Errors
    /// [`BoundPolicyError::OtherScope`].
    pub fn stated_as(self, stated: Scope) -> Result<Self, BoundPolicyError> {
        match self.scope == stated {
            true => Ok(self),
            false => {
                Err(BoundPolicyError::OtherScope { name: self.values().name.clone(), expected: self.scope, stated })
            }
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

    /// The policy with its version and the time when it takes effect.
    pub fn dated(&self) -> &DatedPolicy {
        &self.policy
    }

    /// The values of the policy.
    pub fn values(&self) -> &Policy {
        &self.policy.policy
    }

    /// The policy as a history that never changed.
    pub(super) fn history(&self) -> &PolicyHistory {
        &self.history
    }

    /// The quota of a member with these terms in an epoch.
    pub fn quota(&self, terms: &Terms) -> Quota {
        let values = self.values();
        Quota::new(self.scope, values.epoch_seconds, terms, values.limit_cap)
    }

    /// The requirement that a post made at `now` must state.
    pub fn requirement_at(&self, now: UnixSeconds) -> Requirement {
        self.values().requirement(self.values().epoch_at(now))
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
    fn a_policy_is_read_from_what_a_relay_publishes() {
        let bound = BoundPolicy::from_policy_document(&document(), "lobby").unwrap();
        assert_eq!(*bound.registry(), REGISTRY);
        assert_eq!(bound.scope(), Scope::new(&REGISTRY, "lobby"));
        let values = bound.values();
        assert_eq!((values.epoch_seconds.get(), values.limit_cap.get(), values.max_clock_skew), (60, 5, 20));
    }

    #[test]
    fn what_is_no_policy_document_is_refused() {
        let refusal = |json: &str, name| BoundPolicy::from_policy_document(json, name).unwrap_err();
        let document = document();
        assert!(matches!(refusal(&document, "attic"), BoundPolicyError::NoSuchScope(name) if name == "attic"));
        assert!(matches!(refusal("{}", "lobby"), BoundPolicyError::Document(_)));
        assert!(matches!(refusal(DOCUMENT, "lobby"), BoundPolicyError::Document(_)));
        let address = |text: &str| refusal(&document.replace(&format!("0x{}", "11".repeat(20)), text), "lobby");
        for text in ["0x111g111111111111111111111111111111111111", "1111111111111111111111111111111111111111"] {
            assert!(matches!(address(text), BoundPolicyError::Address(AddressError::Form)), "{text}");
        }
        let mistyped = address("0x5FbDB2315678afecb367f032d93F642f64180aa4");
        assert!(matches!(mistyped, BoundPolicyError::Address(AddressError::Checksum(_))), "{mistyped}");
        let skew = document.replace(r#""max_clock_skew": 20"#, r#""max_clock_skew": 61"#);
        assert!(matches!(refusal(&skew, "lobby"), BoundPolicyError::Policy(_)));
    }

    #[test]
    fn versions_and_times_are_read_where_they_are_stated() {
        let old = BoundPolicy::from_policy_document(&document(), "lobby").unwrap();
        assert_eq!((old.dated().version, old.dated().from), (1, UnixSeconds(0)));
        let document = document().replace(r#""epoch": 1"#, r#""version": 4, "from": 99, "epoch": 1"#);
        let new = BoundPolicy::from_policy_document(&document, "lobby").unwrap();
        assert_eq!((new.dated().version, new.dated().from), (4, UnixSeconds(99)));
    }

    #[cfg(feature = "notes")]
    #[test]
    fn a_policy_for_one_member_alone_is_caught_by_a_pin_and_by_another_relay() {
        let read = |json: &str| BoundPolicy::from_policy_document(json, "lobby").unwrap();
        let policy = read(&document());
        let next = read(&document().replace(r#""epoch": 1"#, r#""version": 2, "from": 9, "epoch": 1"#));
        let pins = [policy.policy_hash().unwrap(), next.policy_hash().unwrap()];
        assert!(policy.clone().pinned(&pins).is_ok() && next.pinned(&pins).is_ok());
        assert!(policy.clone().confirmed_by(&read(&document())).is_ok());
        // A stake, cap, epoch, age, version or time that only one member gets marks every post of this member.
        for (from, to) in [
            (r#""min_stake": 1"#, r#""min_stake": 2"#),
            (r#""limit_cap": 5"#, r#""limit_cap": 6"#),
            (r#""epoch_seconds": 60"#, r#""epoch_seconds": 61"#),
            (r#""min_age_days": 2"#, r#""min_age_days": 3"#),
            (r#""epoch": 1"#, r#""version": 2, "epoch": 1"#),
            (r#""epoch": 1"#, r#""from": 10, "epoch": 1"#),
        ] {
            let tagged = read(&document().replace(from, to));
            assert!(matches!(tagged.clone().pinned(&pins), Err(BoundPolicyError::NotPinned { .. })), "{to}");
            assert!(matches!(tagged.confirmed_by(&policy), Err(BoundPolicyError::Differs { .. })), "{to}");
        }
    }

    #[test]
    fn a_scope_of_another_registry_is_refused() {
        let document = document().replace(r#""chain_id": 7"#, r#""chain_id": 8"#);
        let expected = Scope::new(&RegistryId { chain_id: 8, ..REGISTRY }, "lobby");
        match BoundPolicy::from_policy_document(&document, "lobby") {
            Err(BoundPolicyError::OtherScope { name, expected: found, stated }) => {
                assert_eq!((name.as_str(), found, stated), ("lobby", expected, Scope::new(&REGISTRY, "lobby")));
            }
            other => panic!("{other:?}"),
        }
    }
}
