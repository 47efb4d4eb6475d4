//! Tests of chain reorganisations.

use core::time::Duration;
use std::sync::atomic::{AtomicU32, Ordering};

use quotapass_circuits::membership::MemberIndex;
use quotapass_protocol::{RootHistory, RootStatus};
use quotapass_registry::{
    FollowError, Follower, FollowerSettings, MemberStatus, RegistryReader, RegistryWriter,
    node::Node,
    rpc::{JsonRpcNode, RpcSettings},
};
use quotapass_testkit::{
    anvil::post,
    bench::{AnvilBench, Bench, SMALL, join, secret},
    crowd::Crowd,
    proxy::{Answer, Proxy},
};
use serde_json::{Value, json};

use crate::sync::through;

/// A copy that reports every event and can undo only a few blocks.
fn follower(registry: &dyn RegistryReader) -> Follower {
    let settings = FollowerSettings { history: Duration::MAX, reorganisation_limit: 12, ..FollowerSettings::default() };
    Follower::in_memory(registry.id(), settings).unwrap()
}

/// Checks that the copy equals the registry.
fn compare(follower: &Follower, registry: &dyn RegistryReader) {
    assert_eq!(follower.head(), Some(registry.head().unwrap()));
    for index in (0..follower.member_count().unwrap() as u32).map(MemberIndex) {
        assert_eq!(follower.member(index).unwrap(), registry.member_at(index).unwrap());
        assert_eq!(follower.record(index).unwrap(), Some(registry.record(index).unwrap()));
    }
    let beyond = MemberIndex(follower.member_count().unwrap() as u32);
    assert_eq!(follower.record(beyond).unwrap(), None);
}

#[test]
fn deposits_that_are_gone_are_taken_back() {
    let bench = AnvilBench::http();
    let registry = &bench.registry;
    for n in 0..3 {
        join(&bench, 0, n, SMALL);
    }
    let mut follower = follower(registry);
    follower.sync(registry).unwrap();
    let before = registry.head().unwrap();
    for n in 3..5 {
        join(&bench, 0, n, SMALL);
        follower.sync(registry).unwrap();
    }
    // Two deposits with their mints and approvals.
    bench.anvil.reorganise(6);
    let synced = follower.sync(registry).unwrap();
    let undone = synced.undone.unwrap();
    assert_eq!((undone.ancestor, undone.roots), (Some(before.block), 2));
    assert_eq!((follower.member_count().unwrap(), follower.root().unwrap()), (3, before.root));
    compare(&follower, registry);
    // It is reported only once.
    assert_eq!(follower.sync(registry).unwrap().undone, None);
}

#[test]
fn deposits_that_are_replaced_by_others_are_exchanged() {
    let bench = AnvilBench::http();
    let registry = &bench.registry;
    join(&bench, 0, 0, SMALL);
    let mut follower = follower(registry);
    let first = follower.sync(registry).unwrap();
    let mut history = RootHistory::new();
    history.reorganise(0, first.roots.iter().map(|root| (root.root, root.since)));

    let snapshot = bench.anvil.snapshot();
    join(&bench, 0, 1, SMALL);
    join(&bench, 0, 2, SMALL);
    let left = follower.sync(registry).unwrap();
    history.reorganise(0, left.roots.iter().map(|root| (root.root, root.since)));
    bench.anvil.revert(&snapshot);
    // The other branch is longer.
    for n in 11..14 {
        join(&bench, 1, n, SMALL);
    }
    let synced = follower.sync(registry).unwrap();
    assert_eq!((synced.undone.unwrap().roots, synced.roots.len(), synced.events), (2, 3, 3));
    compare(&follower, registry);
    assert_eq!(follower.slots_of(secret(1).commitment()).unwrap(), []);
    assert_eq!(follower.slots_of(secret(11).commitment()).unwrap(), [(MemberIndex(1), bench.account(1))]);

    // A relay refuses passes on the abandoned branch, and knows the time from which.
    history.reorganise(synced.undone.unwrap().roots, synced.roots.iter().map(|root| (root.root, root.since)));
    let now = synced.head.block.timestamp;
    assert_eq!(history.status(synced.head.root, now, 60), RootStatus::Current);
    for root in &left.roots {
        assert_eq!(history.status(root.root, now, 60), RootStatus::Unknown);
    }
    let superseded_at = synced.roots[0].since;
    assert_eq!(history.status(first.head.root, now, u32::MAX), RootStatus::Recent { superseded_at });
}

#[test]
fn a_chain_that_ends_earlier_is_waited_for_and_followed_when_it_differs() {
    let bench = AnvilBench::http();
    let registry = &bench.registry;
    join(&bench, 0, 0, SMALL);
    let snapshot = bench.anvil.snapshot();
    let mut follower = follower(registry);
    follower.sync(registry).unwrap();
    // Three blocks: mint, approval and deposit.
    join(&bench, 0, 1, SMALL);
    let before = follower.sync(registry).unwrap().head;
    bench.anvil.revert(&snapshot);
    for behind in [3, 2, 1] {
        let waiting = follower.sync(registry).unwrap();
        assert_eq!((waiting.head, waiting.behind, waiting.undone, waiting.events), (before, behind, None, 0));
        assert_eq!(follower.head(), Some(before));
        bench.anvil.mine(1);
    }
    let synced = follower.sync(registry).unwrap();
    assert_eq!((synced.behind, synced.undone.unwrap().roots), (0, 1));
    compare(&follower, registry);
    assert_eq!(follower.member_count().unwrap(), 1);
}

#[test]
fn an_endpoint_that_is_behind_does_not_complete_an_interrupted_sync() {
    let bench = AnvilBench::http();
    let registry = &bench.registry;
    join(&bench, 0, 0, SMALL);
    let snapshot = bench.anvil.snapshot();
    bench.anvil.mine(20);
    let mut follower = follower(registry);
    let verified = follower.sync(registry).unwrap().head;
    join(&bench, 0, 1, SMALL);
    bench.anvil.mine(20);
    // The endpoint fails after the first new range.
    let asked = AtomicU32::new(0);
    let proxy = Proxy::start(bench.anvil.port(), move |method, _| {
        let fails = method == "eth_getLogs" && asked.fetch_add(1, Ordering::SeqCst) > 0;
        if fails { Answer::Http(500, "", "out of order") } else { Answer::Pass }
    });
    follower.sync(&through(&bench, &proxy)).unwrap_err();
    assert_eq!(follower.head(), None);
    assert!(follower.read_to() > Some(verified.block.number));
    bench.anvil.revert(&snapshot);
    let waiting = follower.sync(registry).unwrap();
    assert_eq!((waiting.head, waiting.behind, waiting.undone), (verified, 20, None));
    assert_eq!((follower.head(), follower.root().unwrap()), (Some(verified), verified.root));
}

#[test]
fn a_block_that_one_server_does_not_have_yet_is_asked_for_again() {
    let bench = AnvilBench::http();
    join(&bench, 0, 0, SMALL);
    let mut follower = follower(&bench.registry);
    let number = format!("{:#x}", follower.sync(&bench.registry).unwrap().head.block.number);
    join(&bench, 0, 1, SMALL);
    let asked = AtomicU32::new(0);
    let proxy = Proxy::start(bench.anvil.port(), move |method, params| {
        let is_known = method == "eth_getBlockByNumber" && params[0] == number.as_str();
        if is_known && asked.fetch_add(1, Ordering::SeqCst) == 0 { Answer::Result(Value::Null) } else { Answer::Pass }
    });
    let synced = follower.sync(&through(&bench, &proxy)).unwrap();
    assert_eq!((synced.undone, synced.behind, synced.events), (None, 0, 1));
    compare(&follower, &bench.registry);
}

#[test]
fn a_slot_that_is_not_zeroed_any_more_is_filled_again() {
    let bench = AnvilBench::http();
    let registry = &bench.registry;
    for n in 0..5 {
        join(&bench, 0, n, SMALL);
    }
    let from = bench.account(0);
    let mut follower = follower(registry);
    follower.sync(registry).unwrap();
    let before = follower.root().unwrap();
    registry.request_exit(from, MemberIndex(2)).unwrap();
    follower.sync(registry).unwrap();
    assert!(follower.path(MemberIndex(2)).is_err());
    assert!(matches!(follower.record(MemberIndex(2)).unwrap().unwrap().status, MemberStatus::Exiting { .. }));

    bench.anvil.reorganise(1);
    let undone = follower.sync(registry).unwrap().undone.unwrap();
    assert_eq!((undone.roots, follower.root().unwrap()), (1, before));
    assert_eq!(follower.record(MemberIndex(2)).unwrap().unwrap().status, MemberStatus::Active);
    let member = follower.member(MemberIndex(2)).unwrap().unwrap();
    assert_eq!(follower.path(MemberIndex(2)).unwrap().root(&member), before);
    compare(&follower, registry);
}

#[test]
fn members_and_exits_of_both_branches_are_kept_apart() {
    let bench = AnvilBench::http();
    let registry = &bench.registry;
    let from = bench.account(0);
    for n in 0..9 {
        join(&bench, 0, n, SMALL);
    }
    let settings = FollowerSettings { reorganisation_limit: 64, ..FollowerSettings::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members.redb");
    let mut follower = Follower::create(&path, registry.id(), settings.clone()).unwrap();
    follower.sync(registry).unwrap();
    let snapshot = bench.anvil.snapshot();
    for round in 0..4u32 {
        // Every branch leaves the previous one, and has any length.
        let snapshot = if round == 0 { snapshot.clone() } else { bench.anvil.snapshot() };
        for n in 0..round + 2 {
            join(&bench, 0, u64::from(100 * round + 10 + n), SMALL);
            if n % 2 == 0 {
                registry.request_exit(from, MemberIndex(round * 2 + n / 2)).unwrap();
            }
        }
        follower.sync(registry).unwrap();
        compare(&follower, registry);
        bench.anvil.revert(&snapshot);
        join(&bench, 1, u64::from(1_000 + round), SMALL);
        bench.anvil.mine(30);
        follower.sync(registry).unwrap();
        compare(&follower, registry);
        // The file has the same data.
        drop(follower);
        follower = Follower::open(&path, registry.id(), settings.clone()).unwrap();
        compare(&follower, registry);
    }
}

#[test]
fn a_reorganisation_while_a_sync_is_under_way_is_noticed() {
    let bench = AnvilBench::http();
    let mut crowd = Crowd::new(&bench.anvil, bench.address(), bench.registry.token());
    crowd.deposit(40, 4);
    let limit = 6;
    // After the n-th range, the last blocks are replaced.
    for reorganised_after in [0, 1, 2, 4] {
        let asked = AtomicU32::new(0);
        let port = bench.anvil.port();
        let proxy = Proxy::start(port, move |method, params| {
            if method != "eth_getLogs" {
                return Answer::Pass;
            }
            let (from, to) = crate::sync::range(params);
            if to - from >= limit {
                return Answer::Error(-32000, "block range limit exceeded");
            }
            if asked.fetch_add(1, Ordering::SeqCst) == reorganised_after {
                let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "anvil_reorg", "params": [2, []] });
                post(port, &serde_json::to_vec(&request).unwrap());
            }
            Answer::Pass
        });
        let registry = through(&bench, &proxy);
        let mut follower = follower(&registry);
        let synced = follower.sync(&registry).unwrap();
        assert_eq!(synced.head, bench.registry.head().unwrap());
        compare(&follower, &bench.registry);
        crowd.count += 100;
        crowd.deposit(12, 4);
    }
}

#[test]
fn what_is_deeper_than_the_limit_is_left_to_the_user() {
    let bench = AnvilBench::http();
    let registry = &bench.registry;
    join(&bench, 0, 0, SMALL);
    bench.anvil.mine(60);
    let snapshot = bench.anvil.snapshot();
    bench.anvil.mine(8);
    join(&bench, 0, 1, SMALL);
    bench.anvil.mine(8);
    let mut follower = follower(registry);
    let before = follower.sync(registry).unwrap().head;

    bench.anvil.revert(&snapshot);
    join(&bench, 0, 2, SMALL);
    bench.anvil.mine(40);
    let error = follower.sync(registry).unwrap_err();
    assert_eq!(error, FollowError::ReorganisedTooDeep { limit: 12 });
    let advice = error.to_string();
    assert!(["`quotapass sync --from-scratch`", "`quotapass relay resync`"].iter().all(|way| advice.contains(way)));
    assert_eq!(follower.head(), Some(before));

    // A copy that can undo more blocks follows the chain.
    let settings = FollowerSettings { reorganisation_limit: 30, ..FollowerSettings::default() };
    let mut patient = Follower::in_memory(registry.id(), settings).unwrap();
    patient.sync(registry).unwrap();
    compare(&patient, registry);
}

#[test]
fn another_chain_of_the_same_id_is_taken_for_a_deep_reorganisation() {
    let bench = AnvilBench::http();
    join(&bench, 0, 0, SMALL);
    bench.anvil.mine(40);
    let mut follower = follower(&bench.registry);
    follower.sync(&bench.registry).unwrap();
    // The same accounts deploy the same contracts at the same addresses.
    let other = AnvilBench::http();
    other.anvil.mine(50);
    assert_eq!(other.registry.id(), bench.registry.id());
    assert_eq!(follower.sync(&other.registry), Err(FollowError::ReorganisedTooDeep { limit: 12 }));
}

#[test]
fn a_server_behind_the_others_does_not_undo_anything() {
    let bench = AnvilBench::http();
    join(&bench, 0, 0, SMALL);
    bench.anvil.mine(5);
    let mut follower = follower(&bench.registry);
    let synced = follower.sync(&bench.registry).unwrap();
    // The latest block comes from a server that is two blocks behind, everything else from another server.
    let behind = synced.head.block.number - 2;
    let block = bench.node.block(behind).unwrap().unwrap();
    let proxy = Proxy::start(bench.anvil.port(), move |method, params| match method {
        "eth_getBlockByNumber" if params[0] == "latest" => Answer::Result(json!({
            "number": format!("{:#x}", block.number), "hash": block.hash, "timestamp": format!("{:#x}", block.timestamp.0)
        })),
        _ => Answer::Pass,
    });
    let registry = through(&bench, &proxy);
    let again = follower.sync(&registry).unwrap();
    assert_eq!((again.head, again.behind, again.undone, again.events), (synced.head, 2, None, 0));
    assert!(JsonRpcNode::connect(&proxy.http(), RpcSettings::default()).is_ok());
}
