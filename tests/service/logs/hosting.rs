//! The own log: who may write what, and what survives.

use quotapass_protocol::{ModerationPolicy, Policy};

use super::*;

#[test]
fn nothing_is_taken_before_the_root_key_has_named_the_moderators() {
    let operator = Operator::alone();
    let (_, leaf) = operator.keys.decide(block(1), operator.now());
    assert_eq!(operator.entry(&json!({ "leaf": leaf })).status, 503, "the relay asks others first");
    operator.host.round();
    let answer = operator.entry(&json!({ "leaf": leaf }));
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("the first entry of a log is its policy"), "{}", answer.text());
    assert_eq!(operator.refusal(&operator.keys), Some("log_no_policy"));
    assert_eq!(operator.server.get(&operator.path("checkpoint")).status, 404);
    // The relay is ready all the same, and says what is missing.
    let readiness = operator.server.get("/readyz");
    assert_eq!((readiness.status, &readiness.json()["notices"][0]["code"]), (200, &json!("log_no_policy")));
    assert_eq!(queue(&operator, &operator.keys.moderators[0]).status, 503);
    operator.begin();
    assert_eq!(operator.refusal(&operator.keys), None);
    assert_eq!(operator.entry(&json!({ "leaf": leaf })).status, 200);
    assert_eq!(operator.entry(&json!({ "leaf": leaf })).status, 409, "an identity occurs once");
    let logs = operator.server.get("/v1/moderation").json();
    assert_eq!((&logs["logs"][0]["log"], &logs["logs"][0]["own"]), (&json!(operator.log()), &json!(true)));
}

#[test]
fn a_strike_is_refused_for_each_reason() {
    let operator = Operator::begun();
    let now = operator.now();
    let send = |change: &dyn Fn(&mut Strike), more: &dyn Fn(&mut Value)| {
        let (mut strike, text) = strike(now);
        change(&mut strike);
        let entry =
            Entry { at: now - 200, ..Entry::new(Body::Strike(Box::new(strike)), now - 200, &mut rand::rngs::OsRng) };
        let [one, other] = &operator.keys.moderators;
        let leaf = operator.keys.sign(&entry, &[one, other]);
        let mut body = json!({ "leaf": leaf, "text": base64url(&text.to_bytes()), "message": message() });
        more(&mut body);
        let answer = operator.entry(&body);
        (answer.status, answer.text())
    };
    let withheld = |body: &mut Value| {
        body.as_object_mut().unwrap().remove("message");
        body["withheld"] = json!("the law forbids to hold it");
    };
    type Change<'a> = &'a dyn Fn(&mut Strike);
    type More<'a> = &'a dyn Fn(&mut Value);
    let none: More = &|_| ();
    let cases: [(Change, More, &str); 14] = [
        (&|strike| strike.registry.chain_id += 1, none, "another registry"),
        (&|strike| strike.scope = "elsewhere".into(), none, "does not serve the scope"),
        (&|strike| strike.until = Until::At(now - 100), none, "which is past"),
        (&|strike| strike.pass.truncate(100), none, "is not valid"),
        (&|strike| strike.epoch += 1, none, "another epoch"),
        (&|strike| strike.epoch_seconds = NonZeroU32::MIN, none, "another epoch length"),
        (
            &|strike| strike.entry.nullifier = self::strike(now).0.entry.nullifier,
            &|body| body["message"] = json!("another"),
            "not the message",
        ),
        (&|_| (), &|body| drop(body.as_object_mut().unwrap().remove("message")), "the message that the moderators saw"),
        (
            &|_| (),
            &|body| {
                withheld(body);
                body["withheld"] = json!("");
            },
            "1 to 1,000 bytes",
        ),
        (&|_| (), &|body| body["withheld"] = json!("shown too"), "shown and withheld"),
        (&|_| (), &|body| drop(body.as_object_mut().unwrap().remove("text")), "statement of reasons"),
        (&|_| (), &|body| body["text"] = json!(base64url(&[7; 40])), "hash"),
        // The root is in the pass: version, kind, epoch 4 and 8, stake 4, day 2, cap 2.
        (&|strike| strike.pass[22 + 31] ^= 1, none, "never had"),
        // Without the message, the proof binds x.
        (
            &|strike| {
                let other = PostPass::from_bytes(&HONEST[2].pass).unwrap().public(scope(), &HONEST[2].message).unwrap();
                strike.entry.x = other.share.x;
            },
            &withheld,
            "does not verify",
        ),
    ];
    for (change, more, reason) in cases {
        let (status, text) = send(change, more);
        assert!(status == 400 && text.contains(reason), "{status} {text} instead of {reason}");
    }
    // One moderator of two, a stranger, and somebody who changes a signed entry.
    let (entry, leaf) = operator.keys.decide(Body::Strike(Box::new(strike(now).0)), now);
    let [one, other] = &operator.keys.moderators;
    for wrong in [
        operator.keys.sign(&entry, &[one]),
        operator.keys.sign(&entry, &[one, other, &operator.keys.root]),
        leaf.replace("rule 3", "rule 4"),
    ] {
        assert_eq!(operator.entry(&json!({ "leaf": wrong })).status, 403);
    }
    let (_, blocked) = operator.keys.decide(block(1), now);
    assert_eq!(operator.entry(&json!({ "leaf": blocked, "message": "why" })).status, 400);
    // The post is struck once, with or without its message.
    assert_eq!(send(&|_| (), &withheld).0, 200);
    let (status, text) = send(&|_| (), none);
    assert!(status == 409 && text.contains("in force already"), "{text}");
}

/// The attack: the relay accepted the post, and the strike shows another pass for it. No reader of the log could verify that
/// anybody wrote the post.
#[test]
fn a_strike_of_an_accepted_post_shows_a_pass_that_verifies() {
    let operator = Operator::begun();
    let moderated = Policy { moderation: Some(ModerationPolicy::default()), ..policy() };
    operator.server.relay.change_policies([moderated], NOW).unwrap();
    assert_eq!(names(&operator.server.verify(&[HONEST[1].clone()])), ["accepted"]);
    let (mut forged, text) = strike(operator.now());
    let proof = forged.pass.len() - 128;
    forged.pass[proof..].copy_from_slice(&HONEST[2].pass[proof..]);
    let (_, leaf) = operator.keys.decide(Body::Strike(Box::new(forged)), operator.now());
    let body = json!({ "leaf": leaf, "text": base64url(&text.to_bytes()), "message": message() });
    let answer = operator.entry(&body);
    assert!(answer.status == 400 && answer.text().contains("does not verify"), "{answer:?}");
    operator.strike();
}

#[test]
fn moderators_are_let_in_by_their_signatures() {
    let operator = Operator::begun();
    let [alice, bob] = &operator.keys.moderators;
    for moderator in [alice, bob] {
        let answer = queue(&operator, moderator);
        assert_eq!((answer.status, answer.json()), (200, json!({ "items": [] })));
    }
    assert_eq!(queue(&operator, &operator.keys.root).status, 403);
    assert_eq!(operator.server.get(&operator.path("queue")).status, 401);
    // A signature is of one path, one log and one minute.
    let path = operator.path("queue");
    let header = seal(&operator, alice, "GET", &path, b"");
    let ask = |path: &str| operator.server.ask("GET", path, &[("quotapass-moderator", &header)], &[]).status;
    assert_eq!((ask(&path), ask(&path), ask(&operator.path("queue?limit=1"))), (200, 200, 401));
    assert_eq!(ask(&path.replace(&operator.log(), &Keys::new(2).name().id().to_string())), 404);
    operator.server.clock.advance(61);
    assert_eq!(ask(&path), 401);
    // A change is taken once. The post is unknown, which does not matter here.
    let path = operator.path("decisions");
    let body = json!({ "nullifier": "00".repeat(32), "decision": "hide" }).to_string();
    let header = seal(&operator, bob, "POST", &path, body.as_bytes());
    let headers = [("quotapass-moderator", header.as_str()), ("content-type", "application/json")];
    let post = |body: &str| operator.server.ask("POST", &path, &headers, body.as_bytes()).status;
    assert_eq!((post(&body), post(&body), post(&body.replace("hide", "keep"))), (404, 409, 401));
}

#[test]
fn only_cosignatures_of_configured_witnesses_of_the_newest_checkpoint_are_taken() {
    let witness = Keys::new(2);
    let operator = Operator::start(1, &[], stores(0), &[&witness]);
    operator.begin();
    let store = MemoryStore::default();
    let state = State::new(operator.keys.name());
    let mut mirror = Mirror::open(Trust::of_witness(operator.keys.name()), store, state).unwrap();
    mirror.advance(&Reader(&operator.server, operator.log()), operator.now()).unwrap();
    let send = |line: &str| {
        let path = operator.path("cosignatures");
        let answer = operator.server.ask("POST", &path, &[("content-type", "text/plain")], line.as_bytes());
        (answer.status, answer.text())
    };
    let stranger = CosignerKey::from_seed("stranger.example", &[9; 32]).unwrap();
    let old = mirror.cosign(&stranger, operator.now(), 0).unwrap();
    assert_eq!(send(&old).0, 400);
    let line = mirror.cosign(&witness.witness(), operator.now(), 0).unwrap();
    assert_eq!(send(&line), (200, json!({ "result": "accepted" }).to_string()));
    assert_eq!(send(&line), (200, json!({ "result": "repeated" }).to_string()));
    assert_eq!((send("").0, send(&"x".repeat(2_000)).0), (400, 413));
    // The next checkpoint has none, which is reported after an interval.
    let (_, leaf) = operator.keys.decide(block(1), operator.now());
    operator.entry(&json!({ "leaf": leaf }));
    Operator::advance(&[&operator]);
    assert_eq!((operator.refusal(&operator.keys), send(&line).0), (None, 400));
    operator.server.clock.advance(1);
    Operator::advance(&[&operator]);
    assert_eq!(operator.refusal(&operator.keys), Some("log_uncosigned"));
}

const FOLDER: &str = "QUOTAPASS_TEST_OWN_LOG_OF_CHILD";

fn embedded(path: &std::path::Path) -> Arc<dyn LogStore> {
    let origin = Keys::new(1).origin;
    let store = if path.exists() { EmbeddedStore::open(path, &origin) } else { EmbeddedStore::create(path, &origin) };
    Arc::new(store.unwrap())
}

#[test]
fn no_kill_loses_an_entry_or_forks_the_log_for_its_followers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own");
    {
        let operator = Operator::start(1, &[], (embedded(&path), Vec::new()), &[]);
        operator.begin();
    }
    let (own, copies) = stores(1);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut appended = 0;
    for round in 1..4 {
        let mut child = child("logs::hosting::child_that_appends_until_killed");
        child.env(FOLDER, &path);
        let wait = 20 + rand::Rng::gen_range(&mut rng, 0..200);
        let lines = kill_after_begin(child, core::time::Duration::from_millis(wait));
        // The last line may be cut off.
        let places = lines.iter().filter_map(|line| line.strip_suffix('.')?.parse::<u64>().ok());
        appended = places.max().unwrap_or(appended);
        let first = Operator::start(1, &[], (embedded(&path), Vec::new()), &[]);
        let second = Operator::start(2, &[(&first.keys, &first.server)], (own.clone(), copies.clone()), &[]);
        first.server.clock.advance(2 * round * 100 * INTERVAL);
        second.server.clock.advance(2 * round * 100 * INTERVAL);
        first.host.round();
        second.host.round();
        let size = first.in_force(&first.keys).unwrap();
        assert!(size > appended, "{appended} was answered, and {size} are there");
        assert_eq!((second.refusal(&first.keys), second.in_force(&first.keys)), (None, Some(size)));
    }
}

#[test]
#[ignore = "run by no_kill_loses_an_entry_or_forks_the_log_for_its_followers, which kills it"]
fn child_that_appends_until_killed() {
    let Some(path) = std::env::var_os(FOLDER) else { return };
    let operator = Operator::start(1, &[], (embedded(path.as_ref()), Vec::new()), &[]);
    operator.host.round();
    say("begin");
    for number in 0..80 {
        operator.server.clock.advance(INTERVAL);
        let body = block(number + u64::from(std::process::id()) * 1_000);
        let answer = operator.entry(&json!({ "leaf": operator.keys.decide(body, operator.now()).1 }));
        assert_eq!(answer.status, 200, "{answer:?}");
        say(&format!("{}.", answer.json()["index"].as_str().unwrap()));
        operator.host.round();
    }
}
