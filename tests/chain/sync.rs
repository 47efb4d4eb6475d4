//! Tests of syncs from endpoints with limits, and from endpoints that lie.

use core::time::Duration;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use quotapass_circuits::membership::MemberIndex;
use quotapass_registry::{
    FollowError, Follower, FollowerSettings, MemberStatus, Observer, RegistryContract, RegistryError, RegistryReader,
    RegistryWriter, SyncProgress,
    node::NodeError,
    rpc::{JsonRpcNode, RpcSettings},
};
use quotapass_testkit::{
    bench::{AnvilBench, Bench, EXIT_DELAY, EmbeddedBench, MIDDLE, SMALL, join, secret, slash_proof},
    crowd::Crowd,
    proxy::{Answer, Proxy},
};
use serde_json::Value;

pub fn hasty() -> RpcSettings {
    RpcSettings { timeout: Duration::from_millis(500), retries: 0, ..RpcSettings::default() }
}

/// The bench's registry through a proxy.
pub fn through(bench: &AnvilBench, proxy: &Proxy) -> RegistryContract<JsonRpcNode> {
    RegistryContract::connect(JsonRpcNode::connect(&proxy.http(), hasty()).unwrap(), bench.address()).unwrap()
}

pub fn follower(registry: &dyn RegistryReader) -> Follower {
    Follower::in_memory(registry.id(), FollowerSettings::default()).unwrap()
}

/// First and last block of a query for logs.
pub fn range(params: &Value) -> (u64, u64) {
    let number = |name: &str| u64::from_str_radix(&params[0][name].as_str().unwrap()[2..], 16).unwrap();
    (number("fromBlock"), number("toBlock"))
}

#[test]
fn a_copy_knows_what_the_registry_knows() {
    let bench = AnvilBench::http();
    let registry = &bench.registry;
    for n in 0..6 {
        join(&bench, n as u8, n, if n % 2 == 0 { SMALL } else { MIDDLE });
    }
    let sender = bench.account(0);
    registry.request_exit(bench.account(1), MemberIndex(1)).unwrap();
    registry.request_exit(bench.account(2), MemberIndex(2)).unwrap();
    registry.slash(sender, MemberIndex(3), sender, &slash_proof(registry, &secret(3), sender)).unwrap();
    registry.slash(sender, MemberIndex(2), sender, &slash_proof(registry, &secret(2), sender)).unwrap();
    bench.advance(u64::from(EXIT_DELAY));
    registry.withdraw(bench.account(1), MemberIndex(1), sender).unwrap();
    registry.request_exit(bench.account(4), MemberIndex(4)).unwrap();

    let mut follower = follower(registry);
    assert_eq!(follower.root(), Err(FollowError::NotSynced));
    let synced = follower.sync(registry).unwrap();
    assert_eq!((synced.head, follower.head()), (registry.head().unwrap(), Some(synced.head)));
    assert_eq!(follower.member_count().unwrap(), 6);
    for index in (0..6).map(MemberIndex) {
        let record = registry.record(index).unwrap();
        assert_eq!(follower.record(index).unwrap(), Some(record));
        assert_eq!(follower.member(index).unwrap(), registry.member_at(index).unwrap());
        assert_eq!(follower.slots_of(record.commitment).unwrap(), [(index, record.depositor)]);
        assert_eq!(follower.path(index).is_ok(), record.status == MemberStatus::Active);
        if let Some(member) = follower.member(index).unwrap() {
            assert_eq!(follower.path(index).unwrap().root(&member), synced.head.root);
        }
    }
    assert_eq!(follower.record(MemberIndex(6)).unwrap(), None);
    assert_eq!(follower.slots_of(secret(77).commitment()).unwrap(), []);
    // Without new blocks, nothing is reported.
    let again = follower.sync(registry).unwrap();
    assert_eq!((again.head, again.events, again.roots.len(), again.undone), (synced.head, 0, 0, None));
}

#[test]
fn another_registry_is_not_followed() {
    let (bench, other) = (AnvilBench::http(), EmbeddedBench::new());
    let mut follower = follower(&bench.registry);
    let (followed, given) = (bench.registry.id(), other.registry.id());
    assert_ne!(followed, given);
    assert_eq!(follower.sync(&other.registry), Err(FollowError::WrongRegistry { followed, given }));
}

#[test]
fn limits_of_an_endpoint_are_found_and_progress_is_told() {
    let bench = AnvilBench::http();
    let mut crowd = Crowd::new(&bench.anvil, bench.address(), bench.registry.token());
    for _ in 0..6 {
        crowd.deposit(60, 20);
        bench.anvil.mine(300);
    }
    let expected = bench.registry.head().unwrap();
    let limits: [fn(u64, u64) -> Option<Answer>; 4] = [
        |from, to| (to - from >= 100).then_some(Answer::Error(-32602, "block range is too wide, at most 100 blocks")),
        |from, to| (to - from >= 37).then_some(Answer::Error(-32005, "query returned more than 10000 results")),
        |from, to| (to - from >= 200).then_some(Answer::Http(413, "", "{\"error\":\"response too large\"}")),
        |from, to| (to - from >= 250).then_some(Answer::Silence),
    ];
    for limit in limits {
        let proxy = Proxy::start(bench.anvil.port(), move |method, params| match method {
            "eth_getLogs" => {
                let (from, to) = range(params);
                limit(from, to).unwrap_or(Answer::Pass)
            }
            _ => Answer::Pass,
        });
        let registry = through(&bench, &proxy);
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = Arc::clone(&told);
        let progress = Observer::new(move |progress: SyncProgress| teller.lock().unwrap().push(progress));
        let settings = FollowerSettings { progress, ..FollowerSettings::default() };
        let mut follower = Follower::in_memory(registry.id(), settings).unwrap();
        let synced = follower.sync(&registry).unwrap();
        assert_eq!((synced.head, synced.events), (expected, 360));
        let told = told.lock().unwrap();
        assert!(told.windows(2).all(|pair| pair[0].block < pair[1].block));
        let last = told.last().unwrap();
        assert_eq!((last.block, last.members, last.members_read), (expected.block.number, 360, 360));
        assert_eq!(last.remaining(), Some(Duration::ZERO));
        assert!(told[..told.len() - 1].iter().all(|progress| progress.block < progress.head));
    }
}

#[test]
fn an_endpoint_that_refuses_a_single_block_is_given_up_on() {
    let bench = AnvilBench::http();
    let proxy = Proxy::start(bench.anvil.port(), |method, _| match method {
        "eth_getLogs" => Answer::Error(-32005, "query returned more than 10000 results"),
        _ => Answer::Pass,
    });
    let registry = through(&bench, &proxy);
    let error = follower(&registry).sync(&registry).unwrap_err();
    assert!(matches!(error, FollowError::Registry(RegistryError::Node(NodeError::RangeTooWide(_)))), "{error:?}");
}

#[test]
fn an_endpoint_that_lies_leaves_nothing_behind() {
    let bench = AnvilBench::http();
    for n in 0..4 {
        join(&bench, 0, n, SMALL);
    }
    let mut follower = follower(&bench.registry);
    let honest = follower.sync(&bench.registry).unwrap().head;
    for n in 4..8 {
        join(&bench, 0, n, SMALL);
    }
    type Lie = fn(Value) -> Value;
    let lies: [(&str, Lie); 3] = [
        // The latest member is left out.
        ("eth_getLogs", |mut logs| {
            logs.as_array_mut().unwrap().pop();
            logs
        }),
        // It has another commitment.
        ("eth_getLogs", |mut logs| {
            let log = logs.as_array_mut().unwrap().last_mut().unwrap();
            log["topics"][2] = Value::from("0x0000000000000000000000000000000000000000000000000000000000000005");
            logs
        }),
        // The root is another one.
        ("eth_call", |mut answer| {
            if answer.as_str().is_some_and(|word| word.len() == 66 && !word.starts_with("0x00000000")) {
                answer = Value::from("0x0000000000000000000000000000000000000000000000000000000000000007");
            }
            answer
        }),
    ];
    for (method, lie) in lies {
        let proxy = Proxy::start(bench.anvil.port(), move |called, params| {
            // Only the root, not the token's address, which is requested when connecting.
            let root = params[0]["data"] == "0xebf0c717";
            if called == method && (method != "eth_call" || root) { Answer::Change(lie) } else { Answer::Pass }
        });
        let registry = through(&bench, &proxy);
        let error = follower.sync(&registry).unwrap_err();
        assert!(matches!(error, FollowError::RootMismatch { .. } | FollowError::Gap { .. }), "{error:?}");
        assert!(error.to_string().contains("ask another endpoint"));
        // The verified state from before is still valid.
        assert_eq!((follower.head(), follower.root().unwrap()), (Some(honest), honest.root));
        let mut fresh = self::follower(&registry);
        assert!(fresh.sync(&registry).is_err());
        assert_eq!((fresh.head(), fresh.read_to()), (None, None));
        // The sync continues with an honest endpoint.
        fresh.sync(&bench.registry).unwrap();
        assert_eq!(fresh.head(), Some(bench.registry.head().unwrap()));
    }
    let synced = follower.sync(&bench.registry).unwrap();
    assert_eq!((synced.head, synced.events), (bench.registry.head().unwrap(), 4));
}

#[test]
fn an_endpoint_whose_servers_disagree_for_a_moment_is_no_liar() {
    let bench = AnvilBench::http();
    for n in 0..3 {
        join(&bench, 0, n, SMALL);
    }
    // The first answer comes from a server that does not have the latest members yet.
    let first = AtomicBool::new(true);
    let proxy = Proxy::start(bench.anvil.port(), move |method, params| {
        let latest = method == "eth_getLogs" && range(params).1 > 12;
        if latest && first.swap(false, Ordering::SeqCst) {
            Answer::Result(Value::Array(Vec::new()))
        } else {
            Answer::Pass
        }
    });
    let registry = through(&bench, &proxy);
    assert_eq!(follower(&registry).sync(&registry).unwrap().head, bench.registry.head().unwrap());
}

#[test]
fn a_gap_in_the_events_is_noticed() {
    let bench = AnvilBench::http();
    for n in 0..3 {
        join(&bench, 0, n, SMALL);
    }
    let proxy = Proxy::start(bench.anvil.port(), |method, _| match method {
        "eth_getLogs" => Answer::Change(|mut logs| {
            logs.as_array_mut().unwrap().remove(1);
            logs
        }),
        _ => Answer::Pass,
    });
    let registry = through(&bench, &proxy);
    let error = follower(&registry).sync(&registry).unwrap_err();
    assert_eq!(error, FollowError::Gap { expected: MemberIndex(1), found: MemberIndex(2) });
}

#[test]
fn roots_are_told_with_their_times() {
    let bench = AnvilBench::http();
    let registry = &bench.registry;
    let mut expected = Vec::new();
    for n in 0..12 {
        join(&bench, 0, n, SMALL);
        let head = registry.head().unwrap();
        expected.push((head.root, head.block.timestamp));
        bench.advance(600);
    }
    // The last hour event by event, earlier events in fewer roots.
    let settings = FollowerSettings { history: Duration::from_secs(3_900), ..FollowerSettings::default() };
    let mut follower = Follower::in_memory(registry.id(), settings).unwrap();
    let synced = follower.sync(registry).unwrap();
    let roots: Vec<_> = synced.roots.iter().map(|root| (root.root, root.since)).collect();
    assert!((7..12).contains(&roots.len()), "{roots:?}");
    let (older, newer) = roots.split_at(roots.len() - 6);
    assert_eq!(newer, &expected[6..]);
    let last = older.last().unwrap();
    assert_eq!(last.0, expected[5].0);
    let cutoff = synced.head.block.timestamp - 3_900;
    assert!((expected[5].1..=cutoff).contains(&last.1));
    assert_eq!(synced.changes.len(), 6);
    // From then on, one by one.
    join(&bench, 0, 12, SMALL);
    let synced = follower.sync(registry).unwrap();
    assert_eq!(synced.roots.len(), 1);
    assert_eq!(synced.roots[0].root, registry.root().unwrap());
}
