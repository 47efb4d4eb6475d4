//! An embedded chain behind an endpoint that fails on demand.

use core::ops::RangeInclusive;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use quotapass_registry::{
    Block, RegistryContract, RegistryError, RegistryWriter,
    alloy_primitives::{Address, BlockNumber, Bytes, TxHash},
    embedded::EmbeddedChain,
    node::{Call, ChainLog, Node, NodeError, NodeReceipt},
};
use quotapass_relay::chain::RegistryLink;

/// The fault of a transaction.
pub enum Fault {
    /// It is not sent.
    Lost,
    /// It is included, but the answer is lost.
    AnswerLost,
}

#[derive(Default)]
struct NodeState {
    is_down: AtomicBool,
    faults: Mutex<VecDeque<Fault>>,
    sent: AtomicU64,
}

/// The endpoint. A clone is the same endpoint.
#[derive(Clone)]
pub struct Endpoint {
    chain: EmbeddedChain,
    state: Arc<NodeState>,
}

impl Endpoint {
    pub fn new(chain: EmbeddedChain) -> Self {
        Self { chain, state: Arc::default() }
    }

    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Makes the next transactions fail.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.faults.lock().unwrap().extend(faults);
    }

    /// Returns the number of included transactions.
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }

    /// Returns a link to the registry at an address.
    pub fn link(&self, registry: [u8; 20]) -> Arc<RegistryLink> {
        let endpoint = self.clone();
        Arc::new(RegistryLink::new(move || {
            let registry = RegistryContract::connect(endpoint.clone(), registry.into())?;
            Ok::<Arc<dyn RegistryWriter>, RegistryError>(Arc::new(registry))
        }))
    }

    fn up(&self) -> Result<&EmbeddedChain, NodeError> {
        if self.state.is_down.load(Ordering::Relaxed) {
            return Err(NodeError::Unreachable { endpoint: "test".into(), reason: "down".into() });
        }
        Ok(&self.chain)
    }
}

impl Node for Endpoint {
    fn chain_id(&self) -> u64 {
        self.chain.chain_id()
    }

    fn call(&self, calls: &[Call]) -> Result<(Block, Vec<Bytes>), NodeError> {
        self.up()?.call(calls)
    }

    fn code(&self, contract: Address) -> Result<Bytes, NodeError> {
        self.up()?.code(contract)
    }

    fn send(&self, from: Address, call: &Call) -> Result<NodeReceipt, NodeError> {
        let chain = self.up()?;
        let unconfirmed = || NodeError::Unconfirmed { transaction: TxHash::ZERO, reason: "test".into() };
        let fault = self.state.faults.lock().unwrap().pop_front();
        if let Some(Fault::Lost) = fault {
            return Err(unconfirmed());
        }
        let receipt = chain.send(from, call)?;
        self.state.sent.fetch_add(1, Ordering::Relaxed);
        if fault.is_some() { Err(unconfirmed()) } else { Ok(receipt) }
    }

    fn logs(&self, contract: Address, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<ChainLog>, NodeError> {
        // Like a strict provider.
        if blocks.end() - blocks.start() >= 16 {
            return Err(NodeError::RangeTooWide("16 blocks at most".into()));
        }
        self.up()?.logs(contract, blocks)
    }

    fn block(&self, number: BlockNumber) -> Result<Option<Block>, NodeError> {
        self.up()?.block(number)
    }
}
