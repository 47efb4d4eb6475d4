//! Pages in a real browser: the status page of a relay with fifteen minutes of history, the pages of moderation, and the
//! demo's chat room.
#![allow(clippy::unwrap_used, clippy::panic)]

mod moderated;
#[path = "../service/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "../service/world.rs"]
#[allow(dead_code)]
mod world;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use quotapass_relay::LogStatus;
use serde_json::Value;

use server::Server;
use world::*;

/// Returns posts of members 1 to 7. Each member has a message id left for later.
fn posts() -> Vec<Sent> {
    (1..8).flat_map(|member| (0..4).map(move |id| prove(member, id, format!("{member} {id}").as_bytes()))).collect()
}

/// Simulates fifteen minutes of a room.
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
        // Gossip delivers most messages more than once, with a varying number of copies; and some senders forge.
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

/// Returns the folder of the pages' tests, and checks that their dependencies are installed.
fn tests() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    assert!(
        ["playwright-core", "axe-core"].iter().all(|package| tests.join("node_modules").join(package).exists()),
        "the browser's driver or axe-core is missing; run `npm ci` in tests/page"
    );
    tests
}

/// Runs the tests of a page at an address.
fn node(test: &str, url: &str, posts: Option<&Path>) {
    let mut node = Command::new("node");
    node.args(["--test", "--test-concurrency=1", test]).current_dir(tests()).env("QUOTAPASS_URL", url);
    if let Some(posts) = posts {
        node.env("QUOTAPASS_POSTS", posts);
    }
    let status =
        node.status().unwrap_or_else(|error| panic!("node cannot be run ({error}); install Node.js 20 or newer"));
    assert!(status.success(), "node --test {test} failed in {}", tests().display());
}

#[test]
fn the_demo_in_a_real_browser() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_quotapass"))
        .args(["demo", "--web", "--json", "--listen", "127.0.0.1:0"])
        .env("QUOTAPASS_DATA_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/demo"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut listening = String::new();
    BufReader::new(demo.stdout.take().unwrap()).read_line(&mut listening).unwrap();
    let listening: Value = serde_json::from_str(&listening).unwrap();
    let url = listening["url"].as_str().unwrap();
    let tested = std::panic::catch_unwind(|| {
        node("demo.test.js", url, None);
        node("faults.test.js", url, None);
    });
    demo.kill().unwrap();
    demo.wait().unwrap();
    tested.unwrap();
}

#[test]
fn the_pages_of_moderation_in_a_real_browser() {
    let server = Server::start();
    let url = format!("http://{}", server.address);
    node("scripts.test.js", &url, None);
    node("moderation.test.js", &url, None);
}

#[test]
fn moderators_and_a_relay_with_a_log() {
    let moderated = moderated::Moderated::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    moderated.prepare(file.as_file());
    let url = format!("http://{}", moderated.server.address);
    moderated.run(|| node("moderated.test.js", &url, Some(file.path())));
}

#[test]
fn the_page_in_a_real_browser() {
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
        let url = format!("http://{}", server.address);
        let tested = std::panic::catch_unwind(|| node("page.test.js", &url, Some(file.path())));
        is_over.store(true, Ordering::Relaxed);
        tested.unwrap();
    });
}
