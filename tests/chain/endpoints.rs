//! Tests with endpoints that are missing, of the wrong kind, slow, overloaded, or lack features.

use std::{
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use quotapass_registry::{
    Observer, RegistryContract, RegistryError, RegistryReader,
    alloy_primitives::Address,
    node::{Call, Node, NodeError},
    rpc::{JsonRpcNode, NodeProgress, RpcSettings},
};
use quotapass_testkit::{
    anvil::Anvil,
    bench::{AnvilBench, SMALL, START, join},
    proxy::{Answer, Proxy},
};
use serde_json::{Value, json};

fn hasty() -> RpcSettings {
    RpcSettings { timeout: Duration::from_millis(400), retries: 1, ..RpcSettings::default() }
}

fn refusal(url: &str, settings: RpcSettings) -> NodeError {
    JsonRpcNode::connect(url, settings).unwrap_err()
}

#[test]
fn nobody_there_is_said_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [format!("http://127.0.0.1:{free}"), format!("ws://127.0.0.1:{free}"), "/no/such.ipc".into()] {
        let begun = Instant::now();
        let error = refusal(&url, RpcSettings { timeout: Duration::from_secs(5), ..RpcSettings::default() });
        assert!(matches!(error, NodeError::Unreachable { .. }), "{url}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{url} took {:?}", begun.elapsed());
    }
    assert!(matches!(refusal("ftp://127.0.0.1", hasty()), NodeError::InvalidEndpoint(_)));
}

#[test]
fn another_chain_is_refused() {
    let anvil = Anvil::with(START, &["--chain-id", "100"]);
    let settings = RpcSettings { expected_chain_id: Some(1), ..RpcSettings::default() };
    assert_eq!(refusal(&anvil.http(), settings), NodeError::WrongChain { expected: 1, found: 100 });
    let settings = RpcSettings { expected_chain_id: Some(100), ..RpcSettings::default() };
    assert_eq!(JsonRpcNode::connect(&anvil.http(), settings).unwrap().chain_id(), 100);
}

#[test]
fn a_server_that_is_no_node_is_told_from_one_that_fails() {
    let proxy = Proxy::start(0, |_, _| Answer::Http(200, "", "<html>It works!</html>"));
    assert!(matches!(refusal(&proxy.http(), hasty()), NodeError::BadAnswer(_)));
    let proxy = Proxy::start(0, |_, _| Answer::Http(404, "", "not found"));
    assert!(matches!(refusal(&proxy.http(), hasty()), NodeError::Rpc { code: 404, .. }));
    let proxy = Proxy::start(0, |_, _| Answer::Http(503, "", ""));
    assert!(matches!(refusal(&proxy.http(), hasty()), NodeError::Unreachable { .. }));
    let proxy = Proxy::start(0, |_, _| Answer::Silence);
    assert!(matches!(refusal(&proxy.http(), hasty()), NodeError::TimedOut { .. }));
    let proxy = Proxy::start(0, |_, _| Answer::Error(-32601, "the method does not exist"));
    assert!(matches!(refusal(&proxy.http(), hasty()), NodeError::Rpc { code: -32601, .. }));
}

#[test]
fn no_error_shows_the_key_of_an_endpoint() {
    const KEY: &str = "0123456789abcdef";
    let answers: [fn() -> Answer; 5] = [
        || Answer::Error(-32000, "invalid project id 0123456789abcdef"),
        || Answer::Http(404, "", "{\"message\":\"no route for /v3/0123456789abcdef\"}"),
        || Answer::Http(200, "", "Cannot POST /v3/0123456789abcdef"),
        || Answer::Http(503, "", ""),
        || Answer::HangUp,
    ];
    for answer in answers {
        let proxy = Proxy::start(0, move |_, _| answer());
        let error = refusal(&format!("{}/v3/{KEY}", proxy.http()), hasty());
        assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
    }
    for url in [format!("http://{KEY}@127.0.0.1:1"), format!("ws://127.0.0.1:1/{KEY}"), format!("node.example/{KEY}")] {
        let error = refusal(&url, hasty());
        assert!(!format!("{error} {error:?}").contains(KEY), "{error}");
    }
}

#[test]
fn a_crowded_endpoint_is_asked_again_when_it_says_so() {
    // The status counts, whatever the body holds.
    let limit = "{\"id\":1,\"error\":{\"code\":-32062,\"message\":\"Block range is too large\"}}";
    let result = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}";
    ["slow down", limit, result].into_iter().for_each(ask_again);
}

fn ask_again(body: &'static str) {
    let anvil = Anvil::start(START);
    let refusals = Arc::new(AtomicU32::new(0));
    let left = Arc::clone(&refusals);
    let proxy = Proxy::start(anvil.port(), move |_, _| {
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            Answer::Http(429, "Retry-After: 1\r\n", body)
        } else {
            Answer::Pass
        }
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let progress = Observer::new(move |progress| teller.lock().unwrap().push(progress));
    let node = JsonRpcNode::connect(&proxy.http(), RpcSettings { progress, ..hasty() }).unwrap();

    refusals.store(1, Ordering::SeqCst);
    let begun = Instant::now();
    assert!(node.block(0).unwrap().is_some());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let after = Duration::from_secs(1);
    assert!(
        matches!(told.lock().unwrap()[..], [NodeProgress::Retrying { after: waited, attempt: 1, .. }] if waited == after)
    );

    refusals.store(100, Ordering::SeqCst);
    let retry_after = Some(Duration::from_secs(1));
    assert_eq!(node.block(0), Err(NodeError::RateLimited { retry_after }));
}

#[test]
fn calls_are_sent_one_by_one_where_batches_are_refused() {
    let bench = AnvilBench::http();
    join(&bench, 0, 0, SMALL);
    let expected = bench.registry.info().unwrap();
    for refusal in
        ["{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":\"no batches\"}}", "[]", "no"]
    {
        for status in [200, 400, 403] {
            let proxy = Proxy::without_batches(bench.anvil.port(), status, refusal);
            let node = JsonRpcNode::connect(&proxy.http(), hasty()).unwrap();
            let registry = RegistryContract::connect(node, bench.address()).unwrap();
            assert_eq!(registry.info().unwrap(), expected, "{status} {refusal}");
        }
    }
}

#[test]
fn null_beside_a_result_or_an_error_counts_as_missing() {
    let bench = AnvilBench::http();
    join(&bench, 0, 0, SMALL);
    let proxy = Proxy::start(bench.anvil.port(), |_, _| {
        Answer::Rewrite(|mut answer| {
            let missing = if answer.get("error").is_some() { "result" } else { "error" };
            answer[missing] = Value::Null;
            answer
        })
    });
    let node = JsonRpcNode::connect(&proxy.http(), hasty()).unwrap();
    let registry = RegistryContract::connect(node.clone(), bench.address()).unwrap();
    assert_eq!(registry.info().unwrap(), bench.registry.info().unwrap());
    let error = RegistryContract::connect(node, bench.registry.token()).unwrap_err();
    assert!(matches!(error, RegistryError::Refused(_)), "{error:?}");
}

#[test]
fn what_is_read_together_is_of_one_block() {
    let anvil = Anvil::start(START);
    let port = anvil.port();
    // A block is made before every call, so two answers about the latest block never agree unless they name the block.
    let proxy = Proxy::start(port, move |method, _| {
        if method == "eth_call" {
            mine(port);
        }
        Answer::Pass
    });
    let node = quotapass_testkit::bench::node(&anvil, &proxy.http(), RpcSettings::default());
    let bench = AnvilBench::on(anvil, node);
    join(&bench, 0, 0, SMALL);
    let head = bench.registry.head().unwrap();
    assert_eq!(head.member_count, 1);
    assert_eq!(bench.registry.block(head.block.number).unwrap(), Some(head.block));
}

fn mine(port: u16) {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": [] });
    quotapass_testkit::anvil::post(port, &serde_json::to_vec(&request).unwrap());
}

#[test]
fn a_chain_that_changes_with_every_request_is_given_up_on() {
    let anvil = Anvil::start(START);
    let port = anvil.port();
    anvil.mine(3);
    // Every block has another hash each time it is read.
    let count = AtomicU32::new(0);
    let proxy = Proxy::start(port, move |method, params| match method {
        "eth_getBlockByNumber" => {
            let number = params[0].as_str().filter(|number| number.starts_with("0x")).unwrap_or("0x3");
            let hash = format!("0x{:064x}", count.fetch_add(1, Ordering::SeqCst));
            Answer::Result(json!({ "number": number, "hash": hash, "timestamp": "0x1" }))
        }
        "eth_call" => Answer::Result(json!("0x01")),
        _ => Answer::Pass,
    });
    let node = JsonRpcNode::connect(&proxy.http(), hasty()).unwrap();
    let call = Call { to: Address::ZERO, data: Default::default() };
    assert_eq!(node.call(&[call]), Err(NodeError::Unsteady));
}

#[test]
fn what_is_no_registry_is_refused() {
    let bench = AnvilBench::http();
    let nobody = Address::repeat_byte(0x99);
    let connect = |address| RegistryContract::connect(bench.node.clone(), address).unwrap_err();
    assert_eq!(connect(nobody), RegistryError::Node(NodeError::NoContract(nobody)));
    // The token has code but none of the registry's functions.
    assert!(matches!(connect(bench.registry.token()), RegistryError::Refused(_)));
}

#[test]
fn a_node_may_be_used_and_dropped_inside_a_runtime() {
    let anvil = Anvil::start(START);
    let url = anvil.http();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let chain_id = runtime.block_on(async move {
        let node = JsonRpcNode::connect(&url, RpcSettings::default()).unwrap();
        node.native_balance(Address::ZERO).unwrap();
        node.chain_id()
    });
    assert_eq!(chain_id, 31_337);
}
