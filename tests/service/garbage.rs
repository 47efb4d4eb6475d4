//! Invalid input of every kind: an answer that says what is wrong, or none, and the service continues.

use std::{io::Write, net::Shutdown, sync::LazyLock};

use proptest::{collection::vec, prelude::*};
use quotapass_relay::{PostRequest, http::frames::write_post};
use serde_json::json;

use crate::{server::*, world::*};

/// One server for all cases, so that the next case notices a case that breaks something.
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

fn is_well() -> bool {
    SERVER.get("/healthz").status == 200 && SERVER.log.inner.is_empty()
}

fn any_path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/v1/verify",
        "/v1/badges",
        "/v1/policy",
        "/v1/roots",
        "/v1/slashed",
        "/v1/events",
        "/v1/summary",
        "/v1/members/upper",
        "/v1/members/buckets/0",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn bytes_that_are_no_request(bytes in vec(any::<u8>(), 1..2_000)) {
        let mut stream = SERVER.connect();
        // The connection may be closed before everything is written.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let answer = read_to_end(stream);
        prop_assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
        prop_assert!(is_well());
    }

    #[test]
    fn any_body_on_any_path(
        path in any_path(),
        method in prop::sample::select(vec!["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]),
        content_type in prop::sample::select(vec!["application/json", "application/octet-stream", "text/plain", "", "\u{7f}"]),
        query in "[ -~&&[^ #]]{0,40}",
        body in vec(any::<u8>(), 0..600),
    ) {
        let path = format!("{path}?{query}");
        let bytes = request(method, &path, &[("content-type", content_type)], &body);
        let mut stream = SERVER.connect();
        let _ = stream.write_all(&bytes);
        let answer = String::from_utf8_lossy(&read_to_end(stream)).into_owned();
        let is_server_error = answer.starts_with("HTTP/1.1 5");
        prop_assert!(answer.starts_with("HTTP/1.1 ") && !is_server_error, "{method} {path}: {answer}");
        prop_assert!(is_well());
    }

    #[test]
    fn json_that_is_nearly_right(
        cut in any::<prop::sample::Index>(),
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = json!({ "posts": [forged().json(), forged().json()] }).to_string().into_bytes();
        let position = position.index(body.len());
        body[position] = byte;
        body.truncate(cut.index(body.len()) + 1);
        let answer = SERVER.ask("POST", "/v1/verify", &[("content-type", "application/json")], &body);
        prop_assert!(matches!(answer.status, 200 | 400), "{:?}", answer);
        prop_assert!(is_well());
    }

    #[test]
    fn frames_that_are_nearly_right(
        cut in any::<prop::sample::Index>(),
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut frames = Vec::new();
        let Sent { scope, message, pass } = forged();
        for _ in 0..2 {
            write_post(&mut frames, &PostRequest { scope: &scope, message: &message, pass: &pass }).unwrap();
        }
        let position = position.index(frames.len());
        frames[position] = byte;
        frames.truncate(cut.index(frames.len()) + 1);
        let answer = SERVER.ask("POST", "/v1/verify", &[("content-type", "application/octet-stream")], &frames);
        prop_assert!(matches!(answer.status, 200 | 400), "{:?}", answer);
        prop_assert!(is_well());
    }
}

#[test]
fn lengths_beyond_all_measure() {
    for length in ["18446744073709551616", "18446744073709551615", "-1", "1e9", "4294967296"] {
        let head = format!(
            "POST /v1/verify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut stream = SERVER.connect();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{length}: {}", String::from_utf8_lossy(&answer));
    }
    let head = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(100_000));
    let mut stream = SERVER.connect();
    let _ = stream.write_all(head.as_bytes());
    let answer = read_to_end(stream);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    assert!(is_well());
}
