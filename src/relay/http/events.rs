//! `GET /v1/events`: what happens, as server-sent events.

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
use tokio::sync::{broadcast, watch};

use super::{
    Service,
    connections::{Peer, Waiting},
    error::{ApiError, ErrorBody},
    shares::{Full, Limits, Place, Shares, Tenure},
    source::owner,
};
use crate::relay::{EventId, Occurrence, Subscription};

/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_secs(3);

/// Those who listen. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners(Shares);

impl Listeners {
    pub(super) fn count(&self) -> usize {
        self.0.taken()
    }

    /// How many were ended for others, ever.
    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}

/// What happens: roots, slashes, reloads
///
/// Server-sent events. With `Last-Event-ID` those since that event come first. An event `missed` says that some are lost,
/// and that everything should be asked for anew. When there are too many listeners, the longest of the source with most of
/// them ends for a source that has fewer.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "relay",
    params(("Last-Event-ID" = Option<String>, Header, description = "the id of the last event received")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = ErrorBody, description = "no id of an event"),
        (status = 429, body = ErrorBody, description = "too many of this source listen"),
        (status = 503, body = ErrorBody, description = "too many listen, or the relay is stopping"),
    )
)]
pub(super) async fn events(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let settings = service.settings();
    if service.is_stopping() {
        return Err(ApiError::unavailable("the relay is stopping", "try another one"));
    }
    let (peer, headers) = (Peer::of(request.extensions()), request.headers());
    let limits = Limits { total: settings.max_listeners, of_source: settings.max_listeners_per_source };
    let owner = owner(&peer, headers, &settings);
    let listening = service.listeners.0.enter(owner, 1, Tenure::Waiting, limits).map_err(|full| {
        let hint = "try again later, or poll /v1/summary";
        match full {
            Full::Source => ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                format!("{} of this source listen to events already", limits.of_source),
                hint,
            ),
            Full::Total => ApiError::unavailable(format!("{} listen to events already", limits.total), hint),
        }
    })?;
    let bus = &service.engine.context().events;
    let subscription = match headers.get("last-event-id") {
        None => Subscription { missed: Vec::new(), incomplete: false, next: bus.subscribe() },
        Some(id) => {
            let id = id.to_str().unwrap_or_default().parse::<EventId>();
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
        stopping: service.stopping.subscribe(),
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
    stopping: watch::Receiver<bool>,
    listening: Place,
    _waiting: Waiting,
}

impl Listener {
    /// The next event; none when the relay stops, or another one listens in this place.
    async fn event(&mut self) -> Option<Event> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        tokio::select! {
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
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
