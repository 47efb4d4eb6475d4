//! `GET /v1/moderation`, and what logs serve below it.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use quotapass_log::{CHECKPOINT_PATH, LogId, POLICY_PATH, SourceError, TreeHash};
use quotapass_protocol::{
    LogIdentity, UnixSeconds,
    moderation::{LogBody, LogsAnswer},
};

use super::{
    super::{
        HttpSettings, Service,
        body::{Share, receive},
        connections::Peer,
        error::{ApiError, ErrorBody},
        rules::admit,
        source::{client, owner},
    },
    schema::LogsSchema,
};
use crate::moderation::host::{HostedLog, ModerationHost};

/// The answer of a server that never changes: it is named by its hash, or is a tile.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Returns the host of the relay's logs.
///
/// # Errors
/// 404 if the relay hosts and follows no log.
pub(super) fn host(service: &Service) -> Result<Arc<ModerationHost>, ApiError> {
    service.moderation.get().cloned().ok_or_else(unknown_log)
}

pub(super) fn unknown_log() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "this relay does not serve this log", "GET /v1/moderation lists its logs")
}

/// Reads the identity of a log in a path.
///
/// # Errors
/// 404: a log of another form is unknown too.
pub(super) fn log_of(text: &str) -> Result<LogId, ApiError> {
    let LogIdentity(bytes) = text.parse().map_err(|_| unknown_log())?;
    Ok(LogId::from_bytes(bytes))
}

/// Runs something that waits for a store, on a thread where it may.
///
/// # Errors
/// 503 if it fails.
pub(super) async fn waiting<T: Send + 'static>(
    host: Arc<ModerationHost>,
    run: impl FnOnce(&ModerationHost) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(move || run(&host)).await;
    done.map_err(|_| ApiError::unavailable("the relay failed", "try again"))
}

/// Receives the body of a request for a log. It counts as one post of its network.
///
/// # Errors
/// As [`receive`] and [`admit`].
pub(super) async fn received(
    request: Request,
    service: &Service,
    settings: &HttpSettings,
) -> Result<(Parts, Bytes, Share), ApiError> {
    let (parts, body) = request.into_parts();
    let peer = Peer::of(&parts.extensions)?;
    admit(service, client(&peer, &parts.headers, settings).address, 1)?;
    let owner = owner(&peer, &parts.headers, settings);
    let idle = peer.wait();
    let (bytes, share) = receive(body, &parts.headers, owner, &service.body_memory, settings).await?;
    drop(idle);
    Ok((parts, bytes, share))
}

/// The logs that the relay serves
///
/// For discovery. Nothing in it is to be trusted: the root key of a log and the keys of witnesses come with the address of a
/// room. A log without a checkpoint has the size 0 and the time 1970.
#[utoipa::path(get, path = "/v1/moderation", tag = "moderation", responses((status = 200, body = LogsSchema)))]
pub(in crate::http) async fn logs(State(service): State<Arc<Service>>) -> Json<LogsAnswer> {
    let Some(host) = service.moderation.get() else { return Json(LogsAnswer { logs: Vec::new() }) };
    let witness_key = host.witness_key().map(|key| key.to_string());
    let body = |HostedLog { name, condition }: HostedLog| LogBody {
        log: LogIdentity(*name.id().as_bytes()),
        origin: name.origin.to_string(),
        root_key: name.root_key.to_string(),
        own: condition.is_own,
        size: condition.size,
        root: *condition.root.unwrap_or(TreeHash::EMPTY).as_bytes(),
        at: condition.at.unwrap_or(UnixSeconds(0)),
        // An own log is cosigned by others.
        witness_key: witness_key.clone().filter(|_| !condition.is_own),
    };
    Json(LogsAnswer { logs: host.logs().into_iter().map(body).collect() })
}

/// What a log serves at a path
///
/// `checkpoint`, `tile/...` and `tile/entries/...` as in C2SP tlog-tiles; `policy`: the newest policy of the root key, after
/// the decimal place of its entry and a line feed; `active/<sha256>`: a list in force, 96 bytes an entry, or the index of all
/// lists; `text/<sha256>`: a statement of reasons (own logs alone: what is erased there must be gone). For a followed log,
/// `fork` is the proof that it showed different things to different readers, if it did.
#[utoipa::path(
    get,
    path = "/v1/moderation/{log}/{path}",
    tag = "moderation",
    params(
        ("log" = String, Path, description = "the identity of the log, 64 hexadecimal digits"),
        ("path" = String, Path, description = "the path, which may contain slashes"),
    ),
    responses(
        (status = 200, content((Vec<u8> = "application/octet-stream"), (String = "text/plain"))),
        (status = 404, body = ErrorBody, description = "the relay does not serve this log, or the log has nothing there"),
        (status = 503, body = ErrorBody, description = "the store fails"),
    )
)]
pub(in crate::http) async fn resource(
    State(service): State<Arc<Service>>,
    Path((log, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    served(&service, &log, path, &headers).await
}

/// The same for paths with slashes. The document has no form for them.
pub(in crate::http) async fn resource_below(
    State(service): State<Arc<Service>>,
    Path((log, folder, rest)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    served(&service, &log, format!("{folder}/{rest}"), &headers).await
}

async fn served(service: &Service, log: &str, path: String, headers: &HeaderMap) -> Result<Response, ApiError> {
    let (host, log) = (host(service)?, log_of(log)?);
    let asked = path.clone();
    let found = waiting(host, move |host| match path.as_str() {
        "fork" => host.fork(log),
        path => host.resource(log, path),
    });
    let nothing = || {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "the log has nothing at this path",
            "see `GET /v1/moderation/{log}/{path}`",
        )
    };
    let content = found.await?.map_err(unavailable)?.ok_or_else(nothing)?;
    let (content_type, cache) = kind_of(&asked);
    let tag = format!("\"{}\"", hex::encode(&sha256(&content)[..16]));
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let common = [(header::ETAG, tag), (header::CACHE_CONTROL, cache.into())];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    Ok((common, [(header::CONTENT_TYPE, content_type)], content).into_response())
}

fn sha256(content: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(content).into()
}

fn unavailable(error: SourceError) -> ApiError {
    ApiError::unavailable(error.to_string(), "try again")
}

/// Returns the type of what is at a path, and how long it may be kept.
fn kind_of(path: &str) -> (&'static str, &'static str) {
    const TEXT: &str = "text/plain; charset=utf-8";
    const BYTES: &str = "application/octet-stream";
    match path {
        CHECKPOINT_PATH | POLICY_PATH => (TEXT, "no-cache"),
        "fork" => ("application/json", "no-cache"),
        _ if path.starts_with("tile/") || path.starts_with("active/") => (BYTES, IMMUTABLE),
        // It can be erased.
        _ => (BYTES, "no-store"),
    }
}
