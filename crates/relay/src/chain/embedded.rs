//! An embedded chain that follows a clock and is saved to its file.

use core::ops::RangeInclusive;
use std::sync::Arc;

use alloy_primitives::{Address, BlockNumber, Bytes};
use parking_lot::Mutex;
use quotapass_registry::{
    Block,
    embedded::EmbeddedChain,
    node::{Call, ChainLog, Node, NodeError, NodeReceipt},
};
use tracing::error;

use crate::Clock;

/// An embedded chain for a relay without an endpoint. Each transaction is made at the clock's time, or at the chain's
/// time if that is later, and then the chain's file is written. A clone is the same chain.
#[derive(Clone)]
pub struct ClockedChain {
    chain: EmbeddedChain,
    clock: Arc<dyn Clock>,
    /// Serializes transactions and the writes of the file.
    sending: Arc<Mutex<()>>,
}

impl ClockedChain {
    /// Creates the chain with a clock.
    pub fn new(chain: EmbeddedChain, clock: Arc<dyn Clock>) -> Self {
        Self { chain, clock, sending: Arc::default() }
    }
}

impl Node for ClockedChain {
    fn chain_id(&self) -> u64 {
        self.chain.chain_id()
    }

    fn call(&self, calls: &[Call]) -> Result<(Block, Vec<Bytes>), NodeError> {
        self.chain.call(calls)
    }

    fn code(&self, contract: Address) -> Result<Bytes, NodeError> {
        self.chain.code(contract)
    }

    fn send(&self, from: Address, call: &Call) -> Result<NodeReceipt, NodeError> {
        let _one_by_one = self.sending.lock();
        self.chain.advance(self.clock.now().since(self.chain.now()?))?;
        let receipt = self.chain.send(from, call)?;
        if let Err(error) = self.chain.save() {
            // The transaction is valid nevertheless, and the next one writes both.
            error!(%error, "cannot write the embedded chain; after a restart its latest transaction is undone");
        }
        Ok(receipt)
    }

    fn logs(&self, contract: Address, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<ChainLog>, NodeError> {
        self.chain.logs(contract, blocks)
    }

    fn block(&self, number: BlockNumber) -> Result<Option<Block>, NodeError> {
        self.chain.block(number)
    }
}

impl core::fmt::Debug for ClockedChain {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ClockedChain({})", self.chain_id())
    }
}
