//! The little that a registry needs of a chain. The embedded chain is one node; a JSON-RPC endpoint is another.

use core::ops::RangeInclusive;

use alloy_primitives::{Address, BlockNumber, Bytes, Log, TxHash};
use serde::{Deserialize, Serialize};

use super::Block;

/// A call of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The contract.
    pub to: Address,
    /// Selector and arguments.
    pub data: Bytes,
}

/// A log and where it stands in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainLog {
    /// The block's height.
    pub block: BlockNumber,
    /// Its place among all logs of the block.
    pub index: u64,
    /// The transaction it came from.
    pub transaction: TxHash,
    /// Who wrote it, its topics and data.
    pub log: Log,
}

/// What became of a transaction that was included and succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReceipt {
    /// The transaction's hash.
    pub transaction: TxHash,
    /// The block it was included in.
    pub block: BlockNumber,
    /// Gas used, intrinsic gas included and refunds deducted.
    pub gas_used: u64,
    /// All logs of the transaction, in order.
    pub logs: Vec<ChainLog>,
}

/// Why a node did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The contract reverted, with this data.
    #[error("the contract reverted with {0}")]
    Reverted(Bytes),
    /// The transaction ran into a limit of the chain, such as its gas.
    #[error("the transaction was stopped by the chain: {0}")]
    Halted(String),
    /// The transaction was refused before it ran.
    #[error("the chain does not accept the transaction: {0}")]
    Rejected(String),
    /// There is no contract at an address.
    #[error("there is no contract at {0}; check the address and that the chain is the right one")]
    NoContract(Address),
    /// The node failed in the middle of something and its state cannot be trusted.
    #[error("the chain failed during an earlier operation; open it again from its file")]
    Failed,
}

/// An EVM chain.
pub trait Node: Send + Sync {
    /// EIP-155 chain id.
    fn chain_id(&self) -> u64;

    /// Calls contracts without changing anything, all on the state of one latest block, which it returns as well.
    ///
    /// # Errors
    /// [`NodeError::Reverted`] if any call reverts; [`NodeError::NoContract`] if there is no code to call.
    fn call(&self, calls: &[Call]) -> Result<(Block, Vec<Bytes>), NodeError>;

    /// Sends a transaction of an account whose key the node or backend holds, and waits until it is included. One that
    /// would revert is not sent.
    ///
    /// # Errors
    /// [`NodeError::Reverted`] and others; nothing has then changed.
    fn send(&self, from: Address, call: &Call) -> Result<NodeReceipt, NodeError>;

    /// All logs that a contract wrote in these blocks, oldest first.
    ///
    /// # Errors
    /// [`NodeError`] if the node cannot tell.
    fn logs(&self, contract: Address, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<ChainLog>, NodeError>;

    /// A block of the chain as it now stands; none if it is not that long.
    ///
    /// # Errors
    /// [`NodeError`] if the node cannot tell.
    fn block(&self, number: BlockNumber) -> Result<Option<Block>, NodeError>;
}
