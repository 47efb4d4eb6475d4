//! Followed logs: shared lists, and logs that shrink, fork or are forged.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;

#[test]
fn two_operators_share_a_list() {
    let first = Operator::start(1, &[], stores(0), &[&Keys::new(2)]);
    first.begin();
    let second = Operator::start(2, &[(&first.keys, &first.server)], stores(1), &[]);
    second.begin();
    let struck = first.strike();
    assert_eq!(first.in_force(&first.keys), Some(2), "the strike waits for the next checkpoint");
    Operator::advance(&[&first, &second]);
    let size = first.in_force(&first.keys).unwrap();
    assert!(size > 2);
    assert_eq!((second.in_force(&first.keys), second.refusal(&first.keys)), (Some(size), None));
    // The second one has cosigned it, so that a wallet which trusts the second reads it from both.
    for server in [&first.server, &second.server] {
        if core::ptr::eq(server, &second.server) {
            second.host.round();
        }
        let trust = Trust::new(first.keys.name(), vec![second.keys.witness().public()], 1).unwrap();
        let (mut wallet, source) = (Follower::new(trust), Reader(server, first.log()));
        let index = read_index(&mut wallet, &source, first.now()).unwrap();
        let Body::Strike(strike) = &struck.body else { unreachable!() };
        assert_eq!(index.list(&source, &room(), 1_024).unwrap().entries, [strike.entry]);
        assert_eq!(index.reference().size, size);
    }
    // Statements of reasons are at their own log alone.
    let Body::Strike(strike) = &struck.body else { unreachable!() };
    let text = first.path(&format!("text/{}", strike.text));
    assert_eq!((first.server.get(&text).status, second.server.get(&text).status), (200, 404));
    // Tiles never change; a checkpoint does.
    let cached = |path: &str| first.server.get(&first.path(path)).headers["cache-control"].clone();
    assert!(cached(&format!("tile/0/000.p/{size}")).contains("immutable") && cached("checkpoint") == "no-cache");
    // A lift ends it for both.
    let lift = Body::Lift(Lift { strike: struck.id, because: Because::Appeal });
    assert_eq!(first.entry(&json!({ "leaf": first.keys.decide(lift, first.now()).1 })).status, 200);
    Operator::advance(&[&first, &second]);
    assert!(second.in_force(&first.keys) > Some(size) && second.in_force(&first.keys) == first.in_force(&first.keys));
    let events = first.server.get("/v1/moderation/events").json();
    let kinds: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["struck", "lifted"]);
}

#[test]
fn a_log_that_shrinks_forks_or_lies_keeps_the_last_good_list() {
    let first = Operator::begun();
    let (own, copies) = stores(1);
    let second = Operator::start(2, &[(&first.keys, &first.server)], (own.clone(), copies.clone()), &[]);
    first.strike();
    Operator::advance(&[&first, &second]);
    let good = second.in_force(&first.keys);
    assert!(good.is_some() && second.refusal(&first.keys).is_none());

    // The same keys on an empty store, at another address: the log shrank, and later forked.
    let shown = Operator::start(1, &[], stores(0), &[]);
    shown.begin();
    let second = Operator::start(2, &[(&first.keys, &shown.server)], (own, copies), &[]);
    assert_eq!(second.in_force(&first.keys), good, "the lists are in force from the start");
    second.host.round();
    assert_eq!((second.refusal(&first.keys), second.in_force(&first.keys)), (Some("log_rollback"), good));
    for number in 0..4 {
        let (_, leaf) = shown.keys.decide(block(number), shown.now());
        assert_eq!(shown.entry(&json!({ "leaf": leaf })).status, 200);
    }
    Operator::advance(&[&shown, &second]);
    assert_eq!((second.refusal(&first.keys), second.in_force(&first.keys)), (Some("log_fork"), good));
    let readiness = second.server.get("/readyz").json();
    let notices = readiness["notices"].as_array().unwrap();
    assert!(readiness["ready"] == true && notices.iter().any(|notice| notice["code"] == "log_fork"), "{readiness}");
    let label = format!("quotapass_moderation_log_refused{{log=\"{}\",code=\"log_fork\"}}", first.log());
    assert_eq!(second.server.metric(&label), 1.0);
    // Both checkpoints are there for everybody.
    let proof = second.server.get(&format!("/v1/moderation/{}/fork", first.log())).json();
    assert!(proof["seen"].is_string() && proof["shown"].is_string() && proof["seen"] != proof["shown"]);
    // The mirror goes on to serve what it accepted.
    let checkpoint = second.server.get(&format!("/v1/moderation/{}/checkpoint", first.log())).text();
    assert_eq!(checkpoint.lines().nth(1), Some(good.unwrap().to_string().as_str()));
}

/// A server that shows another checkpoint than the log's own, and everything else as the log's server does.
fn forger(of: SocketAddr, checkpoint: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let path = line.split(' ').nth(1).unwrap();
            let answer = if path.ends_with("/checkpoint") {
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{checkpoint}",
                    checkpoint.len()
                )
                .into_bytes()
            } else {
                let mut honest = TcpStream::connect(of).unwrap();
                honest.write_all(&request("GET", path, &[], &[])).unwrap();
                let mut answer = Vec::new();
                honest.read_to_end(&mut answer).unwrap();
                answer
            };
            stream.write_all(&answer).unwrap();
        }
    });
    format!("http://{address}")
}

#[test]
fn a_forged_checkpoint_is_refused() {
    let first = Operator::begun();
    let (own, copies) = stores(1);
    let second = Operator::start(2, &[(&first.keys, &first.server)], (own, copies.clone()), &[]);
    second.host.round();
    let good = second.in_force(&first.keys);
    assert!(good.is_some());
    let honest = SignedCheckpoint::read(&first.server.get(&first.path("checkpoint")).body).unwrap();
    let origin = first.keys.origin.as_str();
    let thief = NoteKey::from_seed(origin, &[99; 32]).unwrap();
    let root = TreeHash::of_entry(b"another");
    // A key that the root key never named, and the log's own key with another history.
    for (key, refusal) in [(&thief, "log_not_signed"), (&first.keys.working, "log_fork")] {
        let forged = Checkpoint { root, ..honest.checkpoint().clone() };
        let forged = SignedCheckpoint::sign(forged, key).unwrap().to_string();
        let server = LogServer::new(&forger(first.server.address, forged), None).unwrap();
        let follow =
            FollowSettings { name: first.keys.name(), server, is_cosigned: true, witnesses: Vec::new(), required: 0 };
        let at = Server::start();
        let host = ModerationHost::open(HostParts {
            relay: Arc::clone(&at.relay),
            context: at.engine.context().clone(),
            posts: world().verifiers().0,
            archive: None,
            own: None,
            follow: vec![(follow, Arc::clone(&copies[0]))],
            witness: Some(second.keys.witness()),
        })
        .unwrap();
        host.round();
        let condition = at.engine.context().status.moderation_logs().get(first.keys.name().id()).unwrap();
        assert_eq!(condition.refusal.map(|refusal| refusal.name), Some(refusal));
        assert_eq!(at.relay.lists().in_force()[0].version.size, good.unwrap());
        assert!(at.get("/v1/moderation").status == 200, "it serves all the same");
    }
    // Nothing of it was cosigned: the log's server has no other cosignature than before.
    let after = SignedCheckpoint::read(&first.server.get(&first.path("checkpoint")).body).unwrap();
    assert_eq!(after, honest);
}

#[test]
fn a_log_from_an_old_backup_stops() {
    let first = Operator::begun();
    let second = Operator::start(2, &[(&first.keys, &first.server)], stores(1), &[]);
    second.begin();
    first.strike();
    Operator::advance(&[&first, &second]);
    // The first operator starts with an empty store, and with a store from before the strike.
    let policy = Entry::new(Body::Policy(first.keys.policy()), first.now(), &mut rand::rngs::OsRng);
    let leaf = first.keys.sign(&policy, &[&first.keys.root]);
    for has_policy in [false, true] {
        let store: Arc<dyn LogStore> = Arc::new(MemoryStore::default());
        if has_policy {
            let log = Journal::open(first.keys.name(), Arc::clone(&store)).unwrap();
            log.append(leaf.as_bytes(), first.now()).unwrap();
        }
        let restored = Operator::start(1, &[(&second.keys, &second.server)], (store, stores(1).1), &[]);
        restored.host.round();
        assert_eq!(restored.refusal(&restored.keys), Some("log_stopped"));
        let answer = restored.entry(&json!({ "leaf": leaf }));
        assert!(answer.status == 503 && answer.text().contains("old backup"), "{}", answer.text());
        assert_eq!(restored.in_force(&restored.keys), None);
    }
}

/// Passes connections on to a server once it is open; before, it closes them.
struct Door {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Door {
    fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, is_open) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let opened = Arc::clone(&is_open);
        thread::spawn(move || {
            for client in listener.incoming().flatten().filter(|_| opened.load(Ordering::Relaxed)) {
                let server = TcpStream::connect(target).unwrap();
                for (mut from, mut to) in [(&client, &server), (&server, &client)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    thread::spawn(move || drop(io::copy(&mut from, &mut to)));
                }
            }
        });
        Self { address, is_open }
    }
}

#[test]
fn a_relay_that_did_not_answer_at_the_start_is_asked_again() {
    let first = Operator::begun();
    let second = Operator::start(2, &[(&first.keys, &first.server)], stores(1), &[]);
    second.begin();
    first.strike();
    Operator::advance(&[&first, &second]);
    let door = Door::to(second.server.address);
    let restored = Operator::start_at(1, &[(&second.keys, door.address)], stores(1), &[]);
    restored.begin();
    assert_ne!(restored.refusal(&restored.keys), Some("log_stopped"), "a relay that is away stops nothing");
    door.is_open.store(true, Ordering::Relaxed);
    Operator::advance(&[&restored]);
    assert_eq!(restored.refusal(&restored.keys), Some("log_stopped"));
}
