//! Tests of the first block to read, on nodes that keep only a part of the history, or lie about it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use quotapass_registry::{FollowError, Follower, FollowerSettings, RegistryReader};
use quotapass_testkit::{
    anvil::Anvil,
    bench::{AnvilBench, SMALL, START, join, node},
    proxy::{Answer, Proxy},
};
use serde_json::Value;

use crate::sync::{follower, range, through};

/// A registry whose first deposit is two days after its deployment. Returns the first block of that day.
fn late() -> (AnvilBench, u64) {
    let anvil = Anvil::start(START);
    anvil.mine(77);
    let node = node(&anvil, &anvil.http(), Default::default());
    let bench = AnvilBench::on(anvil, node);
    bench.anvil.advance(2 * 86_400);
    let first = bench.registry.latest_block().unwrap().number;
    join(&bench, 0, 0, SMALL);
    bench.anvil.mine(50);
    (bench, first)
}

fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// An endpoint that treats everything before a block in its own way.
fn without_history(bench: &AnvilBench, oldest: u64, old: fn(&str) -> Answer) -> Proxy {
    Proxy::start(bench.anvil.port(), move |method, params| {
        let asked = match method {
            "eth_getBlockByNumber" => number(&params[0]),
            "eth_getCode" | "eth_call" => number(&params[1]),
            "eth_getLogs" => Some(range(params).0),
            _ => None,
        };
        if asked.is_some_and(|asked| asked < oldest) { old(method) } else { Answer::Pass }
    })
}

#[test]
fn the_first_block_is_found_without_old_states_and_blocks() {
    let (bench, first) = late();
    // Nodes that keep no old states and logs, no old blocks either, or take old contracts for missing.
    let nodes: [fn(&str) -> Answer; 4] = [
        |_| Answer::Pass,
        |method| match method {
            "eth_getBlockByNumber" => Answer::Pass,
            "eth_getLogs" => Answer::Error(4444, "pruned history unavailable"),
            _ => Answer::Error(-32000, "missing trie node 0123 (path ) state is not available"),
        },
        |method| match method {
            "eth_getBlockByNumber" => Answer::Result(Value::Null),
            _ => Answer::Error(-32701, "Archive requests require a personal token."),
        },
        |method| if method == "eth_getCode" { Answer::Result("0x".into()) } else { Answer::Pass },
    ];
    for old in nodes {
        let proxy = without_history(&bench, first, old);
        let registry = through(&bench, &proxy);
        let mut copy = follower(&registry);
        assert_eq!(copy.sync(&registry).unwrap().head, bench.registry.head().unwrap());
        assert_eq!(copy.first_block(), Some(first));
    }
}

#[test]
fn an_empty_registry_is_read_from_its_latest_block() {
    let bench = AnvilBench::http();
    let mut copy = follower(&bench.registry);
    let head = copy.sync(&bench.registry).unwrap().head.block.number;
    assert_eq!(copy.first_block(), Some(head));
    join(&bench, 0, 0, SMALL);
    assert_eq!(copy.sync(&bench.registry).unwrap().events, 1);
}

#[test]
fn a_first_block_that_was_found_wrongly_is_not_kept() {
    let (bench, first) = late();
    let oldest = bench.registry.latest_block().unwrap().number - 5;
    // It shows no block before the last ones, the first time until it is asked for events.
    let (is_honest, may_be_honest) = (AtomicBool::new(false), Arc::new(AtomicBool::new(true)));
    let may_turn = Arc::clone(&may_be_honest);
    let proxy = Proxy::start(bench.anvil.port(), move |method, params| {
        let may_be_honest = may_turn.load(Ordering::SeqCst);
        is_honest.fetch_or(method == "eth_getLogs", Ordering::SeqCst);
        let is_old = method == "eth_getBlockByNumber" && number(&params[0]).is_some_and(|number| number < oldest);
        let lies = is_old && !(may_be_honest && is_honest.load(Ordering::SeqCst));
        if lies { Answer::Result(Value::Null) } else { Answer::Pass }
    });
    let registry = through(&bench, &proxy);
    let mut copy = follower(&registry);
    // It is asked twice.
    assert_eq!(copy.sync(&registry).unwrap().head.member_count, 1);
    assert_eq!(copy.first_block(), Some(first));

    may_be_honest.store(false, Ordering::SeqCst);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let open = || Follower::open_or_create(&path, registry.id(), FollowerSettings::default()).unwrap();
    let mut copy = open();
    let error = copy.sync(&registry).unwrap_err();
    assert!(matches!(error, FollowError::RootMismatch { .. }), "{error:?}");
    let advice = error.to_string();
    assert!(
        ["ask another endpoint", "--from-scratch", "relay resync"].iter().all(|way| advice.contains(way)),
        "{advice}"
    );
    assert_eq!((copy.first_block(), copy.read_to()), (None, None));
    // Another endpoint helps, also after a restart.
    drop(copy);
    let mut copy = open();
    assert_eq!(copy.sync(&bench.registry).unwrap().head.member_count, 1);
    assert_eq!(copy.first_block(), Some(first));
}

#[test]
fn a_given_first_block_is_used_and_named_if_it_is_too_late() {
    let (bench, first) = late();
    let deposit = bench.registry.events(first..=first + 10).unwrap()[0].block;
    // The endpoint has no events before the deposit.
    let proxy = without_history(&bench, deposit, |method| match method {
        "eth_getBlockByNumber" => Answer::Pass,
        _ => Answer::Error(4444, "pruned history unavailable"),
    });
    let registry = through(&bench, &proxy);
    let error = follower(&registry).sync(&registry).unwrap_err().to_string();
    assert!(error.contains("pruned history unavailable") && error.contains("set `first_block`"), "{error}");

    let given = |first_block| FollowerSettings { first_block: Some(first_block), ..FollowerSettings::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let mut copy = Follower::create(&path, registry.id(), given(deposit + 1)).unwrap();
    let error = copy.sync(&registry).unwrap_err();
    assert_eq!(error, FollowError::FirstBlockTooLate { first: deposit + 1 });
    assert!(error.to_string().contains("`first_block`"));
    drop(copy);
    // The setting of each run counts.
    let mut copy = Follower::open(&path, registry.id(), given(deposit)).unwrap();
    assert_eq!(copy.sync(&registry).unwrap().head, bench.registry.head().unwrap());
    assert_eq!(copy.first_block(), Some(deposit));
}
