//! Posts with records over HTTP.

use std::sync::Arc;

use quotapass_circuits::{formats::recorded::ListVersion, moderation::Entry};
use quotapass_protocol::{LogIdentity, ModerationPolicy, Policy, PolicyList, PolicyTable, RootHistory};
use quotapass_relay::{
    LogState, PostRequest, Relay,
    http::{HttpSettings, frames::write_post},
};
use quotapass_testkit::records::{entries_of_others, record_verifiers};
use serde_json::{Value, json};

use crate::{server::*, world::*};

const LOG: LogIdentity = LogIdentity([0xaa; 32]);
const HALL: &str = "hall";

/// Starts a relay of two scopes: the usual one without lists, and one with a list.
fn server() -> Server {
    let lists = vec![PolicyList { log: LOG, limit: 1_024 }];
    let moderation = Some(ModerationPolicy { lists, ..ModerationPolicy::default() });
    let hall = Policy { name: HALL.into(), moderation, ..policy() };
    Server::of(HttpSettings::default(), move |log| {
        let (table, roots) =
            (PolicyTable::new(REGISTRY, [policy(), hall]).unwrap(), RootHistory::starting_at(world().tree.root()));
        let ((posts, badges), (small, large)) = (world().verifiers(), record_verifiers());
        Arc::new(Relay::new(posts, badges, table, roots, log).with_records(small, large))
    })
}

fn state(size: u64, list: &[Entry]) -> LogState {
    LogState { log: LOG, size, root: [7; 32], lists: vec![(REGISTRY, HALL.into(), list.into())], at: NOW - 60 }
}

fn in_hall(member: usize, version: ListVersion, list: &[Entry]) -> Sent {
    let posting = posting_for(&policy(), epoch(), member, 0, MESSAGE);
    Posting { scope: HALL.into(), ..posting }.prove_with(&[(version, list)])
}

#[test]
fn json_and_frames_carry_posts_with_records_beside_others() {
    let list = entries_of_others(0..20);
    let first = state(10, &list);
    let posts = [
        in_hall(1, first.version(), &list),
        prove(2, 0, MESSAGE),
        Sent { scope: HALL.into(), ..prove(3, 0, MESSAGE) },
        in_hall(4, ListVersion { size: 11, ..first.version() }, &list),
        in_hall(5, first.version(), &list),
    ];
    let expected = ["accepted", "accepted", "list_mismatch", "list_mismatch", "accepted"];
    let start = || {
        let server = server();
        server.relay.lists().publish(first.clone());
        server
    };
    let server = start();
    let many = server.verify(&posts);
    assert_eq!(names(&many), expected);
    let versions = json!([{ "log": "aa".repeat(8), "size": "10", "root": "07".repeat(8) }]);
    let mismatch = json!({ "verdict": "list_mismatch", "gossip": "ignore", "detail": { "expected": versions } });
    assert_eq!((&many[2], &many[3]), (&mismatch, &mismatch));
    let value = |name: &str| server.metric(&format!("quotapass_{name}"));
    let log = LOG.to_string();
    assert_eq!(value("records_total{result=\"valid\"}"), 4.0);
    assert_eq!(value("records_total{result=\"invalid\"}"), 0.0);
    assert_eq!(value(&format!("list_age_seconds{{log=\"{log}\"}}")), 60.0);
    assert_eq!(value(&format!("list_log_entries{{log=\"{log}\"}}")), 10.0);
    let of_verdict = "verdicts_total{verdict=\"list_mismatch\",scope=\"hall\",mode=\"enforced\"}";
    assert_eq!(value(of_verdict), 2.0);

    let mut frames = Vec::new();
    for Sent { scope, message, pass } in &posts {
        write_post(&mut frames, &PostRequest { scope, message, pass }).unwrap();
    }
    let accept = ("accept", "application/octet-stream");
    let answer = start().ask("POST", "/v1/verify", &[("content-type", "application/octet-stream"), accept], &frames);
    assert_eq!(answer.body, [0, 0, 12, 12, 0]);
    let one: Value = start().post_json("/v1/verify", &posts[0].json()).json();
    assert_eq!(one["verdict"], "accepted");
}
