//! `POST /v1/report` and `POST /v1/author`.

use core::slice;
use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use quotapass_protocol::{
    Overload, Verdict,
    moderation::{ActionAnswer, ActionResult, AuthorRequest, ReportRequest},
};
use serde::de::DeserializeOwned;

use super::{
    super::{
        HttpSettings, Service,
        body::Format,
        error::{ApiError, ErrorBody},
        received::{Received, in_time, parse, pause_if_refused},
        rules::admit,
    },
    blocking,
    schema::{AnswerSchema, AuthorSchema, RefusedSchema, ReportSchema},
};
use crate::moderation::ReportStage;

/// Receives a request in JSON, which counts as one post of its network.
async fn received<T: DeserializeOwned>(
    request: Request,
    service: &Service,
    settings: &HttpSettings,
) -> Result<(Received, T), ApiError> {
    let received = Received::new(request, service, settings).await?;
    if received.format == Format::Binary {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "requests about moderation are accepted only in JSON",
            "send content-type application/json",
        ));
    }
    let body = parse(&received.bytes)?;
    admit(service, received.client, 1)?;
    Ok((received, body))
}

/// Report a post
///
/// The pass is judged like a post in the scope of the post's reports. The first report of a member counts; every other one
/// is `repeated`, whatever it says.
#[utoipa::path(
    post,
    path = "/v1/report",
    tag = "moderation",
    request_body = ReportSchema,
    responses(
        (status = 200, body = AnswerSchema),
        (status = 400, body = ErrorBody, description = "invalid request"),
        (status = 403, body = RefusedSchema, description = "the pass, or the proof that binds the body, is not accepted"),
        (status = 404, body = ErrorBody, description = "the scope takes no reports, or the relay knows no such post"),
        (status = 408, body = ErrorBody, description = "the body did not arrive in time"),
        (status = 409, body = ErrorBody, description = "the stated time is not the relay's"),
        (status = 413, body = ErrorBody, description = "the body is too long"),
        (status = 415, body = ErrorBody, description = "unsupported content type"),
        (status = 429, body = ErrorBody, description = "this source exceeds its share, or its network sends too many posts"),
        (status = 503, body = RefusedSchema, description = "the relay is overloaded, or cannot verify authors"),
    )
)]
pub(in crate::http) async fn report(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<ActionAnswer>, ApiError> {
    let settings = service.settings();
    let (received, body) = received::<ReportRequest>(request, &service, &settings).await?;
    let (engine, now) = (service.engine.clone(), service.now());
    let source = received.source.clone();
    let work = async move {
        let staged = blocking(engine.clone(), move |relay| relay.moderation().report(&body, now)).await??;
        let ReportStage::Pending(pending) = staged else { return Ok((Ok(ActionResult::Repeated), None)) };
        let post = pending.post();
        engine.relay().lists().fetch_for(post.pass.as_deref().ok().into_iter()).await;
        let verdict = engine.submit(source, vec![post]).await.pop();
        let verdict = verdict.unwrap_or(Verdict::Overloaded(Overload::Failure));
        let told = verdict.clone();
        let concluded =
            blocking(engine, move |relay| relay.moderation().conclude_report(&pending, verdict, now)).await?;
        Ok::<_, ApiError>((concluded, Some(told)))
    };
    let (result, verdict) = in_time(&received, work, &settings).await??;
    drop(received.share);
    if let Some(verdict) = verdict {
        pause_if_refused(&received.place, slice::from_ref(&verdict)).await;
    }
    Ok(Json(ActionAnswer { result: result? }))
}

/// Delete a post, or appeal against a strike
///
/// The author of a post proves to be its author, and says nothing else about the identity. A deletion is final.
#[utoipa::path(
    post,
    path = "/v1/author",
    tag = "moderation",
    request_body = AuthorSchema,
    responses(
        (status = 200, body = AnswerSchema),
        (status = 400, body = ErrorBody, description = "invalid request"),
        (status = 403, body = ErrorBody, description = "the proof is not the author's, or the author's secret is known"),
        (status = 404, body = ErrorBody, description = "the relay knows no such post, or no strike of it is in force"),
        (status = 408, body = ErrorBody, description = "the body did not arrive in time"),
        (status = 409, body = ErrorBody, description = "the stated time is not the relay's or not later than the last action's, or an appeal is open"),
        (status = 413, body = ErrorBody, description = "the body is too long"),
        (status = 415, body = ErrorBody, description = "unsupported content type"),
        (status = 429, body = ErrorBody, description = "this source exceeds its share, or its network sends too many posts"),
        (status = 503, body = ErrorBody, description = "the relay is overloaded, or cannot verify authors"),
    )
)]
pub(in crate::http) async fn author(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<ActionAnswer>, ApiError> {
    let settings = service.settings();
    let (received, body) = received::<AuthorRequest>(request, &service, &settings).await?;
    let (engine, now) = (service.engine.clone(), service.now());
    let turns = Arc::clone(&service.author_turns);
    let work = async move {
        // The semaphore is never closed. A turn ends with the work, also if the client has left.
        let turn = turns.acquire_owned().await;
        blocking(engine, move |relay| {
            let result = relay.moderation().author(&body, now);
            drop(turn);
            result
        })
        .await
    };
    let result = in_time(&received, work, &settings).await???;
    Ok(Json(ActionAnswer { result }))
}
