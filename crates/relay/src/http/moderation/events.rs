//! `GET /v1/moderation/events`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::StatusCode,
};
use quotapass_protocol::moderation::EventsAnswer;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::{
    super::{
        Service,
        connections::Peer,
        error::{ApiError, ErrorBody},
        shares::{Full, Limits, Tenure},
        source::owner,
    },
    blocking,
    schema::EventsSchema,
};
use crate::ModerationError;

/// Maximum time for which a request waits for the next event, in seconds.
const MAX_WAIT: u64 = 60;
/// The interval at which the store is read while a request waits. Events of other relays are found by it.
const LOOK: Duration = Duration::from_secs(1);

/// The range of events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EventsQuery {
    /// The number of the last event that the client knows; 0 for all.
    #[serde(default)]
    since: u64,
    /// Number of events, at most 1,000.
    #[serde(default = "EventsQuery::limit")]
    limit: usize,
    /// Seconds to wait for an event if there is none, at most 60.
    #[serde(default)]
    wait: u64,
}

impl EventsQuery {
    const fn limit() -> usize {
        100
    }
}

/// Events of moderation
///
/// Numbers have no gap, and all relays of one operator give the same numbers. Events are kept for a year; if the first one
/// has a greater number than the one after `since`, the client should read all posts again. A request that waits counts as
/// a listener to events.
#[utoipa::path(
    get,
    path = "/v1/moderation/events",
    tag = "moderation",
    params(EventsQuery),
    responses(
        (status = 200, body = EventsSchema),
        (status = 400, body = ErrorBody, description = "invalid query"),
        (status = 429, body = ErrorBody, description = "too many requests of this source wait"),
        (status = 503, body = ErrorBody, description = "the store fails, or too many requests wait"),
    )
)]
pub(in crate::http) async fn events(
    State(service): State<Arc<Service>>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    request: Request,
) -> Result<Json<EventsAnswer>, ApiError> {
    let Query(EventsQuery { since, limit, wait }) = query.map_err(|error| {
        ApiError::bad_request(error.body_text(), "give `since`, `limit` and `wait` as numbers, or omit them")
    })?;
    let read = || {
        let engine = service.engine.clone();
        async move {
            let found = blocking(engine, move |relay| relay.moderation().events(since, limit)).await?;
            Ok::<_, ApiError>(found.map_err(ModerationError::from)?)
        }
    };
    let end = Instant::now() + Duration::from_secs(wait.min(MAX_WAIT));
    let mut news = service.engine.relay().moderation().news();
    let mut found = read().await?;
    if found.is_empty() && wait > 0 && !service.is_stopping() {
        let settings = service.settings();
        let peer = Peer::of(request.extensions())?;
        let limits = Limits { total: settings.max_listeners, of_source: settings.max_listeners_per_source };
        let owner = owner(&peer, request.headers(), &settings);
        let place = service.listeners.enter(owner, limits).map_err(|full| {
            let hint = "ask without `wait`, or try again later";
            match full {
                Full::Source => ApiError::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    format!("this source already has {} listeners to events", limits.of_source),
                    hint,
                ),
                Full::Total => {
                    ApiError::unavailable(format!("there are already {} listeners to events", limits.total), hint)
                }
            }
        })?;
        let _waiting = peer.wait();
        place.hold(Tenure::Waiting);
        while found.is_empty() && Instant::now() < end {
            let next_look = (Instant::now() + LOOK).min(end);
            tokio::select! {
                () = service.stopping.cancelled() => break,
                // The place is given to another listener.
                () = place.evicted() => break,
                // The sender lives as long as the relay.
                _ = timeout_at(next_look, news.changed()) => {}
            }
            found = read().await?;
        }
    }
    let next = found.last().map_or(since, |event| event.number);
    Ok(Json(EventsAnswer { events: found, next }))
}
