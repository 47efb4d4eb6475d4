//! The published form of a relay's policies, which is hashed and signed.

use core::{fmt, str::FromStr};

use quotapass_circuits::{registry_id::RegistryId, signal::Scope};
use quotapass_text::{AddressError, EvmAddress};
use serde::{Deserialize, Serialize};

use super::{DatedPolicy, ModerationPolicy, Policy, PolicyTable, UnlistedVerdict};
use crate::{
    formats::moment,
    note::{NoteError, NoteKey, NotePublicKey, canonical_hash, canonical_json},
};

/// The signature context of a relay's policies.
pub const POLICY_CONTEXT: &str = "quotapass.policy.v1";

/// The name of the keys that relays sign their policies with.
pub const POLICY_KEY_NAME: &str = "quotapass-relay";

/// SHA-256 of the canonical JSON of one policy: the policy's identity.
///
/// **Attack prevented**: the values of a policy appear in every post. A relay that serves one member a different policy
/// (a stake of 11 instead of 10, a different version or time) recognizes this member's posts by these values. A wallet
/// therefore compares this hash with one that its app pins, or with the hashes from other relays, before it proves
/// anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyHash(pub [u8; 32]);

impl PolicyHash {
    /// Returns the hash of a policy of a registry's scope. The scope includes the registry and the name.
    ///
    /// # Errors
    /// [`NoteError`] if the policy has no canonical form. Policies that were read from a document have one.
    pub fn of(registry: &RegistryId, policy: &DatedPolicy) -> Result<Self, NoteError> {
        Ok(Self(canonical_hash(&PolicyStatement::new(registry, policy))?))
    }
}

impl fmt::Display for PolicyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Error: the text is not the hash of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash of a policy has 64 hexadecimal digits")]
pub struct NotAPolicyHash;

impl FromStr for PolicyHash {
    type Err = NotAPolicyHash;

    fn from_str(text: &str) -> Result<Self, NotAPolicyHash> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(|_| NotAPolicyHash)?;
        Ok(Self(hash))
    }
}

/// The hashed form of one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyStatement {
    /// The scope's name.
    pub name: String,
    /// The scope as a field element of registry and name: 64 hexadecimal digits.
    pub scope: String,
    /// The policy's version.
    pub version: u32,
    /// The time from which the policy is in force: RFC 3339, whole seconds, `Z`.
    pub from: String,
    /// Length of an epoch in seconds.
    pub epoch_seconds: core::num::NonZeroU32,
    /// Cap on messages per epoch.
    pub limit_cap: core::num::NonZeroU16,
    /// Least stake in the registry's stake units.
    pub min_stake: u32,
    /// Least age of a deposit in days.
    pub min_age_days: u16,
    /// The time for which a root is accepted after it was superseded, in seconds.
    pub root_window: u32,
    /// Clock difference allowed around an epoch's edges, in seconds.
    pub max_clock_skew: u32,
    /// Stake levels, ascending; absent if `min_stake` is the only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stake_levels: Vec<u32>,
    /// How the scope is moderated; absent if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderation: Option<ModerationPolicy>,
}

impl PolicyStatement {
    fn new(registry: &RegistryId, DatedPolicy { policy, version, from }: &DatedPolicy) -> Self {
        Self {
            name: policy.name.clone(),
            scope: hex::encode(Scope::new(registry, &policy.name).to_be_bytes()),
            version: *version,
            from: moment::write(*from),
            epoch_seconds: policy.epoch_seconds,
            limit_cap: policy.limit_cap,
            min_stake: policy.min_stake,
            min_age_days: policy.min_age_days,
            root_window: policy.root_window,
            max_clock_skew: policy.max_clock_skew,
            stake_levels: policy.stake_levels.clone(),
            moderation: policy.moderation.clone(),
        }
    }

    /// Returns the policy if the statement is for the scope of this registry and this name.
    fn read(self, registry: &RegistryId) -> Result<DatedPolicy, StatedPoliciesError> {
        let from = moment::read(&self.from).ok_or_else(|| StatedPoliciesError::Time(self.from.clone()))?;
        let dated = DatedPolicy {
            version: self.version,
            from,
            policy: Policy {
                name: self.name.clone(),
                epoch_seconds: self.epoch_seconds,
                limit_cap: self.limit_cap,
                min_stake: self.min_stake,
                min_age_days: self.min_age_days,
                root_window: self.root_window,
                max_clock_skew: self.max_clock_skew,
                stake_levels: self.stake_levels.clone(),
                moderation: self.moderation.clone(),
            },
        };
        // The scope differs.
        if Self::new(registry, &dated) == self { Ok(dated) } else { Err(StatedPoliciesError::Scope(self.name)) }
    }
}

/// The signed form of all policies of a relay. It depends only on the relay's configuration, not on a clock: relays
/// with the same list of policies state the same text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoliciesStatement {
    /// The registry whose members may post.
    pub registry: RegistryStatement,
    /// The verdict on scopes that are not listed.
    pub unlisted: UnlistedVerdict,
    /// The policies, ordered by name and by the time from which they are in force.
    pub scopes: Vec<PolicyStatement>,
}

/// The signed form of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryStatement {
    /// The chain id, decimal.
    pub chain_id: String,
    /// The contract's address: 40 hexadecimal digits.
    pub address: String,
}

/// Errors of signed policies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatedPoliciesError {
    /// The note does not contain a relay's policies, or its signature is not valid.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The registry's chain id is not valid.
    #[error("the relay states a chain id that is not a number below 2^64; ask another relay")]
    ChainId,
    /// The registry's address is not valid.
    #[error("the relay states an address of its registry that is not valid: {0}; ask another relay")]
    Address(AddressError),
    /// A time is not valid.
    #[error("the relay states the time `{0}`, which is not RFC 3339 in whole seconds with Z; ask another relay")]
    Time(String),
    /// The scope of a policy does not match its registry and name.
    #[error("the relay states a policy of `{0}` for the scope of another registry or name; do not trust this relay")]
    Scope(String),
}

impl PoliciesStatement {
    /// Returns the statement of a relay with these policies.
    pub fn new(table: &PolicyTable) -> Self {
        let registry = table.registry();
        let listed = table.iter().flat_map(|entry| entry.listed());
        Self {
            registry: RegistryStatement {
                chain_id: registry.chain_id.to_string(),
                address: hex::encode(registry.address),
            },
            unlisted: table.unlisted(),
            scopes: listed.map(|dated| PolicyStatement::new(&registry, dated)).collect(),
        }
    }

    /// Returns the canonical JSON.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn to_json(&self) -> Result<String, NoteError> {
        canonical_json(self)
    }

    /// Signs the policies, and returns the note.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn sign(&self, key: &NoteKey) -> Result<String, NoteError> {
        key.sign(POLICY_CONTEXT, self)
    }

    /// Verifies a note with the relay's public key, and returns the registry and its policies.
    ///
    /// # Errors
    /// [`StatedPoliciesError`].
    pub fn open(key: &NotePublicKey, note: &str) -> Result<(RegistryId, Vec<DatedPolicy>), StatedPoliciesError> {
        let Self { registry, scopes, .. } = key.open(POLICY_CONTEXT, note)?;
        let address = registry.address.parse::<EvmAddress>();
        let EvmAddress(address) = address.map_err(StatedPoliciesError::Address)?;
        let chain_id = registry.chain_id.parse().map_err(|_| StatedPoliciesError::ChainId)?;
        let registry = RegistryId { chain_id, address };
        let policies = scopes.into_iter().map(|policy| policy.read(&registry)).collect::<Result<_, _>>()?;
        Ok((registry, policies))
    }
}

#[cfg(test)]
mod tests {
    use quotapass_circuits::time::UnixSeconds;

    use super::*;
    use crate::{
        LogIdentity, PolicyList,
        samples::{REGISTRY, policy},
    };

    fn dated() -> DatedPolicy {
        DatedPolicy { policy: policy(), version: 3, from: UnixSeconds(1_795_176_000) }
    }

    fn key() -> NoteKey {
        NoteKey::from_seed(POLICY_KEY_NAME, &[9; 32]).unwrap()
    }

    #[test]
    fn relays_with_one_list_state_one_text_whatever_their_clocks_and_pasts() {
        let next = DatedPolicy { version: 4, from: UnixSeconds(1_795_176_600), ..dated() };
        let list = [dated(), next];
        let fresh = PolicyTable::new(REGISTRY, list.clone()).unwrap();
        // This table had other lists before the same list.
        let mut other = PolicyTable::new(REGISTRY, [Policy { min_stake: 9, ..policy() }]).unwrap();
        other.change([dated()], UnixSeconds(1_795_176_100)).unwrap();
        other.change([list[1].clone(), list[0].clone()], UnixSeconds(1_795_190_000)).unwrap();
        let [first, second] = [&fresh, &other].map(|table| PoliciesStatement::new(table).sign(&key()).unwrap());
        assert_eq!(first, second);
        let opened = PoliciesStatement::open(&key().public(), &first).unwrap();
        assert_eq!(opened, (REGISTRY, list.to_vec()));
    }

    #[test]
    fn the_text_is_as_it_is_documented() {
        let table = PolicyTable::new(REGISTRY, [dated()]).unwrap();
        let scope = hex::encode(Scope::new(&REGISTRY, "room").to_be_bytes());
        let expected = format!(
            "{{\"epoch_seconds\":600,\"from\":\"2026-11-20T12:00:00Z\",\"limit_cap\":5,\"max_clock_skew\":20,\
             \"min_age_days\":7,\"min_stake\":10,\"name\":\"room\",\"root_window\":3600,\"scope\":\"{scope}\",\"version\":3}}"
        );
        assert_eq!(canonical_json(&PolicyStatement::new(&REGISTRY, &dated())).unwrap(), expected);
        let all = PoliciesStatement::new(&table).to_json().unwrap();
        let registry = format!("{{\"address\":\"{}\",\"chain_id\":\"31337\"}}", "51".repeat(20));
        assert_eq!(all, format!("{{\"registry\":{registry},\"scopes\":[{expected}],\"unlisted\":\"reject\"}}"));
        let hash = PolicyHash::of(&REGISTRY, &dated()).unwrap();
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("12".parse::<PolicyHash>(), Err(NotAPolicyHash));
    }

    #[test]
    fn levels_and_moderation_return_from_a_signed_text() {
        let moderation = ModerationPolicy {
            lists: vec![PolicyList { log: LogIdentity([1; 32]), limit: 128 }],
            hide_at: core::num::NonZeroU16::new(3),
            ..ModerationPolicy::default()
        };
        let policy =
            Policy { name: "room/*".into(), stake_levels: vec![10, 20], moderation: Some(moderation), ..policy() };
        let listed = DatedPolicy { policy, ..dated() };
        let text = canonical_json(&PolicyStatement::new(&REGISTRY, &listed)).unwrap();
        let log = "01".repeat(32);
        let moderation = format!(
            "\"moderation\":{{\"hide_at\":3,\"list_window\":1800,\"lists\":[{{\"limit\":128,\"log\":\"{log}\"}}],\
             \"report_days\":30,\"report_recipients\":[]}}"
        );
        assert!(text.contains(&moderation) && text.contains("\"stake_levels\":[10,20]"), "{text}");
        let table = PolicyTable::new(REGISTRY, [listed.clone()]).unwrap();
        let note = PoliciesStatement::new(&table).sign(&key()).unwrap();
        assert_eq!(PoliciesStatement::open(&key().public(), &note).unwrap(), (REGISTRY, vec![listed]));
    }

    #[test]
    fn every_value_changes_the_hash() {
        let hash = |registry: RegistryId, dated: DatedPolicy| PolicyHash::of(&registry, &dated).unwrap();
        let (usual, base) = (hash(REGISTRY, dated()), policy());
        let of = |policy: Policy| hash(REGISTRY, DatedPolicy { policy, ..dated() });
        let moderated = |change: &dyn Fn(&mut ModerationPolicy)| {
            let mut moderation = ModerationPolicy::default();
            change(&mut moderation);
            Policy { moderation: Some(moderation), ..policy() }
        };
        let others = [
            hash(RegistryId { chain_id: 1, ..REGISTRY }, dated()),
            hash(REGISTRY, DatedPolicy { version: 4, ..dated() }),
            hash(REGISTRY, DatedPolicy { from: UnixSeconds(0), ..dated() }),
            of(Policy { name: "hall".into(), ..base.clone() }),
            of(Policy { epoch_seconds: 601.try_into().unwrap(), ..base.clone() }),
            of(Policy { limit_cap: 6.try_into().unwrap(), ..base.clone() }),
            of(Policy { min_stake: 11, ..base.clone() }),
            of(Policy { min_age_days: 8, ..base.clone() }),
            of(Policy { root_window: 3601, ..base.clone() }),
            of(Policy { max_clock_skew: 21, ..base.clone() }),
            of(Policy { stake_levels: vec![10], ..base.clone() }),
            of(Policy { stake_levels: vec![10, 20], ..base.clone() }),
            of(moderated(&|_| ())),
            of(moderated(&|it| it.list_window = 1)),
            of(moderated(&|it| it.report_days = 0)),
            of(moderated(&|it| it.hide_at = core::num::NonZeroU16::new(3))),
            of(moderated(&|it| it.report_recipients = vec![format!("age1{}", "q".repeat(58))])),
            of(moderated(&|it| it.lists = vec![PolicyList { log: LogIdentity([1; 32]), limit: 128 }])),
            of(moderated(&|it| it.lists = vec![PolicyList { log: LogIdentity([2; 32]), limit: 128 }])),
            of(moderated(&|it| it.lists = vec![PolicyList { log: LogIdentity([1; 32]), limit: 127 }])),
        ];
        let all: std::collections::BTreeSet<PolicyHash> = others.into_iter().chain([usual]).collect();
        assert_eq!(all.len(), 21);
    }

    #[test]
    fn what_a_relay_cannot_mean_is_refused() {
        let table = PolicyTable::new(REGISTRY, [dated()]).unwrap();
        let good = PoliciesStatement::new(&table);
        let says = |change: &dyn Fn(&mut PoliciesStatement)| {
            let mut changed = good.clone();
            change(&mut changed);
            PoliciesStatement::open(&key().public(), &changed.sign(&key()).unwrap()).unwrap_err()
        };
        assert!(matches!(says(&|it| it.registry.chain_id = "x".into()), StatedPoliciesError::ChainId));
        let address = |text: &str| says(&|it| it.registry.address = text.into());
        assert!(matches!(address(""), StatedPoliciesError::Address(AddressError::Form)));
        let mistyped = address("5FbDB2315678afecb367f032d93F642f64180aa4");
        assert!(matches!(mistyped, StatedPoliciesError::Address(AddressError::Checksum(_))));
        // With the scope of another registry, members of that registry could be slashed in this one.
        assert!(matches!(says(&|it| it.registry.chain_id = "2".into()), StatedPoliciesError::Scope(_)));
        assert!(matches!(says(&|it| it.scopes[0].from = "soon".into()), StatedPoliciesError::Time(_)));
        let broken = says(&|it| it.scopes[0].from = "2026-11-20T12:00:00.5Z".into());
        assert!(matches!(broken, StatedPoliciesError::Time(_)));
        let note = good.sign(&key()).unwrap().replace("\"min_stake\":10", "\"min_stake\":11");
        let tampered = PoliciesStatement::open(&key().public(), &note).unwrap_err();
        assert!(matches!(tampered, StatedPoliciesError::Note(NoteError::Signature(_))));
    }
}
