//! A scope in shadow mode: posts are judged, recorded and counted, without consequences.

use serde_json::json;

use crate::{server::*, world::*};

fn metric(server: &Server, verdict: &str, mode: &str) -> f64 {
    server.metric(&format!("quotapass_verdicts_total{{verdict=\"{verdict}\",scope=\"room\",mode=\"{mode}\"}}"))
}

#[test]
fn all_are_accepted_and_nobody_is_convicted() {
    let server = Server::start();
    server.relay.change_shadow([SCOPE.to_owned()]);
    let posts = [&HALVES[0], &HALVES[1], &HALVES[1], &forged(), &HONEST[0], &HONEST[0]].map(Clone::clone);
    let answers = server.verify(&posts);
    assert_eq!(names(&answers), ["accepted"; 6]);
    assert!(answers.iter().all(|answer| answer["gossip"] == "accept" && answer.get("detail").is_none()));
    let shadows: Vec<_> = answers.iter().map(|answer| answer["shadow"].clone()).collect();
    let expected = ["accepted", "quota_exceeded", "quota_exceeded", "invalid_proof", "accepted", "replay"];
    assert_eq!(names(&shadows), expected);
    assert_eq!(shadows[3]["gossip"], "reject");
    // Posts are recorded as usual, but no evidence is kept: no deposit is in danger.
    assert_eq!(server.log.inner.len(), 2);
    assert!(server.relay.slashed().is_empty());
    assert_eq!(server.get("/v1/slashed").json(), json!({ "total": 0, "members": [] }));

    // In binary, the answer is the byte of `accepted`.
    let one = server.post_json("/v1/verify", &forged().json()).json();
    assert_eq!((&one["verdict"], &one["shadow"]["verdict"]), (&json!("accepted"), &json!("invalid_proof")));
    let headers = [("content-type", "application/json"), ("accept", "application/octet-stream")];
    let bytes = server.ask("POST", "/v1/verify", &headers, forged().json().to_string().as_bytes());
    assert_eq!(bytes.body, [0]);
    let badge = server.post_json("/v1/badges", &json!({ "scope": SCOPE, "pass": "AQID" })).json();
    assert_eq!((&badge["verdict"], &badge["shadow"]["verdict"]), (&json!("accepted"), &json!("malformed")));
    assert!(badge.get("holder").is_none());
    assert_eq!(metric(&server, "quota_exceeded", "shadow"), 2.0);
    assert_eq!(metric(&server, "invalid_proof", "shadow"), 3.0);

    // When the scope is enforced again, the recorded posts count, and the next double post convicts.
    server.relay.change_shadow([]);
    assert_eq!(names(&server.verify(&HONEST[..1])), ["replay"]);
    assert_eq!(names(&server.verify(&HALVES[1..])), ["quota_exceeded"]);
    assert_eq!(server.relay.slashed().len(), 1);
    assert_eq!(metric(&server, "quota_exceeded", "enforced"), 1.0);
}

#[test]
fn scopes_that_are_made_up_share_their_counters() {
    let server = Server::start();
    let posts: Vec<_> = (0..50).map(|n| Sent { scope: format!("made up {n}"), ..HONEST[0].clone() }).collect();
    let answers = server.verify(&posts);
    assert_eq!(names(&answers), ["requirement_mismatch"; 50]);
    let counter = |scope| {
        let name = "quotapass_verdicts_total{verdict=\"requirement_mismatch\"";
        server.metric(&format!("{name},scope=\"{scope}\",mode=\"enforced\"}}"))
    };
    assert_eq!((counter("other"), counter(SCOPE)), (50.0, 0.0));
    assert!(!server.get("/metrics").text().contains("made up"));
}
