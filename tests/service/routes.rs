//! The answers of each route.

use ed25519_dalek::Signer;
use quotapass_circuits::{formats::wire::PostPass, membership::BucketNumber};
use quotapass_protocol::BadgeChallenge;
use quotapass_relay::{
    PostRequest, Settlement, SlashClaims, Trouble, TroubleKind,
    http::{HttpSettings, frames::write_post},
};
use serde_json::{Value, json};

use crate::{server::*, world::*};

fn binary(posts: &[Sent]) -> Vec<u8> {
    let mut frames = Vec::new();
    for Sent { scope, message, pass } in posts {
        write_post(&mut frames, &PostRequest { scope, message, pass }).unwrap();
    }
    frames
}

const BYTES: (&str, &str) = ("content-type", "application/octet-stream");

/// Posts with many different verdicts, in an order that matters.
fn mixed() -> Vec<Sent> {
    let elsewhere = Sent { scope: "elsewhere".into(), ..HONEST[1].clone() };
    let unreadable = Sent { pass: vec![7; 246], ..HONEST[1].clone() };
    let [first, second] = HALVES.clone();
    [HONEST[0].clone(), forged(), HONEST[0].clone(), elsewhere, first.clone(), unreadable, HONEST[1].clone(), second]
        .into_iter()
        .chain([first])
        .collect()
}

const EXPECTED: [&str; 9] = [
    "accepted",
    "invalid_proof",
    "replay",
    "requirement_mismatch",
    "accepted",
    "malformed",
    "accepted",
    "quota_exceeded",
    "slashed_member",
];

#[test]
fn json_and_binary_one_and_many_agree() {
    let posts = mixed();
    let many = Server::start().verify(&posts);
    assert_eq!(names(&many), EXPECTED);
    assert_eq!(many[3]["gossip"], "reject");
    assert_eq!(many[3]["detail"], json!({ "field": "scope" }));

    let server = Server::start();
    let one = |post: &Sent| server.post_json("/v1/verify", &post.json()).json();
    let one: Vec<Value> = posts.iter().map(one).collect();
    assert_eq!(names(&one), EXPECTED);

    let answer = Server::start().ask("POST", "/v1/verify", &[BYTES], &binary(&posts));
    assert_eq!(answer.headers["content-type"], "application/json");
    let verdicts = answer.json()["verdicts"].as_array().unwrap().clone();
    assert_eq!(names(&verdicts), EXPECTED);
    // A text pass cannot encode these bytes, so that only this verdict differs.
    assert_eq!((&verdicts[..5], &verdicts[6..]), (&many[..5], &many[6..]));

    let accept = ("accept", "text/html, application/octet-stream;q=0.9");
    let answer = Server::start().ask("POST", "/v1/verify", &[BYTES, accept], &binary(&posts));
    assert_eq!(answer.headers["content-type"], "application/octet-stream");
    assert_eq!(answer.body, [0, 9, 1, 7, 0, 10, 0, 2, 3]);

    let nothing = Server::start();
    assert_eq!(nothing.ask("POST", "/v1/verify", &[BYTES], &[]).json(), json!({ "verdicts": [] }));
    assert_eq!(nothing.verify(&[]), Vec::<Value>::new());
}

/// An app that cuts a message in the middle of an emoji sends half of it. Only that post cannot be read.
#[test]
fn a_post_that_cannot_be_read_does_not_void_the_posts_beside_it() {
    let server = Server::start();
    let good = |post: &Sent| post.json().to_string().into_bytes();
    let pass = HONEST[1].json()["pass"].to_string();
    let with = |message: &[u8]| {
        [&b"{\"scope\":\"room\",\"message\":\""[..], message, b"\",\"pass\":", pass.as_bytes(), b"}"].concat()
    };
    let items = [
        good(&HONEST[1]),
        with(b"half of \\ud83d"),
        with(b"half of \xf0\x9f\x98"),
        with(b"a\",\"message_hex\":\"00"),
        with(b"a\",\"colour\":\"red"),
        b"{\"scope\":\"room\",\"message_hex\":\"0\",\"pass\":\"x\"}".to_vec(),
        b"{\"scope\":\"room\",\"message\":1,\"pass\":\"x\"}".to_vec(),
        b"{\"scope\":\"room\",\"message\":\"no pass\"}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        good(&HONEST[2]),
    ];
    let body = [&b"{\"posts\":["[..], &items.join(&b","[..]), b"]}"].concat();
    let answer = server.ask("POST", "/v1/verify", &[("content-type", "application/json")], &body);
    let verdicts = answer.json()["verdicts"].as_array().unwrap().clone();
    let mut expected = ["malformed"; 11];
    (expected[0], expected[10]) = ("accepted", "accepted");
    assert_eq!(names(&verdicts), expected);
    for (verdict, reason) in verdicts[1..].iter().zip(["message_hex", "message_hex", "two messages", "not a post"]) {
        assert!(verdict["detail"]["reason"].as_str().unwrap().contains(reason), "{verdict}");
    }
    let counted =
        |scope| format!("quotapass_verdicts_total{{verdict=\"malformed\",scope=\"{scope}\",mode=\"enforced\"}}");
    assert_eq!((server.metric(&counted("room")), server.metric(&counted("other"))), (7.0, 2.0));
}

#[test]
fn no_answer_gives_away_a_share_or_a_secret() {
    let server = Server::start();
    server.verify(&HALVES.clone());
    let secret: String = world().secrets[0].to_be_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let shares: Vec<String> =
        HALVES.iter().map(|half| PostPass::from_bytes(&half.pass).unwrap().y.to_string()[2..].to_owned()).collect();
    // The engine reads the log by itself.
    while server.get("/v1/slashed").json()["total"] == 0 {
        std::thread::yield_now();
    }
    let again = Server::start();
    let posts: Vec<Value> = HALVES.iter().map(Sent::json).collect();
    let verdicts = again.post_json("/v1/verify", &json!({ "posts": posts })).text();
    assert!(verdicts.contains("quota_exceeded"));
    let answers = ["/v1/slashed", "/v1/summary", "/metrics", "/readyz"].map(|path| server.get(path).text());
    for text in answers.iter().chain([&verdicts]) {
        assert!(!text.contains(&secret) && shares.iter().all(|share| !text.contains(share)), "{text}");
    }
}

#[test]
fn a_badge_is_answered_with_its_holder() {
    let server = Server::start();
    let show = |pass: String| server.post_json("/v1/badges", &json!({ "scope": SCOPE, "pass": pass })).json();
    let first = show(prove_badge(0, b"key").to_text());
    assert_eq!((&first["verdict"], &first["holder"]["chat_key"]), (&json!("accepted"), &json!("first")));
    let bound = first["holder"]["chat_key_hash"].clone();
    assert_eq!(show(prove_badge(0, b"key").to_text())["holder"]["chat_key"], "bound");
    let second = show(prove_badge(0, b"another").to_text());
    assert_eq!((&second["holder"]["chat_key"], &second["holder"]["bound"]), (&json!("second"), &bound));
    let malformed = show("!".into());
    assert_eq!((&malformed["verdict"], &malformed["holder"]), (&json!("malformed"), &Value::Null));
}

/// Attack: an attacker who saw a badge shows a copy, and opens a session as its owner.
#[test]
fn where_the_chat_key_is_asked_for_a_copy_of_a_badge_is_not_enough() {
    let server = Server::with(HttpSettings { ask_for_chat_key: true, ..HttpSettings::default() });
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let pass = prove_badge(0, key.verifying_key().as_bytes()).to_text();
    let asked = server.get("/v1/badges/challenge?scope=room").json();
    assert_eq!((&asked["required"], asked["expires"].as_u64()), (&json!(true), Some(NOW.0 + 120)));
    let challenge = asked["challenge"].as_str().unwrap().to_owned();
    let bytes = <[u8; 32]>::try_from(hex::decode(&challenge).unwrap()).unwrap();
    let sign =
        |key: &ed25519_dalek::SigningKey| hex::encode(key.sign(&BadgeChallenge(bytes).message(scope())).to_bytes());
    let show = |answer: Value| {
        let mut body = json!({ "scope": SCOPE, "pass": pass });
        body.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        server.post_json("/v1/badges", &body)
    };
    let refused = |answer: Value| {
        let answer = show(answer).json();
        assert_eq!((&answer["verdict"], &answer["holder"]), (&json!("malformed"), &Value::Null));
        answer["detail"]["possession"].as_str().unwrap().to_owned()
    };
    let thief = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let signed = json!({ "challenge": challenge, "signature": sign(&key) });
    assert_eq!(refused(json!({})), "missing");
    assert_eq!(refused(json!({ "challenge": challenge, "signature": sign(&thief) })), "wrong_signature");
    assert_eq!(refused(json!({ "challenge": "00".repeat(32), "signature": sign(&key) })), "unknown_challenge");
    let holder = show(signed.clone()).json()["holder"].clone();
    assert_eq!((&holder["chat_key"], &holder["has_chat_key"]), (&json!("first"), &json!(true)));
    server.clock.set(NOW + 121);
    assert_eq!(refused(signed.clone()), "expired");
    server.clock.set(NOW);
    for half in ["challenge", "signature"] {
        show(json!({ half: signed[half] })).error(400);
    }
    show(json!({ "challenge": "zz", "signature": sign(&key) })).error(400);
    server.get("/v1/badges/challenge?scope=elsewhere").error(404);
    // Other types of keys cannot answer challenges, and are refused where an answer is required.
    let nameless = server.post_json(
        "/v1/badges",
        &json!({
            "scope": SCOPE, "pass": prove_badge(1, b"a name").to_text(), "challenge": challenge, "signature": sign(&key),
        }),
    );
    assert_eq!(nameless.json()["detail"]["possession"], "unsupported_key");
    // A change of the settings takes effect at once.
    server.service.change_settings(HttpSettings::default());
    assert_eq!(show(json!({})).json()["holder"]["has_chat_key"], false);
}

#[test]
fn policy_and_roots_are_those_of_now() {
    let server = Server::start();
    let policy = server.get("/v1/policy").json();
    assert_eq!(policy["registry"]["address"], format!("0x{}", "51".repeat(20)));
    let listed = &policy["scopes"][0];
    assert_eq!((&listed["name"], &listed["epoch"]), (&json!(SCOPE), &json!(epoch().number())));
    assert_eq!(listed["since_max"], NOW.0 / 86_400 - 7);
    assert_eq!((&listed["scope"], &policy["unlisted"]), (&json!(scope()), &json!("reject")));

    let root = world().tree.root();
    assert_eq!(server.get("/v1/roots").json()["current"], json!(root));
    let next = quotapass_circuits::membership::Root::from_be_bytes(&[1; 32]).unwrap();
    server.relay.advance_root(next, NOW + 5);
    server.clock.set(NOW + 3_605);
    let roots = server.get("/v1/roots").json();
    assert_eq!(roots["current"], json!(next));
    assert_eq!(roots["recent"], json!([{ "root": root, "superseded_at": NOW + 5 }]));
    server.clock.set(NOW + 3_606);
    assert_eq!(server.get("/v1/roots").json()["recent"], json!([]));
    let later = &server.get("/v1/policy").json()["scopes"][0];
    assert_eq!(later["epoch"], epoch().number() + 1);
}

#[test]
fn the_slashed_are_listed_with_how_their_case_ended() {
    let server = Server::start();
    assert_eq!(server.get("/v1/slashed").json(), json!({ "total": 0, "members": [] }));
    server.verify(&HALVES.clone());
    let commitment = world().secrets[0].commitment();
    server.log.inner.settle(commitment, &Settlement::NoMember).unwrap();
    let settled = loop {
        let answer = server.get("/v1/slashed?from=0&limit=5").json();
        if answer["members"][0]["settlement"] != Value::Null {
            break answer;
        }
        std::thread::yield_now();
    };
    let expected = json!({
        "commitment": commitment, "scope": SCOPE, "epoch_seconds": 3600, "epoch": epoch().number(),
        "epoch_begins": NOW, "settlement": { "outcome": "no_member" },
    });
    assert_eq!(settled, json!({ "total": 1, "members": [expected] }));
    assert_eq!(server.get("/v1/slashed?from=1").json(), json!({ "total": 1, "members": [] }));
    server.get("/v1/slashed?from=x").error(400);
    server.get("/v1/slashed?page=1").error(400);
}

#[test]
fn the_tree_is_served_to_light_wallets() {
    let server = Server::start();
    let upper = server.get("/v1/members/upper");
    assert_eq!(upper.body, world().tree.upper_nodes().to_bytes());
    assert_eq!(server.get("/v1/members/buckets/0").body, world().tree.bucket(BucketNumber(0)).unwrap().to_bytes());
    let known = [("if-none-match", upper.headers["etag"].as_str())];
    assert_eq!(server.ask("GET", "/v1/members/upper", &known, &[]).status, 304);
    server.get("/v1/members/buckets/7").error(404);
    server.get("/v1/members/buckets/x").error(400);
}

#[test]
fn ready_says_why_not() {
    let server = Server::start();
    assert_eq!(server.get("/healthz").json(), json!({ "status": "ok" }));
    let readiness = |status| {
        let answer = server.get("/readyz");
        assert_eq!(answer.status, status, "{answer:?}");
        let body = answer.json();
        let codes = body["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap().into());
        codes.collect::<Vec<String>>()
    };
    assert_eq!(readiness(200), Vec::<String>::new());
    let status = &server.engine.context().status;
    let gone = |at| {
        move |chain: &mut quotapass_relay::ChainStatus| {
            (chain.answered_at, chain.failures) = (at, 3);
            (chain.error, chain.cause) = (Some("cannot reach rpc.example".into()), Some("cannot be reached".into()));
        }
    };
    let cause = |code: &str| {
        let reasons = server.get("/readyz").json()["reasons"].as_array().unwrap().clone();
        reasons.iter().find(|reason| reason["code"] == code).unwrap()["cause"].clone()
    };
    status.update_chain(gone(Some(NOW - 300)));
    assert_eq!(readiness(200), Vec::<String>::new());
    status.update_chain(gone(Some(NOW - 301)));
    assert_eq!((readiness(503), cause("chain_lost")), (vec![String::from("chain_lost")], json!("cannot be reached")));
    // It still serves requests.
    assert_eq!(names(&server.verify(&HONEST[2..3])), ["accepted"]);
    status.update_chain(|chain| chain.failures = 0);
    assert_eq!(readiness(200), Vec::<String>::new());
    server.log.fail(true);
    status.update_chain(gone(None));
    server.relay.reorganise_roots(1, []);
    // The log is probed every second.
    server.until(|| server.get("/readyz").json()["reasons"].as_array().unwrap().len() == 3);
    assert_eq!(readiness(503), ["no_roots", "chain_lost", "log_failing"]);
    assert_eq!(cause("no_roots"), "cannot be reached");
    let failing = &server.get("/readyz").json()["reasons"][2];
    assert!(failing["cause"].as_str().unwrap().contains("disk full"), "{failing}");
    assert_eq!((&failing["since"], &failing["seconds_left"]), (&json!(NOW), &json!(null)));
    // A problem that gets worse reports the time until then.
    let mut aging = Trouble::new("the newest block is an hour old", NOW);
    aging.worse_at = Some(NOW + 900);
    status.troubles().begin(TroubleKind::ChainAging, aging);
    server.clock.advance(600);
    let aging = &server.get("/readyz").json()["reasons"][3];
    assert_eq!((&aging["code"], &aging["seconds_left"]), (&json!("chain_aging"), &json!(300)));
    server.log.fail(false);
    server.until(|| server.get("/readyz").json()["reasons"].as_array().unwrap().len() == 3);
    assert_eq!(readiness(503), ["no_roots", "chain_lost", "chain_aging"]);
}

#[test]
fn metrics_count_what_was_said() {
    let server = Server::start();
    server.verify(&mixed());
    assert_eq!(server.metric("quotapass_verdicts_total{verdict=\"accepted\",scope=\"room\",mode=\"enforced\"}"), 3.0);
    assert_eq!(
        server.metric("quotapass_verdicts_total{verdict=\"quota_exceeded\",scope=\"room\",mode=\"enforced\"}"),
        1.0
    );
    assert_eq!(server.metric("quotapass_verdicts_total{verdict=\"stale_root\",scope=\"room\",mode=\"enforced\"}"), 0.0);
    assert_eq!(server.metric("quotapass_answer_seconds_count"), 1.0);
    assert_eq!(server.metric("quotapass_batch_posts_sum"), 9.0);
    assert_eq!(server.metric("quotapass_queue_posts"), 0.0);
    assert_eq!(server.metric("quotapass_http_connections"), 1.0);
    assert_eq!(server.metric("quotapass_http_answers_total{status=\"200\"}"), 8.0);
    server.engine.context().status.update_chain(|chain| (chain.head, chain.synced) = (Some(10), Some(7)));
    assert_eq!(server.metric("quotapass_chain_lag_blocks"), 3.0);
}

#[test]
fn the_summary_has_what_was_said_of_late() {
    let server = Server::start();
    server.engine.context().status.update_chain(|chain| chain.members = 8);
    server.verify(&mixed());
    server.clock.advance(5);
    let summary = server.get("/v1/summary").json();
    assert_eq!((&summary["members"], &summary["verdicts"]["accepted"]), (&json!(8), &json!(3)));
    assert_eq!(summary["policy"]["scopes"][0]["name"], SCOPE);
    let samples = summary["samples"].as_array().unwrap();
    let sample = samples.iter().find(|sample| sample["at"] == NOW.0).unwrap();
    assert_eq!(sample["verdicts"], json!([3, 1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0]));
    assert!(sample["p99_ms"].as_f64().unwrap() > 0.0);
    let later = server.get(&format!("/v1/summary?since={}", NOW + 1)).json();
    assert_eq!(later["samples"], json!([]));
    server.get("/v1/summary?since=yesterday").error(400);
}

#[test]
fn metrics_come_in_both_formats_with_the_process_and_the_program() {
    let server = Server::start();
    let open = "application/openmetrics-text; version=1.0.0";
    let asked = server.ask("GET", "/metrics", &[("accept", open)], &[]);
    assert_eq!(asked.headers["content-type"], format!("{open}; charset=utf-8"));
    assert!(asked.text().ends_with("# EOF\n"));
    let usual = server.get("/metrics");
    assert_eq!(usual.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = usual.text();
    // Every sample has the type of its family before it.
    let mut family = "";
    for line in text.lines() {
        if let Some(of) = line.strip_prefix("# TYPE ") {
            family = of.split(' ').next().unwrap();
        }
        assert!(line.starts_with('#') || (!family.is_empty() && line.starts_with(family)), "{line} in {family}");
    }
    let version = format!("quotapass_build_info{{version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "{text}");
    if cfg!(target_os = "linux") {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let started = server.metric("process_start_time_seconds");
        assert!(started <= now + 1.0 && started > now - 86_400.0, "{started} {now}");
        assert!(server.metric("process_cpu_seconds_total") > 0.0);
        assert!(server.metric("process_resident_memory_bytes") > 1e6);
        assert!(server.metric("process_virtual_memory_bytes") > server.metric("process_resident_memory_bytes"));
        let (open, most) = (server.metric("process_open_fds"), server.metric("process_max_fds"));
        assert!(open >= 4.0 && open < most, "{open} {most}");
    }
}
