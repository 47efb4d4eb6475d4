//! Transactions that were sent and whose outcome is not known yet, and the memory that keeps them.

use core::fmt::Debug;
use std::io;

use alloy_primitives::{Address, BlockNumber, Bytes, TxHash, U64};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    client::{Client, Request, from_value},
    receipt::receipt_answer,
};
use crate::node::{NodeError, NodeReceipt};

/// A signed transaction that was sent, or was about to be sent. It has what is needed to find it, and to send its call
/// again with higher fees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingTransaction {
    /// Its hash.
    pub hash: TxHash,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The paying account.
    pub from: Address,
    /// The account's nonce.
    pub nonce: u64,
    /// The contract; `None` deploys one.
    pub to: Option<Address>,
    /// Selector and arguments, or the code of a deployment.
    pub data: Bytes,
    /// Maximum gas.
    pub gas_limit: u64,
    /// Maximum price of a unit of gas, in wei.
    pub max_fee_per_gas: u128,
    /// Maximum tip for a unit of gas, in wei.
    pub max_priority_fee_per_gas: u128,
}

/// A memory of sent transactions that survives the process.
///
/// A node that has one ([`RpcSettings::outbox`](super::RpcSettings::outbox)) remembers each transaction before it is
/// sent, and forgets it when its outcome is known. The next process then finds what an interrupted one has sent.
pub trait Outbox: Debug + Send + Sync {
    /// Remembers a transaction. On return it is on the disk. If this fails, the transaction is not sent.
    ///
    /// # Errors
    /// [`io::Error`] if it cannot be written.
    fn remember(&self, transaction: &OutgoingTransaction) -> io::Result<()>;

    /// Returns the remembered transactions of an account on a chain, in any order. Several have the same nonce if a
    /// transaction was replaced.
    ///
    /// # Errors
    /// [`io::Error`] if they cannot be read.
    fn of_account(&self, chain_id: u64, from: Address) -> io::Result<Vec<OutgoingTransaction>>;

    /// Forgets a transaction.
    ///
    /// # Errors
    /// [`io::Error`] if it cannot be removed.
    fn forget(&self, transaction: &OutgoingTransaction) -> io::Result<()>;
}

/// The state of a sent transaction on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// It is in this block.
    Included(BlockNumber),
    /// The endpoint holds it, and no block has it yet.
    Waiting,
    /// The endpoint does not know it: it never arrived, or was dropped. Another server may still have it. The account's
    /// next transaction has the same nonce, so that only one of them can be mined.
    Unknown,
    /// Another transaction of the account with the same nonce is in a block, or its own receipt is late.
    Superseded,
}

/// A transaction of an earlier process whose outcome is known now.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The transaction.
    pub transaction: OutgoingTransaction,
    /// The address of the contract that it deployed, if any, and its receipt; or why it failed.
    pub outcome: Result<(Option<Address>, NodeReceipt), NodeError>,
}

/// Translates an error of the memory.
pub(super) fn failed(error: io::Error) -> NodeError {
    NodeError::Outbox(error.to_string())
}

/// Asks for the state of a transaction. `attempts` are the transaction and its replacements, which have one nonce.
pub(super) async fn standing(client: &Client, attempts: &[OutgoingTransaction]) -> Result<Standing, NodeError> {
    let Some(OutgoingTransaction { from, nonce, .. }) = attempts.first() else { return Ok(Standing::Unknown) };
    let mut requests: Vec<Request> = vec![("eth_getTransactionCount", json!([from, "latest"]))];
    for OutgoingTransaction { hash, .. } in attempts {
        requests.push(("eth_getTransactionReceipt", json!([hash])));
        requests.push(("eth_getTransactionByHash", json!([hash])));
    }
    let mut answers = client.read_all(&requests).await?.into_iter();
    let used: u64 = from_value::<U64>(answers.next().unwrap_or(Err(NodeError::Unsteady))?)?.to();
    let mut is_held = false;
    while let (Some(receipt), Some(transaction)) = (answers.next(), answers.next()) {
        if let Ok(Some(receipt)) = receipt.and_then(receipt_answer) {
            return Ok(Standing::Included(receipt.block_number.to()));
        }
        is_held |= !transaction?.is_null();
    }
    Ok(match is_held {
        true => Standing::Waiting,
        false if used > *nonce => Standing::Superseded,
        false => Standing::Unknown,
    })
}
