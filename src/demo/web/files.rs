//! The files of the page: HTML, scripts, WebAssembly and proving keys.

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use quotapass_circuits::prover::ProvingKey;
use sha2::{Digest, Sha256};

/// Allows only the page's own files and this server; WebAssembly may be compiled, and runs in a worker.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
                               style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
                               form-action 'none'; frame-ancestors 'none'";

macro_rules! files {
    ($($folder:literal $name:literal $content_type:literal)*) => {
        /// Name, content type and content. `cargo xtask web demo` writes the files in `built`.
        const FILES: &[(&str, &str, &[u8])] =
            &[$(($name, $content_type, include_bytes!(concat!("../../../bindings/web/demo/", $folder, $name)))),*];
    };
}

files! {
    "" "index.html" "text/html; charset=utf-8"
    "" "demo.css" "text/css; charset=utf-8"
    "built/" "demo.js" "text/javascript; charset=utf-8"
    "built/" "worker.js" "text/javascript; charset=utf-8"
    "built/" "quotapass_web_bg.wasm" "application/wasm"
    "built/" "quotapass_web_threads_bg.wasm" "application/wasm"
}

/// A proving key in the form that the page fetches.
#[derive(Clone)]
pub(super) struct KeyFile {
    circuit: &'static str,
    content: Bytes,
    /// SHA-256 in hexadecimal.
    hash: String,
}

impl KeyFile {
    pub(super) fn new(circuit: &'static str, key: &ProvingKey) -> Self {
        let content = Bytes::from(key.to_bytes());
        let hash = hex::encode(Sha256::digest(&content));
        Self { circuit, content, hash }
    }
}

/// Returns the routes of `/demo/`, its files, and `/demo/keys`.
pub(super) fn routes(keys: Vec<KeyFile>) -> Router {
    let list = keys.iter().map(|key| {
        let url = format!("/demo/keys/{}", key.circuit);
        (key.circuit.to_owned(), serde_json::json!({ "url": url, "sha256": key.hash }))
    });
    let list = axum::Json(serde_json::Value::Object(list.collect()));
    let mut router = Router::new()
        .route("/demo", get(|| async { Redirect::permanent("/demo/") }))
        .route("/demo/", get(|| async { file("index.html") }))
        .route("/demo/{name}", get(|Path(name): Path<String>| async move { file(&name) }))
        .route("/demo/keys", get(|| async move { list }));
    for KeyFile { circuit, content, .. } in keys {
        let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-cache")];
        router = router.route(&format!("/demo/keys/{circuit}"), get(|| async move { (headers, content) }));
    }
    router
}

fn file(name: &str) -> Response {
    let Some((_, content_type, content)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, *content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
        // These two headers isolate the page from all other origins, so that it may share memory between threads.
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, *content).into_response()
}
