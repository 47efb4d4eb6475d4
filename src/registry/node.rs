//! The little that a registry needs of a chain. The embedded chain is one node; a JSON-RPC endpoint is another.

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
    #[error("the chain failed during an earlier operation; open it again, or connect to it again")]
    Failed,
    /// The address of the endpoint is of no known kind.
    #[error("{0} is not the address of an endpoint; give http(s)://, ws(s)://, or the path of an IPC socket")]
    InvalidEndpoint(String),
    /// The certificates for TLS to the endpoint cannot be read.
    #[error("cannot use the certificates for the endpoint: {0}; give them in PEM")]
    Certificates(String),
    /// The file with the endpoint's password cannot be read.
    #[error("cannot read the password of the endpoint: {0}; check the file and its owner")]
    Password(String),
    /// Nobody answers at the endpoint.
    #[error("cannot reach {endpoint}: {reason}; check the address and that the node runs")]
    Unreachable {
        /// The endpoint, without what may be a key in its address.
        endpoint: String,
        /// What went wrong.
        reason: String,
    },
    /// The endpoint took longer than allowed.
    #[error("{endpoint} did not answer within {} s; try again later, allow it more time, or use another endpoint",
        timeout.as_secs_f32())]
    TimedOut {
        /// The endpoint, without what may be a key in its address.
        endpoint: String,
        /// How long it had.
        timeout: Duration,
    },
    /// The endpoint answers no more for now.
    #[error("the endpoint has had too many requests{}; wait, or use another endpoint", in_words(*retry_after))]
    RateLimited {
        /// When it asks to be tried again.
        retry_after: Option<Duration>,
    },
    /// The endpoint does not look through so many blocks, or has too many logs in them.
    #[error("the endpoint refuses so many blocks or logs at once ({0}); ask for fewer blocks")]
    RangeTooWide(String),
    /// The endpoint belongs to another chain.
    #[error("the endpoint is on chain {found}, expected was chain {expected}; use an endpoint of chain {expected}")]
    WrongChain {
        /// The chain id that was asked for.
        expected: u64,
        /// The chain id of the endpoint.
        found: u64,
    },
    /// The endpoint answered with an error of its own.
    #[error("the endpoint answered with error {code}: {message}")]
    Rpc {
        /// The code, as JSON-RPC has it.
        code: i64,
        /// The message.
        message: String,
    },
    /// The endpoint answered with something that no node answers.
    #[error("the endpoint's answer makes no sense: {0}; check its address, or use another endpoint")]
    BadAnswer(String),
    /// The chain moves or the endpoint's servers disagree: no two reads were of one block.
    #[error("the endpoint's latest block changed with every request; try again, or use another endpoint")]
    Unsteady,
    /// There is no key to sign with.
    #[error("there is no key for account {0}; give its private key, its keystore file or its hardware wallet")]
    NoKey(Address),
    /// The key did not sign.
    #[error("the transaction could not be signed: {0}")]
    Signing(String),
    /// The account cannot pay for the gas.
    #[error(
        "account {account} holds {balance} wei and may need {needed} wei for the transaction; send it some of the \
             chain's own coin"
    )]
    InsufficientFunds {
        /// The account.
        account: Address,
        /// What it holds, in wei.
        balance: U256,
        /// What the transaction may cost at most, in wei.
        needed: U256,
    },
    /// Another transaction of the account took the nonce.
    #[error("another transaction of account {0} came first; wait until it is included, then try again")]
    NonceConflict(Address),
    /// The network does not take transactions with this fee.
    #[error("the network does not take the transaction for its fee ({0}); try again in a while")]
    FeeTooLow(String),
    /// The endpoint stopped answering while the transaction was on its way.
    #[error(
        "it is not known what became of transaction {transaction} ({reason}); look for it before you send it again"
    )]
    Unconfirmed {
        /// The transaction.
        transaction: TxHash,
        /// Why its fate is unknown.
        reason: String,
    },
    /// The transaction is in no block yet.
    #[error("transaction {transaction} is in no block after {} s; it may still be included: look for it before you \
             send it again", waited.as_secs())]
    NotIncluded {
        /// The transaction, the latest one if it was replaced.
        transaction: TxHash,
        /// How long it was waited for.
        waited: Duration,
    },
}

fn in_words(retry_after: Option<Duration>) -> String {
    retry_after.map(|delay| format!(" and asks to wait {} s", delay.as_secs())).unwrap_or_default()
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

    /// The code of a contract.
    ///
    /// # Errors
    /// [`NodeError::NoContract`] if there is none.
    fn code(&self, contract: Address) -> Result<Bytes, NodeError>;

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

    /// The block that a contract was deployed in, or one before; none if the node cannot tell, for instance because it
    /// does not keep old states.
    ///
    /// # Errors
    /// [`NodeError`] if the node does not answer at all; [`NodeError::NoContract`] if there is no such contract.
    fn deployment_block(&self, contract: Address) -> Result<Option<BlockNumber>, NodeError> {
        let _ = contract;
        Ok(None)
    }
}
