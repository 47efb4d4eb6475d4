//! Public state of a relay besides its policy: `GET /v1/roots` and `/v1/slashed`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use quotapass_circuits::{identity::IdentityCommitment, membership::Root};
use quotapass_protocol::{PolicyTable, UnixSeconds};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Service,
    error::{ApiError, ErrorBody},
};
use crate::{ConvictedMember, Settlement};

/// Maximum number of superseded roots in an answer.
const MAX_ROOTS: usize = 1_000;
/// Maximum number of members in an answer.
const MAX_MEMBERS: usize = 1_000;

/// A root that was superseded.
#[derive(Serialize, ToSchema)]
struct SupersededBody {
    /// The root.
    #[schema(value_type = String)]
    root: Root,
    /// The Unix second at which it was superseded.
    #[schema(value_type = u64)]
    superseded_at: UnixSeconds,
}

/// The roots that are accepted.
#[derive(Serialize, ToSchema)]
pub(super) struct RootsBody {
    /// The relay's time, in Unix seconds.
    #[schema(value_type = u64)]
    now: UnixSeconds,
    /// The current root; null if there is none yet.
    #[schema(value_type = Option<String>)]
    current: Option<Root>,
    /// The longest root window of all scopes, in seconds.
    window: u32,
    /// Roots that were superseded within that window, latest first, at most 1,000.
    recent: Vec<SupersededBody>,
}

/// The roots that are accepted
#[utoipa::path(get, path = "/v1/roots", tag = "relay", responses((status = 200, body = RootsBody)))]
pub(super) async fn roots(State(service): State<Arc<Service>>) -> Json<RootsBody> {
    let now = service.now();
    let window = service.engine.relay().policies().longest_root_window();
    let roots = service.engine.relay().roots();
    let recent = roots
        .superseded()
        .take_while(|(_, at)| now.since(*at) <= window.into())
        .take(MAX_ROOTS)
        .map(|(root, superseded_at)| SupersededBody { root, superseded_at })
        .collect();
    Json(RootsBody { now, current: roots.current(), window, recent })
}

/// The range of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// First position, counted from zero.
    #[serde(default)]
    from: usize,
    /// Number of members, at most 1,000.
    #[serde(default = "Page::limit")]
    limit: usize,
}

impl Page {
    const fn limit() -> usize {
        100
    }
}

/// Outcome of a case.
#[derive(ToSchema)]
#[schema(as = Settlement)]
#[allow(dead_code, reason = "describes the answers of `Settlement`")]
struct SettlementBody {
    /// `slashed`, `gone` (another slasher was first, or the deposit had already left) or `no_member`.
    outcome: String,
    /// The hash of the slash's transaction.
    transaction: Option<String>,
    /// Its block.
    block: Option<u64>,
    /// The reward in the token's smallest unit, decimal.
    reward: Option<String>,
}

/// A member that exceeded a quota.
#[derive(Serialize, ToSchema)]
pub(super) struct SlashedBody {
    /// The member's commitment.
    #[schema(value_type = String)]
    commitment: IdentityCommitment,
    /// The name of the scope of the exceeded quota; null if the relay does not carry it.
    scope: Option<String>,
    /// The length of the epoch in seconds.
    epoch_seconds: u32,
    /// The number of the epoch of the exceeded quota.
    epoch: u64,
    /// The Unix second at which the epoch began.
    #[schema(value_type = u64)]
    epoch_begins: UnixSeconds,
    /// How the case ended; null if it is open.
    #[schema(value_type = Option<SettlementBody>)]
    settlement: Option<Settlement>,
}

impl SlashedBody {
    pub(super) fn new(member: ConvictedMember, policies: &PolicyTable) -> Self {
        let ConvictedMember { commitment, scope, epoch, settlement } = member;
        let entry = policies.iter().find(|entry| entry.scope() == scope);
        Self {
            commitment,
            scope: entry.map(|entry| entry.name().into()),
            epoch_seconds: epoch.seconds().get(),
            epoch: epoch.number(),
            epoch_begins: epoch.begins(),
            settlement,
        }
    }
}

/// Members that exceeded a quota.
#[derive(Serialize, ToSchema)]
pub(super) struct SlashedMembersBody {
    /// Total number of members in the list.
    total: usize,
    /// The members of the requested range, in the order of their conviction.
    members: Vec<SlashedBody>,
}

/// Members that exceeded a quota
///
/// Commitments are public on the chain, and nothing here is secret.
#[utoipa::path(
    get,
    path = "/v1/slashed",
    tag = "relay",
    params(Page),
    responses((status = 200, body = SlashedMembersBody), (status = 400, body = ErrorBody))
)]
pub(super) async fn slashed(
    State(service): State<Arc<Service>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<SlashedMembersBody>, ApiError> {
    let Query(Page { from, limit }) = page.map_err(|error| {
        ApiError::bad_request(error.body_text(), "give `from` and `limit` as numbers, or omit them")
    })?;
    let (members, total) = service.engine.convicted(from, limit.min(MAX_MEMBERS));
    let policies = service.engine.relay().policies();
    let members = members.into_iter().map(|member| SlashedBody::new(member, &policies)).collect();
    Ok(Json(SlashedMembersBody { total, members }))
}
