//! Tests of two relays that share one server.

use quotapass_registry::alloy_primitives::hex;

use super::{
    posts::Members,
    process::{Operator, RelayProcess},
    redis::Redis,
};

#[test]
fn two_relays_catch_a_spammer_between_them_and_slash_once() {
    let members = Members::new(4);
    let mut redis = Redis::start();
    let operators = [1, 2].map(|number: u8| {
        let mut operator = Operator::new();
        // Accounts that anvil has ether for, other than the depositor's.
        operator.set("QUOTAPASS_WALLET_KEY", &hex::encode([number + 1; 32]));
        let text = members.configuration(&members.bench.anvil.http());
        operator.configure(&format!("[log]\nvalkey = [\"{}\"]\n{text}", redis.address()));
        operator
    });
    let relays = operators.each_ref().map(Operator::start_configured);
    let [one, two] = &relays;
    relays.iter().for_each(|relay| relay.wait_until("it is ready", RelayProcess::is_ready));

    // A post that one relay accepted is a replay at the other.
    let hello = members.post(0, 0, "hello");
    assert_eq!(one.verdict(&hello), "accepted");
    assert_eq!(two.verdict(&hello), "replay");
    // The halves of a double post go to different relays.
    assert_eq!(one.verdict(&members.post(1, 0, "buy my coin")), "accepted");
    assert_eq!(two.verdict(&members.post(1, 0, "buy my other coin")), "quota_exceeded");
    // Both relays refuse all further posts of the spammer at once.
    for (relay, id) in [(one, 1), (two, 2)] {
        assert_eq!(relay.verdict(&members.post(1, id, "buy")), "slashed_member");
    }
    let spammer = Members::commitment(1);
    let settlements = [one, two].map(|relay| relay.settlement(&spammer));
    assert_eq!(settlements[0], settlements[1]);
    assert_eq!(settlements[0]["outcome"], "slashed");
    assert_eq!(members.slashes(), 1);

    // The server stops and restarts: nothing is accepted meanwhile, and nothing is forgotten.
    redis.kill();
    let (early, late) = (members.post(2, 0, "nobody hears me"), members.post(3, 0, "somebody does"));
    assert_eq!(one.verdict(&early), "overloaded");
    relays.iter().for_each(|relay| relay.wait_until("it says so", |relay| !relay.is_ready()));
    redis.restart();
    relays.iter().for_each(|relay| relay.wait_until("it is ready again", RelayProcess::is_ready));
    assert_eq!(two.verdict(&hello), "replay");
    assert_eq!(one.verdict(&early), "accepted");
    assert_eq!(two.verdict(&late), "accepted");
    assert_eq!(two.verdict(&members.post(1, 3, "buy")), "slashed_member");
    assert_eq!(members.slashes(), 1);

    // An eviction policy is set: both relays refuse posts, and report why, until it is corrected.
    let cause = |relay: &RelayProcess| {
        let (status, answer) = relay.get("/readyz");
        let reason =
            answer["reasons"].as_array().unwrap().iter().find(|reason| reason["code"] == "log_failing").cloned();
        reason.filter(|_| status == 503).map(|reason| reason["cause"].as_str().unwrap().to_owned())
    };
    redis.tell("CONFIG SET maxmemory-policy allkeys-lru");
    for relay in &relays {
        relay.wait_until("it says so", |relay| cause(relay).is_some_and(|cause| cause.contains("allkeys-lru")));
        assert_eq!(relay.verdict(&members.post(3, 1, "too early")), "overloaded");
    }
    redis.tell("CONFIG SET maxmemory-policy noeviction");
    relays.iter().for_each(|relay| relay.wait_until("it is ready again", RelayProcess::is_ready));
    assert_eq!(one.verdict(&members.post(3, 1, "too early")), "accepted");

    // The server is emptied while both run: nothing is accepted any more, and each state was logged once.
    redis.tell("FLUSHALL");
    for relay in &relays {
        assert_eq!(relay.verdict(&hello), "overloaded");
        relay.wait_until("it says so", |relay| cause(relay).is_some_and(|cause| cause.contains("emptied")));
        let told = |part: &str| relay.log().lines().filter(|line| line.contains(part)).count();
        // The line follows the change of `/readyz`.
        relay.wait_until("it is logged", |_| told("the nullifier log cannot record") >= 3);
        assert_eq!((told("the nullifier log cannot record"), told("this trouble is over")), (3, 2), "{}", relay.log());
    }
    for relay in relays {
        assert_eq!(relay.stop(), Some(0));
    }
    // A start without --new-log does not begin a new log. With it, one relay begins the log, and the other takes it.
    for operator in &operators {
        let (code, _, error) = operator.run(&["--config", "relay.toml", "--listen", "127.0.0.1:0"]);
        assert!(code == 1 && error.contains("emptied") && error.contains("--new-log"), "{code}: {error}");
    }
    let begun = operators.each_ref().map(|operator| operator.start(&["--config", "relay.toml", "--new-log"]));
    begun.iter().for_each(|relay| relay.wait_until("it is ready", RelayProcess::is_ready));
    assert_eq!(begun[0].verdict(&members.post(3, 2, "once more")), "accepted");
    assert_eq!(begun[1].verdict(&members.post(3, 2, "once more")), "replay");
    for relay in begun {
        assert_eq!(relay.stop(), Some(0));
    }
    // From then on both relays know this log.
    let relay = operators[0].start_configured();
    assert_eq!(relay.stop(), Some(0));
}
