//! A request with posts or a badge: its body, its place among the requests that wait, and its answer in time.

use core::{net::IpAddr, pin::pin, time::Duration};

use axum::{body::Bytes, extract::Request};
use quotapass_protocol::{Overload, PolicyTable, Verdict};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    HttpSettings, Service,
    body::{Format, Share, receive},
    connections::Peer,
    error::ApiError,
    settings::contains,
    shares::{Limits, Owner, Place, Shares, Tenure},
    source::{asker, client, owner, source},
};
use crate::Source;

/// Time for which a request that waits for verdicts keeps its place and its memory, whatever other sources need. Verdicts
/// on honest posts take less, also under attack.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time after which a request that found the queue full is answered.
///
/// **Attack.** A forger whose posts find no place in the queue sends them again at once, and the relay reads and refuses
/// them as fast as it can.
///
/// **Defence.** With this pause, the number of connections that a source may have limits the refusals. The request keeps
/// its connection, which it loses as soon as another source needs it, and no memory.
const PAUSE: Duration = Duration::from_millis(100);

/// A request with its body.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    /// The memory of the body, held until the answer is ready.
    pub(super) share: Share,
    pub(super) format: Format,
    pub(super) answer: Format,
    /// Its place among the requests that wait for verdicts.
    pub(super) place: Place,
    pub(super) client: IpAddr,
    /// Whether it may name the scopes that a pattern stands for. A proxy that does not name its client may not: its client
    /// may be anyone.
    may_name_scopes: bool,
    pub(super) source: Source,
}

impl Received {
    pub(super) async fn new(request: Request, service: &Service, settings: &HttpSettings) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let format = Format::of_request(&parts.headers)?;
        let peer = Peer::of(&parts.extensions)?;
        let source = source(&peer, &parts.headers, settings);
        let owner = owner(&peer, &parts.headers, settings);
        let client = client(&peer, &parts.headers, settings);
        let may_name_scopes = !client.is_proxy && contains(&settings.pattern_scopes_from, client.address);
        let client = client.address;
        let asker = asker(&peer, &parts.headers, settings);
        let waiting = peer.wait();
        let (bytes, share) = receive(body, &parts.headers, owner, &service.body_memory, settings).await?;
        drop(waiting);
        let place = service.pending.enter(asker, settings)?;
        let answer = Format::of_answer(&parts.headers);
        Ok(Self { bytes, share, format, answer, place, client, may_name_scopes, source })
    }

    /// Empties the name of a scope that this client may not name, so that the scope is judged as one that is not listed.
    pub(super) fn check_name(&self, scope: &mut String, policies: &PolicyTable) {
        if !self.may_name_scopes && policies.get(scope).is_ok_and(|found| found.is_of_pattern()) {
            scope.clear();
        }
    }
}

/// The requests that wait for verdicts.
///
/// Attack prevented: forgeries wait long in the engine, because it does little work for them, and each holds a
/// connection and the memory of its body. Sixteen addresses with 64 forgeries each took all connections, four with large
/// bodies took all memory, and behind a proxy the proxy had no connections left. Therefore these requests have three
/// quarters of the connections, and one that has waited for the [patience](PATIENCE) gives way to a source that has
/// less.
#[derive(Debug, Default)]
pub(super) struct Pending(Shares);

impl Pending {
    fn enter(&self, asker: Owner, settings: &HttpSettings) -> Result<Place, ApiError> {
        let total = (settings.max_connections - settings.max_connections / 4).max(1);
        let limits = Limits { total, of_source: total };
        let place = self.0.enter(asker, 1, Tenure::Working, limits);
        place.map_err(|_| ApiError::unavailable("too many requests wait for verdicts", "try again soon"))
    }
}

/// Waits for verdicts.
pub(super) async fn in_time<T>(
    received: &Received,
    answer: impl Future<Output = T>,
    settings: &HttpSettings,
) -> Result<T, ApiError> {
    let (mut answer, limit) = (pin!(answer), settings.answer_timeout);
    if let Ok(answer) = timeout(PATIENCE.min(limit), &mut answer).await {
        return Ok(answer);
    }
    received.place.hold(Tenure::Waiting);
    received.share.wait();
    let error = tokio::select! {
        biased;
        answer = timeout(limit.saturating_sub(PATIENCE), answer) => match answer {
            Ok(answer) => return Ok(answer),
            Err(_) => format!("there was no answer within {limit:?}"),
        },
        () = received.place.evicted() => "the relay gave the place of this request to another source".into(),
        () = received.share.evicted() => "the relay gave the memory of this request to another source".into(),
    };
    Err(ApiError::unavailable(error, "send it again: `replay` then means that it was recorded"))
}

/// Waits for the [pause](PAUSE) if the queue had no room for the posts.
pub(super) async fn pause_if_refused(place: &Place, verdicts: &[Verdict]) {
    if matches!(verdicts.first(), Some(Verdict::Overloaded(Overload::Queue))) {
        place.hold(Tenure::Waiting);
        // A time-out is the normal end.
        let _ = timeout(PAUSE, place.evicted()).await;
    }
}

/// Parses the JSON of a body.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // The error contains line and column.
        ApiError::bad_request(format!("invalid request body: {error}"), "see /openapi.json")
    })
}
