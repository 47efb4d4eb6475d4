//! `GET /v1/events`: the relay's events as server-sent events.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, stream};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{
    Service,
    connections::{Peer, Waiting},
    error::{ApiError, ErrorBody},
    shares::{Full, Limits, Owner, Place, Shares, Tenure},
    source::owner,
};
use crate::{EventId, EventIdError, Occurrence, Subscription};

/// Time that a browser waits before it reconnects.
const RETRY: Duration = Duration::from_secs(3);

/// The open event streams. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners(Shares);

impl Listeners {
    pub(super) fn count(&self) -> usize {
        self.0.taken()
    }

    /// Enters a listener that waits.
    ///
    /// # Errors
    /// [`Full`] at a limit.
    pub(super) fn enter(&self, owner: Owner, limits: Limits) -> Result<Place, Full> {
        self.0.enter(owner, 1, Tenure::Waiting, limits)
    }

    /// Returns how many streams were ended to make room for others, since the start.
    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}

/// Events: roots, slashes, reloads
///
/// Server-sent events. With `Last-Event-ID`, the events since that one come first. The event `missed` says that some
/// events are lost; the client should then fetch all state again. At the limit of listeners, the oldest stream of the
/// source with the most streams ends, to make room for a source that has fewer.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "relay",
    params(("Last-Event-ID" = Option<String>, Header, description = "the id of the last event received")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = ErrorBody, description = "`Last-Event-ID` is not the id of an event"),
        (status = 429, body = ErrorBody, description = "too many listeners of this source"),
        (status = 503, body = ErrorBody, description = "too many listeners, or the relay is stopping"),
    )
)]
pub(super) async fn events(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let settings = service.settings();
    if service.is_stopping() {
        return Err(ApiError::unavailable("the relay is stopping", "try another relay"));
    }
    let (peer, headers) = (Peer::of(request.extensions())?, request.headers());
    let limits = Limits { total: settings.max_listeners, of_source: settings.max_listeners_per_source };
    let owner = owner(&peer, headers, &settings);
    let listening = service.listeners.enter(owner, limits).map_err(|full| {
        let hint = "try again later, or poll /v1/summary";
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
    let bus = &service.engine.context().events;
    let subscription = match headers.get("last-event-id") {
        None => Subscription { missed: Vec::new(), incomplete: false, next: bus.subscribe() },
        Some(id) => {
            let id = id.to_str().map_err(|_| EventIdError).and_then(str::parse::<EventId>);
            bus.subscribe_after(id.map_err(|error| ApiError::bad_request("unknown Last-Event-ID", error.to_string()))?)
        }
    };
    let mut first = VecDeque::from([Event::default().comment("quotapass relay").retry(RETRY)]);
    if subscription.incomplete {
        first.push_back(missed());
    }
    first.extend(subscription.missed.iter().map(|occurrence| event(occurrence)));
    let listener = Listener {
        first,
        next: subscription.next,
        stopping: service.stopping.clone(),
        listening,
        _waiting: peer.wait(),
    };
    let stream = stream::unfold(listener, |mut listener| async move {
        let event = listener.event().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(settings.keep_alive)))
}

struct Listener {
    first: VecDeque<Event>,
    next: broadcast::Receiver<Arc<Occurrence>>,
    stopping: CancellationToken,
    listening: Place,
    _waiting: Waiting,
}

impl Listener {
    /// Returns the next event; `None` when the relay stops, or when the place is given to another listener.
    async fn event(&mut self) -> Option<Event> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        tokio::select! {
            () = self.stopping.cancelled() => None,
            () = self.listening.evicted() => None,
            occurrence = self.next.recv() => match occurrence {
                Ok(occurrence) => Some(event(&occurrence)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some(missed()),
                Err(broadcast::error::RecvError::Closed) => None,
            },
        }
    }
}

fn event(occurrence: &Occurrence) -> Event {
    let named = Event::default().id(occurrence.id.to_string()).event(occurrence.event.name());
    // Every event has a JSON form.
    named.json_data(&occurrence.event).unwrap_or_else(|_| missed())
}

fn missed() -> Event {
    Event::default().event("missed").data("{}")
}
