//! `GET /healthz` and `/readyz`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use quotapass_protocol::UnixSeconds;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Service,
    connections::{Door, Peer},
    error::ApiError,
};
use crate::{Trouble, TroubleKind, moderation::host::LogCondition};

/// Answer of `/healthz`.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthBody {
    /// `ok`.
    status: &'static str,
}

/// Liveness of the process
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = HealthBody)))]
pub(super) async fn healthz() -> Json<HealthBody> {
    Json(HealthBody { status: "ok" })
}

/// A reason why the relay is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ReasonBody {
    /// `stopping`, `no_roots`, `log_failing`, `log_closed_ahead`, `chain_lost`, `chain_aging`, `chain_stale` or
    /// `chain_reorganised`.
    code: &'static str,
    /// Meaning of the code.
    detail: &'static str,
    /// The cause that the relay found; null if it found none. The operator's own listener names the endpoint too.
    cause: Option<String>,
    /// Unix second since which the reason holds; null if unknown.
    #[schema(value_type = Option<u64>)]
    since: Option<UnixSeconds>,
    /// Seconds until it gets worse; null if unknown.
    seconds_left: Option<u64>,
}

impl ReasonBody {
    fn new(code: &'static str, detail: &'static str, since: Option<UnixSeconds>) -> Self {
        Self { code, detail, cause: None, since, seconds_left: None }
    }

    fn of((kind, trouble): (TroubleKind, Trouble), now: UnixSeconds) -> Self {
        Self {
            cause: Some(trouble.cause),
            seconds_left: trouble.worse_at.map(|at| at.since(now)),
            ..Self::new(kind.code(), kind.detail(), Some(trouble.since))
        }
    }
}

/// A moderation log that does not go on. It does not make the relay unready: its last accepted lists stay in force, and the
/// operator of a followed log must not be able to take other relays out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct NoticeBody {
    /// The name of the refusal, such as `log_unavailable`, `log_rollback`, `log_fork`, `log_cosignatures`, `log_no_policy` or
    /// `log_uncosigned`.
    code: &'static str,
    /// The origin of the log.
    log: String,
    /// The cause.
    cause: String,
    /// Unix second since which the notice holds.
    #[schema(value_type = u64)]
    since: UnixSeconds,
}

impl NoticeBody {
    fn of(condition: LogCondition) -> Option<Self> {
        let LogCondition { origin, refusal, .. } = condition;
        refusal.map(|refusal| Self { code: refusal.name, log: origin, cause: refusal.reason, since: refusal.since })
    }
}

/// Answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ReadinessBody {
    /// Whether the relay is ready.
    pub(super) ready: bool,
    /// The reasons if it is not; empty where only the operator's own listener reports them.
    reasons: Vec<ReasonBody>,
    /// What the operator should look at although the relay is ready; absent if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    notices: Vec<NoticeBody>,
}

impl ReadinessBody {
    /// Returns the reasons that this peer may know: none on the public listener if only the operator's own listener
    /// reports them.
    pub(super) fn of(service: &Service, peer: &Peer) -> Self {
        let readiness = Self::found(service, peer);
        let is_closed = peer.door == Door::Public && service.settings().admin_alone;
        if is_closed { Self { ready: readiness.ready, reasons: Vec::new(), notices: Vec::new() } } else { readiness }
    }

    fn found(service: &Service, peer: &Peer) -> Self {
        let status = &service.engine.context().status;
        let (chain, now) = (status.chain(), service.now());
        let patience = service.settings().chain_timeout.as_secs();
        let cause = if peer.door == Door::Public { chain.cause } else { chain.error };
        let stopping = service
            .is_stopping()
            .then(|| ReasonBody::new("stopping", "the relay answers the requests in progress, then stops", None));
        let has_no_roots = service.engine.relay().roots().is_empty();
        let roots = has_no_roots.then(|| {
            let reason = ReasonBody::new("no_roots", "no root is known yet; the relay accepts nothing", None);
            let reading = || "the registry's events are being read for the first time".into();
            ReasonBody { cause: Some(cause.clone().unwrap_or_else(reading)), ..reason }
        });
        let is_lost = chain.failures > 0 && chain.answered_at.is_none_or(|at| now.since(at) > patience);
        let lost = is_lost.then(|| {
            let detail = "the relay cannot follow the chain; it judges posts by the known roots";
            ReasonBody { cause: cause.clone(), ..ReasonBody::new("chain_lost", detail, chain.answered_at) }
        });
        let troubles = status.troubles().all().into_iter().map(|trouble| ReasonBody::of(trouble, now));
        let reasons: Vec<_> = stopping.into_iter().chain(roots).chain(lost).chain(troubles).collect();
        let logs = status.moderation_logs().all().into_iter();
        let notices = logs.filter_map(|(_, condition)| NoticeBody::of(condition)).collect();
        Self { ready: reasons.is_empty(), reasons, notices }
    }
}

/// Readiness of the relay for posts
///
/// A relay that is not ready still serves requests: this route is for load balancers in front of several relays.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses((status = 200, body = ReadinessBody), (status = 503, body = ReadinessBody))
)]
pub(super) async fn readyz(State(service): State<Arc<Service>>, request: Request) -> Result<Response, ApiError> {
    let readiness = ReadinessBody::of(&service, &Peer::of(request.extensions())?);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(readiness)).into_response())
}
