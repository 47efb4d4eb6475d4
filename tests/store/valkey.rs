//! Faults of a server, and requirements on it.

use std::{thread, time::Duration};

use quotapass_protocol::LogError;
use quotapass_relay::{
    Durability, Entry, ModerationStore, NullifierLog, Outcome, SPREAD, Swap, ValkeyLog, ValkeyLogError, ValkeySettings,
};
use quotapass_testkit::process::until;
use redis::Value;

use crate::{
    inputs::*,
    server::{DURABLE, Server, Wire, connect, settings},
};

fn batch(from: u64, count: u64) -> Vec<Entry> {
    (from..from + count).map(scattered).collect()
}

fn is_unavailable<T>(answer: &Result<T, LogError>) -> bool {
    matches!(answer, Err(LogError::Unavailable(_)))
}

#[test]
fn a_server_that_would_forget_is_refused() {
    let refused = |arguments: &[&str], durability| {
        let server = Server::start(arguments);
        let mut settings = settings(&[server.address()]);
        settings.durability = durability;
        connect(&settings).map(drop)
    };
    let evicting = [&DURABLE[..], &["--maxmemory-policy", "allkeys-lru"]].concat();
    let silent = [&DURABLE[..], &["--rename-command", "CONFIG", ""]].concat();
    use Durability::{Checked, Volatile, Vouched};
    let volatile = ["--appendonly", "no"];
    assert!(
        matches!(refused(&evicting, Checked), Err(ValkeyLogError::Evicts { policy, .. }) if policy == "allkeys-lru")
    );
    assert!(matches!(refused(&evicting, Volatile), Err(ValkeyLogError::Evicts { .. })));
    assert!(matches!(refused(&volatile, Checked), Err(ValkeyLogError::Forgets { setting: "appendonly", .. })));
    assert!(refused(&volatile, Volatile).is_ok());
    let unflushed = ["--appendonly", "yes", "--appendfsync", "no"];
    assert!(matches!(refused(&unflushed, Checked), Err(ValkeyLogError::Forgets { setting: "appendfsync", .. })));
    assert!(matches!(refused(&silent, Checked), Err(ValkeyLogError::Untold { .. })));
    assert!(refused(&silent, Vouched).is_ok());
    assert!(refused(&["--appendonly", "yes"], Checked).is_ok(), "every second is the least");
}

#[test]
fn a_wrong_address_is_refused_and_says_no_password() {
    let server = Server::start(&[&DURABLE[..], &["--requirepass", "open sesame"]].concat());
    let port = server.port();
    let at = |address: String| connect(&settings(&[address])).map(drop);
    assert!(matches!(at(server.address()), Err(ValkeyLogError::Password(_))));
    assert_eq!(at(format!("redis://:open%20sesame@127.0.0.1:{port}")), Ok(()));
    let wrong = format!("redis://default:open%20says%20me@127.0.0.1:{port}");
    let settings = ValkeySettings::new([wrong.clone()]);
    let refused = connect(&settings).map(drop).unwrap_err();
    assert!(!format!("{refused} {refused:?} {settings:?}").contains("says"), "{refused}");
    assert!(matches!(at("http://127.0.0.1".into()), Err(ValkeyLogError::Address(_))));
    assert!(matches!(connect(&ValkeySettings::new([])).map(drop), Err(ValkeyLogError::Address(_))));

    let (one, two) = (Server::durable(), Server::durable());
    let both = settings_of(&[&one, &two]);
    assert!(matches!(connect(&both).map(drop), Err(ValkeyLogError::NotACluster(_))));
    two.ask(&["REPLICAOF", "127.0.0.1", &one.port().to_string()]);
    assert!(matches!(at(two.address()), Err(ValkeyLogError::Replica(_))));
}

fn settings_of(servers: &[&Server]) -> ValkeySettings {
    settings(&servers.iter().map(|server| server.address()).collect::<Vec<_>>())
}

#[test]
fn nullifiers_go_a_minute_after_their_epoch_may() {
    let server = Server::durable();
    let log = server.log();
    let entries = [entry(0, 1, 1), entry(3, 2, 1)];
    assert_eq!(log.record_all(&entries), [Ok(Outcome::New), Ok(Outcome::New)]);
    let Value::Array(keys) = server.ask(&["KEYS", "quotapass:n:*"]) else { panic!("no keys") };
    let mut client = redis::Client::open(server.address()).unwrap().get_connection().unwrap();
    let mut times: Vec<u64> = keys
        .into_iter()
        .map(|key| {
            let key: Vec<u8> = redis::from_redis_value(key).unwrap();
            redis::cmd("EXPIRETIME").arg(key).query(&mut client).unwrap()
        })
        .collect();
    times.sort_unstable();
    assert_eq!(times, entries.map(|entry| entry.epoch.keep_until().0 + 60));
}

#[test]
fn a_kill_of_the_server_loses_nothing_and_the_log_recovers_by_itself() {
    let mut server = Server::durable();
    let log = server.log();
    let mut recorded = 0;
    for round in 0..3 {
        let begin = round * 10_000;
        let answered = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                (begin..).step_by(10).take_while(|of| log.record_all(&batch(*of, 10)).iter().all(Result::is_ok)).count()
            });
            thread::sleep(Duration::from_millis(60));
            server.kill();
            writer.join().unwrap() as u64 * 10
        });
        // The server is gone: the answer comes at once, and is never a wrong one.
        for answer in log.record_all(&batch(0, 20)) {
            assert!(is_unavailable(&answer));
        }
        assert!(is_unavailable(&log.convictions(0)) && is_unavailable(&log.convict(&conviction(0, 1))));
        server.restart();
        until("the log does not recover", || log.convictions(0).is_ok());
        for of in begin..begin + answered {
            assert_eq!(log.record(&scattered(of)), Ok(Outcome::Replay), "{of} was answered and is gone");
        }
        recorded += answered;
    }
    assert!(recorded > 0);
}

#[test]
fn a_lost_answer_becomes_no_replay_and_no_conflict() {
    let server = Server::durable();
    let wire = Wire::to(server.port());
    let log = connect(&settings(&[format!("redis://127.0.0.1:{}", wire.port)])).unwrap();
    let (first, other) = (entry(0, 1, 1), entry(0, 1, 2));
    wire.lose_answers(1);
    let outcomes = log.record_all(&[first.clone(), other, first.clone()]);
    assert_eq!(outcomes, [Ok(Outcome::New), Ok(Outcome::Conflict(first.share)), Ok(Outcome::Replay)]);
    assert_eq!(wire.to_lose(), 0, "an answer was lost");
    wire.lose_answers(1);
    assert_eq!(log.convict(&conviction(0, 1)), Ok(true));
    assert_eq!(wire.to_lose(), 0);
    assert_eq!(log.convictions(0).unwrap().len(), 1);
    for key in [b"xkey".to_vec(), [&[SPREAD][..], &[7; 32]].concat()] {
        let create = Swap::create(key.clone(), b"a".to_vec(), None);
        wire.lose_answers(1);
        assert_eq!(log.swap(&create), Ok(true), "the repetition recognises its own write");
        assert_eq!(wire.to_lose(), 0);
        assert_eq!(log.swap(&create), Ok(false));
        assert_eq!(log.read(&key), Ok(Some(b"a".to_vec())));
    }
    // When every answer is lost, the outcome is unknown, and the call does not claim one.
    wire.lose_answers(u64::MAX);
    assert!(is_unavailable(&log.record(&entry(0, 2, 1))));
    assert!(is_unavailable(&log.swap(&Swap::create(b"xother".to_vec(), Vec::new(), None))));
    wire.lose_answers(0);
    until("the log does not recover", || log.convictions(0).is_ok());
    assert_eq!(log.record(&entry(0, 3, 1)), Ok(Outcome::New));
}

#[test]
fn a_server_that_hangs_is_not_waited_for() {
    let server = Server::durable();
    let mut settings = settings(&[server.address()]);
    settings.timeout = Duration::from_millis(500);
    let log = connect(&settings).unwrap();
    server.signal("-STOP");
    for answer in log.record_all(&batch(0, 3)) {
        assert!(is_unavailable(&answer));
    }
    assert!(is_unavailable(&log.lookup(&entry(0, 1, 1).epoch, nullifier(1))));
    server.signal("-CONT");
    until("the log does not recover", || log.convictions(0).is_ok());
    assert_eq!(log.record(&scattered(10)), Ok(Outcome::New));
}

#[test]
fn a_server_that_comes_back_empty_is_no_log_any_more() {
    let server = Server::durable();
    let log = server.log();
    assert_eq!(log.record(&entry(0, 1, 1)), Ok(Outcome::New));
    server.ask(&["FLUSHALL"]);
    assert!(matches!(log.convictions(0), Err(LogError::Lost(_))));
    let mut volatile = settings(&[server.address()]);
    volatile.durability = Durability::Volatile;
    let volatile = connect(&volatile).unwrap();
    server.ask(&["FLUSHALL"]);
    assert_eq!(volatile.convictions(0), Ok(Vec::new()));
    assert_eq!(volatile.record(&entry(0, 1, 1)), Ok(Outcome::New));
}

#[test]
fn what_stands_under_a_key_and_is_no_share_is_damage() {
    let server = Server::durable();
    let log = server.log();
    assert_eq!(log.record(&entry(0, 1, 1)), Ok(Outcome::New));
    let Value::Array(keys) = server.ask(&["KEYS", "quotapass:n:*"]) else { panic!("no keys") };
    let key: Vec<u8> = redis::from_redis_value(keys[0].clone()).unwrap();
    let mut client = redis::Client::open(server.address()).unwrap().get_connection().unwrap();
    for value in [&b""[..], b"short", &[1; 80]] {
        let _: Value = redis::cmd("SET").arg(&key).arg(value).query(&mut client).unwrap();
        assert_eq!(log.record(&entry(0, 1, 1)), Err(LogError::Damaged));
        assert_eq!(log.lookup(&entry(0, 1, 1).epoch, nullifier(1)), Err(LogError::Damaged));
    }
}

#[test]
fn a_write_waits_for_its_replicas() {
    let (server, replica) = (Server::durable(), Server::durable());
    replica.ask(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
    let mut settings = settings(&[server.address()]);
    settings.replicas = 1;
    until("the replica does not follow", || {
        let info: String = redis::from_redis_value(server.ask(&["INFO", "replication"])).unwrap();
        info.contains("state=online")
    });
    settings.timeout = Duration::from_secs(4);
    let log = connect(&settings).unwrap();
    assert_eq!(log.record_all(&batch(0, 5)), vec![Ok(Outcome::New); 5]);
    drop(replica);
    for answer in log.record_all(&batch(5, 5)) {
        assert!(is_unavailable(&answer));
    }
    assert!(log.lookup(&scattered(0).epoch, scattered(0).nullifier).unwrap().is_some(), "reads wait for no replica");
}

#[test]
fn a_handle_is_used_and_dropped_where_tasks_run() {
    let server = Server::durable();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let log: ValkeyLog = server.log();
    runtime.block_on(async move {
        assert_eq!(log.record(&entry(0, 1, 1)), Ok(Outcome::New));
        drop(log);
    });
}

/// Records from the time before versions are refused as such, and never read as something else.
#[test]
fn records_without_a_version_are_refused_by_their_version() {
    let server = Server::durable();
    let log = server.log();
    let former = entry(0, 1, 1);
    let value = [&former.share.x.to_be_bytes()[..], &former.share.y.to_be_bytes(), &[7; 16]].concat();
    let nullifier = former.nullifier.to_be_bytes();
    let shard = format!("quotapass:n:{{{:02x}}}:", nullifier[31]);
    let key = [shard.as_bytes(), &former.epoch.external_nullifier().to_be_bytes(), &nullifier];
    let mut client = redis::Client::open(server.address()).unwrap().get_connection().unwrap();
    let _: Value = redis::cmd("SET").arg(key.concat()).arg(value).query(&mut client).unwrap();
    assert_eq!(log.lookup(&former.epoch, former.nullifier), Err(LogError::Version(0)));
    assert_eq!(log.record(&former), Err(LogError::Version(0)));
    assert_eq!(log.record(&entry(0, 2, 1)), Ok(Outcome::New));
}
