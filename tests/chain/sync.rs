//! Tests of syncs from endpoints with limits, and from endpoints that lie.

use core::time::Duration;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use alloy_primitives::B256;
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
use serde_json::{Value, json};

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

/// Answers of providers, nodes and gateways to a query for too many blocks, and one that is in no list.
const REFUSALS: [fn() -> Answer; 24] = [
    || {
        Answer::Error(
            -32600,
            "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.",
        )
    },
    || Answer::Error(-32602, "Log response size exceeded. This block range should work: [0x0, 0x10]"),
    || Answer::Error(-32602, "range 16 exceeds limit of 10"),
    || Answer::Error(-32005, "query returned more than 10000 results. Try with this block range [0x0, 0x10]."),
    || Answer::Error(-32005, "limit exceeded"),
    || Answer::Error(-32614, "eth_getLogs is limited to a 10 range"),
    || Answer::Error(-32062, "Block range is too large"),
    || Answer::Error(-32008, "Response is too big"),
    || Answer::Error(-32002, "request timed out"),
    || Answer::Error(-32052, "Too many blocks requested"),
    || Answer::Error(-32603, "Too many concurrent requests."),
    || Answer::Error(-32603, "Internal error"),
    || Answer::Error(30, "Request timeout on the free tier, please upgrade your tier to the paid one"),
    || Answer::Error(-32099, "a text that no list has"),
    || Answer::Http(500, "", "<html>500 Internal Server Error</html>"),
    || Answer::Http(504, "", "<html><center><h1>504 Gateway Time-out</h1></center></html>"),
    || Answer::Http(524, "", "error code: 524"),
    || Answer::Http(408, "", ""),
    || Answer::Http(413, "", "{\"error\":\"response too large\"}"),
    || {
        Answer::Http(
            400,
            "",
            "{\"id\":1,\"error\":{\"code\":35,\"message\":\"ranges over 10 blocks are not supported\"}}",
        )
    },
    || Answer::Http(429, "", "{\"id\":1,\"error\":{\"code\":-32062,\"message\":\"Block range is too large\"}}"),
    || Answer::Http(503, "Retry-After: 1\r\n", ""),
    || Answer::Http(200, "", "[{\"address\":\"0x"),
    || Answer::HangUp,
];

#[test]
fn every_refusal_of_a_wide_range_leads_to_narrower_ones() {
    let bench = AnvilBench::http();
    let mut crowd = Crowd::new(&bench.anvil, bench.address(), bench.registry.token());
    for _ in 0..3 {
        crowd.deposit(20, 10);
        bench.anvil.mine(40);
    }
    let expected = bench.registry.head().unwrap();
    for (number, refusal) in REFUSALS.into_iter().enumerate() {
        let proxy = Proxy::start(bench.anvil.port(), move |method, params| {
            let (from, to) = if method == "eth_getLogs" { range(params) } else { (0, 0) };
            if to - from >= 10 { refusal() } else { Answer::Pass }
        });
        let registry = through(&bench, &proxy);
        let synced = follower(&registry).sync(&registry).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!((synced.head, synced.events), (expected, 60), "{number}");
    }
}

#[test]
fn a_server_that_is_behind_its_head_is_waited_for() {
    let bench = AnvilBench::http();
    join(&bench, 0, 0, SMALL);
    let texts = [
        "block range extends beyond current head block: requested 12, head 11",
        "One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found.",
        "requested to block 12 after last accepted block 11",
        "header not found",
    ];
    for text in texts {
        let left = AtomicU32::new(2);
        let proxy = Proxy::start(bench.anvil.port(), move |method, _| {
            let is_behind =
                || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if method == "eth_getLogs" && is_behind() { Answer::Error(-32602, text) } else { Answer::Pass }
        });
        let registry = through(&bench, &proxy);
        let synced = follower(&registry).sync(&registry).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((synced.head.member_count, synced.events), (1, 1));
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
    let FollowError::Registry(RegistryError::Node(NodeError::BlockTooLarge { block, reason })) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*block, bench.registry.latest_block().unwrap().number);
    assert_eq!(reason, "query returned more than 10000 results");
    assert!(error.to_string().contains("the block is too large for it"), "{error}");
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
            // The first topic is the event, the second one the index of the member that it adds.
            logs.as_array_mut().unwrap().retain(|log| log["topics"][1] != json!(B256::with_last_byte(1)));
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
