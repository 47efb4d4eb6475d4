//! `GET /`: the status page, which shows the data of `/v1/summary` and `/v1/events`. It loads nothing from other sites.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

/// The content security policy: it allows only the page's own script, style and routes, no inline code and no other
/// site.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                               img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn asset(content_type: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
    ];
    (headers, content).into_response()
}

/// The page
#[utoipa::path(get, path = "/", tag = "page", responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn page() -> Response {
    asset("text/html; charset=utf-8", include_str!("page.html"))
}

/// The page's style
#[utoipa::path(get, path = "/page.css", tag = "page", responses((status = 200, body = String, content_type = "text/css")))]
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("page.css"))
}

/// The page's script
#[utoipa::path(
    get,
    path = "/page.js",
    tag = "page",
    responses((status = 200, body = String, content_type = "text/javascript"))
)]
pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("page.js"))
}

#[cfg(test)]
mod tests {
    use quotapass_protocol::VerdictKind;

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
