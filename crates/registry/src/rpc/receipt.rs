//! Receipts of transactions.

use alloy::rpc::types::Log;
use alloy_primitives::{Address, TxHash, U64};
use serde::Deserialize;
use serde_json::Value;

use super::client::from_value;
use crate::node::NodeError;

/// The fields of a receipt that a registry needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RpcReceipt {
    pub(super) transaction_hash: TxHash,
    pub(super) block_number: U64,
    pub(super) gas_used: U64,
    pub(super) status: Option<U64>,
    pub(super) contract_address: Option<Address>,
    pub(super) logs: Vec<Log>,
}

/// Parses the answer to a request for a receipt; `None` if the transaction is not in a complete block. Some servers
/// answer for a block that they still build, with null in place of its number or hash.
pub(super) fn receipt_answer(answer: Value) -> Result<Option<RpcReceipt>, NodeError> {
    let is_building = ["blockNumber", "blockHash"].iter().any(|name| answer.get(name).is_some_and(Value::is_null));
    if answer.is_null() || is_building { Ok(None) } else { from_value(answer).map(Some) }
}
