//! Error answers to requests that are invalid, or that the relay cannot serve.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use quotapass_protocol::Verdict;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of an error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub hint: String,
}

/// An error answer with its status.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    /// Seconds for `Retry-After`, sent with statuses 429 and 503.
    retry_after: u64,
    /// The verdict that is the reason.
    verdict: Option<Box<Verdict>>,
}

/// The body of an error with a verdict.
#[derive(Serialize)]
struct ErrorWithVerdict<'a> {
    #[serde(flatten)]
    body: &'a ErrorBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a Verdict>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, body: ErrorBody { error: error.into(), hint: hint.into() }, retry_after: 1, verdict: None }
    }

    /// Creates the answer for an error, whose text says first what failed and then, after a semicolon, what to do.
    pub(super) fn of(status: StatusCode, error: &impl core::fmt::Display) -> Self {
        let text = error.to_string();
        let (what, hint) = text.split_once("; ").unwrap_or((&text, "see /openapi.json"));
        Self::new(status, what, hint)
    }

    /// Sets the seconds for `Retry-After`.
    pub(super) fn after(self, seconds: u64) -> Self {
        Self { retry_after: seconds, ..self }
    }

    /// Adds the verdict that is the reason.
    pub(super) fn with_verdict(self, verdict: Verdict) -> Self {
        Self { verdict: Some(Box::new(verdict)), ..self }
    }

    pub(super) fn bad_request(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    pub(super) fn too_large(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, error, hint)
    }

    pub(super) fn unavailable(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, hint)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, body, retry_after, verdict } = self;
        let body = ErrorWithVerdict { body: &body, verdict: verdict.as_deref() };
        let mut response = (status, Json(body)).into_response();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after.into());
        }
        response
    }
}

/// Returns the error for an unknown path.
pub(super) async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown path", "see /openapi.json for the known paths")
}

/// Returns the error for a method that a path does not support.
pub(super) async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not support this method",
        "see /openapi.json for the methods of each path",
    )
}
