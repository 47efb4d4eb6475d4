//! Policies that are bound to a registry.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{
    membership::{Day, Terms},
    registry_id::RegistryId,
    requirement::Requirement,
    share::Nullifier,
    signal::{Epoch, Scope},
};
use quotapass_protocol::{DatedPolicy, ModerationPolicy, Policy, PolicyError, PolicyHistory, UnixSeconds};
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
    /// The scope has no such stake level.
    #[error("the scope `{name}` has the stake levels {levels:?}, not {level}; choose one of them")]
    NoSuchLevel {
        /// The scope's name.
        name: String,
        /// The level.
        level: u32,
        /// The levels.
        levels: Vec<u32>,
    },
    /// The scope takes no reports.
    #[error("the scope `{0}` takes no reports; tell its moderators in another way")]
    NoReports(String),
}

/// A policy that is bound to a registry, with the scope that follows from both.
///
/// A relay may publish the policy of a pattern such as `room/*`. It is then bound to one scope of it, such as
/// `room/kitchen`: [`values`](Self::values) has that name, and the [hash](Self::policy_hash) is that of the policy as
/// published.
#[derive(Clone, Debug)]
pub struct BoundPolicy {
    registry: RegistryId,
    scope: Scope,
    /// The policy with the scope's full name.
    policy: DatedPolicy,
    /// The policy as the relay publishes it.
    published: DatedPolicy,
    /// The stake level that passes state.
    level: u32,
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
    #[serde(default)]
    stake_levels: Vec<u32>,
    #[serde(default)]
    moderation: Option<ModerationPolicy>,
    /// Older relays state neither version nor time.
    #[serde(default = "first_version")]
    version: u32,
    #[serde(default)]
    from: UnixSeconds,
}

fn first_version() -> u32 {
    1
}

impl ScopeDocument {
    /// Returns the scope that the relay states, and its policy.
    fn read(self) -> (Scope, DatedPolicy) {
        let policy = Policy {
            name: self.name,
            epoch_seconds: self.epoch_seconds,
            limit_cap: self.limit_cap,
            min_stake: self.min_stake,
            min_age_days: self.min_age_days,
            root_window: self.root_window,
            max_clock_skew: self.max_clock_skew,
            stake_levels: self.stake_levels,
            moderation: self.moderation,
        };
        (self.scope, DatedPolicy { policy, version: self.version, from: self.from })
    }
}

impl BoundPolicy {
    /// Binds a policy to a registry.
    ///
    /// # Errors
    /// [`BoundPolicyError::Policy`] if the policy is not valid.
    pub fn new(registry: RegistryId, policy: impl Into<DatedPolicy>) -> Result<Self, BoundPolicyError> {
        let published = policy.into();
        Self::with_values(registry, published.policy.clone(), published)
    }

    /// Binds the values of a scope that a published policy is the policy of.
    fn with_values(registry: RegistryId, values: Policy, published: DatedPolicy) -> Result<Self, BoundPolicyError> {
        let (scope, level) = (Scope::new(&registry, &values.name), values.min_stake);
        let policy = DatedPolicy { policy: values, ..published.clone() };
        Ok(Self { registry, scope, history: PolicyHistory::new([policy.clone()])?, level, policy, published })
    }

    /// Returns the policy of one scope of a pattern, at the lowest stake level. The policy of another name is returned for
    /// its own name alone.
    ///
    /// # Errors
    /// [`BoundPolicyError::NoSuchScope`] if the pattern does not stand for this name.
    pub fn for_scope(&self, name: &str) -> Result<Self, BoundPolicyError> {
        if self.published.policy.closeness(name).is_none() {
            return Err(BoundPolicyError::NoSuchScope(name.into()));
        }
        let values = Policy { name: name.into(), ..self.published.policy.clone() };
        Self::with_values(self.registry, values, self.published.clone())
    }

    /// Returns the policy of the reports of a post of this scope. A report states the lowest stake level, so that the
    /// report's author is hidden among all members.
    ///
    /// # Errors
    /// [`BoundPolicyError::NoReports`] if the scope takes none.
    pub fn for_report(&self, nullifier: Nullifier) -> Result<Self, BoundPolicyError> {
        if !self.values().takes_reports() {
            return Err(BoundPolicyError::NoReports(self.values().name.clone()));
        }
        Self::with_values(self.registry, self.values().for_report(nullifier), self.published.clone())
    }

    /// Returns this policy for passes of another stake level. A higher level is shared by fewer members.
    ///
    /// # Errors
    /// [`BoundPolicyError::NoSuchLevel`].
    pub fn at_level(self, level: u32) -> Result<Self, BoundPolicyError> {
        if self.values().levels().contains(&level) {
            return Ok(Self { level, ..self });
        }
        let levels = self.values().levels().to_vec();
        Err(BoundPolicyError::NoSuchLevel { name: self.values().name.clone(), level, levels })
    }

    /// Reads the policy of the scope of this name from the JSON that a relay answers at `/v1/policy`. Registry and
    /// policy are then what the relay states. If the relay lists a pattern that stands for the scope, its policy is bound
    /// to the scope. A [`Poster`](super::Poster) fails if the member did not deposit at that registry.
    ///
    /// # Errors
    /// [`BoundPolicyError`].
    pub fn from_policy_document(json: &str, name: &str) -> Result<Self, BoundPolicyError> {
        let Document { registry, scopes } = serde_json::from_str(json).map_err(BoundPolicyError::Document)?;
        let address = EvmAddress::from_prefixed(&registry.address);
        let EvmAddress(address) = address.map_err(BoundPolicyError::Address)?;
        let registry = RegistryId { chain_id: registry.chain_id, address };
        let closest = scopes.into_iter().map(ScopeDocument::read).max_by_key(|(_, dated)| dated.policy.closeness(name));
        let closest = closest.filter(|(_, dated)| dated.policy.closeness(name).is_some());
        let (stated, listed) = closest.ok_or_else(|| BoundPolicyError::NoSuchScope(name.into()))?;
        Self::new(registry, listed)?.stated_as(stated)?.for_scope(name)
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
        Ok(PolicyHash::of(&self.registry, &self.published)?)
    }

    /// Returns this policy if another relay states the same one. Ask a relay of another operator, over another
    /// connection. See [`pinned`](Self::pinned) for the attack.
    ///
    /// # Errors
    /// [`BoundPolicyError::Differs`].
    pub fn confirmed_by(self, other: &Self) -> Result<Self, BoundPolicyError> {
        match (self.registry, &self.published) == (other.registry, &other.published) {
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

    /// The policy with its version and the time when it takes effect, under the scope's full name.
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

    /// The stake level that passes state: the lowest, unless [another](Self::at_level) was chosen.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// The requirement that a post made at `now` must state.
    pub fn requirement_at(&self, now: UnixSeconds) -> Requirement {
        Requirement { min_stake: self.level, ..self.values().requirement_at(now) }
    }

    /// The requirement that a post of an epoch must state. In scopes of reports it depends on the time and not on the
    /// epoch, and is none.
    pub fn requirement_of(&self, epoch: Epoch) -> Option<Requirement> {
        let values = self.values();
        (!values.is_for_reports()).then(|| Requirement { min_stake: self.level, ..values.requirement(epoch) })
    }

    /// The requirement that a badge must state on a day.
    pub fn requirement_on(&self, today: Day) -> Requirement {
        Requirement { min_stake: self.level, ..self.values().requirement_on(today) }
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

    /// A document with a pattern, levels and moderation.
    fn patterned() -> String {
        let more = r#""stake_levels": [1, 10], "moderation": {"lists": [], "list_window": 60, "report_days": 30,
            "report_recipients": []}, "epoch": 1"#;
        let scope = |name: &str| Scope::new(&REGISTRY, name).to_string();
        DOCUMENT.replace("lobby", "room/*").replace("SCOPE", &scope("room/*")).replace(r#""epoch": 1"#, more)
    }

    #[test]
    fn a_pattern_is_bound_to_one_of_its_scopes() {
        let bound = BoundPolicy::from_policy_document(&patterned(), "room/kitchen").unwrap();
        assert_eq!(bound.scope(), Scope::new(&REGISTRY, "room/kitchen"));
        assert_eq!(
            (bound.values().name.as_str(), bound.dated().policy.name.as_str()),
            ("room/kitchen", "room/kitchen")
        );
        let attic = bound.for_scope("room/attic").unwrap();
        assert_eq!(attic.scope(), Scope::new(&REGISTRY, "room/attic"));
        for name in ["room", "room/", "lobby"] {
            assert!(matches!(bound.for_scope(name), Err(BoundPolicyError::NoSuchScope(_))), "{name}");
            let read = BoundPolicy::from_policy_document(&patterned(), name);
            assert!(matches!(read, Err(BoundPolicyError::NoSuchScope(_))), "{name}");
        }
        // The scope that a relay states is that of the published name.
        let wrong = patterned().replace(&Scope::new(&REGISTRY, "room/*").to_string(), &attic.scope().to_string());
        let refused = BoundPolicy::from_policy_document(&wrong, "room/attic");
        assert!(matches!(refused, Err(BoundPolicyError::OtherScope { .. })));
        #[cfg(feature = "notes")]
        assert_eq!(bound.policy_hash().unwrap(), attic.policy_hash().unwrap());
        assert!(bound.confirmed_by(&attic).is_ok());
    }

    #[test]
    fn the_lowest_level_is_stated_unless_another_is_chosen() {
        let bound = BoundPolicy::from_policy_document(&patterned(), "room/kitchen").unwrap();
        let now = UnixSeconds(1_795_176_000);
        let of = |bound: &BoundPolicy| {
            let of_epoch = bound.requirement_of(bound.values().epoch_at(now)).unwrap();
            assert_eq!(of_epoch, bound.requirement_at(now));
            (bound.level(), of_epoch.min_stake, bound.requirement_on(Day::at(now)).min_stake)
        };
        assert_eq!(of(&bound), (1, 1, 1));
        assert_eq!(of(&bound.clone().at_level(10).unwrap()), (10, 10, 10));
        let refused = bound.at_level(5);
        assert!(matches!(&refused, Err(BoundPolicyError::NoSuchLevel { level: 5, levels, .. }) if levels == &[1, 10]));
    }

    #[test]
    fn a_report_has_its_own_scope_the_lowest_level_and_todays_day() {
        let bound = BoundPolicy::from_policy_document(&patterned(), "room/kitchen").unwrap().at_level(10).unwrap();
        let nullifier = Nullifier::from_be_bytes(&[7; 32]).unwrap();
        let report = bound.for_report(nullifier).unwrap();
        let name = format!("report/room/kitchen/{}", "07".repeat(32));
        assert_eq!((report.scope(), report.level()), (Scope::new(&REGISTRY, &name), 1));
        let now = UnixSeconds(1_795_176_000);
        let requirement = Requirement { min_stake: 1, since_max: Day(Day::at(now).0 - 2) };
        assert_eq!(report.requirement_at(now), requirement);
        assert_eq!(report.requirement_of(report.values().epoch_at(now)), None);
        let quiet = patterned().replace(r#""report_days": 30"#, r#""report_days": 0"#);
        let quiet = BoundPolicy::from_policy_document(&quiet, "room/kitchen").unwrap();
        assert!(matches!(quiet.for_report(nullifier), Err(BoundPolicyError::NoReports(_))));
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
