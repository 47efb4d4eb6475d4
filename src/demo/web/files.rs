//! The files of the page: HTML, scripts, WebAssembly and proving keys.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use quotapass_relay::http::Asset;

use crate::{
    keys::{KeyFile, app_file},
    versioned::{Version, versioned},
};

/// The folder of the proving keys.
const KEYS: &str = "/demo/keys";

/// Allows only the page's own files and this server; WebAssembly may be compiled, and runs in a worker.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
                               style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
                               form-action 'none'; frame-ancestors 'none'";

macro_rules! files {
    ($($folder:literal $name:literal $content_type:literal)*) => {
        /// Name, content type and content of all files except `index.html`. `cargo xtask web demo` writes the files in `built`.
        const FILES: &[(&str, &str, &[u8])] =
            &[$(($name, $content_type, include_bytes!(concat!("../../../bindings/web/demo/", $folder, $name)))),*];
    };
}

files! {
    "" "demo.css" "text/css; charset=utf-8"
    "built/" "demo.js" "text/javascript; charset=utf-8"
    "built/" "worker.js" "text/javascript; charset=utf-8"
    "built/" "quotapass_web_bg.wasm" "application/wasm"
    "built/" "quotapass_web_threads_bg.wasm" "application/wasm"
}

const INDEX: &str = include_str!("../../../bindings/web/demo/index.html");

/// The files of the page by name. `index.html` contains the version of each other file in its address, so browsers keep
/// these files and ask only for `index.html`.
struct Files(Vec<(&'static str, Asset)>);

impl Files {
    fn new() -> Self {
        let mut files: Vec<_> =
            FILES.iter().map(|(name, content_type, content)| (*name, Asset::new(content_type, *content))).collect();
        let index = files.iter().fold(INDEX.to_owned(), |index, (name, asset)| {
            index.replace(&format!("\"{name}\""), &format!("\"{}\"", versioned(name, asset)))
        });
        files.push(("index.html", Asset::new("text/html; charset=utf-8", index)));
        Self(files)
    }

    fn get(&self, name: &str) -> Option<&Asset> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, asset)| asset)
    }

    fn answer(&self, name: &str, version: &Version, headers: &HeaderMap) -> Response {
        let Some(asset) = self.get(name) else {
            return (StatusCode::NOT_FOUND, "no such file\n").into_response();
        };
        let common = [
            (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
            // These two headers isolate the page from all other origins, so that it may share memory between threads.
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        (common, asset.answer(headers, version.freshness(asset))).into_response()
    }
}

/// Returns the routes of `/demo/`, its files, and `/demo/keys`.
pub(super) fn routes(keys: Vec<KeyFile>) -> Router {
    let list = Json(app_file::list(&keys, KEYS));
    let files = Arc::new(Files::new());
    let index = Arc::clone(&files);
    Router::new()
        .route("/demo", get(|| async { Redirect::permanent("/demo/") }))
        .route(
            "/demo/",
            get(|Query(version): Query<Version>, headers: HeaderMap| async move {
                index.answer("index.html", &version, &headers)
            }),
        )
        .route(
            "/demo/{name}",
            get(|Path(name): Path<String>, Query(version): Query<Version>, headers: HeaderMap| async move {
                files.answer(&name, &version, &headers)
            }),
        )
        .route(KEYS, get(|| async move { list }))
        .merge(app_file::routes(keys, KEYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(answer: &'a Response, name: &HeaderName) -> &'a str {
        answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(answer: Response) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(axum::body::to_bytes(answer.into_body(), 1 << 20)).unwrap();
        String::from_utf8(bytes.into()).unwrap()
    }

    #[test]
    fn the_page_names_the_version_of_each_file_and_only_these_are_immutable() {
        let files = Files::new();
        let none = Version { v: None };
        let index = text(files.answer("index.html", &none, &HeaderMap::new()));
        for (name, ..) in FILES {
            let asset = files.get(name).unwrap();
            assert!(index.contains(&format!("\"{}\"", versioned(name, asset))), "{name}");
            let control = |v: Option<&str>| {
                let answer = files.answer(name, &Version { v: v.map(Into::into) }, &HeaderMap::new());
                value(&answer, &header::CACHE_CONTROL).to_owned()
            };
            assert!(control(Some(asset.version())).contains("immutable"), "{name}");
            // An old page must not store a new file under an old version.
            for version in [None, Some("0000000000000000"), Some("")] {
                assert_eq!(control(version), "no-cache", "{name}");
            }
        }
        assert_eq!(value(&files.answer("index.html", &none, &HeaderMap::new()), &header::CACHE_CONTROL), "no-cache");
    }

    #[test]
    fn all_files_are_compressed_and_isolated_and_answer_304() {
        let files = Files::new();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, "gzip, deflate, br".parse().unwrap());
        for name in FILES.iter().map(|(name, ..)| *name).chain(["index.html"]) {
            let answer = files.answer(name, &Version { v: None }, &headers);
            assert_eq!(value(&answer, &header::CONTENT_ENCODING), "gzip", "{name}");
            assert_eq!(value(&answer, &HeaderName::from_static("cross-origin-embedder-policy")), "require-corp");
            let mut known = headers.clone();
            known.insert(header::IF_NONE_MATCH, answer.headers()[header::ETAG].clone());
            assert_eq!(files.answer(name, &Version { v: None }, &known).status(), StatusCode::NOT_MODIFIED, "{name}");
        }
        assert_eq!(files.answer("secret", &Version { v: None }, &headers).status(), StatusCode::NOT_FOUND);
    }
}
