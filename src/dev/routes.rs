//! The routes that `quotapass dev` adds to its relay: what an app needs to know, proving keys, and the faucet.
//!
//! **Attack.** A page that the developer visits sends requests to this server and to anvil. CORS lets pages of every
//! origin read the answers, because an app under development has any origin.
//!
//! **Defence.** There is nothing to gain. The server has no secret: its keys are made from a public seed, its accounts
//! are anvil's, whose keys are public, and the chain ends with the process and has nothing of value. No route reads or
//! writes files of the user: the relay keeps its files in a temporary folder. Its key for signatures on policies is new
//! at each start, and no route returns it. A page can fill the chain and the relay, and use every method of anvil, as with
//! anvil alone; a restart removes all of it. The relay's check of the host name stops DNS rebinding.

use std::{net::SocketAddr, sync::Arc};

use alloy_primitives::Address;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    http::{Method, StatusCode, header},
    routing::{get, post},
};
use quotapass_relay::http::ErrorBody;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_http::cors::{Any, CorsLayer};

use super::registry::{COINS, LocalRegistry, TOKENS};
use crate::{
    address,
    keys::{KeyFile, app_file},
    relay::CHAIN_ID,
};

const KEYS: &str = "/dev/keys";
/// Size limit of a request in bytes.
const MAX_BODY: usize = 1_024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(deserialize_with = "address::read")]
    address: Address,
}

/// A gift of the faucet, in whole units.
#[derive(Serialize)]
struct Gift {
    address: Address,
    coins: u64,
    tokens: u64,
    transaction: String,
}

type Failure = (StatusCode, Json<ErrorBody>);

/// Returns everything that an app needs to know, as JSON.
pub(super) fn description(address: SocketAddr, rpc_url: &str, registry: &LocalRegistry, keys: &[KeyFile]) -> Value {
    let url = format!("http://{address}");
    json!({
        "event": "listening",
        "url": url,
        "rpc_url": rpc_url,
        "chain_id": CHAIN_ID,
        "registry": registry.address.to_string(),
        "token": registry.token.to_string(),
        "faucet": format!("{url}/dev/faucet"),
        "keys": app_file::list(keys, &format!("{url}{KEYS}")),
        "development": true,
    })
}

/// Returns the routes `/dev`, `/dev/keys` with its files, and `/dev/faucet`.
pub(super) fn routes(description: Value, registry: Arc<LocalRegistry>, keys: Vec<KeyFile>) -> Router {
    let list = Json(description["keys"].clone());
    let description = Json(description);
    Router::new()
        .route("/dev", get(|| async move { description }))
        .route(KEYS, get(|| async move { list }))
        .route("/dev/faucet", post(give))
        .with_state(registry)
        .merge(app_file::routes(keys, KEYS))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(
            CorsLayer::new()
                .allow_origin(Any)
                .allow_methods([Method::GET, Method::POST])
                .allow_headers([header::ACCEPT, header::CONTENT_TYPE]),
        )
}

/// Gives an account coins for gas and tokens for deposits.
async fn give(
    State(registry): State<Arc<LocalRegistry>>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Json<Gift>, Failure> {
    const FORM: &str = "send {\"address\": \"0x...\"} with the content type application/json";
    let Json(Asked { address }) =
        asked.map_err(|rejection| failure(rejection.status(), rejection.body_text(), FORM))?;
    let given = tokio::task::spawn_blocking(move || registry.give(address)).await;
    let given = given.map_err(|error| failure(StatusCode::INTERNAL_SERVER_ERROR, error, "try again"))?;
    let transaction = given.map_err(|error| {
        failure(StatusCode::BAD_GATEWAY, error, "try again; if it persists, restart `quotapass dev`")
    })?;
    Ok(Json(Gift { address, coins: COINS, tokens: TOKENS, transaction: transaction.to_string() }))
}

fn failure(status: StatusCode, error: impl ToString, hint: &str) -> Failure {
    (status, Json(ErrorBody { error: error.to_string(), hint: hint.into() }))
}
