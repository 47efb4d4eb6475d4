//! Whose request it is.

use core::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::settings::contains;
use crate::relay::Source;

/// The header in which a trusted proxy names the source.
const NAME: HeaderName = HeaderName::from_static("quotapass-source");
/// The header in which proxies add the address they were asked by.
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The longest name of a source; longer ones are no name.
const MAX_NAME: usize = 128;

/// The client's address: that of the connection, or if that is a trusted proxy, the last one in `X-Forwarded-For` that
/// is not.
///
/// Each proxy adds an address at the end, so that whatever a client wrote there itself comes before its own.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !contains(trusted, peer) {
        return peer;
    }
    let mut client = peer;
    let values: Vec<&str> = headers.get_all(FORWARDED).iter().filter_map(|value| value.to_str().ok()).collect();
    for address in values.iter().flat_map(|value| value.split(',')).rev() {
        // What cannot be read comes from beyond the proxies that can be trusted.
        let Ok(address) = address.trim().parse() else { break };
        client = address;
        if !contains(trusted, address) {
            break;
        }
    }
    client
}

/// The source of a request: the name that a trusted proxy gives it, or the client's address.
pub(super) fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Source {
    let name = headers.get(NAME).and_then(|name| name.to_str().ok()).filter(|name| name.len() <= MAX_NAME);
    match name {
        Some(name) if contains(trusted, peer) => Source::name(name),
        _ => Source::address(client(peer, headers, trusted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn forwarded(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (FORWARDED, value.parse().unwrap())).collect()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()];
        let client = |peer, values: &[&str]| client(address(peer), &forwarded(values), &trusted).to_string();
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        // What the client wrote itself comes first and counts for nothing.
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.7,2001:db8:1::5"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["garbage, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7", "garbage"]), "10.0.0.1");
    }

    #[test]
    fn a_name_counts_from_a_trusted_proxy() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let named = |name: String| HeaderMap::from_iter([(NAME, name.parse().unwrap())]);
        let source = |peer, name: &str| source(address(peer), &named(name.into()), &trusted);
        assert_eq!(source("10.0.0.1", "alice"), Source::name("alice"));
        assert_eq!(source("192.0.2.1", "alice"), Source::address(address("192.0.2.1")));
        assert_eq!(source("10.0.0.1", &"x".repeat(129)), Source::address(address("10.0.0.1")));
    }
}
