//! The routes of moderation: reports, actions of authors, events, and the state of appeals; the logs that the relay hosts and
//! follows; and those of moderators.

mod appeals;
mod entries;
mod events;
mod hosted;
mod moderators;
mod requests;
mod schema;

use std::sync::Arc;

use axum::{http::StatusCode, routing::get};
use quotapass_protocol::Verdict;
use tokio::sync::Semaphore;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, error::ApiError};
use crate::{Engine, ModerationError, Relay};

/// Maximum number of actions of authors that are carried out at the same time.
///
/// **Attack.** Everybody knows the entries of posts. A forger sends actions with invalid proofs on all connections that a
/// source may have. Each costs a pairing, outside the engine that shares out the work of verification, and the threads that
/// verify posts get no processor.
///
/// **Defence.** They take two processors at most. The others wait, and give way to other sources as all requests do.
const AUTHORS_AT_ONCE: usize = 2;

/// Returns the turns of actions of authors.
pub(super) fn author_turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(AUTHORS_AT_ONCE))
}

/// Returns the routes.
pub(super) fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(requests::report))
        .routes(routes!(requests::author))
        .routes(routes!(events::events))
        .routes(routes!(appeals::appeal))
        .routes(routes!(hosted::logs))
        .routes(routes!(hosted::resource))
        .route("/v1/moderation/{log}/{folder}/{*path}", get(hosted::resource_below))
        .routes(routes!(entries::entries))
        .routes(routes!(entries::cosignatures))
        .routes(routes!(moderators::queue))
        .routes(routes!(moderators::item))
        .routes(routes!(moderators::decisions))
        .routes(routes!(moderators::answers))
}

/// Runs something that waits for the store, on a thread where it may.
///
/// # Errors
/// 503 if it fails.
pub(super) async fn blocking<T: Send + 'static>(
    engine: Engine,
    run: impl FnOnce(&Relay) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(move || run(engine.relay())).await;
    done.map_err(|_| ApiError::unavailable("the relay failed", "try again"))
}

impl From<ModerationError> for ApiError {
    fn from(error: ModerationError) -> Self {
        use ModerationError as Refusal;
        let status = match &error {
            Refusal::Log(_) | Refusal::NoKey | Refusal::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::NoReports(_) | Refusal::UnknownPost | Refusal::NoStrike | Refusal::NoAppeal => {
                StatusCode::NOT_FOUND
            }
            Refusal::Clock { .. } | Refusal::Superseded(_) | Refusal::OpenAppeal => StatusCode::CONFLICT,
            Refusal::Refused(verdict) if matches!(**verdict, Verdict::Overloaded(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::InvalidProof | Refusal::SlashedMember | Refusal::Refused(_) => StatusCode::FORBIDDEN,
            Refusal::Report
            | Refusal::Body(_)
            | Refusal::ReportRequest(_)
            | Refusal::AuthorRequest(_)
            | Refusal::Answer(_) => StatusCode::BAD_REQUEST,
        };
        let answer = Self::of(status, &error);
        match error {
            Refusal::Refused(verdict) => answer.with_verdict(*verdict),
            _ => answer,
        }
    }
}
