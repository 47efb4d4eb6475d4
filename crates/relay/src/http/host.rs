//! The check of the host name in a request.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    HttpSettings, Service,
    connections::{Door, Peer},
    error::ApiError,
    finish,
};

/// The setting that allows any name.
const ANY: &str = "*";

/// Refuses requests for host names that are not the relay's.
///
/// This check prevents DNS rebinding. In that attack, a page is loaded from an attacker's site, whose name then
/// resolves to 127.0.0.1 or to an address in a private network. The browser takes the relay there for the attacker's
/// own site, and the page can read metrics and send posts from inside the network. `Host` still contains the attacker's
/// name. An address as `Host` is always accepted: a browser sends one only if the URL contains it.
pub(super) async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    match check(&request, &service.settings()) {
        Ok(()) => next.run(request).await,
        Err(error) => finish(State(service), error.into_response()).await,
    }
}

fn check(request: &Request, settings: &HttpSettings) -> Result<(), ApiError> {
    if Peer::of(request.extensions())?.door == Door::AdminSocket {
        return Ok(());
    }
    // A host in the request target takes precedence over the header; both must be valid.
    if let Some(authority) = request.uri().authority() {
        check_name(authority.host(), settings)?;
    }
    let mut values = request.headers().get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        // Every browser sends the header.
        (None, _) => Ok(()),
        (Some(value), None) => {
            let authority = Authority::try_from(value.as_bytes()).ok().filter(|it| !it.as_str().contains('@'));
            let authority =
                authority.ok_or_else(|| ApiError::bad_request("invalid `Host`", "send a name of the relay"))?;
            check_name(authority.host(), settings)
        }
        _ => Err(ApiError::bad_request("there is more than one `Host`", "send one")),
    }
}

fn check_name(host: &str, settings: &HttpSettings) -> Result<(), ApiError> {
    let is_address = host.starts_with('[') || host.parse::<core::net::Ipv4Addr>().is_ok();
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    if is_address || is_local || settings.hosts.iter().any(|own| own == ANY || own.eq_ignore_ascii_case(&name)) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        format!("`{name}` is not a name of this relay"),
        "use its address, or a name that the operator lists as `hosts` in [listen]; if a proxy sends its own name, list \
         that too",
    ))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn status(target: &str, hosts: &[&str], door: Door) -> Option<StatusCode> {
        let mut request = Request::builder().uri(target).body(Body::empty()).unwrap();
        request.headers_mut().extend(hosts.iter().map(|host| (header::HOST, host.parse().unwrap())));
        request.extensions_mut().insert(Peer::at([127, 0, 0, 1].into(), door));
        let settings = HttpSettings { hosts: vec!["relay.example".into()], ..HttpSettings::default() };
        check(&request, &settings).err().map(|error| error.into_response().status())
    }

    #[test]
    fn addresses_local_names_and_those_listed_are_the_relays() {
        let of = |hosts: &[&str]| status("/", hosts, Door::Public);
        for host in [
            "127.0.0.1:8480",
            "192.0.2.1",
            "[::1]:8480",
            "[2001:db8::1]",
            "localhost",
            "LocalHost:8480",
            "a.localhost.",
            "Relay.Example",
            "relay.example.:443",
        ] {
            assert_eq!(of(&[host]), None, "{host}");
        }
        assert_eq!(of(&[]), None);
        for host in [
            "evil.example",
            "evil.example:8480",
            "relay.example.evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "relay",
        ] {
            assert_eq!(of(&[host]), Some(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
        for hosts in [&["127.0.0.1", "evil.example"][..], &["me@localhost"], &["a b"], &[""]] {
            assert_eq!(of(hosts), Some(StatusCode::BAD_REQUEST), "{hosts:?}");
        }
    }

    #[test]
    fn a_target_counts_as_the_header_and_a_unix_socket_has_no_name() {
        assert_eq!(status("http://evil.example/", &["localhost"], Door::Public), Some(StatusCode::MISDIRECTED_REQUEST));
        assert_eq!(status("http://localhost/", &["evil.example"], Door::Public), Some(StatusCode::MISDIRECTED_REQUEST));
        assert_eq!(status("http://localhost/", &["localhost"], Door::Public), None);
        assert_eq!(status("/", &["evil.example"], Door::Admin), Some(StatusCode::MISDIRECTED_REQUEST));
        assert_eq!(status("/", &["evil.example"], Door::AdminSocket), None);
        let any = HttpSettings { hosts: vec!["*".into()], ..HttpSettings::default() };
        let mut request = Request::builder().uri("/").body(Body::empty()).unwrap();
        request.headers_mut().insert(header::HOST, "evil.example".parse().unwrap());
        // Every request of the service has a peer.
        assert!(check(&request, &any).is_err());
        request.extensions_mut().insert(Peer::at([127, 0, 0, 1].into(), Door::Public));
        assert!(check(&request, &any).is_ok());
    }
}
