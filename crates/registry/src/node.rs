//! The interface that a registry needs from a chain. The embedded chain and a JSON-RPC endpoint implement it.

use core::{ops::RangeInclusive, time::Duration};

use alloy_primitives::{Address, BlockNumber, Bytes, Log, TxHash, U256};
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

/// A log and its position in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainLog {
    /// The block's height.
    pub block: BlockNumber,
    /// Its index among all logs of the block.
    pub index: u64,
    /// The transaction that emitted it.
    pub transaction: TxHash,
    /// The emitting contract, topics and data.
    pub log: Log,
}

/// Result of a transaction that was included and succeeded.
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

/// Errors of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The contract reverted, with this data.
    #[error("the contract reverted with {0}")]
    Reverted(Bytes),
    /// The transaction reached a limit of the chain, such as its gas limit.
    #[error("the transaction was stopped by the chain: {0}")]
    Halted(String),
    /// The transaction was refused before it ran.
    #[error("the chain does not accept the transaction: {0}")]
    Rejected(String),
    /// There is no contract at an address.
    #[error("there is no contract at {0}; check the address and that the chain is the right one")]
    NoContract(Address),
    /// The node failed during an operation, so its state cannot be trusted.
    #[error("the chain failed during an earlier operation; open it again, or connect to it again")]
    Failed,
    /// The address of the endpoint has an unknown form.
    #[error("{0} is not the address of an endpoint; give http(s)://, ws(s)://, or the path of an IPC socket")]
    InvalidEndpoint(String),
    /// The certificates for TLS to the endpoint cannot be read.
    #[error("cannot use the certificates for the endpoint: {0}; give them in PEM")]
    Certificates(String),
    /// The file with the endpoint's password cannot be read.
    #[error("cannot read the password of the endpoint: {0}; check the file and its owner")]
    Password(String),
    /// The endpoint does not answer.
    #[error("cannot reach {endpoint}: {reason}; check the address and that the node runs")]
    Unreachable {
        /// The endpoint's address without parts that may be a key.
        endpoint: String,
        /// The cause.
        reason: String,
    },
    /// The endpoint took longer than allowed.
    #[error("{endpoint} did not answer within {} s; try again later, allow it more time, or use another endpoint",
        timeout.as_secs_f32())]
    TimedOut {
        /// The endpoint's address without parts that may be a key.
        endpoint: String,
        /// The time limit.
        timeout: Duration,
    },
    /// The endpoint limits the rate of requests.
    #[error("the endpoint received too many requests{}; wait, or use another endpoint", in_words(*retry_after))]
    RateLimited {
        /// The delay that it asks for.
        retry_after: Option<Duration>,
    },
    /// The range has too many blocks or logs for the endpoint.
    #[error("the endpoint refuses this many blocks or logs at once ({0}); ask for fewer blocks")]
    RangeTooWide(String),
    /// The endpoint refuses the logs of a single block.
    #[error(
        "the endpoint does not give the logs of block {block}, even alone ({reason}): the block is too large for it, \
         or older than the history that it keeps; use another endpoint, or set `first_block` if the registry's first \
         deposit is later"
    )]
    BlockTooLarge {
        /// The block.
        block: BlockNumber,
        /// The endpoint's reason.
        reason: String,
    },
    /// The endpoint belongs to another chain.
    #[error(
        "the endpoint is on chain {found}, not on the expected chain {expected}; use an endpoint of chain {expected}"
    )]
    WrongChain {
        /// The expected chain id.
        expected: u64,
        /// The chain id of the endpoint.
        found: u64,
    },
    /// The endpoint answered with an error that has no variant here.
    #[error("the endpoint answered with error {code}: {message}")]
    Rpc {
        /// The JSON-RPC error code.
        code: i64,
        /// The message.
        message: String,
    },
    /// The endpoint's answer is not a valid answer of a node.
    #[error("the endpoint's answer is invalid: {0}; check its address, or use another endpoint")]
    BadAnswer(String),
    /// The chain changes too fast or the endpoint's servers disagree: no two reads saw the same block.
    #[error("the endpoint's latest block changed with every request; try again, or use another endpoint")]
    Unsteady,
    /// The key of the account is missing.
    #[error("there is no key for account {0}; give its private key, its keystore file or its hardware wallet")]
    NoKey(Address),
    /// Signing failed.
    #[error("the transaction could not be signed: {0}")]
    Signing(String),
    /// The memory of sent transactions cannot be read or written.
    #[error("the memory of sent transactions cannot be used: {0}; nothing was sent")]
    Outbox(String),
    /// The account cannot pay for the gas.
    #[error(
        "account {account} holds {balance} wei and may need {needed} wei for the transaction; send it some of the \
             chain's own coin"
    )]
    InsufficientFunds {
        /// The account.
        account: Address,
        /// Its balance, in wei.
        balance: U256,
        /// The maximum cost of the transaction, in wei.
        needed: U256,
    },
    /// Another transaction of the account used the nonce.
    #[error("another transaction of account {0} came first; wait until it is included, then try again")]
    NonceConflict(Address),
    /// The network does not accept transactions with this fee.
    #[error("the network refuses the transaction because of its fee ({0}); try again later")]
    FeeTooLow(String),
    /// The endpoint stopped answering after the transaction was sent.
    #[error("the outcome of transaction {transaction} is unknown ({reason}); look it up before you send it again")]
    Unconfirmed {
        /// The transaction.
        transaction: TxHash,
        /// Why its outcome is unknown.
        reason: String,
    },
    /// The transaction is not in a block yet.
    #[error("transaction {transaction} is not in a block after {} s; it may still be included: look it up before you \
             send it again", waited.as_secs())]
    NotIncluded {
        /// The transaction; the latest one if it was replaced.
        transaction: TxHash,
        /// The time waited.
        waited: Duration,
    },
}

impl NodeError {
    /// Whether a query for the logs of fewer blocks may succeed: the number of blocks or logs may be the cause.
    pub fn may_be_too_wide(&self) -> bool {
        matches!(
            self,
            Self::RangeTooWide(_)
                | Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::RateLimited { .. }
                | Self::Rpc { .. }
                | Self::BadAnswer(_)
        )
    }
}

fn in_words(retry_after: Option<Duration>) -> String {
    retry_after.map(|delay| format!(" and asks to wait {} s", delay.as_secs())).unwrap_or_default()
}

/// An EVM chain.
pub trait Node: Send + Sync {
    /// EIP-155 chain id.
    fn chain_id(&self) -> u64;

    /// Calls contracts without changing anything. All calls run on the state of the same latest block, which is also
    /// returned.
    ///
    /// # Errors
    /// [`NodeError::Reverted`] if any call reverts; [`NodeError::NoContract`] if a contract has no code.
    fn call(&self, calls: &[Call]) -> Result<(Block, Vec<Bytes>), NodeError>;

    /// Reads the code of a contract.
    ///
    /// # Errors
    /// [`NodeError::NoContract`] if there is none.
    fn code(&self, contract: Address) -> Result<Bytes, NodeError>;

    /// Sends a transaction of an account whose key the node or backend holds, and waits until it is included. A
    /// transaction that would revert is not sent.
    ///
    /// # Errors
    /// [`NodeError::Reverted`] and others; nothing is changed then.
    fn send(&self, from: Address, call: &Call) -> Result<NodeReceipt, NodeError>;

    /// Reads all logs of a contract in these blocks, oldest first.
    ///
    /// # Errors
    /// [`NodeError`] if the node cannot tell.
    fn logs(&self, contract: Address, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<ChainLog>, NodeError>;

    /// Reads a block of the current chain; `None` if the chain is shorter.
    ///
    /// # Errors
    /// [`NodeError`] if the node cannot tell.
    fn block(&self, number: BlockNumber) -> Result<Option<Block>, NodeError>;
}
