//! Request bodies, with limits on size, time and total memory.

use core::time::Duration;

use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use bytes::BytesMut;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::{
    HttpSettings,
    error::ApiError,
    shares::{Full, Limits, Owner, Place, Shares, Tenure},
};

/// Interval in which a body must reach its minimum rate.
const SLOW_TIME: Duration = Duration::from_secs(3);

/// Format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Binary,
}

const BINARY: &str = "application/octet-stream";

/// Returns the media type of a header, without parameters.
fn media_type(value: &str) -> String {
    value.split_once(';').map_or(value, |(media, _)| media).trim().to_ascii_lowercase()
}

impl Format {
    /// Returns the format of a request's body.
    ///
    /// # Errors
    /// 415 for any other content type, and for a compressed body.
    pub(super) fn of_request(headers: &HeaderMap) -> Result<Self, ApiError> {
        let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if !headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "compressed bodies are not supported",
                "send the body as it is, without content-encoding",
            ));
        }
        let stated = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(media_type);
        match stated.as_deref() {
            Some("application/json") => Ok(Self::Json),
            Some(BINARY) => Ok(Self::Binary),
            _ => Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported content type",
                "send content-type application/json or application/octet-stream",
            )),
        }
    }

    /// Returns the format of the answer: binary if `Accept` names it, otherwise JSON.
    pub(super) fn of_answer(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let wants_bytes = accepted.flat_map(|value| value.split(',')).any(|value| media_type(value) == BINARY);
        if wants_bytes { Self::Binary } else { Self::Json }
    }
}

/// The memory of all bodies. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyMemory(Shares);

impl BodyMemory {
    /// Returns the memory in use in bytes.
    pub(super) fn taken(&self) -> usize {
        self.0.taken()
    }

    /// Returns how many bodies were dropped to make room for others, since the start.
    pub(super) fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}

/// A body's part of the memory. Dropping it frees the memory.
#[derive(Debug)]
pub(super) struct Share {
    place: Place,
    limits: Limits,
}

impl Share {
    fn new(memory: &BodyMemory, owner: Owner, settings: &HttpSettings) -> Result<Self, ApiError> {
        let limits = Limits { total: settings.max_body_memory, of_source: settings.max_body_memory_per_source };
        // Zero bytes always fit, unless a reload has lowered the limits.
        let place = memory.0.enter(owner, 0, Tenure::Waiting, limits).map_err(|full| no_memory(full, limits))?;
        Ok(Self { place, limits })
    }

    /// Allows that the memory is given to another source that would have less. Its owner then drops the body.
    pub(super) fn wait(&self) {
        self.place.hold(Tenure::Waiting);
    }

    /// Waits until the memory is given to another source.
    pub(super) async fn evicted(&self) {
        self.place.evicted().await;
    }

    fn grow(&self, bytes: usize) -> Result<(), ApiError> {
        self.place.grow(bytes, self.limits).map_err(|full| no_memory(full, self.limits))
    }
}

fn no_memory(full: Full, limits: Limits) -> ApiError {
    let hint = "wait for the answers to other requests, or send fewer posts in a request";
    match full {
        Full::Source => ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("request bodies from this source already take {} bytes", limits.of_source),
            hint,
        ),
        Full::Total => ApiError::unavailable("the relay has no memory left for request bodies", hint),
    }
}

/// Receives a body. Its memory counts until the share is dropped.
///
/// Slow bodies cost memory: a client that sends a large body without its end holds the memory until the body's timeout.
/// The relay therefore drops a body that is slower than the minimum rate. It also drops a body when another source
/// needs the memory and would still have less of it; after the body is complete, only while [`Share::wait`] allows it.
///
/// # Errors
/// 413 if the body is too long, 408 if it is too slow, 429 if its source has used its share of the memory, 503 if no
/// memory is left, 400 if the body is incomplete.
pub(super) async fn receive(
    body: Body,
    headers: &HeaderMap,
    owner: Owner,
    memory: &BodyMemory,
    settings: &HttpSettings,
) -> Result<(Bytes, Share), ApiError> {
    let too_large = || {
        ApiError::too_large(
            format!("the body has more than {} bytes", settings.max_body),
            "send fewer posts in a request",
        )
    };
    // A body that is announced as too long is refused before it is sent.
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > settings.max_body as u64) {
        return Err(too_large());
    }
    let share = Share::new(memory, owner, settings)?;
    let collect = async {
        let mut stream: BodyDataStream = body.into_data_stream();
        let mut whole = BytesMut::new();
        let mut pace = Pace::new(settings);
        while let Some(part) = pace.next(&mut stream).await? {
            let part = part.map_err(|_| ApiError::bad_request("the body is incomplete", "send all of it"))?;
            if whole.len() + part.len() > settings.max_body {
                return Err(too_large());
            }
            share.grow(part.len())?;
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    };
    let bytes = tokio::select! {
        // A complete body is never dropped.
        biased;
        bytes = collect => bytes?,
        () = share.evicted() => return Err(ApiError::unavailable(
            "the relay gave the memory of this body to another source",
            "send the body at once, and fewer posts in a request",
        )),
    };
    share.place.hold(Tenure::Working);
    Ok((bytes, share))
}

/// Transfer rate of a body.
struct Pace<'a> {
    settings: &'a HttpSettings,
    /// Deadline for the whole body.
    end: Instant,
    /// End of the current interval, and the bytes received in it.
    window: (Instant, usize),
}

impl<'a> Pace<'a> {
    fn new(settings: &'a HttpSettings) -> Self {
        let now = Instant::now();
        Self { settings, end: now + settings.body_timeout, window: (now + SLOW_TIME, 0) }
    }

    /// Returns the next part; `None` at the body's end.
    ///
    /// # Errors
    /// 408 if it does not arrive in time.
    async fn next(&mut self, stream: &mut BodyDataStream) -> Result<Option<Result<Bytes, axum::Error>>, ApiError> {
        let least = usize::try_from(SLOW_TIME.as_secs()).unwrap_or(usize::MAX) * self.settings.min_body_rate;
        loop {
            let (window, received) = self.window;
            if let Ok(part) = timeout_at(window.min(self.end), stream.next()).await {
                let bytes = part.as_ref().and_then(|part| part.as_ref().ok()).map_or(0, Bytes::len);
                self.window.1 += bytes;
                return Ok(part);
            }
            let error = if self.end <= window {
                format!("the body did not arrive within {:?}", self.settings.body_timeout)
            } else if received < least {
                format!("the body arrived at less than {} bytes per second", self.settings.min_body_rate)
            } else {
                self.window = (window + SLOW_TIME, 0);
                continue;
            };
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, error, "send it without pauses, or send less"));
        }
    }
}
