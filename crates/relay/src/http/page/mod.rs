//! `GET /`: the status page, which shows the data of `/v1/summary` and `/v1/events`. It loads nothing from other sites.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};

use super::{
    Service,
    asset::{Asset, Freshness},
};

/// The content security policy: it allows only the page's own script, style and routes, no inline code and no other
/// site.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                               img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The place of the link to a chat in the page.
const CHAT_LINK: &str = "<!-- chat -->";

static STYLE: LazyLock<Asset> = LazyLock::new(|| Asset::new("text/css; charset=utf-8", include_str!("page.css")));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", include_str!("page.js")));

/// Returns the page, with a link to a chat if there is one.
pub(super) fn html(chat: Option<&str>) -> Asset {
    let link = chat.map_or_else(String::new, |path| {
        let path = path.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        format!("<p><a href=\"{path}\">Open the chat room of this relay</a></p>")
    });
    Asset::new("text/html; charset=utf-8", include_str!("page.html").replace(CHAT_LINK, &link))
}

fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let policy = [(header::CONTENT_SECURITY_POLICY, SECURITY_POLICY)];
    (policy, asset.answer(headers, Freshness::Revalidated)).into_response()
}

/// The page
#[utoipa::path(
    get,
    path = "/",
    tag = "page",
    params(("If-None-Match" = Option<String>, Header, description = "the `ETag` of the cached answer")),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 304, description = "the cached answer is still valid"),
    )
)]
pub(super) async fn page(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    answer(service.page.get_or_init(|| html(None)), &headers)
}

/// The page's style
#[utoipa::path(
    get,
    path = "/page.css",
    tag = "page",
    params(("If-None-Match" = Option<String>, Header, description = "the `ETag` of the cached answer")),
    responses(
        (status = 200, body = String, content_type = "text/css"),
        (status = 304, description = "the cached answer is still valid"),
    )
)]
pub(super) async fn style(headers: HeaderMap) -> Response {
    answer(&STYLE, &headers)
}

/// The page's script
#[utoipa::path(
    get,
    path = "/page.js",
    tag = "page",
    params(("If-None-Match" = Option<String>, Header, description = "the `ETag` of the cached answer")),
    responses(
        (status = 200, body = String, content_type = "text/javascript"),
        (status = 304, description = "the cached answer is still valid"),
    )
)]
pub(super) async fn script(headers: HeaderMap) -> Response {
    answer(&SCRIPT, &headers)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use quotapass_protocol::VerdictKind;

    use super::{CHAT_LINK, Freshness, html};

    fn text(chat: Option<&str>) -> String {
        let answer = html(chat).answer(&HeaderMap::new(), Freshness::Revalidated);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(axum::body::to_bytes(answer.into_body(), 1 << 20)).unwrap();
        String::from_utf8(bytes.into()).unwrap()
    }

    #[test]
    fn the_page_links_to_a_chat_if_there_is_one() {
        let link = "Open the chat room";
        assert!(!text(None).contains(link));
        assert!(text(Some("/demo/")).contains("<a href=\"/demo/\">Open the chat room of this relay</a>"));
        assert!(text(Some("/a\"<&")).contains("href=\"/a&quot;&lt;&amp;\""));
        for chat in [None, Some("/demo/")] {
            assert!(!text(chat).contains(CHAT_LINK));
        }
    }

    #[test]
    fn style_and_script_know_the_verdicts() {
        let (style, script) = (include_str!("page.css"), include_str!("page.js"));
        for kind in VerdictKind::ALL {
            let number = kind.number();
            assert!(style.contains(&format!(".v{number} {{ fill: var(--v{number}); }}")), "{kind:?}");
        }
        for kind in [VerdictKind::Accepted, VerdictKind::QuotaExceeded] {
            assert!(script.contains(&format!("verdict_names.indexOf(\"{}\")", kind.name())), "{kind:?}");
        }
    }
}
