//! Bodies of requests: bounded in size, in time, and in what they take together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use bytes::BytesMut;
use futures_util::StreamExt;

use super::{HttpSettings, error::ApiError};

/// What a body is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Binary,
}

const BINARY: &str = "application/octet-stream";

/// The media type of a header, without parameters.
fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

impl Format {
    /// That of a request.
    ///
    /// # Errors
    /// 415 for any other.
    pub(super) fn of_request(headers: &HeaderMap) -> Result<Self, ApiError> {
        let stated = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match media_type(stated).as_str() {
            "application/json" => Ok(Self::Json),
            BINARY => Ok(Self::Binary),
            _ => Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "this content type is not taken",
                "send content-type application/json or application/octet-stream",
            )),
        }
    }

    /// That of the answer: JSON unless bytes are asked for.
    pub(super) fn of_answer(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let wants_bytes = accepted.flat_map(|value| value.split(',')).any(|value| media_type(value) == BINARY);
        if wants_bytes { Self::Binary } else { Self::Json }
    }
}

/// The memory that bodies take together.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyMemory(Arc<AtomicUsize>);

/// A part of it, given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    memory: BodyMemory,
    taken: usize,
}

impl Share {
    fn grow(&mut self, bytes: usize, most: usize) -> Result<(), ApiError> {
        self.taken += bytes;
        if self.memory.0.fetch_add(bytes, Ordering::Relaxed) + bytes > most {
            return Err(ApiError::unavailable(
                "the relay receives more than it can hold",
                "try again soon, with fewer posts in a request",
            ));
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

/// Receives a body. Its memory counts until the share is dropped.
///
/// # Errors
/// 413 if it is too long, 408 if it takes too long, 503 if all bodies together are too much, 400 if it breaks off.
pub(super) async fn receive(
    body: Body,
    headers: &HeaderMap,
    memory: &BodyMemory,
    settings: &HttpSettings,
) -> Result<(Bytes, Share), ApiError> {
    let too_large = || {
        ApiError::too_large(
            format!("the body has more than {} bytes", settings.max_body),
            "send fewer posts in a request",
        )
    };
    // Whoever announces too much need not send it.
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > settings.max_body as u64) {
        return Err(too_large());
    }
    let mut share = Share { memory: memory.clone(), taken: 0 };
    let collect = async {
        let mut stream: BodyDataStream = body.into_data_stream();
        let mut whole = BytesMut::new();
        while let Some(part) = stream.next().await {
            let part = part.map_err(|_| ApiError::bad_request("the body broke off", "send all of it"))?;
            if whole.len() + part.len() > settings.max_body {
                return Err(too_large());
            }
            share.grow(part.len(), settings.max_body_memory)?;
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    };
    let bytes = tokio::time::timeout(settings.body_timeout, collect).await.map_err(|_| {
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {:?}", settings.body_timeout),
            "send it at once, or less of it",
        )
    })??;
    Ok((bytes, share))
}
