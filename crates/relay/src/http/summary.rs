//! `GET /v1/summary`: all data of the status page.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Query, Request, State, rejection::QueryRejection},
};
use quotapass_circuits::membership::Root;
use quotapass_protocol::{UnixSeconds, VerdictKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Service,
    connections::Peer,
    error::{ApiError, ErrorBody},
    health::ReadinessBody,
    policy::PolicyBody,
    views::SlashedBody,
};
use crate::engine::{SAMPLE_SECONDS, Sample};

/// Maximum number of convicted members in the summary.
const LATEST: usize = 10;

/// Query of `/v1/summary`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    /// Leave out samples that began before this Unix second.
    #[serde(default)]
    #[param(value_type = u64)]
    since: UnixSeconds,
}

/// The chain as the relay sees it.
#[derive(Serialize, ToSchema)]
struct ChainBody {
    /// Number of the latest block; null before the first answer of the chain.
    head: Option<u64>,
    /// Time of the latest block in Unix seconds.
    #[schema(value_type = Option<u64>)]
    head_time: Option<UnixSeconds>,
    /// The block up to which the copy of the members is synced.
    synced: Option<u64>,
}

/// The nullifier log; unknown values are null.
#[derive(Serialize, ToSchema)]
struct LogBody {
    /// Nullifiers of live epochs.
    nullifiers: Option<u64>,
    /// Live epochs over all scopes.
    epochs: Option<u64>,
}

/// State of the relay.
#[derive(Serialize, ToSchema)]
pub(super) struct SummaryBody {
    /// The program's version.
    version: &'static str,
    /// The relay's time, in Unix seconds.
    #[schema(value_type = u64)]
    now: UnixSeconds,
    /// Start time of the relay in Unix seconds.
    #[schema(value_type = u64)]
    started: UnixSeconds,
    readiness: ReadinessBody,
    policy: PolicyBody,
    /// The current root; null if there is none yet.
    #[schema(value_type = Option<String>)]
    root: Option<Root>,
    /// Members with a deposit.
    members: u64,
    chain: ChainBody,
    log: LogBody,
    /// Number of verdicts of each name since the relay started.
    verdicts: BTreeMap<&'static str, u64>,
    /// The names of the verdicts, in the order in which samples count them.
    verdict_names: Vec<&'static str>,
    /// The length of a sample in seconds.
    sample_seconds: u64,
    /// The last fifteen minutes, oldest first.
    samples: Vec<Sample>,
    /// Number of all members that exceeded a quota.
    convicted: usize,
    /// The latest of these members, latest first.
    latest_convicted: Vec<SlashedBody>,
}

/// State of the relay, and samples of the last fifteen minutes
#[utoipa::path(
    get,
    path = "/v1/summary",
    tag = "relay",
    params(Since),
    responses((status = 200, body = SummaryBody), (status = 400, body = ErrorBody), (status = 500, body = ErrorBody))
)]
pub(super) async fn summary(
    State(service): State<Arc<Service>>,
    since: Result<Query<Since>, QueryRejection>,
    request: Request,
) -> Result<Json<SummaryBody>, ApiError> {
    let Query(Since { since }) =
        since.map_err(|error| ApiError::bad_request(error.body_text(), "give `since` in Unix seconds, or omit it"))?;
    let (engine, now) = (&service.engine, service.now());
    let status = &engine.context().status;
    let (chain, log) = (status.chain(), status.log());
    let (_, convicted) = engine.convicted(0, 0);
    let root = engine.relay().roots().current();
    // This call must come before the next lock, because it takes the same lock.
    let policy = PolicyBody::new(&service, now)?;
    let policies = engine.relay().policies();
    let names = VerdictKind::ALL.map(VerdictKind::name);
    Ok(Json(SummaryBody {
        version: env!("CARGO_PKG_VERSION"),
        now,
        started: service.started,
        readiness: ReadinessBody::of(&service, &Peer::of(request.extensions())?),
        policy,
        root,
        members: chain.members,
        chain: ChainBody { head: chain.head, head_time: chain.head_time, synced: chain.synced },
        log: LogBody { nullifiers: log.nullifiers, epochs: log.epochs },
        verdicts: names.into_iter().zip(engine.metrics().verdicts()).collect(),
        verdict_names: names.into(),
        sample_seconds: SAMPLE_SECONDS,
        samples: engine.history(since),
        convicted,
        latest_convicted: engine
            .latest_convicted(LATEST)
            .into_iter()
            .map(|member| SlashedBody::new(member, &policies))
            .collect(),
    }))
}
