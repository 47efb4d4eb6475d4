//! The source of a request.
//!
//! A relay behind a proxy learns its clients from the proxy, and all counts per source depend on that. A header that
//! the client itself sent must never be taken for the proxy's. Therefore the relay trusts a header only if the operator
//! names it, and only one of `X-Forwarded-For` and `Forwarded`: a proxy sets one of them, and passes on the other as
//! the client sent it.

use core::net::IpAddr;
use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, header::FORWARDED},
    middleware::Next,
    response::Response,
};

use super::{
    HttpSettings, Service,
    connections::{Door, Peer},
    error::ApiError,
    forwarded::{Node, forwarded, x_forwarded_for},
    settings::{ForwardedHeader, contains},
    shares::Owner,
};
use crate::Source;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Maximum length of a source's name; longer names are ignored.
const MAX_NAME: usize = 128;

/// The client of a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// Whether it is a trusted proxy that did not name its client.
    pub(super) is_proxy: bool,
}

/// Returns the client: the peer of the connection or, if the peer is a trusted proxy, the last node in the proxies'
/// header that is not a trusted proxy.
///
/// Each proxy appends a node, so that nodes that a client wrote itself come before the proxies' nodes. The operator's
/// own listener has no proxies.
pub(super) fn client(peer: &Peer, headers: &HeaderMap, settings: &HttpSettings) -> Client {
    let mut client = Client { address: peer.address, is_proxy: false };
    if peer.door != Door::Public || !contains(&settings.trusted_proxies, peer.address) {
        return client;
    }
    client.is_proxy = true;
    let (name, read): (_, fn(&str) -> Vec<Node>) = match settings.forwarded {
        ForwardedHeader::XForwardedFor => (X_FORWARDED_FOR, x_forwarded_for),
        ForwardedHeader::Forwarded => (FORWARDED, forwarded),
    };
    // A value that is not text is an unknown node, and the nodes before it may come from the client.
    let nodes = headers.get_all(name).iter().flat_map(|value| value.to_str().map_or(vec![Node::Unknown], read));
    for node in nodes.collect::<Vec<_>>().into_iter().rev() {
        let Node::Address(address) = node else { break };
        client = Client { address, is_proxy: contains(&settings.trusted_proxies, address) };
        if !client.is_proxy {
            break;
        }
    }
    client
}

/// Returns the name that a trusted proxy gives to a request's source, in the header that the operator configured.
fn name(peer: &Peer, headers: &HeaderMap, settings: &HttpSettings) -> Option<Source> {
    let header = settings.source_header.as_ref()?;
    let is_trusted = peer.door == Door::Public && contains(&settings.trusted_proxies, peer.address);
    let mut names = headers.get_all(header).iter();
    // If there are two names, one may come from the client.
    let (Some(name), None, true) = (names.next(), names.next(), is_trusted) else { return None };
    name.to_str().ok().filter(|name| !name.is_empty() && name.len() <= MAX_NAME).map(Source::name)
}

/// Returns the source of a request: the name that a trusted proxy gives it, or the client's address.
pub(super) fn source(peer: &Peer, headers: &HeaderMap, settings: &HttpSettings) -> Source {
    name(peer, headers, settings).unwrap_or_else(|| Source::address(client(peer, headers, settings).address))
}

/// Adds the source of a request to its extensions, for routes from outside this module.
pub(super) async fn tell(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let source = source(&Peer::of(request.extensions())?, request.headers(), &service.settings());
    request.extensions_mut().insert(source);
    Ok(next.run(request).await)
}

/// Returns the owner of the share that a request uses.
pub(super) fn owner(peer: &Peer, headers: &HeaderMap, settings: &HttpSettings) -> Owner {
    match name(peer, headers, settings) {
        Some(name) => Owner::named(&name),
        None => Owner::address(client(peer, headers, settings).address),
    }
}

/// Returns the owner of a place among the requests that wait for verdicts. A proxy that does not name its client asks
/// for many clients.
pub(super) fn asker(peer: &Peer, headers: &HeaderMap, settings: &HttpSettings) -> Owner {
    match (name(peer, headers, settings), client(peer, headers, settings)) {
        (Some(name), _) => Owner::named(&name),
        (None, Client { address, is_proxy: true }) => Owner::proxy(address),
        (None, Client { address, is_proxy: false }) => Owner::address(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::at(address.parse().unwrap(), Door::Public)
    }

    fn settings(forwarded: ForwardedHeader) -> HttpSettings {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()];
        HttpSettings { trusted_proxies, forwarded, ..HttpSettings::default() }
    }

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    fn known(address: &str) -> Client {
        Client { address: address.parse().unwrap(), is_proxy: false }
    }

    fn proxy(address: &str) -> Client {
        Client { is_proxy: true, ..known(address) }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let settings = settings(ForwardedHeader::XForwardedFor);
        let client = |from, values: &[&str]| client(&peer(from), &headers(&X_FORWARDED_FOR, values), &settings);
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), known("192.0.2.1"));
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), known("198.51.100.7"));
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7:4000"]), known("198.51.100.7"));
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:443"]), known("2001:db8::1"));
        // Nodes that the client wrote itself come first, and are ignored.
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.0.0.2"]), known("198.51.100.7"));
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.7,2001:db8:1::5"]), known("198.51.100.7"));
        // Without a client's address, the proxy itself is the client.
        assert_eq!(client("10.0.0.1", &["garbage, 10.0.0.2"]), proxy("10.0.0.2"));
        assert_eq!(client("10.0.0.1", &[]), proxy("10.0.0.1"));
        assert_eq!(client("10.0.0.1", &["198.51.100.7", "unknown"]), proxy("10.0.0.1"));
        assert_eq!(client("10.0.0.1", &["198.51.100.7", "_hidden, 10.0.0.2:80"]), proxy("10.0.0.2"));
    }

    #[test]
    fn of_two_headers_only_the_proxys_is_believed() {
        let both = || {
            let mut both = headers(&X_FORWARDED_FOR, &["198.51.100.7"]);
            both.extend(headers(&FORWARDED, &["for=\"[2001:db8::1]:443\";proto=https"]));
            both
        };
        let client = |forwarded| client(&peer("10.0.0.1"), &both(), &settings(forwarded));
        assert_eq!(client(ForwardedHeader::XForwardedFor), known("198.51.100.7"));
        assert_eq!(client(ForwardedHeader::Forwarded), known("2001:db8::1"));
    }

    #[test]
    fn a_name_counts_from_a_trusted_proxy_in_the_header_that_was_set() {
        let header = HeaderName::from_static("quotapass-source");
        let given =
            |from, values: &[&str], settings: &HttpSettings| source(&peer(from), &headers(&header, values), settings);
        let address = |text: &str| Source::address(text.parse().unwrap());
        let off = settings(ForwardedHeader::XForwardedFor);
        let on = HttpSettings { source_header: Some(header.clone()), ..off.clone() };
        let other = HttpSettings { source_header: Some(HeaderName::from_static("x-peer")), ..off.clone() };
        assert_eq!(given("10.0.0.1", &["alice"], &on), Source::name("alice"));
        assert_eq!(given("10.0.0.1", &["alice"], &off), address("10.0.0.1"));
        assert_eq!(given("10.0.0.1", &["alice"], &other), address("10.0.0.1"));
        assert_eq!(given("192.0.2.1", &["alice"], &on), address("192.0.2.1"));
        assert_eq!(given("10.0.0.1", &["mallory", "alice"], &on), address("10.0.0.1"));
        for name in ["", &*"x".repeat(129)] {
            assert_eq!(given("10.0.0.1", &[name], &on), address("10.0.0.1"));
        }
    }

    #[test]
    fn the_operators_listener_has_no_proxies() {
        let settings = settings(ForwardedHeader::XForwardedFor);
        let peer = Peer::at("10.0.0.1".parse().unwrap(), Door::Admin);
        assert_eq!(client(&peer, &headers(&X_FORWARDED_FOR, &["198.51.100.7"]), &settings), known("10.0.0.1"));
    }
}
