//! `GET /v1/moderation/{log}/appeals/{strike}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use quotapass_protocol::moderation::AppealAnswer;

use super::{
    super::{
        Service,
        error::{ApiError, ErrorBody},
    },
    blocking,
    schema::AppealSchema,
};
use crate::ModerationError;

/// The state of an appeal
///
/// The text of a refusal is for the author. The answer does not contain the appeal itself.
#[utoipa::path(
    get,
    path = "/v1/moderation/{log}/appeals/{strike}",
    tag = "moderation",
    params(
        ("log" = String, Path, description = "the identity of the relay's own log, 64 hexadecimal digits"),
        ("strike" = String, Path, description = "the id of the strike"),
    ),
    responses(
        (status = 200, body = AppealSchema),
        (status = 404, body = ErrorBody, description = "there was no appeal against this strike here"),
        (status = 503, body = ErrorBody, description = "the store fails"),
    )
)]
pub(in crate::http) async fn appeal(
    State(service): State<Arc<Service>>,
    Path((log, strike)): Path<(String, String)>,
) -> Result<Json<AppealAnswer>, ApiError> {
    let engine = service.engine.clone();
    let found = blocking(engine, move |relay| {
        let moderation = relay.moderation();
        if moderation.own_log().is_some_and(|own| own.to_string() == log) {
            moderation.appeal(&strike)
        } else {
            Ok(None)
        }
    });
    let found = found.await?.map_err(ModerationError::from)?;
    let unknown =
        || ApiError::new(StatusCode::NOT_FOUND, "no appeal against this strike is here", "ask the log that struck");
    found.map(Json).ok_or_else(unknown)
}
