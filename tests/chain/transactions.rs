//! Tests of transactions that are refused, stuck, replaced, or whose outcome is unknown.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use quotapass_registry::{
    ContractRefusal, Observer, RegistryContract, RegistryError, RegistryReader, RegistryWriter,
    alloy_primitives::{Address, U256},
    node::{Node, NodeError},
    rpc::{JsonRpcNode, NodeProgress, RpcSettings},
};
use quotapass_testkit::{
    bench::{AnvilBench, Bench, SMALL, join, key, secret, slash_proof, tokens},
    proxy::{Answer, Proxy},
};
use serde_json::json;

/// All progress reports, in order.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<NodeProgress>>>);

impl Told {
    pub fn observer(&self) -> Observer<NodeProgress> {
        let told = Arc::clone(&self.0);
        Observer::new(move |progress| told.lock().unwrap().push(progress))
    }

    fn all(&self) -> Vec<NodeProgress> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for a progress report.
    pub fn wait_for<T>(&self, wanted: impl Fn(&NodeProgress) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = self.all().iter().find_map(&wanted) {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "reported only {:?}", self.all());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The bench's registry through another connection.
pub fn through(bench: &AnvilBench, url: &str, settings: RpcSettings) -> RegistryContract<JsonRpcNode> {
    let node = JsonRpcNode::connect(url, settings).unwrap().with_account(key(0)).with_account(key(1));
    RegistryContract::connect(node, bench.address()).unwrap()
}

pub fn nonce(bench: &AnvilBench, account: Address) -> u64 {
    let nonce = bench.anvil.rpc("eth_getTransactionCount", json!([account, "latest"]));
    u64::from_str_radix(&nonce.as_str().unwrap()[2..], 16).unwrap()
}

pub fn node_error<T: core::fmt::Debug>(result: Result<T, RegistryError>) -> NodeError {
    match result.unwrap_err() {
        RegistryError::Node(error) => error,
        other => panic!("expected an error of the node, got {other:?}"),
    }
}

#[test]
fn a_transaction_tells_how_it_goes() {
    let bench = AnvilBench::http();
    let told = Told::default();
    let registry =
        through(&bench, &bench.anvil.http(), RpcSettings { progress: told.observer(), ..RpcSettings::default() });
    let receipt = registry.approve(bench.account(0), tokens(1)).unwrap();
    let told = told.all();
    let [
        NodeProgress::Sent { transaction, from, .. },
        NodeProgress::Included { transaction: included, block, gas_used },
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((transaction, included, from), (receipt.transaction, receipt.transaction, bench.account(0)));
    assert_eq!((block, gas_used), (receipt.block, receipt.gas_used));
}

#[test]
fn what_would_revert_is_not_sent() {
    let bench = AnvilBench::http();
    let from = bench.account(0);
    let before = nonce(&bench, from);
    let refused = bench.registry.request_exit(from, quotapass_circuits::membership::MemberIndex(5)).unwrap_err();
    assert_eq!(refused, ContractRefusal::UnknownMember(U256::from(5)).into());
    assert_eq!(refused.to_string(), "no member was ever added at index 5; check the index");
    assert_eq!(nonce(&bench, from), before);
}

#[test]
fn an_account_without_a_key_or_without_ether_pays_nothing() {
    let bench = AnvilBench::http();
    let stranger = Address::repeat_byte(0x55);
    assert_eq!(node_error(bench.registry.approve(stranger, tokens(1))), NodeError::NoKey(stranger));
    let account = bench.account(0);
    for balance in [0u64, 1_000_000] {
        bench.anvil.rpc("anvil_setBalance", json!([account, format!("{balance:#x}")]));
        let error = node_error(bench.registry.approve(account, tokens(1)));
        let NodeError::InsufficientFunds { account: poor, balance: held, needed } = error else {
            panic!("{error:?}");
        };
        assert_eq!((poor, held), (account, U256::from(balance)));
        assert!(needed > held);
    }
}

#[test]
fn a_stuck_transaction_is_replaced_with_higher_fees() {
    let bench = AnvilBench::http();
    let told = Told::default();
    let settings = RpcSettings {
        replace_after: Duration::from_millis(300),
        replacements: 3,
        progress: told.observer(),
        ..RpcSettings::default()
    };
    let registry = through(&bench, &bench.anvil.http(), settings);
    let from = bench.account(0);
    let before = nonce(&bench, from);
    bench.anvil.stop_mining();
    let sender = thread::spawn(move || registry.approve(from, tokens(7)));
    let first = told.wait_for(|progress| match progress {
        NodeProgress::Sent { max_fee_per_gas, .. } => Some(*max_fee_per_gas),
        _ => None,
    });
    // The base fee rises above the offered fee, so the block does not include the transaction.
    let base_fee = first * 3;
    bench.anvil.rpc("anvil_setNextBlockBaseFeePerGas", json!([format!("{base_fee:#x}")]));
    bench.anvil.mine(1);
    let offered = told.wait_for(|progress| match progress {
        NodeProgress::Replaced { max_fee_per_gas, .. } if *max_fee_per_gas >= base_fee => Some(*max_fee_per_gas),
        _ => None,
    });
    assert!(offered * 1000 >= first * 1125, "{offered} after {first}");
    bench.anvil.mine(1);
    let receipt = sender.join().unwrap().unwrap();
    let told = told.all();
    let replaced = |progress: &NodeProgress| match progress {
        NodeProgress::Replaced { transaction, .. } => Some(*transaction),
        _ => None,
    };
    assert!(told.iter().filter_map(replaced).any(|transaction| transaction == receipt.transaction), "{told:?}");
    // It was sent several times but executed once.
    assert_eq!(nonce(&bench, from), before + 1);
    assert_eq!(bench.registry.allowance(from).unwrap(), tokens(7));
}

#[test]
fn a_transaction_in_no_block_is_given_up_on_after_a_while() {
    let bench = AnvilBench::http();
    let settings = RpcSettings { give_up_after: Duration::from_millis(400), ..RpcSettings::default() };
    let registry = through(&bench, &bench.anvil.http(), settings);
    bench.anvil.stop_mining();
    let error = node_error(registry.approve(bench.account(0), tokens(1)));
    assert!(matches!(error, NodeError::NotIncluded { .. }), "{error:?}");
}

#[test]
fn an_endpoint_that_hangs_up_is_asked_whether_it_has_the_transaction() {
    let bench = AnvilBench::http();
    let hasty = RpcSettings { timeout: Duration::from_secs(2), retries: 2, ..RpcSettings::default() };

    // The endpoint had accepted it: nothing is sent twice.
    let sent = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&sent);
    let proxy = Proxy::start(bench.anvil.port(), move |method, _| match method {
        "eth_sendRawTransaction" => {
            count.fetch_add(1, Ordering::SeqCst);
            Answer::PassAndHangUp
        }
        _ => Answer::Pass,
    });
    through(&bench, &proxy.http(), hasty.clone()).approve(bench.account(0), tokens(3)).unwrap();
    assert_eq!(bench.registry.allowance(bench.account(0)).unwrap(), tokens(3));

    // The endpoint had not accepted it.
    let count = Arc::clone(&sent);
    let proxy = Proxy::start(bench.anvil.port(), move |method, _| match method {
        "eth_sendRawTransaction" => {
            count.fetch_add(1, Ordering::SeqCst);
            Answer::HangUp
        }
        _ => Answer::Pass,
    });
    let error = node_error(through(&bench, &proxy.http(), hasty).approve(bench.account(0), tokens(4)));
    assert!(matches!(error, NodeError::Unconfirmed { .. }), "{error:?}");
    assert_eq!(bench.registry.allowance(bench.account(0)).unwrap(), tokens(3));
    // reqwest may repeat a request if the connection was closed before a byte of the answer was read. The same signed
    // transaction sent twice is one transaction.
    assert!(sent.load(Ordering::SeqCst) <= 4, "{sent:?}");
}

#[test]
fn a_receipt_that_is_not_ready_is_asked_for_again() {
    let bench = AnvilBench::http();
    let not_ready: [fn() -> Answer; 4] = [
        || Answer::Error(-32000, "transaction indexing is in progress"),
        || Answer::Error(-32603, "receipts of this block are not available"),
        || Answer::Result(json!("soon")),
        || {
            Answer::Change(|mut receipt| {
                receipt["blockNumber"] = json!(null);
                receipt["blockHash"] = json!(null);
                receipt
            })
        },
    ];
    for (amount, answer) in (1..).zip(not_ready) {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let proxy = Proxy::start(bench.anvil.port(), move |method, _| match method {
            "eth_getTransactionReceipt" if count.fetch_add(1, Ordering::SeqCst) < 3 => answer(),
            _ => Answer::Pass,
        });
        let registry = through(&bench, &proxy.http(), RpcSettings::default());
        registry.approve(bench.account(0), tokens(amount)).unwrap();
        assert_eq!(bench.registry.allowance(bench.account(0)).unwrap(), tokens(amount));
        assert_eq!(asked.load(Ordering::SeqCst), 4);
    }

    // Refused for good: the outcome is unknown, and the error names the transaction.
    let proxy = Proxy::start(bench.anvil.port(), |method, _| match method {
        "eth_getTransactionReceipt" => Answer::Error(-32601, "the method does not exist"),
        _ => Answer::Pass,
    });
    let settings = RpcSettings { retries: 2, ..RpcSettings::default() };
    let error = node_error(through(&bench, &proxy.http(), settings).approve(bench.account(0), tokens(9)));
    assert!(matches!(error, NodeError::Unconfirmed { .. }), "{error:?}");
    assert_eq!(bench.registry.allowance(bench.account(0)).unwrap(), tokens(9));
}

#[test]
fn a_transaction_that_meets_a_rate_limit_is_sent_again_with_the_same_bytes() {
    let bench = AnvilBench::http();
    let from = bench.account(0);
    let before = nonce(&bench, from);
    let limits: [fn() -> Answer; 2] = [
        || Answer::Http(429, "Retry-After: 1\r\n", "slow down"),
        || Answer::Error(-32005, "You've exceeded the requests per second limit"),
    ];
    for (sends, limit) in (1..).zip(limits) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&sent);
        let proxy = Proxy::start(bench.anvil.port(), move |method, params| {
            if method != "eth_sendRawTransaction" {
                return Answer::Pass;
            }
            let mut all = all.lock().unwrap();
            all.push(params.clone());
            if all.len() <= 2 { limit() } else { Answer::Pass }
        });
        through(&bench, &proxy.http(), RpcSettings::default()).approve(from, tokens(sends)).unwrap();
        let sent = sent.lock().unwrap();
        assert!(sent.len() == 3 && sent.iter().all(|bytes| *bytes == sent[0]), "{sent:?}");
        assert_eq!(nonce(&bench, from), before + sends);
    }
}

#[test]
fn a_transaction_that_was_taken_and_refused_is_waited_for() {
    let bench = AnvilBench::http();
    // A server takes the transaction, and says "too many requests". The same bytes then have a used nonce.
    let sent = AtomicU32::new(0);
    let port = bench.anvil.port();
    let proxy = Proxy::start(port, move |method, params| {
        if method != "eth_sendRawTransaction" {
            return Answer::Pass;
        }
        if sent.fetch_add(1, Ordering::SeqCst) == 0 {
            let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
            quotapass_testkit::anvil::post(port, &serde_json::to_vec(&request).unwrap());
            return Answer::Http(429, "", "");
        }
        Answer::Error(-32000, "nonce too low")
    });
    through(&bench, &proxy.http(), RpcSettings::default()).approve(bench.account(0), tokens(6)).unwrap();
    assert_eq!(bench.registry.allowance(bench.account(0)).unwrap(), tokens(6));
}

#[test]
fn refusals_of_the_network_have_types() {
    let bench = AnvilBench::http();
    let from = bench.account(0);
    // A server that is behind returns a used nonce.
    bench.registry.approve(from, tokens(1)).unwrap();
    let proxy = Proxy::start(bench.anvil.port(), |method, _| match method {
        "eth_getTransactionCount" => Answer::Result(json!("0x0")),
        _ => Answer::Pass,
    });
    let error = node_error(through(&bench, &proxy.http(), RpcSettings::default()).approve(from, tokens(2)));
    assert_eq!(error, NodeError::NonceConflict(from));

    let refused = |message: &'static str| {
        let proxy = Proxy::start(bench.anvil.port(), move |method, _| match method {
            "eth_sendRawTransaction" => Answer::Error(-32000, message),
            _ => Answer::Pass,
        });
        node_error(through(&bench, &proxy.http(), RpcSettings::default()).approve(from, tokens(2)))
    };
    assert!(matches!(refused("transaction underpriced"), NodeError::FeeTooLow(_)));
    assert!(matches!(refused("insufficient funds for gas * price + value"), NodeError::InsufficientFunds { .. }));
    assert!(matches!(refused("transaction type not supported"), NodeError::Rejected(_)));
    assert_eq!(bench.registry.allowance(from).unwrap(), tokens(1));
}

#[test]
fn a_transaction_that_fails_in_its_block_says_why() {
    let bench = AnvilBench::http();
    let index = join(&bench, 2, 1, SMALL);
    // Both are sent while the member is in the tree, and both are included in one block.
    bench.anvil.stop_mining();
    let proxy = Proxy::start(bench.anvil.port(), |method, _| match method {
        "eth_estimateGas" => Answer::Result(json!("0x7a120")),
        _ => Answer::Pass,
    });
    let senders: Vec<_> = [0, 1]
        .map(|n| {
            let told = Told::default();
            let settings = RpcSettings { progress: told.observer(), ..RpcSettings::default() };
            let (registry, from) = (through(&bench, &proxy.http(), settings), bench.account(n));
            let proof = slash_proof(&registry, &secret(1), from);
            let sender = thread::spawn(move || registry.slash(from, index, from, &proof));
            (sender, told)
        })
        .into();
    for (_, told) in &senders {
        told.wait_for(|progress| matches!(progress, NodeProgress::Sent { .. }).then_some(()));
    }
    bench.anvil.mine(1);
    let results: Vec<_> = senders.into_iter().map(|(sender, _)| sender.join().unwrap()).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let refused = results.into_iter().find_map(Result::err).unwrap();
    assert!(matches!(refused, RegistryError::Refused(ContractRefusal::MemberGone(_))), "{refused:?}");
}

#[test]
fn balances_of_the_chains_own_coin_are_told() {
    let bench = AnvilBench::http();
    let account = Address::repeat_byte(0x31);
    assert_eq!(bench.node.native_balance(account).unwrap(), U256::ZERO);
    bench.anvil.rpc("anvil_setBalance", json!([account, "0x7b"]));
    assert_eq!(bench.node.native_balance(account).unwrap(), U256::from(123));
    assert_eq!(bench.node.account(), Some(bench.account(0)));
    assert_eq!(bench.node.chain_id(), 31_337);
    join(&bench, 0, 0, SMALL);
}
