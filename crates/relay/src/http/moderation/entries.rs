//! `POST /v1/moderation/{log}/entries` and `/cosignatures`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
    http::StatusCode,
};
use quotapass_log::{
    LogError,
    moderation::{EntryError, JournalError},
};
use quotapass_protocol::moderation::{ActionAnswer, ActionResult, EntryAnswer, EntryRequest};

use super::{
    super::{
        Service,
        error::{ApiError, ErrorBody},
        received::parse,
    },
    hosted::{host, log_of, received, waiting},
    schema::{AnswerSchema, EntryAnswerSchema, EntryRequestSchema},
};
use crate::moderation::host::{AppendError, SentEntry, ShownPost, StrikeError};

/// The longest cosignature line, in bytes.
const MAX_LINE: usize = 1_024;

/// Append an entry to the relay's own log
///
/// The signatures in the entry say who decided. A strike comes with its statement of reasons, and with the message that the
/// moderators saw or the reason why it is withheld; the relay verifies the pass of the struck post. The entry is on disk when
/// the answer comes, and in force from the next checkpoint on.
#[utoipa::path(
    post,
    path = "/v1/moderation/{log}/entries",
    tag = "moderation",
    params(("log" = String, Path, description = "the identity of the relay's own log, 64 hexadecimal digits")),
    request_body = EntryRequestSchema,
    responses(
        (status = 200, body = EntryAnswerSchema),
        (status = 400, body = ErrorBody, description = "invalid request, or an entry that does not follow the rules"),
        (status = 403, body = ErrorBody, description = "too few of those signed whom the log's policy names, or others did"),
        (status = 404, body = ErrorBody, description = "the relay does not write this log"),
        (status = 408, body = ErrorBody, description = "the body did not arrive in time"),
        (status = 409, body = ErrorBody, description = "the log has this entry, or a strike of this post is in force"),
        (status = 413, body = ErrorBody, description = "the body is too long"),
        (status = 429, body = ErrorBody, description = "this source exceeds its share"),
        (status = 503, body = ErrorBody, description = "the log has no policy, takes no entries now, or its store fails"),
    )
)]
pub(in crate::http) async fn entries(
    State(service): State<Arc<Service>>,
    Path(log): Path<String>,
    request: Request,
) -> Result<Json<EntryAnswer>, ApiError> {
    let (host, log) = (host(&service)?, log_of(&log)?);
    let (_, bytes, share) = received(request, &service, &service.settings()).await?;
    let sent = read_entry(parse(&bytes)?)?;
    let appended = waiting(host, move |host| host.append(log, &sent)).await?;
    drop(share);
    Ok(Json(EntryAnswer { index: appended? }))
}

fn read_entry(request: EntryRequest) -> Result<SentEntry, ApiError> {
    let invalid = |error: &dyn core::fmt::Display| ApiError::bad_request(error.to_string(), "see /openapi.json");
    let message = request.message_bytes().map_err(|error| invalid(&error))?.map(|message| message.into_owned());
    let shown = match (message, request.withheld) {
        (Some(message), None) => Some(ShownPost::Message(message)),
        (None, Some(reason)) => Some(ShownPost::Withheld(reason)),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(invalid(&"the message is shown and withheld; do one of both")),
    };
    Ok(SentEntry { leaf: request.leaf.into_bytes(), text: request.text, shown })
}

/// Add a cosignature to the newest checkpoint of the relay's own log
///
/// The body is one signature line of C2SP `cosignature/v1`, of a witness that the relay's configuration names.
#[utoipa::path(
    post,
    path = "/v1/moderation/{log}/cosignatures",
    tag = "moderation",
    params(("log" = String, Path, description = "the identity of the relay's own log, 64 hexadecimal digits")),
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 200, body = AnswerSchema, description = "`repeated` if the relay has one of this witness that is as new"),
        (status = 400, body = ErrorBody, description = "not a cosignature of the newest checkpoint by a known witness"),
        (status = 404, body = ErrorBody, description = "the relay does not write this log"),
        (status = 413, body = ErrorBody, description = "the body is too long"),
        (status = 503, body = ErrorBody, description = "the store fails"),
    )
)]
pub(in crate::http) async fn cosignatures(
    State(service): State<Arc<Service>>,
    Path(log): Path<String>,
    request: Request,
) -> Result<Json<ActionAnswer>, ApiError> {
    let (host, log) = (host(&service)?, log_of(&log)?);
    let (_, bytes, share) = received(request, &service, &service.settings()).await?;
    if bytes.len() > MAX_LINE {
        return Err(ApiError::too_large("a cosignature is one line of at most 1,024 bytes", "send one line"));
    }
    let line = core::str::from_utf8(&bytes).map(str::to_owned);
    let line = line.map_err(|_| ApiError::bad_request("a cosignature is text", "send a signature line"))?;
    let added = waiting(host, move |host| host.add_cosignature(log, &line)).await?;
    drop(share);
    Ok(Json(ActionAnswer { result: if added? { ActionResult::Accepted } else { ActionResult::Repeated } }))
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        Self::of(status_of(&error), &error)
    }
}

fn status_of(error: &AppendError) -> StatusCode {
    match error {
        AppendError::NotOwn => StatusCode::NOT_FOUND,
        AppendError::Starting | AppendError::Stopped(_) | AppendError::Strike(StrikeError::Unavailable(_)) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        AppendError::Journal(JournalError::Entry(error)) => match error {
            EntryError::NoPolicy => StatusCode::SERVICE_UNAVAILABLE,
            EntryError::Leaf(error) if is_of_signers(error) => StatusCode::FORBIDDEN,
            EntryError::Threshold { .. } | EntryError::WorkingKeys => StatusCode::FORBIDDEN,
            EntryError::Twice(_)
            | EntryError::Struck(_)
            | EntryError::NotInForce(_)
            | EntryError::Blocked
            | EntryError::NotBlocked => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        },
        AppendError::Journal(JournalError::Log(LogError::Store(_) | LogError::Full)) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn is_of_signers(error: &quotapass_log::LeafError) -> bool {
    use quotapass_log::LeafError;
    matches!(error, LeafError::Unsigned | LeafError::Stranger(_) | LeafError::Signature(_) | LeafError::Twice(_))
}
