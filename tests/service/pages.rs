//! The pages: their files are compressed and kept by browsers, load nothing from elsewhere, and link to a chat; and added
//! routes.

use std::{future::pending, net::TcpStream};

use axum::{Extension, Router, routing::get};
use quotapass_relay::Source;
use tokio::net::TcpListener;

use crate::server::*;

#[test]
fn the_pages_files_are_compressed_and_revalidated() {
    let server = Server::start();
    for path in [
        "/",
        "/page.css",
        "/page.js",
        "/moderation",
        "/moderation/log",
        "/moderation/files/moderation.css",
        "/moderation/files/history.js",
    ] {
        let plain = server.get(path);
        assert_eq!(plain.status, 200);
        assert!(!plain.headers.contains_key("content-encoding"), "{path}");
        let small = server.ask("GET", path, &[("accept-encoding", "gzip, br")], &[]);
        assert_eq!(small.headers["content-encoding"], "gzip", "{path}");
        assert_eq!(small.headers["content-type"], plain.headers["content-type"]);
        assert!(small.body.len() * 2 < plain.body.len(), "{path}: {} of {} bytes", small.body.len(), plain.body.len());
        for tag in [&plain.headers["etag"], &small.headers["etag"]] {
            let again = server.ask("GET", path, &[("if-none-match", tag), ("accept-encoding", "gzip, br")], &[]);
            assert_eq!(again.status, 304, "{path}");
            assert!(again.body.is_empty());
            assert_eq!(again.headers["cache-control"], "no-cache");
            assert_eq!(again.headers["x-content-type-options"], "nosniff");
        }
        assert_eq!(server.ask("GET", path, &[("if-none-match", "\"other\"")], &[]).status, 200);
    }
}

#[test]
fn the_pages_of_moderation_run_their_own_scripts_only() {
    let server = Server::start();
    for path in ["/moderation", "/moderation/log", "/moderation/files/moderation.js"] {
        let policy = server.get(path).headers["content-security-policy"].clone();
        for rule in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(policy.contains("trusted-types 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    }
    for path in ["/moderation/files/none.js", "/moderation/files/..%2Fmod.rs", "/moderation/none"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["hint"].is_string());
    }
}

#[test]
fn the_page_links_to_a_chat_only_if_there_is_one() {
    let link = "href=\"/demo/\"";
    assert!(!Server::start().get("/").text().contains(link));
    let server = Server::start();
    let _ = server.service.clone().with_chat_link("/demo/");
    assert!(server.get("/").text().contains(link));
}

#[test]
fn added_routes_learn_the_source_of_a_request() {
    let server = Server::start();
    let is_own = |Extension(source): Extension<Source>| async move {
        (source == Source::address([127, 0, 0, 1].into())).to_string()
    };
    let service = server.service.clone().with_routes(Router::new().route("/added", get(is_own)));
    let listener = server.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    server.runtime.spawn(async move { service.serve(listener, pending()).await });
    let mut stream = TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, &request("GET", "/added", &[], &[])).unwrap();
    let answer = Answer::read(&mut std::io::BufReader::new(stream));
    assert_eq!((answer.status, answer.text().as_str()), (200, "true"));
}
