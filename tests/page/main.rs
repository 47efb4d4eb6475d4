//! The page of a relay with a quarter of an hour behind it, in a real browser.
#![cfg(feature = "relay-http")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../service/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "../service/world.rs"]
#[allow(dead_code)]
mod world;

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use quotapass::relay::LogStatus;
use serde_json::Value;

use server::Server;
use world::*;

/// Posts of members 1 to 7, with a message id of each left for later.
fn posts() -> Vec<Sent> {
    (1..8).flat_map(|member| (0..4).map(move |id| prove(member, id, format!("{member} {id}").as_bytes()))).collect()
}

/// A quarter of an hour of a room's life.
fn live(server: &Server, posts: &[Sent]) {
    let status = &server.engine.context().status;
    let mut fresh = posts.iter();
    for step in 0..178usize {
        server.clock.set(NOW + step as u64 * 5);
        status.update_chain(|chain| {
            (chain.head, chain.synced) = (Some(step as u64), Some(step as u64));
            chain.members = 5 + step as u64 / 50;
        });
        status.update_log(|log| {
            *log =
                LogStatus { nullifiers: Some(1 + step as u64 / 7), epochs: Some(1 + step as u64 / 90), ..log.clone() };
        });
        if step % 7 == 0 {
            server.verify(&fresh.next().cloned().into_iter().collect::<Vec<_>>());
        }
        // Gossip brings most messages more than once, now more and now fewer; and some senders forge.
        let replays = 2 + step * 5 % 4 + step / 13 % 5;
        for post in posts[..step / 7 + 1].iter().rev().take(replays) {
            server.verify(std::slice::from_ref(post));
        }
        if step % 9 == 4 {
            server.verify(&[forged()]);
        }
        if step % 14 == 9 {
            server.verify(&[Sent { scope: "elsewhere".into(), ..posts[0].clone() }]);
        }
    }
}

#[test]
fn the_page_in_a_real_browser() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    assert!(
        tests.join("node_modules/playwright-core").exists(),
        "the browser's driver is missing; run `npm ci` in tests/page"
    );
    let server = Server::start();
    live(&server, &posts());
    let late = |member, id| prove(member, id, b"late").json();
    let mut left: Vec<Value> = vec![late(1, 4), late(2, 4), late(3, 4)];
    left.extend(HALVES.iter().map(Sent::json));
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: Vec<String> = left.iter().map(Value::to_string).collect();
    std::fs::write(file.path(), lines.join("\n")).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_secs(1));
                server.clock.advance(1);
            }
        });
        let status = Command::new("node")
            .args(["--test", "--test-concurrency=1"])
            .current_dir(&tests)
            .env("QUOTAPASS_URL", format!("http://{}", server.address))
            .env("QUOTAPASS_POSTS", file.path())
            .status();
        is_over.store(true, Ordering::Relaxed);
        let status = status.expect("node cannot be run; install Node.js 20 or newer");
        assert!(status.success(), "node --test failed in {}", tests.display());
    });
}
