//! The routes of moderators: the queue, decisions, and answers to appeals.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, request::Parts},
};
use quotapass_log::LogId;
use quotapass_protocol::moderation::{ActionAnswer, DecisionRequest, QueueAnswer, QueueItem, RefusalRequest};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::{
        Service,
        error::{ApiError, ErrorBody},
        received::parse,
    },
    blocking,
    hosted::{host, log_of, received, waiting},
    schema::{AnswerSchema, DecisionSchema, QueueItemSchema, QueueSchema, RefusalSchema},
};
use crate::{
    ModerationError,
    moderation::host::{MODERATOR_HEADER, ModeratorError, ModeratorRequest},
};

/// The part of the queue that is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct QueueQuery {
    /// The `next` of an earlier answer.
    after: Option<String>,
    /// Number of posts, at most 256.
    #[serde(default = "QueueQuery::limit")]
    limit: usize,
}

impl QueueQuery {
    const fn limit() -> usize {
        50
    }
}

/// Receives a request, and checks that a moderator of the relay's own log signed it. See [`ModeratorRequest`].
///
/// # Errors
/// 401 without a valid signature, 403 for a key that is not a moderator's.
async fn of_moderator(request: Request, service: &Service, log: &str) -> Result<Bytes, ApiError> {
    let (host, log) = (host(service)?, log_of(log)?);
    let (parts, bytes, share) = received(request, service, &service.settings()).await?;
    let body = bytes.clone();
    waiting(host, move |host| authenticate(host, log, &parts, &body)).await??;
    drop(share);
    Ok(bytes)
}

fn authenticate(
    host: &crate::moderation::host::ModerationHost,
    log: LogId,
    parts: &Parts,
    body: &[u8],
) -> Result<(), ModeratorError> {
    let mut headers = parts.headers.get_all(MODERATOR_HEADER).iter();
    // Of two headers, one may have been added on the way.
    let (Some(header), None) = (headers.next(), headers.next()) else { return Err(ModeratorError::Header) };
    let header = header.to_str().map_err(|_| ModeratorError::Header)?;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    host.authenticate(log, &ModeratorRequest { header, method: parts.method.as_str(), target, body })
}

impl From<ModeratorError> for ApiError {
    fn from(error: ModeratorError) -> Self {
        let status = match &error {
            ModeratorError::NotOwn => StatusCode::NOT_FOUND,
            ModeratorError::NotAModerator => StatusCode::FORBIDDEN,
            ModeratorError::Spent => StatusCode::CONFLICT,
            ModeratorError::NoPolicy | ModeratorError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ModeratorError::Header | ModeratorError::Clock { .. } | ModeratorError::Signature => {
                StatusCode::UNAUTHORIZED
            }
        };
        Self::of(status, &error)
    }
}

/// Posts that wait for a moderator
///
/// Those that wait longest come first. The header `Quotapass-Moderator` is an Ed25519 public key in 64 hexadecimal digits, the
/// time in Unix seconds, and a signature in 128 digits, over the lines `quotapass.moderator.v1`, the log, the method, the path
/// with its query, the seconds, and the SHA-256 of the body in hexadecimal digits, each with a line feed. At most 60 seconds
/// from the relay's clock. The key must be a moderator's in the log's policy.
#[utoipa::path(
    get,
    path = "/v1/moderation/{log}/queue",
    tag = "moderation",
    params(
        ("log" = String, Path, description = "the identity of the relay's own log, 64 hexadecimal digits"),
        ("Quotapass-Moderator" = String, Header, description = "key, time and signature"),
        QueueQuery,
    ),
    responses(
        (status = 200, body = QueueSchema),
        (status = 400, body = ErrorBody, description = "invalid query"),
        (status = 401, body = ErrorBody, description = "the request is not signed, or not now"),
        (status = 403, body = ErrorBody, description = "the key is not a moderator's"),
        (status = 404, body = ErrorBody, description = "the relay does not write this log"),
        (status = 503, body = ErrorBody, description = "the log has no policy, or the store fails"),
    )
)]
pub(in crate::http) async fn queue(
    State(service): State<Arc<Service>>,
    Path(log): Path<String>,
    query: Result<Query<QueueQuery>, QueryRejection>,
    request: Request,
) -> Result<Json<QueueAnswer>, ApiError> {
    of_moderator(request, &service, &log).await?;
    let Query(QueueQuery { after, limit }) = query
        .map_err(|error| ApiError::bad_request(error.body_text(), "give `after` as an earlier answer states it"))?;
    let now = service.now();
    let read = blocking(service.engine.clone(), move |relay| relay.moderation().queue(after.as_deref(), limit, now));
    Ok(Json(read.await?.map_err(ModerationError::from)?))
}

/// A post with its reports
#[utoipa::path(
    get,
    path = "/v1/moderation/{log}/queue/{nullifier}",
    tag = "moderation",
    params(
        ("log" = String, Path, description = "the identity of the relay's own log, 64 hexadecimal digits"),
        ("nullifier" = String, Path, description = "the post's nullifier, 64 hexadecimal digits"),
        ("Quotapass-Moderator" = String, Header, description = "key, time and signature"),
    ),
    responses(
        (status = 200, body = QueueItemSchema),
        (status = 401, body = ErrorBody, description = "the request is not signed, or not now"),
        (status = 403, body = ErrorBody, description = "the key is not a moderator's"),
        (status = 404, body = ErrorBody, description = "the relay does not write this log, or knows no such post"),
        (status = 503, body = ErrorBody, description = "the log has no policy, or the store fails"),
    )
)]
pub(in crate::http) async fn item(
    State(service): State<Arc<Service>>,
    Path((log, nullifier)): Path<(String, String)>,
    request: Request,
) -> Result<Json<QueueItem>, ApiError> {
    of_moderator(request, &service, &log).await?;
    let unknown = || ApiError::from(ModerationError::UnknownPost);
    let mut digits = [0; 32];
    hex::decode_to_slice(&nullifier, &mut digits).map_err(|_| unknown())?;
    let nullifier = quotapass_circuits::share::Nullifier::from_be_bytes(&digits).map_err(|_| unknown())?;
    let now = service.now();
    let read = blocking(service.engine.clone(), move |relay| relay.moderation().item(nullifier, now));
    read.await?.map_err(ModerationError::from)?.map(Json).ok_or_else(unknown)
}

/// Decide about a post
///
/// `keep` releases a held or hidden post, `hide` hides it. Both close its reports.
#[utoipa::path(
    post,
    path = "/v1/moderation/{log}/decisions",
    tag = "moderation",
    params(
        ("log" = String, Path, description = "the identity of the relay's own log, 64 hexadecimal digits"),
        ("Quotapass-Moderator" = String, Header, description = "key, time and signature"),
    ),
    request_body = DecisionSchema,
    responses(
        (status = 200, body = AnswerSchema),
        (status = 400, body = ErrorBody, description = "invalid request"),
        (status = 401, body = ErrorBody, description = "the request is not signed, or not now"),
        (status = 403, body = ErrorBody, description = "the key is not a moderator's"),
        (status = 404, body = ErrorBody, description = "the relay does not write this log, or knows no such post"),
        (status = 409, body = ErrorBody, description = "this signed request came before"),
        (status = 503, body = ErrorBody, description = "the log has no policy, or the store fails"),
    )
)]
pub(in crate::http) async fn decisions(
    State(service): State<Arc<Service>>,
    Path(log): Path<String>,
    request: Request,
) -> Result<Json<ActionAnswer>, ApiError> {
    let body = of_moderator(request, &service, &log).await?;
    let DecisionRequest { nullifier, decision } = parse(&body)?;
    let now = service.now();
    let decide = blocking(service.engine.clone(), move |relay| relay.moderation().decide(nullifier, decision, now));
    Ok(Json(ActionAnswer { result: decide.await?? }))
}

/// Refuse an appeal
///
/// The text is for the author. An appeal is granted by an entry `lift` of the log.
#[utoipa::path(
    post,
    path = "/v1/moderation/{log}/answers",
    tag = "moderation",
    params(
        ("log" = String, Path, description = "the identity of the relay's own log, 64 hexadecimal digits"),
        ("Quotapass-Moderator" = String, Header, description = "key, time and signature"),
    ),
    request_body = RefusalSchema,
    responses(
        (status = 200, body = AnswerSchema),
        (status = 400, body = ErrorBody, description = "invalid request"),
        (status = 401, body = ErrorBody, description = "the request is not signed, or not now"),
        (status = 403, body = ErrorBody, description = "the key is not a moderator's"),
        (status = 404, body = ErrorBody, description = "the relay does not write this log, or there is no appeal"),
        (status = 409, body = ErrorBody, description = "this signed request came before"),
        (status = 503, body = ErrorBody, description = "the log has no policy, or the store fails"),
    )
)]
pub(in crate::http) async fn answers(
    State(service): State<Arc<Service>>,
    Path(log): Path<String>,
    request: Request,
) -> Result<Json<ActionAnswer>, ApiError> {
    let body = of_moderator(request, &service, &log).await?;
    let RefusalRequest { strike, text } = parse(&body)?;
    let now = service.now();
    let answer = blocking(service.engine.clone(), move |relay| relay.moderation().answer(&strike, &text, now));
    Ok(Json(ActionAnswer { result: answer.await?? }))
}
