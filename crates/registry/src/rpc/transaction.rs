//! Transactions with EIP-1559 fees: the gas is estimated, the transaction is sent once and waited for, and sent again
//! with higher fees if it is stuck.

use core::time::Duration;
use std::time::Instant;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{eip1559::Eip1559Estimation, eip2718::Encodable2718},
    providers::Provider,
    rpc::types::Log,
    transports::RpcError,
};
use alloy_primitives::{Address, BlockNumber, Bytes, TxHash, TxKind, U64, U256};
use backon::BackoffBuilder as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    AccountKey, NodeProgress,
    client::{Client, Request, from_value},
    error,
    node::placed,
};
use crate::node::{NodeError, NodeReceipt};

/// Number of times an endpoint is asked for a transaction that it did not acknowledge.
const LOOKS: u32 = 3;

/// The fields of a receipt that a registry needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcReceipt {
    transaction_hash: TxHash,
    block_number: U64,
    gas_used: U64,
    status: Option<U64>,
    contract_address: Option<Address>,
    logs: Vec<Log>,
}

/// The content of a transaction without its fees.
struct Intent<'a> {
    client: &'a Client,
    chain_id: u64,
    key: &'a AccountKey,
    from: Address,
    to: Option<Address>,
    data: Bytes,
    nonce: u64,
    gas_limit: u64,
    balance: U256,
}

/// Sends a transaction, or deploys a contract if there is no receiver, and waits until it is included. Also returns the
/// address of the deployed contract.
pub(super) async fn send(
    client: &Client,
    chain_id: u64,
    key: &AccountKey,
    to: Option<Address>,
    data: Bytes,
) -> Result<(Option<Address>, NodeReceipt), NodeError> {
    let fees = fees(client).await?;
    let intent = Intent::prepare(client, chain_id, key, to, data).await?;
    intent.check_funds(&fees)?;
    let first = intent.submit(&fees).await?;
    let sent = NodeProgress::Sent {
        transaction: first,
        from: intent.from,
        nonce: intent.nonce,
        max_fee_per_gas: fees.max_fee_per_gas,
    };
    client.settings.progress.notify(sent);
    let receipt = intent.wait(first, fees).await?;
    let included = NodeProgress::Included {
        transaction: receipt.transaction_hash,
        block: receipt.block_number.to(),
        gas_used: receipt.gas_used.to(),
    };
    client.settings.progress.notify(included);
    if receipt.status == Some(U64::ZERO) {
        return Err(intent.reason(receipt.block_number.to()).await);
    }
    let logs = receipt.logs.into_iter().map(placed).collect::<Result<_, _>>()?;
    let answer = NodeReceipt {
        transaction: receipt.transaction_hash,
        block: receipt.block_number.to(),
        gas_used: receipt.gas_used.to(),
        logs,
    };
    Ok((receipt.contract_address, answer))
}

/// Estimates the current fees: twice the base fee, and the usual tip.
async fn fees(client: &Client) -> Result<Eip1559Estimation, NodeError> {
    let provider = client.provider();
    let estimate = || async {
        client
            .in_time(async {
                match provider.estimate_eip1559_fees().await {
                    Err(RpcError::UnsupportedFeature(_)) => Ok(None),
                    fees => fees.map(Some),
                }
            })
            .await
    };
    client.repeated(error::is_passing, estimate).await?.ok_or_else(|| {
        NodeError::Rejected("it has no base fee, and this program sends only EIP-1559 transactions".into())
    })
}

impl<'a> Intent<'a> {
    /// Simulates the call without sending it. This gives the gas it needs, or the reason why it would fail.
    async fn prepare(
        client: &'a Client,
        chain_id: u64,
        key: &'a AccountKey,
        to: Option<Address>,
        data: Bytes,
    ) -> Result<Self, NodeError> {
        let from = key.address();
        let mut requests: Vec<Request> = vec![
            ("eth_estimateGas", json!([call(from, to, &data)])),
            ("eth_getTransactionCount", json!([from, "pending"])),
            ("eth_getBalance", json!([from, "latest"])),
        ];
        requests.extend(to.map(|to| ("eth_getCode", json!([to, "latest"]))));
        let mut answers = client.read_all(&requests).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Err(NodeError::Unsteady));
        let (gas, nonce, balance) = (next(), next(), next());
        if let Some(to) = to
            && from_value::<Bytes>(next()?)?.is_empty()
        {
            return Err(NodeError::NoContract(to));
        }
        let balance = from_value::<U256>(balance?)?;
        let gas: u64 = match gas {
            Ok(gas) => from_value::<U64>(gas)?.to(),
            Err(failed) => return Err(error::of_transaction(failed, from, balance, balance + U256::from(1))),
        };
        let nonce = from_value::<U64>(nonce?)?.to();
        // Earlier transactions of others can raise its cost: the number of hashes of a deposit depends on its position
        // in the tree.
        let gas_limit = gas.saturating_add(gas / 2);
        Ok(Self { client, chain_id, key, from, to, data, nonce, gas_limit, balance })
    }

    fn check_funds(&self, fees: &Eip1559Estimation) -> Result<(), NodeError> {
        let needed = self.cost(fees);
        if self.balance >= needed {
            return Ok(());
        }
        Err(NodeError::InsufficientFunds { account: self.from, balance: self.balance, needed })
    }

    fn cost(&self, fees: &Eip1559Estimation) -> U256 {
        U256::from(self.gas_limit) * U256::from(fees.max_fee_per_gas)
    }

    /// Signs it with these fees and sends it once.
    async fn submit(&self, fees: &Eip1559Estimation) -> Result<TxHash, NodeError> {
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
            to: self.to.map_or(TxKind::Create, TxKind::Call),
            value: U256::ZERO,
            access_list: Default::default(),
            input: self.data.clone(),
        };
        let signature = self.key.sign_transaction(&mut transaction).await;
        let signature = signature.map_err(|failed| NodeError::Signing(failed.to_string()))?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        let (hash, bytes) = (*signed.tx_hash(), Bytes::from(signed.encoded_2718()));
        let request: Request = ("eth_sendRawTransaction", json!([bytes]));
        // The same bytes are the same transaction, however often they are sent.
        let sent = self.client.repeated(error::is_rate_limit, || self.client.request::<TxHash>(request.clone())).await;
        match sent {
            Ok(_) => Ok(hash),
            Err(failed) if error::is_known(&failed) => Ok(hash),
            // It may or may not have arrived: look for it, and report the result to the caller.
            Err(failed @ (NodeError::TimedOut { .. } | NodeError::Unreachable { .. } | NodeError::BadAnswer(_))) => {
                self.look_for(hash, failed).await
            }
            // An earlier attempt may have arrived, or another server of the endpoint may have taken it.
            Err(_) if self.is_held(hash).await => Ok(hash),
            Err(failed) => Err(error::of_transaction(failed, self.from, self.balance, self.cost(fees))),
        }
    }

    /// Whether the endpoint has the transaction, in a block or waiting for one.
    async fn is_held(&self, hash: TxHash) -> bool {
        let found = self.client.request::<Option<Value>>(("eth_getTransactionByHash", json!([hash]))).await;
        matches!(found, Ok(Some(_)))
    }

    async fn look_for(&self, hash: TxHash, failed: NodeError) -> Result<TxHash, NodeError> {
        for (attempt, planned) in (1..=LOOKS).zip(error::PAUSES.build()) {
            self.client.pause(attempt, planned, &failed).await;
            if self.is_held(hash).await {
                return Ok(hash);
            }
        }
        Err(NodeError::Unconfirmed { transaction: hash, reason: failed.to_string() })
    }

    /// Waits until the transaction, or one that replaced it, is in a block.
    async fn wait(&self, first: TxHash, mut fees: Eip1559Estimation) -> Result<RpcReceipt, NodeError> {
        let settings = &self.client.settings;
        let (begun, mut last_sent, mut last_told) = (Instant::now(), Instant::now(), Instant::now());
        let longest = Duration::from_millis(if self.client.is_local() { 250 } else { 3_000 });
        let mut pause = Duration::from_millis(20);
        let mut sent = vec![first];
        let mut first_block: Option<u64> = None;
        let mut refusals = 0;
        loop {
            let latest = sent.last().copied().unwrap_or(first);
            let (receipt, block) = match self.look(&sent).await {
                Ok(looked) => {
                    refusals = 0;
                    looked
                }
                // The transaction is on its way, whatever the endpoint says about receipts.
                Err(failed @ (NodeError::Rpc { .. } | NodeError::BadAnswer(_))) if refusals < settings.retries => {
                    refusals += 1;
                    self.client.pause(refusals, longest, &failed).await;
                    continue;
                }
                Err(failed) => {
                    return Err(NodeError::Unconfirmed { transaction: latest, reason: failed.to_string() });
                }
            };
            if let Some(receipt) = receipt {
                return Ok(receipt);
            }
            let waited = begun.elapsed();
            if waited >= settings.give_up_after {
                return Err(NodeError::NotIncluded { transaction: latest, waited });
            }
            let blocks = block.saturating_sub(*first_block.get_or_insert(block));
            if last_told.elapsed() >= Duration::from_secs(1) {
                last_told = Instant::now();
                settings.progress.notify(NodeProgress::Waiting { transaction: latest, waited, blocks });
            }
            if last_sent.elapsed() >= settings.replace_after && sent.len() <= settings.replacements as usize {
                last_sent = Instant::now();
                if let Some(transaction) = self.replace(&mut fees).await {
                    sent.push(transaction);
                    let max_fee_per_gas = fees.max_fee_per_gas;
                    let replaced = NodeProgress::Replaced { former: latest, transaction, max_fee_per_gas };
                    settings.progress.notify(replaced);
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Sends it again with higher fees. Returns `None` if that fails, for instance because the earlier one was included
    /// in the meantime, or because the account cannot pay more. The transactions that were sent are still waited for.
    async fn replace(&self, fees: &mut Eip1559Estimation) -> Option<TxHash> {
        let now = self::fees(self.client).await.ok()?;
        let higher = Eip1559Estimation {
            max_fee_per_gas: raised(fees.max_fee_per_gas).max(now.max_fee_per_gas),
            max_priority_fee_per_gas: raised(fees.max_priority_fee_per_gas).max(now.max_priority_fee_per_gas),
        };
        if self.cost(&higher) > self.balance {
            return None;
        }
        // Raise the fees also after a refusal: the transaction that the endpoint holds may have higher fees than
        // reported.
        *fees = higher;
        self.submit(&higher).await.ok()
    }

    /// Asks for the receipts of all sent transactions and for the height of the chain. A server that has not indexed
    /// the newest blocks has no receipt yet.
    async fn look(&self, sent: &[TxHash]) -> Result<(Option<RpcReceipt>, BlockNumber), NodeError> {
        let mut requests: Vec<Request> = vec![("eth_blockNumber", json!([]))];
        requests.extend(sent.iter().map(|hash| ("eth_getTransactionReceipt", json!([hash]))));
        let mut answers = self.client.read_all(&requests).await?.into_iter();
        let block = from_value::<U64>(answers.next().unwrap_or(Err(NodeError::Unsteady))?)?.to();
        let mut refusal = None;
        for answer in answers {
            match answer.and_then(receipt_answer) {
                Ok(Some(receipt)) => return Ok((Some(receipt), block)),
                Ok(None) => {}
                Err(failed) if error::is_indexing(&failed) => {}
                Err(failed) => refusal = Some(failed),
            }
        }
        refusal.map_or(Ok((None, block)), Err)
    }

    /// Finds out why an included transaction failed, by running the call again on the state of its block.
    async fn reason(&self, block: BlockNumber) -> NodeError {
        let call = call(self.from, self.to, &self.data);
        match self.client.read::<Bytes>(("eth_call", json!([call, U64::from(block)]))).await {
            Err(failed @ (NodeError::Reverted(_) | NodeError::Halted(_))) => failed,
            _ => NodeError::Halted("it was included and failed, because of its gas or earlier transactions".into()),
        }
    }
}

/// Parses the answer to a request for a receipt; `None` if the transaction is not in a complete block. Some servers
/// answer for a block that they still build, with null in place of its number or hash.
fn receipt_answer(answer: Value) -> Result<Option<RpcReceipt>, NodeError> {
    let is_building = ["blockNumber", "blockHash"].iter().any(|name| answer.get(name).is_some_and(Value::is_null));
    if answer.is_null() || is_building { Ok(None) } else { from_value(answer).map(Some) }
}

fn call(from: Address, to: Option<Address>, data: &Bytes) -> Value {
    match to {
        Some(to) => json!({ "from": from, "to": to, "data": data }),
        None => json!({ "from": from, "data": data }),
    }
}

/// Raises a fee by an eighth, rounded up: the minimum that every node accepts for a replacement.
fn raised(fee: u128) -> u128 {
    fee.saturating_add(fee.div_ceil(8)).max(fee.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_pays_an_eighth_more_at_least() {
        for fee in [0, 1, 7, 8, 9, 1_000_000_007, u128::from(u64::MAX)] {
            assert!(raised(fee) > fee && raised(fee) * 1000 >= fee * 1125, "{fee}");
        }
    }
}
