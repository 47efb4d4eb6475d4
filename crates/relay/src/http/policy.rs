//! `GET /v1/policy`: the relay's policies, signed.

use core::num::NonZeroU16;
use std::sync::Arc;

use axum::{Json, extract::State};
use parking_lot::Mutex;
use quotapass_circuits::{membership::Day, registry_id::RegistryId, signal::Scope};
use quotapass_protocol::{
    DatedPolicy, ModerationPolicy, POLICY_CONTEXT, PoliciesStatement, Policy, PolicyHash, PolicyList, PolicyTable,
    ScopePolicy, UnixSeconds, UnlistedVerdict,
    note::{NoteError, NoteKey},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Service,
    error::{ApiError, ErrorBody},
};

/// Signs the policies, once per change.
pub(super) struct PolicySigner {
    key: NoteKey,
    /// The last signed text and its note.
    latest: Mutex<Option<(String, String)>>,
}

impl PolicySigner {
    pub(super) fn new(key: NoteKey) -> Self {
        Self { key, latest: Mutex::default() }
    }

    fn note(&self, policies: &PolicyTable) -> Result<String, NoteError> {
        let json = PoliciesStatement::new(policies).to_json()?;
        let mut latest = self.latest.lock();
        if let Some((_, note)) = latest.as_ref().filter(|(signed, _)| *signed == json) {
            return Ok(note.clone());
        }
        let note = self.key.sign_json(POLICY_CONTEXT, &json)?;
        *latest = Some((json, note.clone()));
        Ok(note)
    }
}

/// A registry.
#[derive(Serialize, ToSchema)]
struct RegistryBody {
    /// The chain id.
    chain_id: u64,
    /// The contract's address, 0x-prefixed hexadecimal.
    address: String,
}

/// The current policy of a scope.
#[derive(Serialize, ToSchema)]
struct ScopeBody {
    /// The scope's name.
    name: String,
    /// The scope as a field element, 0x-prefixed hexadecimal.
    #[schema(value_type = String)]
    scope: Scope,
    /// The version of the policy in force; a later policy of the scope has a higher one.
    version: u32,
    /// The Unix second from which it is in force; zero if none is stated.
    #[schema(value_type = u64)]
    from: UnixSeconds,
    /// SHA-256 of the canonical JSON of the policy in force, as in the note: compare it with the hash that an app pins,
    /// or with the hashes of other relays.
    policy_hash: String,
    /// The Unix second from which another policy is in force; null if none is announced.
    #[schema(value_type = Option<u64>)]
    next_from: Option<UnixSeconds>,
    /// Length of an epoch in seconds.
    epoch_seconds: u32,
    /// Cap on messages per epoch.
    limit_cap: u16,
    /// Minimum stake in the registry's stake units.
    min_stake: u32,
    /// Minimum age of a deposit in days.
    min_age_days: u16,
    /// Time in seconds for which a superseded root is still accepted.
    root_window: u32,
    /// Clock difference allowed around an epoch's edges, in seconds.
    max_clock_skew: u32,
    /// Stake levels, ascending, of which a pass states one; absent if `min_stake` is the only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stake_levels: Vec<u32>,
    /// How the scope is moderated; absent if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    moderation: Option<ModerationBody>,
    /// The number of the current epoch.
    epoch: u64,
    /// The Unix second at which the current epoch ends.
    #[schema(value_type = u64)]
    epoch_ends: UnixSeconds,
    /// The latest day of a deposit that a post of this epoch may state, in days since the Unix epoch.
    since_max: u16,
}

/// How a scope is moderated.
#[derive(Serialize, ToSchema)]
struct ModerationBody {
    /// The lists that each post has records for, in this order.
    lists: Vec<ListBody>,
    /// Time in seconds for which a superseded version of a list is still accepted.
    list_window: u32,
    /// Days for which an accepted post can be reported; 0 if the scope takes no reports.
    report_days: u16,
    /// The number of reports at which a post is held until a moderator decides; absent if reports alone hold nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    hide_at: Option<u16>,
    /// The age recipients to whom the body of a report is encrypted. If there are none, a report has a reason alone.
    report_recipients: Vec<String>,
}

/// A list that a scope enforces.
#[derive(Serialize, ToSchema)]
struct ListBody {
    /// The log's identity, 64 hexadecimal digits.
    log: String,
    /// The most entries that are enforced.
    limit: u16,
}

impl ModerationBody {
    fn new(policy: &ModerationPolicy) -> Self {
        let list = |list: &PolicyList| ListBody { log: list.log.to_string(), limit: list.limit };
        Self {
            lists: policy.lists.iter().map(list).collect(),
            list_window: policy.list_window,
            report_days: policy.report_days,
            hide_at: policy.hide_at.map(NonZeroU16::get),
            report_recipients: policy.report_recipients.clone(),
        }
    }
}

impl ScopeBody {
    fn new(registry: &RegistryId, entry: &ScopePolicy, now: UnixSeconds) -> Result<Self, NoteError> {
        let dated @ DatedPolicy { policy, version, from } = entry.history().current(now);
        let Policy { name, epoch_seconds, limit_cap, min_stake, min_age_days, root_window, .. } = policy;
        let Policy { max_clock_skew, stake_levels, moderation, .. } = policy;
        let epoch = policy.epoch_at(now);
        let Day(since_max) = policy.requirement(epoch).since_max;
        Ok(Self {
            name: name.clone(),
            scope: entry.scope(),
            version: *version,
            from: *from,
            policy_hash: PolicyHash::of(registry, dated)?.to_string(),
            next_from: entry.history().next_change(now),
            epoch_seconds: epoch_seconds.get(),
            limit_cap: limit_cap.get(),
            min_stake: *min_stake,
            min_age_days: *min_age_days,
            root_window: *root_window,
            max_clock_skew: *max_clock_skew,
            stake_levels: stake_levels.clone(),
            moderation: moderation.as_ref().map(ModerationBody::new),
            epoch: epoch.number(),
            epoch_ends: epoch.ends(),
            since_max,
        })
    }
}

/// The policies in force.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyBody {
    /// The relay's time, in Unix seconds.
    #[schema(value_type = u64)]
    now: UnixSeconds,
    registry: RegistryBody,
    /// Whether the relay verifies with development keys: anyone can forge passes for them.
    development_keys: bool,
    /// The treatment of posts to scopes that are not listed: `reject` or `ignore`.
    #[schema(value_type = String)]
    unlisted: UnlistedVerdict,
    /// The scopes that the relay carries, by name.
    scopes: Vec<ScopeBody>,
    /// The relay's key as a C2SP verifier key (`name+hash+key`, Ed25519); null if it has none.
    key: Option<String>,
    /// All policies with the times from which they are in force, signed with that key: a C2SP signed note whose text is
    /// the line `quotapass.policy.v1` and a line of canonical JSON (RFC 8785). Null if the relay has no key.
    note: Option<String>,
}

impl PolicyBody {
    pub(super) fn new(service: &Service, now: UnixSeconds) -> Result<Self, ApiError> {
        Self::sign(service, now).map_err(|error| {
            ApiError::new(
                axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                format!("cannot encode or sign the policies: {error}"),
                "this is a bug in the relay; please report it",
            )
        })
    }

    fn sign(service: &Service, now: UnixSeconds) -> Result<Self, NoteError> {
        let relay = service.engine.relay();
        let policies = relay.policies();
        let (registry, signer) = (policies.registry(), service.signer.get());
        Ok(Self {
            now,
            registry: RegistryBody {
                chain_id: registry.chain_id,
                address: format!("0x{}", hex::encode(registry.address)),
            },
            development_keys: relay.has_development_keys(),
            unlisted: policies.unlisted(),
            scopes: policies.iter().map(|entry| ScopeBody::new(&registry, entry, now)).collect::<Result<_, _>>()?,
            key: signer.map(|signer| signer.key.public().to_string()),
            note: signer.map(|signer| signer.note(&policies)).transpose()?,
        })
    }
}

/// The policies in force, signed
#[utoipa::path(
    get,
    path = "/v1/policy",
    tag = "relay",
    responses((status = 200, body = PolicyBody), (status = 500, body = ErrorBody))
)]
pub(super) async fn policy(State(service): State<Arc<Service>>) -> Result<Json<PolicyBody>, ApiError> {
    PolicyBody::new(&service, service.now()).map(Json)
}
