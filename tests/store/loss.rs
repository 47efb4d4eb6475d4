//! Logs on servers that are lost, as a whole or in part: nothing is accepted twice, and no log is silently created.

use quotapass_protocol::LogError;
use quotapass_relay::{
    Entry, LogChoice, ModerationStore, NullifierLog, Outcome, SPREAD, Swap, ValkeyLog, ValkeyLogError,
};
use quotapass_testkit::process::until;

use crate::{
    REGISTRY,
    inputs::*,
    server::{Cluster, Server, settings},
};

fn batch(from: u64, count: u64) -> Vec<Entry> {
    (from..from + count).map(scattered).collect()
}

fn choose(addresses: &[String], choice: LogChoice) -> Result<ValkeyLog, ValkeyLogError> {
    ValkeyLog::connect(&REGISTRY, &settings(addresses), choice)
}

fn is_lost<T>(answer: &Result<T, LogError>) -> bool {
    matches!(answer, Err(LogError::Lost(_)))
}

/// The server is emptied while relays run. Both notice it with the next post, although neither probed the server in
/// between: a post that one relay accepted before is not accepted by the other.
#[test]
fn an_emptied_server_is_noticed_before_a_post_is_accepted_twice() {
    let server = Server::durable();
    let addresses = [server.address()];
    let (a, b) = (server.log(), server.log());
    let known = LogChoice::Known(a.identity().unwrap());
    assert_eq!(a.identity(), b.identity());
    assert_eq!(a.record_all(&batch(0, 10)), vec![Ok(Outcome::New); 10]);
    server.ask(&["FLUSHALL"]);
    for log in [&a, &b] {
        for answer in log.record_all(&batch(0, 20)) {
            assert!(is_lost(&answer), "{answer:?}");
        }
        assert!(is_lost(&log.convict(&conviction(0, 1))));
        assert!(is_lost(&log.convictions(0)) && is_lost(&log.probe()));
        // A report that counted must not count twice, so nothing is said of records either.
        for key in [b"xkey".to_vec(), [&[SPREAD][..], &[7; 32]].concat()] {
            assert!(is_lost(&log.read(&key)) && is_lost(&log.swap(&Swap::create(key, Vec::new(), None))));
        }
        assert!(is_lost(&log.scan(b"x", None, 1)));
    }
    // A restart does not create a new log either. With `LogChoice::New`, one relay creates it, and the others take it.
    assert!(matches!(choose(&addresses, known), Err(ValkeyLogError::Lost(_))));
    let begun = choose(&addresses, LogChoice::New).unwrap();
    assert_ne!(begun.identity(), a.identity());
    assert!(matches!(choose(&addresses, known), Err(ValkeyLogError::Lost(_))));
    assert!(is_lost(&a.record(&scattered(0))), "a relay that was not told refuses the new one");
    let taken = choose(&addresses, LogChoice::New).unwrap();
    assert_eq!(taken.identity(), begun.identity());
    assert_eq!(begun.record(&scattered(30)), Ok(Outcome::New));
    assert_eq!(taken.record(&scattered(30)), Ok(Outcome::Replay));
}

/// The server is emptied between a stop and a start, and while one of two relays is down.
#[test]
fn a_server_that_was_emptied_meanwhile_is_no_log() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let addresses = [server.address()];
    let log = server.log();
    let known = LogChoice::Known(log.identity().unwrap());
    drop(log);
    server.restart();
    let log = choose(&addresses, known).unwrap();
    server.kill();
    server.empty();
    server.restart();
    assert!(matches!(choose(&addresses, known), Err(ValkeyLogError::Lost(_))));
    until("the relay that runs does not notice", || is_lost(&log.probe()));
    assert!(is_lost(&log.record(&scattered(0))));
}

/// One of three servers is emptied: its nullifiers are refused, and the nullifiers of the others are not.
#[test]
fn an_emptied_server_of_a_cluster_is_noticed() {
    let cluster = Cluster::start();
    let log = cluster.log();
    let known = LogChoice::Known(log.identity().unwrap());
    let entries = batch(0, 90);
    assert_eq!(log.record_all(&entries), vec![Ok(Outcome::New); 90]);
    cluster.0[2].ask(&["FLUSHALL"]);
    let answers = log.record_all(&entries);
    let replays = answers.iter().filter(|answer| **answer == Ok(Outcome::Replay)).count();
    let lost = answers.iter().filter(|answer| is_lost(answer)).count();
    assert_eq!((replays + lost, replays > 0, lost > 0), (90, true, true), "{answers:?}");
    assert!(is_lost(&log.probe()));
    assert!(matches!(choose(&cluster.addresses(), known), Err(ValkeyLogError::Lost(_))));
    assert!(matches!(choose(&cluster.addresses(), LogChoice::First), Err(ValkeyLogError::Lost(_))));
    let begun = choose(&cluster.addresses(), LogChoice::New).unwrap();
    assert_ne!(begun.identity(), log.identity());
    assert!(log.record_all(&entries).iter().all(is_lost));
}

/// `allkeys-lru` is set while relays run. They refuse the server at once, and use it again when the setting is
/// corrected and it evicted nothing. If a server evicted keys, its log is lost: no post is accepted twice.
#[test]
fn a_server_that_begins_to_forget_is_refused_while_it_runs() {
    let server = Server::durable();
    let log = server.log();
    let known = LogChoice::Known(log.identity().unwrap());
    let set = |name: &str, value: &str| drop(server.ask(&["CONFIG", "SET", name, value]));
    set("maxmemory-policy", "allkeys-lru");
    let unfit = log.probe().unwrap_err();
    assert!(matches!(&unfit, LogError::Unfit(cause) if cause.contains("allkeys-lru")), "{unfit}");
    assert!(!unfit.to_string().contains("127.0.0.1"), "{unfit}");
    assert_eq!(log.record(&scattered(0)), Err(unfit));
    set("maxmemory-policy", "noeviction");
    until("the log is not used again", || log.probe().is_ok());
    assert_eq!(log.record(&scattered(0)), Ok(Outcome::New));

    // A full server that evicts nothing accepts no writes, and reports why.
    let memory: String = redis::from_redis_value(server.ask(&["INFO", "memory"])).unwrap();
    let used = memory.lines().find_map(|line| line.trim().strip_prefix("used_memory:")?.parse::<u64>().ok()).unwrap();
    set("maxmemory", "1");
    let full = log.probe().unwrap_err();
    assert!(matches!(&full, LogError::Unavailable(cause) if cause.contains("memory is full")), "{full}");
    set("maxmemory", &(used + 200_000).to_string());
    until("the log is not used again", || log.probe().is_ok());

    // No relay probes the server before it begins to evict keys.
    set("maxmemory-policy", "allkeys-lru");
    let mut accepted = vec![scattered(0)];
    for from in (1_000..).step_by(100) {
        let entries = batch(from, 100);
        let answers = log.record_all(&entries);
        let is_new = |(_, answer): &(&Entry, &Result<Outcome, LogError>)| **answer == Ok(Outcome::New);
        accepted.extend(entries.iter().zip(&answers).filter(is_new).map(|(entry, _)| entry.clone()));
        if answers.iter().any(is_lost) {
            break;
        }
    }
    set("maxmemory", "0");
    set("maxmemory-policy", "noeviction");
    assert!(accepted.len() > 100);
    assert!(log.record_all(&accepted).iter().all(is_lost));
    // The log is also lost for relays that did not see the eviction.
    assert!(matches!(choose(&[server.address()], known), Err(ValkeyLogError::Lost(_))));
    let begun = choose(&[server.address()], LogChoice::New).unwrap();
    assert_eq!(begun.record(&scattered(5)), Ok(Outcome::New));
    assert!(begun.probe().is_ok());
}
