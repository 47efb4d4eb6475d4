//! Tests of interrupted syncs.

use std::{
    env,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use quotapass_registry::{
    FollowError, Follower, FollowerSettings, RegistryContract, RegistryError, RegistryReader,
    node::NodeError,
    rpc::{JsonRpcNode, RpcSettings},
};
use quotapass_testkit::{
    bench::AnvilBench,
    crowd::Crowd,
    process::child,
    proxy::{Answer, Proxy},
};

use crate::sync::{follower, range, through};

/// Environment variable that tells a second process of the test what to sync.
const URL: &str = "QUOTAPASS_TEST_URL";
const REGISTRY: &str = "QUOTAPASS_TEST_REGISTRY";
const STORE: &str = "QUOTAPASS_TEST_STORE";

#[test]
fn an_endpoint_that_stops_answering_is_left_where_it_stopped() {
    let bench = AnvilBench::http();
    let mut crowd = Crowd::new(&bench.anvil, bench.address(), bench.registry.token());
    crowd.deposit(200, 10);
    let stops: [fn() -> Answer; 3] = [|| Answer::Silence, || Answer::HangUp, || Answer::Http(500, "", "out of order")];
    for stop in stops {
        let answered = AtomicU32::new(0);
        let proxy = Proxy::start(bench.anvil.port(), move |method, params| {
            let (from, to) = if method == "eth_getLogs" { range(params) } else { (0, 0) };
            if to - from >= 4 {
                return Answer::Error(-32000, "exceeds maximum block range");
            }
            let logs = u32::from(method == "eth_getLogs");
            if answered.fetch_add(logs, Ordering::SeqCst) < 3 { Answer::Pass } else { stop() }
        });
        let registry = through(&bench, &proxy);
        let mut follower = follower(&registry);
        let error = follower.sync(&registry).unwrap_err();
        assert!(
            matches!(
                error,
                FollowError::Registry(RegistryError::Node(
                    NodeError::TimedOut { .. } | NodeError::Unreachable { .. } | NodeError::Rpc { code: 500, .. }
                ))
            ),
            "{error:?}"
        );
        assert_eq!((follower.head(), follower.root()), (None, Err(FollowError::NotSynced)));
        // Three ranges are kept, and the sync continues from there with another endpoint.
        let read = follower.read_to().unwrap();
        let synced = follower.sync(&bench.registry).unwrap();
        assert_eq!(synced.head, bench.registry.head().unwrap());
        assert!(read < synced.head.block.number && synced.events == 200, "{read} {}", synced.events);
    }
}

#[test]
fn a_process_that_is_killed_goes_on_where_it_was() {
    let bench = AnvilBench::http();
    let mut crowd = Crowd::new(&bench.anvil, bench.address(), bench.registry.token());
    crowd.deposit(400, 2);
    let expected = bench.registry.head().unwrap();
    // Ranges of at most two blocks, so there are many requests to interrupt.
    let answered = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&answered);
    let proxy = Proxy::start(bench.anvil.port(), move |method, params| {
        if method == "eth_getLogs" {
            let (from, to) = range(params);
            if to - from >= 2 {
                return Answer::Error(-32000, "exceeds maximum block range");
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
        Answer::Pass
    });
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("members.redb");
    let mut read = None;
    for kill in 1..=10u64 {
        let mut child = child("interruptions::sync_in_a_process_of_its_own")
            .env(URL, proxy.http())
            .env(REGISTRY, bench.address().to_string())
            .env(STORE, &store)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Kill the process after some more ranges, at a random moment.
        let enough = answered.load(Ordering::SeqCst) + 4;
        while answered.load(Ordering::SeqCst) < enough {
            assert!(child.try_wait().unwrap().is_none(), "the process ended by itself");
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_micros(kill * 777 % 4_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let follower = Follower::open(&store, bench.registry.id(), FollowerSettings::default()).unwrap();
        assert_eq!(follower.head(), None);
        // At most the current range is lost.
        assert!(follower.read_to() > read, "{:?} after {read:?}", follower.read_to());
        read = follower.read_to();
    }
    let mut follower = Follower::open(&store, bench.registry.id(), FollowerSettings::default()).unwrap();
    let synced = follower.sync(&bench.registry).unwrap();
    assert_eq!((synced.head, follower.member_count().unwrap()), (expected, 400));
}

/// Not a separate test: the process that the test above kills.
#[test]
#[ignore = "runs in a separate process, which is killed"]
fn sync_in_a_process_of_its_own() {
    let Ok(url) = env::var(URL) else { return };
    let node = JsonRpcNode::connect(&url, RpcSettings::default()).unwrap();
    let registry = RegistryContract::connect(node, env::var(REGISTRY).unwrap().parse().unwrap()).unwrap();
    let store = env::var(STORE).unwrap();
    let mut follower = Follower::open_or_create(Path::new(&store), registry.id(), FollowerSettings::default()).unwrap();
    follower.sync(&registry).unwrap();
}
