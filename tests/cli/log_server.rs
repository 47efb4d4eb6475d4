//! A server of a moderation log, as far as moderators need one: a real log behind HTTP. It verifies no proofs.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use quotapass_log::{
    LogName, MemoryStore,
    moderation::{Journal, SaltedText},
};
use quotapass_protocol::{UnixSeconds, note::NoteKey};
use quotapass_testkit::process::now;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A relay that writes a log.
pub struct Relay {
    pub journal: Journal<MemoryStore>,
    pub working: Mutex<NoteKey>,
    name: LogName,
    moderators: Vec<String>,
    published: AtomicU64,
    queue: Vec<Value>,
}

impl Relay {
    /// Creates a relay with an empty log, these moderators, and posts for them to decide about.
    pub fn new(name: LogName, working: NoteKey, moderators: &[String], queue: Vec<Value>) -> Self {
        Self {
            journal: Journal::open(name.clone(), MemoryStore::default()).unwrap(),
            working: working.into(),
            name,
            moderators: moderators.to_vec(),
            published: AtomicU64::new(0),
            queue,
        }
    }

    /// Publishes at once: each checkpoint is two seconds later than the one before.
    pub fn publish(&self) {
        let at = now() + 2 * self.published.fetch_add(1, Ordering::SeqCst);
        self.journal.publish(&self.working.lock().unwrap(), at, &mut rand::rngs::OsRng).unwrap();
    }

    /// Returns whether a moderator signed the request.
    fn is_moderator(&self, headers: &HeaderMap, method: &str, uri: &Uri, body: &[u8]) -> bool {
        let header = headers.get("quotapass-moderator").and_then(|header| header.to_str().ok()).unwrap_or_default();
        let [key, time, signature] = header.split(' ').collect::<Vec<_>>()[..] else { return false };
        let (mut public, mut bytes) = ([0; 32], [0; 64]);
        hex::decode_to_slice(key, &mut public).unwrap();
        hex::decode_to_slice(signature, &mut bytes).unwrap();
        let is_known = self.moderators.iter().any(|moderator| {
            let encoded = moderator.splitn(3, '+').nth(2).unwrap();
            base64::prelude::BASE64_STANDARD.decode(encoded).unwrap()[1..] == public
        });
        let (log, body) = (self.name.id(), hex::encode(Sha256::digest(body)));
        let text = format!("quotapass.moderator.v1\n{log}\n{method}\n{uri}\n{time}\n{body}\n");
        let is_fresh = UnixSeconds(time.parse().unwrap()).abs_diff(now()) <= 60;
        let key = VerifyingKey::from_bytes(&public).unwrap();
        is_known && is_fresh && key.verify(text.as_bytes(), &Signature::from_bytes(&bytes)).is_ok()
    }
}

fn refused(status: StatusCode, error: &str, hint: &str) -> Response {
    (status, Json(json!({ "error": error, "hint": hint }))).into_response()
}

async fn read(
    Shared(relay): Shared<Arc<Relay>>,
    Path((log, path)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    if log != relay.name.id().to_string() {
        return refused(StatusCode::NOT_FOUND, "unknown log", "check it");
    }
    if path != "queue" && !path.starts_with("queue/") {
        return match relay.journal.resource(&path).unwrap() {
            Some(bytes) => bytes.into_response(),
            None => refused(StatusCode::NOT_FOUND, "not found", "check the path"),
        };
    }
    if !relay.is_moderator(&headers, "GET", &uri, b"") {
        return refused(StatusCode::FORBIDDEN, "not a moderator", "sign with the key of one");
    }
    if let Some(nullifier) = path.strip_prefix("queue/") {
        let item = relay.queue.iter().find(|item| item["nullifier"] == nullifier);
        return item
            .map_or_else(|| refused(StatusCode::NOT_FOUND, "no such post", "-"), |item| Json(item).into_response());
    }
    // One post a page.
    let after: usize = uri.query().map_or(0, |query| query.strip_prefix("after=").unwrap().parse().unwrap());
    let mut answer = json!({ "items": [relay.queue[after]] });
    if after + 1 < relay.queue.len() {
        answer["next"] = (after + 1).to_string().into();
    }
    Json(answer).into_response()
}

async fn write(
    Shared(relay): Shared<Arc<Relay>>,
    Path((_, path)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    if path != "entries" {
        let is_moderator = relay.is_moderator(&headers, "POST", &uri, &body);
        return match is_moderator {
            true => Json(json!({ "result": "accepted" })).into_response(),
            false => refused(StatusCode::FORBIDDEN, "not a moderator", "sign with the key of one"),
        };
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    let leaf = request["leaf"].as_str().unwrap().as_bytes();
    let at = now() + 2 * relay.published.load(Ordering::SeqCst);
    let appended = match request["text"].as_str() {
        Some(text) => {
            let text = SaltedText::from_bytes(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
            assert!(request["message"].is_string() != request["withheld"].is_string());
            relay.journal.append_strike(leaf, &text, at)
        }
        None => relay.journal.append(leaf, at),
    };
    match appended {
        Ok(index) => {
            relay.publish();
            Json(json!({ "index": index.to_string() })).into_response()
        }
        Err(error) => refused(StatusCode::CONFLICT, "the entry does not follow the rules", &error.to_string()),
    }
}

async fn events(Shared(relay): Shared<Arc<Relay>>, uri: Uri) -> Response {
    let events = relay.queue.iter().zip(1_u64..).map(|(item, number)| {
        json!({
            "number": number.to_string(), "at": "2026-11-20T12:00:00Z", "kind": item["state"], "scope": item["scope"],
            "nullifier": item["nullifier"],
        })
    });
    let events: Vec<_> = if uri.query() == Some("since=0") { events.collect() } else { Vec::new() };
    Json(json!({ "events": events, "next": "3" })).into_response()
}

/// Serves a relay for as long as the runtime lives, and returns its address.
pub fn serve(runtime: &tokio::runtime::Runtime, relay: Arc<Relay>) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/v1/moderation/events", get(events))
        .route("/v1/moderation/{log}/{*path}", get(read))
        .route("/v1/moderation/{log}/{*path}", post(write))
        .with_state(relay);
    runtime.spawn(async move { axum::serve(listener, routes).await });
    address
}
