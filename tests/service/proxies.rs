//! A relay behind proxies: how it learns its clients, and which proxies it trusts.

use std::{
    io::{BufReader, Read, Write},
    time::Duration,
};

use axum::http::HeaderName;
use quotapass_relay::http::{ForwardedHeader, HttpSettings};

use crate::{server::*, world::*};

/// Settings that trust this host, and allow the metrics to two networks of clients, which shows which address is taken
/// for the client.
fn behind_proxy() -> HttpSettings {
    HttpSettings {
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        metrics_from: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        ..HttpSettings::default()
    }
}

/// Sends, for each of some sources, more forgeries than are tolerated, with the source in the header
/// `Quotapass-Source`. Returns the number of suspicious sources.
fn forging_sources(server: &Server, client: &str, sources: usize) -> f64 {
    const FORGERIES: usize = 4;
    for post in (0..sources).flat_map(|source| [source; FORGERIES]) {
        let headers = [
            ("content-type", "application/json"),
            ("x-forwarded-for", client),
            ("quotapass-source", &format!("somebody {post}")),
        ];
        let answer = server.ask("POST", "/v1/verify", &headers, forged().json().to_string().as_bytes());
        assert_eq!(answer.json()["verdict"], "invalid_proof", "{answer:?}");
    }
    let metrics = server.ask("GET", "/metrics", &[("x-forwarded-for", "192.0.2.1")], &[]).text();
    let line = metrics.lines().find(|line| line.starts_with("quotapass_forging_sources ")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_clients_own_header_does_not_make_it_many_sources() {
    let server = Server::with(behind_proxy());
    let of_one = forging_sources(&server, "198.51.100.7", 1);
    assert_eq!(forging_sources(&server, "198.51.100.7", 7), of_one);
    // The relay trusts a header that the operator names.
    let name = HeaderName::from_static("quotapass-source");
    let named = Server::with(HttpSettings { source_header: Some(name), ..behind_proxy() });
    assert!(forging_sources(&named, "198.51.100.7", 7) >= 7.0);
}

#[test]
fn only_the_proxys_own_header_says_who_asks() {
    let server = Server::with(behind_proxy());
    let status = |headers: &[(&str, &str)]| server.ask("GET", "/metrics", headers, &[]).status;
    assert_eq!(status(&[("x-forwarded-for", "192.0.2.7:4000")]), 200);
    assert_eq!(status(&[("x-forwarded-for", "[2001:db8::1]:443")]), 200);
    assert_eq!(status(&[("x-forwarded-for", "::ffff:192.0.2.7")]), 200);
    assert_eq!(status(&[("x-forwarded-for", "192.0.2.7, 198.51.100.7")]), 403);
    // The other header comes from the client.
    let lied = [("forwarded", "for=192.0.2.7"), ("x-forwarded-for", "198.51.100.7")];
    assert_eq!(status(&lied), 403);
    assert_eq!(status(&[("forwarded", "for=192.0.2.7")]), 403);
    server.service.change_settings(HttpSettings { forwarded: ForwardedHeader::Forwarded, ..behind_proxy() });
    assert_eq!(status(&lied), 200);
    assert_eq!(status(&[("forwarded", "for=\"[2001:db8::1]:443\";proto=https")]), 200);
    assert_eq!(status(&[("forwarded", "for=\", for=192.0.2.7")]), 403);
    assert_eq!(status(&[("x-forwarded-for", "192.0.2.7")]), 403);
}

fn with_header(server: &Server, header: &[u8], path: &str) -> Answer {
    server.send(&[header, &request("GET", path, &[], &[])].concat())
}

#[test]
fn a_header_of_the_proxy_protocol_says_who_connects() {
    let server = Server::with(HttpSettings { proxy_protocol: true, ..behind_proxy() });
    assert_eq!(with_header(&server, b"PROXY TCP4 192.0.2.7 10.0.0.1 4000 80\r\n", "/metrics").status, 200);
    with_header(&server, b"PROXY TCP4 198.51.100.7 10.0.0.1 4000 80\r\n", "/metrics").error(403);
    let second =
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[192, 0, 2, 9, 10, 0, 0, 1], &[0x0f, 0xa0, 0, 80]].concat();
    assert_eq!(with_header(&server, &second, "/metrics").status, 200);
    // Headers of the request come from the client here, and are ignored.
    let lied = [
        &b"PROXY TCP4 198.51.100.7 10.0.0.1 4000 80\r\n"[..],
        &request("GET", "/metrics", &[("x-forwarded-for", "192.0.2.7")], &[]),
    ];
    server.send(&lied.concat()).error(403);
    // The proxy connects for itself, and does not count as a client.
    for itself in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        assert_eq!(with_header(&server, itself, "/healthz").status, 200);
        with_header(&server, itself, "/metrics").error(403);
    }
    // A header that arrives in pieces.
    let mut slow = server.connect();
    let question = request("GET", "/metrics", &[], &[]);
    for part in [&b"PROXY TCP6 2001:"[..], b"db8::1 ::1 4000 80\r", b"\nGET", &question[3..]] {
        slow.write_all(part).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(Answer::read(&mut BufReader::new(slow)).status, 200);
}

#[test]
fn without_the_header_nobody_is_served() {
    let short = HttpSettings { header_timeout: Duration::from_millis(300), proxy_protocol: true, ..behind_proxy() };
    let server = Server::with(short);
    let error = server.send(&request("GET", "/healthz", &[], &[])).error(400);
    assert!(error.contains("does not begin with a PROXY protocol header"), "{error}");
    let error = server.send(&request("POST", "/v1/verify", &[], &[])).error(400);
    assert!(error.contains("does not begin with a PROXY protocol header"), "{error}");
    // A client that bypasses the proxy, and claims another address.
    let mut stranger = server.connect_from([127, 0, 0, 2]);
    stranger
        .write_all(b"PROXY TCP4 192.0.2.7 10.0.0.1 4000 80\r\nGET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let error = Answer::read(&mut BufReader::new(stranger)).error(403);
    assert!(error.contains("only from trusted proxies"), "{error}");
    // A silent connection.
    let error = Answer::read(&mut BufReader::new(server.connect())).error(408);
    assert!(error.contains("did not arrive within"), "{error}");
}

#[test]
fn connections_behind_the_proxy_protocol_count_for_their_clients() {
    let settings = HttpSettings { max_connections_per_source: 2, proxy_protocol: true, ..behind_proxy() };
    let mut server = Server::with(settings);
    let header = |client: &str| format!("PROXY TCP4 {client} 10.0.0.1 4000 80\r\n");
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(header("198.51.100.7").as_bytes()).unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            let mut reader = BufReader::new(stream);
            assert_eq!(Answer::read(&mut reader).status, 200);
            reader
        })
        .collect();
    with_header(&server, header("198.51.100.7").as_bytes(), "/healthz").error(429);
    assert_eq!(with_header(&server, header("198.51.100.8").as_bytes(), "/healthz").status, 200);
    // A stop does not wait for silent connections.
    let silent = server.connect();
    server.stop();
    server.wait();
    let mut rest = Vec::new();
    drop((held, (&silent).read_to_end(&mut rest)));
}
