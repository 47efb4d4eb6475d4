//! `GET /healthz` and `/readyz`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;

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
    /// `stopping`, `no_roots`, `log_failing` or `chain_lost`.
    code: &'static str,
    /// In words.
    detail: &'static str,
    /// Since when, in Unix seconds; null if that is not known.
    since: Option<u64>,
}

/// Whether the relay is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ReadinessBody {
    /// Whether it is.
    pub(super) ready: bool,
    /// Why not.
    reasons: Vec<ReasonBody>,
}

impl ReadinessBody {
    pub(super) fn of(service: &Service) -> Self {
        let status = &service.engine.context().status;
        let (chain, log, now) = (status.chain(), status.log(), service.now());
        let patience = service.settings().chain_timeout.as_secs();
        let reason = |code, detail, since| ReasonBody { code, detail, since };
        let stopping =
            service.is_stopping().then(|| reason("stopping", "the relay answers what it has taken, and ends", None));
        let has_no_roots = service.engine.relay().roots().is_empty();
        let roots = has_no_roots.then(|| reason("no_roots", "no root is known yet, so that nothing is accepted", None));
        let failing = log.failing_since.map(|since| {
            reason("log_failing", "the nullifier log does not answer, so that nothing is accepted", Some(since))
        });
        let is_lost = chain.failures > 0 && chain.answered_at.is_none_or(|at| now.saturating_sub(at) > patience);
        let lost = is_lost.then(|| {
            reason("chain_lost", "the chain does not answer; posts are judged by the roots known", chain.answered_at)
        });
        let reasons: Vec<_> = [stopping, roots, failing, lost].into_iter().flatten().collect();
        Self { ready: reasons.is_empty(), reasons }
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
pub(super) async fn readyz(State(service): State<Arc<Service>>) -> Response {
    let readiness = ReadinessBody::of(&service);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}
