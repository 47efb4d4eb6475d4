//! Failovers: another server takes over from a primary.

use std::cell::RefCell;

use quotapass_protocol::LogError;
use quotapass_relay::{Entry, LogChoice, NullifierLog, Outcome, ValkeyLog, ValkeyLogError};
use quotapass_testkit::process::until;

use crate::{
    REGISTRY,
    inputs::*,
    server::{Server, settings},
};

const NAME: &str = "quotapass";

fn batch(from: u64, count: u64) -> Vec<Entry> {
    (from..from + count).map(scattered).collect()
}

fn says(server: &Server, part: &str) -> bool {
    // A server that changes its role closes its connections.
    let Ok(info) = server.try_ask(&["INFO", "replication"]) else { return false };
    redis::from_redis_value::<String>(info).unwrap().contains(part)
}

/// First a former primary reports that it is a replica, then a primary dies. Each time the log continues at the server
/// that took over, and nothing is lost.
#[test]
fn a_primary_that_another_takes_over_from_is_left() {
    let (mut first, second) = (Server::durable(), Server::durable());
    second.ask(&["REPLICAOF", "127.0.0.1", &first.port().to_string()]);
    until("the replica does not follow", || says(&first, "state=online"));
    let sentinel = Server::sentinel(NAME, &first);
    let knows_replica =
        || matches!(sentinel.ask(&["SENTINEL", "REPLICAS", NAME]), redis::Value::Array(it) if it.len() == 1);
    until("the sentinel does not find the replica", knows_replica);
    let mut settings = settings(&[format!("redis://{NAME}")]);
    settings.sentinels = vec![sentinel.address()];
    settings.replicas = 1;
    let log = ValkeyLog::connect(&REGISTRY, &settings, LogChoice::First).unwrap();
    let identity = log.identity();
    assert_eq!(log.record_all(&batch(0, 50)), vec![Ok(Outcome::New); 50]);

    // By hand: the connection stays, and the former primary answers READONLY.
    until("no server can take over", || sentinel.try_ask(&["SENTINEL", "FAILOVER", NAME]).is_ok());
    until("no server takes over", || says(&second, "role:master") && says(&first, "role:slave"));
    until("the log does not find the new primary", || log.probe().is_ok());
    assert_eq!(log.record_all(&batch(0, 50)), vec![Ok(Outcome::Replay); 50]);
    assert_eq!(log.record_all(&batch(50, 50)), vec![Ok(Outcome::New); 50]);
    until("the former primary does not follow", || says(&second, "state=online"));

    // By the death of the primary, now without a replica that could have a copy.
    drop(second);
    settings.replicas = 0;
    until("no server takes over", || says(&first, "role:master"));
    let found = RefCell::new(None);
    until("the sentinel does not name the new primary", || {
        let connected = ValkeyLog::connect(&REGISTRY, &settings, LogChoice::Known(identity.unwrap()));
        assert!(!matches!(connected, Err(ValkeyLogError::Lost(_))), "{connected:?}");
        *found.borrow_mut() = connected.ok();
        found.borrow().is_some()
    });
    let log = found.into_inner().unwrap();
    assert_eq!(log.identity(), identity);
    assert_eq!(log.record_all(&batch(0, 100)), vec![Ok(Outcome::Replay); 100]);
    assert_eq!(log.record(&scattered(100)), Ok(Outcome::New));
    first.kill();
    assert!(matches!(log.record(&scattered(101)), Err(LogError::Unavailable(_))));
}

/// Without sentinels, a demoted primary is refused, and is used again when it is a primary again.
#[test]
fn a_demoted_primary_is_refused() {
    let (first, second) = (Server::durable(), Server::durable());
    second.ask(&["REPLICAOF", "127.0.0.1", &first.port().to_string()]);
    until("the replica does not follow", || says(&first, "state=online"));
    let log = first.log();
    assert_eq!(log.record_all(&batch(0, 50)), vec![Ok(Outcome::New); 50]);
    until("the replica is behind", || {
        redis::from_redis_value::<u64>(second.ask(&["DBSIZE"])).unwrap()
            == redis::from_redis_value::<u64>(first.ask(&["DBSIZE"])).unwrap()
    });
    second.ask(&["REPLICAOF", "NO", "ONE"]);
    first.ask(&["REPLICAOF", "127.0.0.1", &second.port().to_string()]);
    let is_refused = |answer: &LogError| matches!(answer, LogError::Unavailable(_) | LogError::Unfit(_));
    for answer in log.record_all(&batch(50, 50)) {
        assert!(answer.as_ref().is_err_and(is_refused), "{answer:?}");
    }
    let is_named = || matches!(log.probe(), Err(LogError::Unfit(cause)) if cause.contains("the server is a replica"));
    until("the log does not report the replica", is_named);
    first.ask(&["REPLICAOF", "NO", "ONE"]);
    until("the log does not use the server again", || log.probe().is_ok());
    assert_eq!(log.record_all(&batch(0, 50)), vec![Ok(Outcome::Replay); 50]);
}
