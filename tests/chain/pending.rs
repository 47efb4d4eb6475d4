//! Tests of transactions that outlive the process that sent them, and of confirmations.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use quotapass_registry::{
    RegistryReader, RegistryWriter,
    alloy_primitives::Address,
    node::NodeError,
    rpc::{NodeProgress, Outbox, OutgoingTransaction, RpcSettings, Standing},
};
use quotapass_testkit::{
    bench::{AnvilBench, Bench, SMALL, join, tokens},
    proxy::{Answer, Proxy},
};
use serde_json::json;

use crate::transactions::{Told, node_error, nonce, through};

/// A memory that several connections share, as several processes share a folder.
#[derive(Debug, Default)]
struct Memory {
    sent: Mutex<Vec<OutgoingTransaction>>,
    /// Whether it cannot be written.
    is_full: AtomicBool,
}

impl Memory {
    fn all(&self) -> Vec<OutgoingTransaction> {
        self.sent.lock().unwrap().clone()
    }

    fn only(&self) -> OutgoingTransaction {
        let all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }
}

impl Outbox for Memory {
    fn remember(&self, transaction: &OutgoingTransaction) -> io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.sent.lock().unwrap().push(transaction.clone());
        Ok(())
    }

    fn of_account(&self, chain_id: u64, from: Address) -> io::Result<Vec<OutgoingTransaction>> {
        let is_of = |sent: &OutgoingTransaction| (sent.chain_id, sent.from) == (chain_id, from);
        Ok(self.all().into_iter().filter(is_of).collect())
    }

    fn forget(&self, transaction: &OutgoingTransaction) -> io::Result<()> {
        self.sent.lock().unwrap().retain(|sent| sent != transaction);
        Ok(())
    }
}

fn remembering(memory: &Arc<Memory>) -> RpcSettings {
    let outbox: Arc<dyn Outbox> = memory.clone();
    RpcSettings { outbox: Some(outbox), ..RpcSettings::default() }
}

/// Settings of a process that ends before its transaction is in a block.
fn hasty(memory: &Arc<Memory>) -> RpcSettings {
    RpcSettings { give_up_after: Duration::from_millis(300), ..remembering(memory) }
}

#[test]
fn a_transaction_is_remembered_before_it_is_sent_and_forgotten_when_it_is_in_a_block() {
    let bench = AnvilBench::http();
    let memory = Arc::new(Memory::default());
    let (seen, sent) = (Arc::clone(&memory), Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&sent);
    let proxy = Proxy::start(bench.anvil.port(), move |method, _| {
        if method == "eth_sendRawTransaction" {
            count.fetch_add(1, Ordering::SeqCst);
            assert_eq!(seen.all().len(), 1);
        }
        Answer::Pass
    });
    let registry = through(&bench, &proxy.http(), remembering(&memory));
    registry.approve(bench.account(0), tokens(1)).unwrap();
    assert!(memory.all().is_empty());

    // What cannot be remembered is not sent.
    memory.is_full.store(true, Ordering::SeqCst);
    let error = node_error(registry.approve(bench.account(0), tokens(2)));
    assert!(matches!(error, NodeError::Outbox(_)), "{error:?}");
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    memory.is_full.store(false, Ordering::SeqCst);

    // What was refused is forgotten.
    let proxy = Proxy::start(bench.anvil.port(), |method, _| match method {
        "eth_sendRawTransaction" => Answer::Error(-32000, "transaction type not supported"),
        _ => Answer::Pass,
    });
    node_error(through(&bench, &proxy.http(), remembering(&memory)).approve(bench.account(0), tokens(3)));
    assert!(memory.all().is_empty());
}

#[test]
fn the_next_process_waits_for_the_same_call_and_sends_nothing() {
    let bench = AnvilBench::http();
    let (memory, from) = (Arc::new(Memory::default()), bench.account(0));
    let index = join(&bench, 0, 1, SMALL);
    let before = nonce(&bench, from);
    bench.anvil.stop_mining();
    let error = node_error(through(&bench, &bench.anvil.http(), hasty(&memory)).request_exit(from, index));
    assert!(matches!(error, NodeError::NotIncluded { .. }), "{error:?}");
    let sent = memory.only();
    assert_eq!((sent.from, sent.to, sent.nonce), (from, Some(bench.address()), before));
    assert_eq!(bench.node.standing(vec![sent.clone()]).unwrap(), Standing::Waiting);

    // It is found although it is not in a block yet.
    let told = Told::default();
    let settings = RpcSettings { progress: told.observer(), ..remembering(&memory) };
    let registry = through(&bench, &bench.anvil.http(), settings);
    let next = thread::spawn(move || registry.request_exit(from, index));
    told.wait_for(|progress| matches!(progress, NodeProgress::Resumed { .. }).then_some(()));
    bench.anvil.mine(1);
    let receipt = next.join().unwrap().unwrap();
    assert_eq!((receipt.transaction, nonce(&bench, from)), (sent.hash, before + 1));
    assert_eq!(bench.node.standing(vec![sent.clone()]).unwrap(), Standing::Included(receipt.block));
    assert!(memory.all().is_empty());
}

#[test]
fn the_next_process_waits_for_another_call_before_its_own() {
    let bench = AnvilBench::http();
    let (memory, from) = (Arc::new(Memory::default()), bench.account(0));
    let before = nonce(&bench, from);
    bench.anvil.stop_mining();
    node_error(through(&bench, &bench.anvil.http(), hasty(&memory)).approve(from, tokens(1)));
    bench.anvil.mine(1);
    bench.anvil.rpc("evm_setAutomine", json!([true]));
    let registry = through(&bench, &bench.anvil.http(), remembering(&memory));
    let settled = registry.node().settle(from).unwrap();
    assert!(matches!(&settled[..], [only] if only.outcome.is_ok()), "{settled:?}");
    registry.approve(from, tokens(2)).unwrap();
    assert_eq!(nonce(&bench, from), before + 2);
    assert_eq!(bench.registry.allowance(from).unwrap(), tokens(2));
    assert!(memory.all().is_empty());
}

#[test]
fn a_stuck_transaction_of_an_earlier_process_is_replaced_with_higher_fees() {
    let bench = AnvilBench::http();
    let (memory, from) = (Arc::new(Memory::default()), bench.account(0));
    let before = nonce(&bench, from);
    bench.anvil.stop_mining();
    node_error(through(&bench, &bench.anvil.http(), hasty(&memory)).approve(from, tokens(5)));
    let base_fee = memory.only().max_fee_per_gas * 3;
    bench.anvil.rpc("anvil_setNextBlockBaseFeePerGas", json!([format!("{base_fee:#x}")]));
    bench.anvil.mine(1);
    let told = Told::default();
    let settings =
        RpcSettings { replace_after: Duration::from_millis(300), progress: told.observer(), ..remembering(&memory) };
    let registry = through(&bench, &bench.anvil.http(), settings);
    let next = thread::spawn(move || registry.approve(from, tokens(5)));
    told.wait_for(|progress| match progress {
        NodeProgress::Replaced { max_fee_per_gas, .. } if *max_fee_per_gas >= base_fee => Some(()),
        _ => None,
    });
    bench.anvil.mine(1);
    next.join().unwrap().unwrap();
    assert_eq!((nonce(&bench, from), memory.all().len()), (before + 1, 0));
}

#[test]
fn a_transaction_that_never_arrived_gives_its_nonce_to_the_next() {
    let bench = AnvilBench::http();
    let (memory, from) = (Arc::new(Memory::default()), bench.account(0));
    let before = nonce(&bench, from);
    let proxy = Proxy::start(bench.anvil.port(), |method, _| match method {
        "eth_sendRawTransaction" => Answer::HangUp,
        _ => Answer::Pass,
    });
    let error = node_error(through(&bench, &proxy.http(), remembering(&memory)).approve(from, tokens(1)));
    assert!(matches!(error, NodeError::Unconfirmed { .. }), "{error:?}");
    let sent = memory.only();
    assert_eq!(bench.node.standing(vec![sent.clone()]).unwrap(), Standing::Unknown);

    through(&bench, &bench.anvil.http(), remembering(&memory)).approve(from, tokens(2)).unwrap();
    assert_eq!((nonce(&bench, from), memory.all().len()), (before + 1, 0));
    assert_eq!(bench.node.standing(vec![sent.clone()]).unwrap(), Standing::Superseded);
}

#[test]
fn a_transaction_whose_nonce_another_one_used_is_given_up_on() {
    let bench = AnvilBench::http();
    let (memory, from) = (Arc::new(Memory::default()), bench.account(0));
    bench.anvil.stop_mining();
    node_error(through(&bench, &bench.anvil.http(), hasty(&memory)).approve(from, tokens(1)));
    let sent = memory.only();
    // The wallet sends something else with the nonce.
    bench.anvil.rpc("anvil_dropTransaction", json!([sent.hash]));
    bench.anvil.rpc("evm_setAutomine", json!([true]));
    bench.registry.approve(from, tokens(2)).unwrap();
    let registry = through(&bench, &bench.anvil.http(), remembering(&memory));
    let settled = registry.node().settle(from).unwrap();
    assert!(
        matches!(&settled[..], [only] if only.outcome.as_ref().err() == Some(&NodeError::NonceConflict(from))),
        "{settled:?}"
    );
    assert!(memory.all().is_empty());
}

#[test]
fn a_transaction_counts_after_enough_blocks() {
    let bench = AnvilBench::http();
    let told = Told::default();
    let settings = RpcSettings { confirmations: 3, progress: told.observer(), ..RpcSettings::default() };
    let registry = through(&bench, &bench.anvil.http(), settings);
    let from = bench.account(0);
    let sender = thread::spawn(move || registry.approve(from, tokens(1)));
    for expected in 1..3 {
        let is_expected = |progress: &NodeProgress| match progress {
            NodeProgress::Confirming { confirmations, wanted: 3, .. } => (*confirmations == expected).then_some(()),
            _ => None,
        };
        told.wait_for(is_expected);
        assert!(!sender.is_finished());
        bench.anvil.mine(1);
    }
    let receipt = sender.join().unwrap().unwrap();
    assert_eq!(bench.registry.latest_block().unwrap().number, receipt.block + 2);

    // Without more blocks, the error names the block.
    let settings =
        RpcSettings { give_up_after: Duration::from_millis(300), confirmations: 3, ..RpcSettings::default() };
    let error = node_error(through(&bench, &bench.anvil.http(), settings).approve(from, tokens(2)));
    let NodeError::Unconfirmed { reason, .. } = &error else { panic!("{error:?}") };
    assert!(reason.ends_with("with 1 of 3 confirmations"), "{reason}");
}
