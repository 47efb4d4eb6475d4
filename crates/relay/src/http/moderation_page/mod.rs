//! The pages of moderation: `GET /moderation` for moderators and `GET /moderation/log` for the public. They load nothing from
//! other sites.
//!
//! Both are files without a build step. What they show comes from the routes under `/v1/moderation`, and what they sign is
//! signed in the browser: the relay never has a moderator's key.

use std::{collections::HashMap, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    asset::{Asset, Freshness},
    error::{ApiError, ErrorBody},
};

/// The content security policy: it allows only the pages' own scripts, styles and routes, no inline code, no other site and
/// no form that leaves the page. A reported picture is shown from memory (`blob:`), and is never fetched. Scripts cannot
/// turn text into markup, because reports are written by strangers.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                               img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                               require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

static MODERATORS: LazyLock<Asset> = LazyLock::new(|| Asset::new(HTML, include_str!("moderation.html")));
static LOG: LazyLock<Asset> = LazyLock::new(|| Asset::new(HTML, include_str!("log.html")));

/// The files of both pages, by name.
static FILES: LazyLock<HashMap<&'static str, Asset>> = LazyLock::new(|| {
    let script = |(name, content)| (name, Asset::new(SCRIPT, content));
    let style = ("moderation.css", Asset::new(STYLE, include_str!("files/moderation.css")));
    SCRIPTS.map(script).into_iter().chain([style]).collect()
});

/// The scripts, by name.
const SCRIPTS: [(&str, &str); 19] = [
    ("bytes.js", include_str!("files/bytes.js")),
    ("dialogs.js", include_str!("files/dialogs.js")),
    ("dom.js", include_str!("files/dom.js")),
    ("entry.js", include_str!("files/entry.js")),
    ("handed.js", include_str!("files/handed.js")),
    ("history.js", include_str!("files/history.js")),
    ("json.js", include_str!("files/json.js")),
    ("keccak.js", include_str!("files/keccak.js")),
    ("keys.js", include_str!("files/keys.js")),
    ("leaf.js", include_str!("files/leaf.js")),
    ("log.js", include_str!("files/log.js")),
    ("logs.js", include_str!("files/logs.js")),
    ("moderation.js", include_str!("files/moderation.js")),
    ("note.js", include_str!("files/note.js")),
    ("post.js", include_str!("files/post.js")),
    ("queue.js", include_str!("files/queue.js")),
    ("relay.js", include_str!("files/relay.js")),
    ("report.js", include_str!("files/report.js")),
    ("tiles.js", include_str!("files/tiles.js")),
];

fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let policy = [(header::CONTENT_SECURITY_POLICY, SECURITY_POLICY)];
    (policy, asset.answer(headers, Freshness::Revalidated)).into_response()
}

/// The page for moderators
#[utoipa::path(
    get,
    path = "/moderation",
    tag = "page",
    params(("If-None-Match" = Option<String>, Header, description = "the `ETag` of the cached answer")),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 304, description = "the cached answer is still valid"),
    )
)]
pub(super) async fn moderators(headers: HeaderMap) -> Response {
    answer(&MODERATORS, &headers)
}

/// The page of the moderation log, for the public
#[utoipa::path(
    get,
    path = "/moderation/log",
    tag = "page",
    params(("If-None-Match" = Option<String>, Header, description = "the `ETag` of the cached answer")),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 304, description = "the cached answer is still valid"),
    )
)]
pub(super) async fn log(headers: HeaderMap) -> Response {
    answer(&LOG, &headers)
}

/// A script or the style of these pages
#[utoipa::path(
    get,
    path = "/moderation/files/{file}",
    tag = "page",
    params(
        ("file" = String, Path, description = "the name of the file"),
        ("If-None-Match" = Option<String>, Header, description = "the `ETag` of the cached answer"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/javascript"),
        (status = 304, description = "the cached answer is still valid"),
        (status = 404, description = "no file has this name", body = ErrorBody),
    )
)]
pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let asset = FILES.get(name.as_str()).ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND, "no file of the pages has this name", "load the page /moderation again")
    })?;
    Ok(answer(asset, &headers))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns what follows each occurrence of a marker, up to a quote.
    fn quoted<'a>(text: &'a str, marker: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(marker).skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn every_file_that_is_loaded_is_served_and_no_other() {
        let pages = [include_str!("moderation.html"), include_str!("log.html")];
        let linked =
            pages.iter().flat_map(|page| quoted(page, "=\"moderation/files/").chain(quoted(page, "=\"files/")));
        let imported = SCRIPTS.iter().flat_map(|(_, script)| quoted(script, "from \"./"));
        let loaded: BTreeSet<&str> = linked.chain(imported).collect();
        assert_eq!(loaded, FILES.keys().copied().collect());
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/moderation_page/files");
        let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let kept: BTreeSet<String> = names.filter(|name| name != "package.json").collect();
        assert_eq!(kept, loaded.iter().map(ToString::to_string).collect());
    }

    #[test]
    fn no_script_makes_markup_of_text() {
        for (name, script) in SCRIPTS {
            for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
            {
                assert!(!script.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }

    #[test]
    fn the_pages_know_the_reasons_of_the_log() {
        let script = SCRIPTS.iter().find(|(name, _)| *name == "entry.js").unwrap().1;
        for reason in
            ["spam", "malware", "harassment", "hate", "nudity", "violence", "csam", "impersonation", "illegal", "other"]
        {
            assert!(script.contains(&format!("{reason}: \"")), "{reason}");
        }
    }
}
