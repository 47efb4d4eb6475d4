//! The chat network: messages with their verdicts, for all listeners; and the wallet that deposits.

use std::{sync::Arc, time::Duration};

use alloy_primitives::Address;
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures_util::Stream;
use quotapass_circuits::{
    formats::wire::decode_text, identity::IdentityCommitment, membership::MemberIndex, registry_id::RegistryId,
};
use quotapass_registry::{RegistryError, RegistryWriter, TierNumber};
use quotapass_relay::{Engine, OwnedPost, Source, chain::RegistryLink, http::ErrorBody};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::lines::Lines;
use crate::{relay::DEPOSITOR, time::now};

/// Number of events of moderation that are read at a time.
const EVENTS: usize = 100;
/// Time after which the events are read even if the relay does not tell of a new one.
const LOOK: Duration = Duration::from_secs(5);
/// Size limit of a request in bytes.
const MAX_BODY: usize = 16 * 1_024;
/// The tier of the page's wallet: 10 tokens, for 20 messages per epoch.
const TIER: TierNumber = TierNumber(1);

/// The chat room, which submits messages to its relay, and shows of them what moderation leaves.
pub(super) struct Chat {
    engine: Engine,
    registry: Arc<RegistryLink>,
    stopping: CancellationToken,
    lines: Lines,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    scope: String,
    message: String,
    /// In base64url without padding.
    pass: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Joining {
    commitment: IdentityCommitment,
}

#[derive(Serialize)]
struct Joined {
    index: MemberIndex,
    depositor: String,
}

type Failure = (StatusCode, Json<ErrorBody>);

impl Chat {
    pub(super) fn new(engine: Engine, registry: Arc<RegistryLink>, stopping: CancellationToken) -> Self {
        Self { engine, registry, stopping, lines: Lines::default() }
    }

    /// Applies the relay's events of moderation to the lines, as each chat network does, until the service stops.
    pub(super) async fn follow_moderation(self: Arc<Self>) {
        let mut news = self.engine.relay().moderation().news();
        let mut since = 0;
        loop {
            let chat = Arc::clone(&self);
            let read = spawn_blocking(move || chat.engine.relay().moderation().events(since, EVENTS)).await;
            match read {
                Ok(Ok(events)) if !events.is_empty() => {
                    for event in events {
                        self.lines.moderate(event.nullifier, event.kind);
                        since = event.number;
                    }
                    continue;
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => warn!(%error, "the chat cannot read the relay's events; it tries again"),
                Err(_) => return,
            }
            tokio::select! {
                () = self.stopping.cancelled() => return,
                // The relay, which tells of news, lives as long as this chat.
                _ = timeout(LOOK, news.changed()) => {}
            }
        }
    }
}

/// Returns the routes `/demo/messages`, `/demo/head` and `/demo/join`.
pub(super) fn routes(chat: Arc<Chat>) -> Router {
    Router::new()
        .route("/demo/messages", get(listen).post(say))
        .route("/demo/head", get(head))
        .route("/demo/join", post(join))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(chat)
}

/// Receives a message, submits it to the relay, and publishes it if it is accepted. Returns it with its verdict.
async fn say(
    State(chat): State<Arc<Chat>>,
    Extension(source): Extension<Source>,
    said: Result<Json<Said>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(said) = said.map_err(unreadable)?;
    let pass = decode_text(&said.pass).map(Bytes::from);
    let owned = OwnedPost {
        scope: said.scope.clone(),
        message: said.message.clone().into(),
        pass: pass.clone().map_err(Into::into),
    };
    let verdict = chat.engine.submit(source, vec![owned]).await.pop();
    let verdict = verdict.ok_or_else(|| failure(StatusCode::SERVICE_UNAVAILABLE, "the relay is stopping"))?;
    let at = now().map_err(|error| failure(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let line = chat.lines.publish(said.scope, said.message, pass.ok().as_deref(), verdict, at);
    Ok(Json(line).into_response())
}

/// Streams all messages that are kept, and then each new one, what moderation makes of them, and the counts of refused
/// messages.
async fn listen(
    State(chat): State<Arc<Chat>>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
    Sse::new(chat.lines.listen(last, chat.stopping.clone())).keep_alive(KeepAlive::default())
}

/// Returns the registry, which an app normally ships, and root and number of members on the chain, which a wallet
/// normally asks of its own endpoint.
async fn head(State(chat): State<Arc<Chat>>) -> Result<Response, Failure> {
    let (RegistryId { chain_id, address }, head) =
        on_chain(chat, |registry| Ok((registry.id(), registry.head()?))).await?;
    Ok(Json(json!({
        "registry": { "chainId": chain_id, "address": Address::from(address) },
        "root": head.root,
        "member_count": head.member_count,
    }))
    .into_response())
}

/// Deposits for a commitment, unless an earlier request has done so.
async fn join(
    State(chat): State<Arc<Chat>>,
    joining: Result<Json<Joining>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(Joining { commitment }) = joining.map_err(unreadable)?;
    let index = on_chain(chat, move |registry| match registry.index_of(commitment, DEPOSITOR)? {
        Some(index) => Ok(Some(index)),
        None => Ok(registry.deposit(DEPOSITOR, commitment, TIER)?.added()),
    });
    let index = index.await?.ok_or_else(|| failure(StatusCode::BAD_GATEWAY, "the deposit added no member"))?;
    Ok(Json(Joined { index, depositor: DEPOSITOR.to_string() }).into_response())
}

async fn on_chain<T: Send + 'static>(
    chat: Arc<Chat>,
    work: impl FnOnce(&dyn RegistryWriter) -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, Failure> {
    let worked = spawn_blocking(move || work(&*chat.registry.writer()?)).await;
    let worked = worked.map_err(|error| failure(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    worked.map_err(|error| match error {
        RegistryError::Refused(_) => failure(StatusCode::CONFLICT, error),
        _ => failure(StatusCode::BAD_GATEWAY, error),
    })
}

fn unreadable(rejection: JsonRejection) -> Failure {
    let body = ErrorBody { error: rejection.body_text(), hint: "see the page's script for the request format".into() };
    (rejection.status(), Json(body))
}

fn failure(status: StatusCode, error: impl ToString) -> Failure {
    (status, Json(ErrorBody { error: error.to_string(), hint: "try again; if it persists, restart the demo".into() }))
}
