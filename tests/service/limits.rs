//! Clients that are slow or silent, send too much, or open many connections. Timeouts are short here, and no test
//! depends on how long anything takes.

use std::{
    io::{BufReader, Write},
    time::Duration,
};

use quotapass_relay::http::HttpSettings;
use serde_json::json;

use crate::{server::*, world::*};

const JSON: (&str, &str) = ("content-type", "application/json");
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn errors_are_json_and_say_where() {
    let server = Server::start();
    let verify = |headers: &[(&str, &str)], body: &str| server.ask("POST", "/v1/verify", headers, body.as_bytes());
    let error = verify(&[JSON], "{\n  \"scope\": \"room\",\n  \"stake\": 1 }").error(400);
    assert!(error.contains("unknown field `stake`") && error.contains("line 3 column 9"), "{error}");
    assert!(verify(&[JSON], "").error(400).contains("line 1 column 0"));
    assert!(verify(&[JSON], "{\"posts\":[],\"scope\":\"room\"}").error(400).contains("either `posts`"));
    let one = |fields: &str| verify(&[JSON], &format!("{{\"scope\":\"room\",{fields}\"pass\":\"x\"}}"));
    assert!(one("").error(400).contains("has no message"));
    assert!(one("\"message\":\"\\ud83d\",").error(400).contains("invalid request body"));
    assert!(one("\"message\":\"a\",\"message_hex\":\"00\",").error(400).contains("two messages"));
    assert!(one("\"message_hex\":\"0\",").error(400).contains("not hexadecimal"));
    let bytes = ("content-type", "application/octet-stream");
    assert!(verify(&[bytes], "\u{4}room").error(400).contains("at byte 5, in post 0"));
    for headers in [&[][..], &[("content-type", "text/plain")], &[("content-type", "application/json5")]] {
        verify(headers, "{}").error(415);
    }
    for coding in ["gzip", "br", "identity, gzip"] {
        let error = verify(&[JSON, ("content-encoding", coding)], "\u{1f}").error(415);
        assert!(error.contains("compressed"), "{error}");
        server.ask("POST", "/v1/badges", &[JSON, ("content-encoding", coding)], b"{}").error(415);
    }
    assert!(verify(&[JSON, ("content-encoding", "Identity")], "").error(400).contains("line 1"));
    assert_eq!(
        verify(&[("content-type", "Application/JSON; charset=utf-8")], &HONEST[0].json().to_string()).status,
        200
    );
    server.ask("POST", "/v1/badges", &[bytes], b"{}").error(415);
    server.get("/v1/nothing").error(404);
    server.get("/v1/verify").error(405);
}

#[test]
fn what_is_too_much_is_refused() {
    let server = Server::with(HttpSettings { max_body: 4_000, max_posts: 3, ..HttpSettings::default() });
    // A body that is announced as too long is refused before it is sent.
    let head =
        "POST /v1/verify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 4001\r\n\r\n";
    server.send(head.as_bytes()).error(413);
    let head = head.replace("content-length: 4001", "transfer-encoding: chunked");
    server.send(format!("{head}1388\r\n{}\r\n0\r\n\r\n", " ".repeat(5000)).as_bytes()).error(413);
    let posts = vec![json!({ "scope": SCOPE, "message": "", "pass": "" }); 4];
    let error = server.post_json("/v1/verify", &json!({ "posts": posts })).error(413);
    assert!(error.contains("4 or more posts, and 3"), "{error}");
    let frames = [[0; 251]; 4].concat();
    server.ask("POST", "/v1/verify", &[("content-type", "application/octet-stream")], &frames).error(413);
    assert_eq!(names(&server.verify(&HONEST[..3])), ["accepted"; 3]);

    server.service.change_settings(HttpSettings { max_body_memory: 100, ..HttpSettings::default() });
    server.post_json("/v1/verify", &HONEST[3].json()).error(503);
    server.service.change_settings(HttpSettings::default());
    assert_eq!(server.post_json("/v1/verify", &HONEST[3].json()).json()["verdict"], "accepted");
}

#[test]
fn slow_clients_are_given_up_and_hold_nobody_up() {
    let server = Server::with(HttpSettings {
        header_timeout: SHORT,
        body_timeout: SHORT,
        write_timeout: SHORT,
        ..HttpSettings::default()
    });
    // Four clients: one is silent, one never ends its head, one never ends its body, one never reads.
    let silent = server.connect();
    let mut slow_head = server.connect();
    slow_head.write_all(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    let mut slow_body = server.connect();
    let head =
        "POST /v1/verify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    slow_body.write_all(head.as_bytes()).unwrap();
    let mut deaf = server.connect();
    let question = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // Far more answers than the system's buffers hold.
    deaf.write_all(&question.repeat(2_000)).unwrap();
    assert_eq!(names(&server.verify(&HONEST[..2])), ["accepted"; 2]);

    Answer::read(&mut BufReader::new(slow_body)).error(408);
    assert!(read_to_end(silent).is_empty());
    let refused = read_to_end(slow_head);
    assert!(refused.is_empty() || refused.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&refused));
    // The client that never reads is disconnected as well: in the end there is only this connection.
    while server.metric("quotapass_http_connections") > 1.0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(deaf);
    assert_eq!(names(&server.verify(&HONEST[2..4])), ["accepted"; 2]);
}

#[test]
fn a_source_has_so_many_connections_and_all_together_so_many() {
    let few = HttpSettings { max_connections_per_source: 3, ..HttpSettings::default() };
    let server = Server::with(few.clone());
    let held: Vec<_> = (0..3).map(|_| server.connect()).collect();
    let question = request("GET", "/healthz", &[], &[]);
    let refused = server.send(&question);
    refused.error(429);
    assert_eq!(refused.headers["retry-after"], "1");
    // A trusted proxy may have more.
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    server.service.change_settings(HttpSettings { trusted_proxies: proxies, ..few.clone() });
    assert_eq!(server.send(&question).status, 200);
    server.service.change_settings(few);
    drop(held);
    while server.ask("GET", "/metrics", &[], &[]).status != 200 {
        std::thread::yield_now();
    }
    assert!(server.metric("quotapass_http_refused_connections_total") >= 1.0);
}

#[test]
fn metrics_are_for_those_named() {
    let server = Server::start();
    let behind_proxy = [("x-forwarded-for", "192.0.2.7")];
    assert_eq!(server.ask("GET", "/metrics", &behind_proxy, &[]).status, 200);
    let proxy = HttpSettings { trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()], ..HttpSettings::default() };
    server.service.change_settings(proxy.clone());
    server.ask("GET", "/metrics", &behind_proxy, &[]).error(403);
    // A proxy that does not name its client may ask for anyone.
    for asks_for_itself in [&[][..], &[("x-forwarded-for", "unknown")], &[("x-forwarded-for", "127.0.0.1")]] {
        let error = server.ask("GET", "/metrics", asks_for_itself, &[]).error(403);
        assert!(error.contains("does not name its client"), "{error}");
    }
    let named = HttpSettings { metrics_from: vec!["192.0.2.0/24".parse().unwrap()], ..proxy };
    server.service.change_settings(named);
    assert_eq!(server.ask("GET", "/metrics", &behind_proxy, &[]).status, 200);
    server.get("/metrics").error(403);
}

#[test]
fn pages_of_other_sites_may_ask_unless_told_otherwise() {
    let server = Server::start();
    let origin = ("origin", "https://chat.example");
    let allowed = |answer: &Answer| answer.headers.get("access-control-allow-origin").cloned();
    let preflight = || {
        let headers =
            [origin, ("access-control-request-method", "POST"), ("access-control-request-headers", "content-type")];
        server.ask("OPTIONS", "/v1/verify", &headers, &[])
    };
    assert_eq!(allowed(&server.ask("GET", "/v1/policy", &[origin], &[])).as_deref(), Some("https://chat.example"));
    let answer = preflight();
    assert_eq!(allowed(&answer).as_deref(), Some("https://chat.example"));
    assert!(answer.headers["access-control-allow-headers"].contains("content-type"));
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    server.service.change_settings(HttpSettings { cors: false, ..HttpSettings::default() });
    assert_eq!(allowed(&server.ask("GET", "/v1/policy", &[origin], &[])), None);
    assert_eq!(allowed(&preflight()), None);
}

#[test]
fn pages_of_other_sites_may_not_ask_what_is_the_operators() {
    let server = Server::start();
    let origin = ("origin", "https://chat.example");
    let is_allowed = |method: &str, path: &str| {
        let preflight = ("access-control-request-method", "GET");
        let answer = server.ask(method, path, &[origin, preflight], &[]);
        answer.headers.contains_key("access-control-allow-origin")
    };
    for method in ["GET", "OPTIONS"] {
        for path in ["/metrics", "/healthz", "/readyz", "/openapi.json", "/", "/page.js", "/nothing"] {
            assert!(!is_allowed(method, path), "{method} {path}");
        }
        for path in ["/v1/policy", "/v1/roots", "/v1/slashed", "/v1/summary", "/v1/members/upper"] {
            assert!(is_allowed(method, path), "{method} {path}");
        }
    }
    // Errors have the header, too.
    assert!(is_allowed("GET", "/v1/slashed?from=x"));
}

#[test]
fn a_name_that_is_not_the_relays_is_refused() {
    let server = Server::start();
    let ask = |host: &str, path: &str| {
        server.send(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes())
    };
    for path in ["/metrics", "/readyz", "/v1/policy", "/nothing"] {
        let refused = ask("evil.example:8480", path);
        assert!(refused.error(421).contains("`evil.example` is not a name of this relay"));
        assert_eq!(refused.headers["x-content-type-options"], "nosniff");
    }
    for host in [server.address.to_string().as_str(), "localhost", "[::1]:8480"] {
        assert_eq!(ask(host, "/v1/policy").status, 200, "{host}");
    }
    assert_eq!(server.send(b"GET /healthz HTTP/1.0\r\n\r\n").status, 200);
    server.service.change_settings(HttpSettings { hosts: vec!["relay.example".into()], ..HttpSettings::default() });
    assert_eq!(ask("Relay.Example:443", "/v1/policy").status, 200);
    ask("evil.example", "/v1/policy").error(421);
}

#[test]
fn every_answer_forbids_guessing_its_type_and_keeping_it() {
    let server = Server::start();
    for path in ["/v1/policy", "/healthz", "/v1/nothing", "/metrics"] {
        let headers = server.get(path).headers;
        assert_eq!(
            (headers["x-content-type-options"].as_str(), headers["cache-control"].as_str()),
            ("nosniff", "no-store")
        );
    }
    assert_eq!(server.get("/v1/members/upper").headers["cache-control"], "no-cache");
}
