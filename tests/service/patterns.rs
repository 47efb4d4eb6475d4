//! Scopes that a pattern stands for: who may name them.

use std::sync::Arc;

use quotapass_protocol::{Policy, PolicyTable, RootHistory};
use quotapass_relay::{Relay, http::HttpSettings};
use serde_json::json;

use crate::{server::*, world::*};

/// Starts a relay with the usual scope and a pattern.
fn server(settings: HttpSettings) -> Server {
    Server::of(settings, |log| {
        let table = PolicyTable::new(REGISTRY, [policy(), Policy { name: "rooms/*".into(), ..policy() }]).unwrap();
        let (posts, badges) = world().verifiers();
        Arc::new(Relay::new(posts, badges, table, RootHistory::starting_at(world().tree.root()), log))
    })
}

fn in_scope(scope: &str, member: usize) -> Sent {
    let posting = posting_for(&policy(), epoch(), member, 0, MESSAGE);
    Posting { scope: scope.into(), ..posting }.prove()
}

/// Attack: a member invents names of rooms, and has a new quota in each.
#[test]
fn only_programs_of_the_operator_name_scopes_of_a_pattern() {
    let server = server(HttpSettings::default());
    let posts = [in_scope("rooms/a", 1), in_scope("rooms/b", 1), prove(2, 0, MESSAGE)];
    let body = json!({ "posts": posts.iter().map(Sent::json).collect::<Vec<_>>() }).to_string();
    let ask = |from| {
        let json = ("content-type", "application/json");
        let answer = server.ask_from(from, "POST", "/v1/verify", &[json], body.as_bytes()).json();
        answer["verdicts"].as_array().unwrap().clone()
    };
    let refused = ask([127, 0, 0, 2]);
    assert_eq!(names(&refused), ["requirement_mismatch", "requirement_mismatch", "accepted"]);
    assert_eq!(refused[0]["detail"], json!({ "field": "scope" }));
    assert_eq!(names(&ask([127, 0, 0, 1])), ["accepted", "accepted", "replay"]);
    // Their names are no time series.
    let labels = "quotapass_verdicts_total{verdict=\"accepted\",scope=\"rooms/*\",mode=\"enforced\"}";
    assert_eq!(server.metric(labels), 2.0);

    let badge = |from, scope: &str| {
        let body = json!({ "scope": scope, "pass": prove_badge(3, b"key").to_text() }).to_string();
        let json = ("content-type", "application/json");
        let answer = server.ask_from(from, "POST", "/v1/badges", &[json], body.as_bytes()).json();
        answer["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(badge([127, 0, 0, 2], "rooms/a"), "requirement_mismatch");
    // The badge is of another scope: it is judged, and refused.
    assert_eq!(badge([127, 0, 0, 1], "rooms/a"), "invalid_proof");
    let settings =
        HttpSettings { pattern_scopes_from: vec!["127.0.0.2/32".parse().unwrap()], ..HttpSettings::default() };
    server.service.change_settings(settings);
    assert_eq!(names(&ask([127, 0, 0, 2])), ["replay"; 3]);
    assert_eq!(badge([127, 0, 0, 1], "rooms/a"), "requirement_mismatch");
}
