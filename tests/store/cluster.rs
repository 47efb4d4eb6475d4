//! A cluster of three servers, one of which is killed.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use quotapass_protocol::LogError;
use quotapass_relay::{Entry, ModerationStore, NullifierLog, Outcome, SPREAD, Swap};
use quotapass_testkit::process::until;
use redis::Value;

use crate::{
    inputs::*,
    server::{Cluster, connect, settings},
};

const BATCH: u64 = 30;
const RELAYS: u64 = 3;

/// Relays record their own nullifiers and shared ones, while a server is killed and comes back with its file. Every
/// answered write is kept, nothing is new twice, and the other servers continue.
#[test]
fn a_killed_server_takes_its_slots_with_it_and_brings_them_back() {
    let mut cluster = Cluster::start();
    let logs: Vec<_> = (0..RELAYS).map(|_| cluster.log()).collect();
    let (is_over, is_down) = (AtomicBool::new(false), AtomicBool::new(false));
    let (served_by_others, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let answered: Vec<(Entry, Outcome)> = thread::scope(|scope| {
        let run = |relay: u64| {
            let log = &logs[relay as usize];
            let (is_over, is_down, served_by_others, refused) = (&is_over, &is_down, &served_by_others, &refused);
            move || {
                let mut answered = Vec::new();
                for round in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let was_down = is_down.load(Ordering::SeqCst);
                    // Every relay offers half of the nullifiers, each relay with a different share.
                    let of = |i| if i % 2 == 0 { round * BATCH + i } else { ((relay + 1) << 32) | (round * BATCH + i) };
                    let entries = (0..BATCH).map(|i| Entry { share: share(relay), ..scattered(of(i)) });
                    let entries: Vec<_> = entries.collect();
                    for (entry, answer) in entries.iter().zip(log.record_all(&entries)) {
                        match answer {
                            Ok(outcome) => {
                                served_by_others.fetch_add(was_down.into(), Ordering::SeqCst);
                                answered.push((entry.clone(), outcome));
                            }
                            Err(LogError::Unavailable(_)) => {
                                refused.fetch_add(1, Ordering::SeqCst);
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                answered
            }
        };
        let relays: Vec<_> = (0..RELAYS).map(|relay| scope.spawn(run(relay))).collect();
        thread::sleep(Duration::from_millis(300));
        cluster.0[1].kill();
        is_down.store(true, Ordering::SeqCst);
        until("nothing is refused", || refused.load(Ordering::SeqCst) > 100);
        until("the other servers do not continue", || served_by_others.load(Ordering::SeqCst) > 500);
        is_down.store(false, Ordering::SeqCst);
        cluster.0[1].restart();
        until("the server does not come back", || logs.iter().all(|log| all_slots_answer(log)));
        thread::sleep(Duration::from_millis(200));
        is_over.store(true, Ordering::SeqCst);
        relays.into_iter().flat_map(|relay| relay.join().unwrap()).collect()
    });

    let fresh = cluster.log();
    let mut recorded = HashMap::new();
    for (entry, outcome) in answered.iter().filter(|(_, outcome)| *outcome == Outcome::New) {
        let twice = recorded.insert(entry.nullifier, entry.share);
        assert!(twice.is_none(), "{:?} was {outcome:?} twice", entry.nullifier);
    }
    for (entry, outcome) in &answered {
        let kept = fresh.lookup(&entry.epoch, entry.nullifier).unwrap();
        match outcome {
            Outcome::New => assert_eq!(kept, Some(entry.share.into())),
            Outcome::Conflict(share) => assert_eq!(kept, Some((*share).into())),
            Outcome::Replay => panic!("no share was offered twice"),
        }
    }
    assert!(recorded.len() > 500);
}

/// Returns whether nullifiers in each third of the slots can be looked up.
fn all_slots_answer(log: &dyn NullifierLog) -> bool {
    let keys: Vec<_> = (0..40).map(|of| (log_epoch(0), scattered(of).nullifier)).collect();
    log.lookup_all(&keys).iter().all(Result::is_ok)
}

#[test]
fn a_relay_starts_while_a_server_of_the_cluster_is_gone() {
    let mut cluster = Cluster::start();
    let log = cluster.log();
    let entries: Vec<_> = (0..60).map(scattered).collect();
    assert_eq!(log.record_all(&entries), vec![Ok(Outcome::New); 60]);
    // Not the server with the state that relays share.
    let owner = cluster.0.iter().position(|server| {
        let mut client = redis::Client::open(server.address()).unwrap().get_connection().unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("quotapass:{*").query(&mut client).unwrap();
        !keys.is_empty()
    });
    let gone = (owner.unwrap() + 1) % 3;
    cluster.0[gone].kill();
    let late = connect(&settings(&cluster.addresses())).unwrap();
    let answers = late.record_all(&entries);
    let count = |is: fn(&Result<Outcome, LogError>) -> bool| answers.iter().filter(|answer| is(answer)).count();
    let replays = count(|answer| *answer == Ok(Outcome::Replay));
    let refused = count(|answer| matches!(answer, Err(LogError::Unavailable(_))));
    assert_eq!(replays + refused, 60, "{answers:?}");
    assert!(replays > 0 && refused > 0);
    cluster.0[gone].restart();
    until("the server does not come back", || late.record_all(&entries) == vec![Ok(Outcome::Replay); 60]);
}

/// Slots move to another server while they are in use: clients are redirected, and follow.
#[test]
fn slots_that_move_are_followed() {
    let cluster = Cluster::start();
    let log = cluster.log();
    let entries: Vec<_> = (0..200).map(scattered).collect();
    assert_eq!(log.record_all(&entries[..100]), vec![Ok(Outcome::New); 100]);
    let node_id =
        |server: usize| -> String { redis::from_redis_value(cluster.0[server].ask(&["CLUSTER", "MYID"])).unwrap() };
    let (from, to) = (node_id(0), node_id(1));
    // Half of the first server's slots are being moved: existing keys are still there, new keys go to the other server.
    for slot in 0..2730u32 {
        let slot = slot.to_string();
        cluster.0[1].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from]);
        cluster.0[0].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to]);
    }
    let outcomes = log.record_all(&entries);
    assert_eq!(outcomes[..100], vec![Ok(Outcome::Replay); 100]);
    assert_eq!(outcomes[100..], vec![Ok(Outcome::New); 100]);
    let port = cluster.0[1].port().to_string();
    for slot in 0..2730u32 {
        let slot = slot.to_string();
        loop {
            let Value::Array(keys) = cluster.0[0].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]) else { panic!() };
            if keys.is_empty() {
                break;
            }
            for key in keys {
                let key: Vec<u8> = redis::from_redis_value(key).unwrap();
                let mut client = redis::Client::open(cluster.0[0].address()).unwrap().get_connection().unwrap();
                let mut migrate = redis::cmd("MIGRATE");
                migrate.arg("127.0.0.1").arg(&port).arg(key).arg(0).arg(20_000);
                let _: Value = migrate.query(&mut client).unwrap();
            }
        }
        for server in [1, 0] {
            cluster.0[server].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to]);
        }
    }
    assert_eq!(log.record_all(&entries), vec![Ok(Outcome::Replay); 200]);
}

/// Records that are spread over the servers, and the others on one server, while one of the servers is killed and comes
/// back: those of other servers can be changed, and none is lost.
#[test]
fn a_killed_server_takes_its_records_of_moderation_with_it_and_brings_them_back() {
    const RECORDS: u64 = 64;
    let mut cluster = Cluster::start();
    let log = cluster.log();
    let key = |of: u64| [&[SPREAD][..], &scattered(of).nullifier.to_be_bytes()].concat();
    let keys: Vec<_> = (0..RECORDS).map(key).chain([b"xkey".to_vec()]).collect();
    let created: Vec<_> = keys.iter().map(|key| Swap::create(key.clone(), b"a".to_vec(), None)).collect();
    assert!(log.swap_all(&created).into_iter().all(|swapped| swapped == Ok(true)));
    cluster.0[1].kill();
    let changed: Vec<_> = created
        .iter()
        .map(|swap| Swap { expected: swap.new.clone(), new: Some(b"b".to_vec()), ..swap.clone() })
        .collect();
    let answers = log.swap_all(&changed);
    assert!(answers.contains(&Ok(true)), "the other servers continue");
    assert!(answers.iter().any(|answer| matches!(answer, Err(LogError::Unavailable(_)))));
    assert!(answers.iter().all(|answer| matches!(answer, Ok(true) | Err(LogError::Unavailable(_)))), "{answers:?}");
    cluster.0[1].restart();
    until("the server does not come back", || log.read_all(&keys).iter().all(Result::is_ok));
    for ((value, answer), key) in cluster.log().read_all(&keys).into_iter().zip(answers).zip(&keys) {
        let expected = if answer.is_ok() { b"b" } else { b"a" };
        assert_eq!(value, Ok(Some(expected.to_vec())), "{key:?}");
    }
}
