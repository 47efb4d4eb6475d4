//! `GET /healthz` and `/readyz`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Service,
    connections::{Door, Peer},
};
use crate::relay::{Trouble, TroubleKind};

/// That the process lives.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthBody {
    /// `ok`.
    status: &'static str,
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = HealthBody)))]
pub(super) async fn healthz() -> Json<HealthBody> {
    Json(HealthBody { status: "ok" })
}

/// Why the relay is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ReasonBody {
    /// `stopping`, `no_roots`, `log_failing`, `log_closed_ahead`, `chain_lost`, `chain_aging` or `chain_stale`.
    code: &'static str,
    /// What that means, in words.
    detail: &'static str,
    /// What the relay found; null if there is no more to say.
    cause: Option<String>,
    /// Since when, in Unix seconds; null if that is not known.
    since: Option<u64>,
    /// In how many seconds it gets worse; null if that is not known.
    seconds_left: Option<u64>,
}

impl ReasonBody {
    fn new(code: &'static str, detail: &'static str, since: Option<u64>) -> Self {
        Self { code, detail, cause: None, since, seconds_left: None }
    }

    fn of((kind, trouble): (TroubleKind, Trouble), now: u64) -> Self {
        Self {
            cause: Some(trouble.cause),
            seconds_left: trouble.worse_at.map(|at| at.saturating_sub(now)),
            ..Self::new(kind.code(), kind.detail(), Some(trouble.since))
        }
    }
}

/// Whether the relay is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ReadinessBody {
    /// Whether it is.
    pub(super) ready: bool,
    /// Why not; nothing where it is told on the operator's own listener alone.
    reasons: Vec<ReasonBody>,
}

impl ReadinessBody {
    pub(super) fn of(service: &Service) -> Self {
        let status = &service.engine.context().status;
        let (chain, now) = (status.chain(), service.now());
        let patience = service.settings().chain_timeout.as_secs();
        let stopping = service
            .is_stopping()
            .then(|| ReasonBody::new("stopping", "the relay answers what it has taken, and ends", None));
        let has_no_roots = service.engine.relay().roots().is_empty();
        let roots = has_no_roots
            .then(|| ReasonBody::new("no_roots", "no root is known yet, so that nothing is accepted", None));
        let is_lost = chain.failures > 0 && chain.answered_at.is_none_or(|at| now.saturating_sub(at) > patience);
        let lost = is_lost.then(|| {
            let detail = "the chain does not answer; posts are judged by the roots known";
            ReasonBody::new("chain_lost", detail, chain.answered_at)
        });
        let troubles = status.troubles().all().into_iter().map(|trouble| ReasonBody::of(trouble, now));
        let reasons: Vec<_> = stopping.into_iter().chain(roots).chain(lost).chain(troubles).collect();
        Self { ready: reasons.is_empty(), reasons }
    }

    /// As it is told to whom asks.
    pub(super) fn told_to(self, peer: &Peer, service: &Service) -> Self {
        let is_closed = peer.door == Door::Public && service.settings().admin_alone;
        if is_closed { Self { reasons: Vec::new(), ..self } } else { self }
    }
}

/// Whether the relay is ready for posts
///
/// It serves on when it is not: this is for whoever spreads the load over several relays.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses((status = 200, body = ReadinessBody), (status = 503, body = ReadinessBody))
)]
pub(super) async fn readyz(State(service): State<Arc<Service>>, request: Request) -> Response {
    let readiness = ReadinessBody::of(&service).told_to(&Peer::of(request.extensions()), &service);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}
