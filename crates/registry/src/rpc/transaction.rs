//! Transactions with EIP-1559 fees: the gas is estimated, the transaction is sent once and waited for, and sent again
//! with higher fees if it is stuck.

use core::time::Duration;
use std::time::Instant;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::{eip1559::Eip1559Estimation, eip2718::Encodable2718},
    providers::Provider,
    transports::RpcError,
};
use alloy_primitives::{Address, BlockNumber, Bytes, TxHash, TxKind, U64, U256};
use backon::BackoffBuilder as _;
use serde_json::{Value, json};

use super::{
    AccountKey, NodeProgress, OutgoingTransaction, Settled, Standing,
    client::{Client, Request, from_value},
    error,
    node::placed,
    outbox,
    receipt::{RpcReceipt, receipt_answer},
};
use crate::node::{NodeError, NodeReceipt};

/// Number of times an endpoint is asked for a transaction that it did not acknowledge.
const LOOKS: u32 = 3;

/// Time for which the account's nonce is used and no receipt exists, after which another transaction counts as the one
/// that used it. Receipts can be late, for instance because another server answers.
const LATE_RECEIPT: Duration = Duration::from_secs(20);

/// The address of a deployed contract, if any, and the receipt.
type Done = (Option<Address>, NodeReceipt);

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

/// An answer about sent transactions.
struct Looked {
    receipt: Option<RpcReceipt>,
    /// The height of the chain.
    block: BlockNumber,
    /// Whether a block has a transaction with the nonce.
    is_used: bool,
}

/// Sends a transaction, or deploys a contract if there is no receiver, and waits until it is included. Also returns the
/// address of the deployed contract.
///
/// If an earlier process has sent the same call and its outcome was not known, this waits for that transaction instead.
pub(super) async fn send(
    client: &Client,
    chain_id: u64,
    key: &AccountKey,
    to: Option<Address>,
    data: Bytes,
) -> Result<Done, NodeError> {
    for Settled { transaction, outcome } in settle(client, chain_id, key).await? {
        if transaction.to == to
            && transaction.data == data
            && let Ok(done) = outcome
        {
            return Ok(done);
        }
    }
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
    intent.finish(vec![first], first, fees).await
}

/// Waits for the transactions of an account that earlier processes have sent, as far as the endpoint knows them.
pub(super) async fn settle(client: &Client, chain_id: u64, key: &AccountKey) -> Result<Vec<Settled>, NodeError> {
    let Some(memory) = &client.settings.outbox else { return Ok(Vec::new()) };
    let mut remembered = memory.of_account(chain_id, key.address()).map_err(outbox::failed)?;
    remembered.sort_by_key(|attempt| (attempt.nonce, attempt.max_fee_per_gas));
    let transactions: Vec<_> = remembered.chunk_by(|one, next| one.nonce == next.nonce).collect();
    let mut settled = Vec::new();
    for attempts in transactions {
        let Some(last) = attempts.last() else { continue };
        if outbox::standing(client, attempts).await? == Standing::Unknown {
            continue;
        }
        let intent = Intent::again(client, key, last).await?;
        client.settings.progress.notify(NodeProgress::Resumed { transaction: last.hash });
        let fees = Eip1559Estimation {
            max_fee_per_gas: last.max_fee_per_gas,
            max_priority_fee_per_gas: last.max_priority_fee_per_gas,
        };
        let sent = attempts.iter().map(|attempt| attempt.hash).collect();
        let outcome = match intent.finish(sent, last.hash, fees).await {
            Err(failed) if !is_final(&failed) => return Err(failed),
            outcome => outcome,
        };
        let included = outcome.as_ref().ok().map(|(_, receipt)| receipt.transaction);
        let transaction = attempts.iter().find(|attempt| Some(attempt.hash) == included).unwrap_or(last).clone();
        settled.push(Settled { transaction, outcome });
    }
    Ok(settled)
}

/// Whether a transaction with this error cannot have an effect any more.
fn is_final(error: &NodeError) -> bool {
    matches!(error, NodeError::NonceConflict(_) | NodeError::Reverted(_) | NodeError::Halted(_))
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

    /// Takes up a transaction of an earlier process.
    async fn again(
        client: &'a Client,
        key: &'a AccountKey,
        transaction: &OutgoingTransaction,
    ) -> Result<Self, NodeError> {
        let OutgoingTransaction { chain_id, from, nonce, to, gas_limit, .. } = *transaction;
        let balance = client.read::<U256>(("eth_getBalance", json!([from, "latest"]))).await?;
        Ok(Self { client, chain_id, key, from, to, data: transaction.data.clone(), nonce, gas_limit, balance })
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

    /// Signs it with these fees, remembers it, and sends it.
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
        let outgoing = OutgoingTransaction {
            hash,
            chain_id: self.chain_id,
            from: self.from,
            nonce: self.nonce,
            to: self.to,
            data: self.data.clone(),
            gas_limit: self.gas_limit,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
        };
        if let Some(memory) = &self.client.settings.outbox {
            memory.remember(&outgoing).map_err(outbox::failed)?;
        }
        let delivered = self.deliver(hash, bytes, fees).await;
        if let Err(failed) = &delivered
            && !matches!(failed, NodeError::Unconfirmed { .. } | NodeError::RateLimited { .. })
        {
            self.forget(|attempt| *attempt == outgoing);
        }
        delivered
    }

    /// Sends a signed transaction.
    async fn deliver(&self, hash: TxHash, bytes: Bytes, fees: &Eip1559Estimation) -> Result<TxHash, NodeError> {
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

    /// Forgets remembered transactions of the account. If this fails, the next process asks for their outcome again.
    fn forget(&self, is_over: impl Fn(&OutgoingTransaction) -> bool) {
        let Some(memory) = &self.client.settings.outbox else { return };
        for attempt in memory.of_account(self.chain_id, self.from).into_iter().flatten().filter(is_over) {
            let _ = memory.forget(&attempt);
        }
    }

    /// Waits for the outcome of sent transactions with this nonce, the latest of which is `latest`, and forgets them.
    async fn finish(&self, sent: Vec<TxHash>, latest: TxHash, fees: Eip1559Estimation) -> Result<Done, NodeError> {
        let waited = self.wait(sent, latest, fees).await;
        if matches!(waited, Ok(_) | Err(NodeError::NonceConflict(_))) {
            self.forget(|attempt| attempt.nonce == self.nonce);
        }
        let receipt = waited?;
        let (transaction, block, gas_used) =
            (receipt.transaction_hash, receipt.block_number.to(), receipt.gas_used.to());
        self.client.settings.progress.notify(NodeProgress::Included { transaction, block, gas_used });
        if receipt.status == Some(U64::ZERO) {
            return Err(self.reason(block).await);
        }
        let logs = receipt.logs.into_iter().map(placed).collect::<Result<_, _>>()?;
        Ok((receipt.contract_address, NodeReceipt { transaction, block, gas_used, logs }))
    }

    /// Waits until the transaction, or one that replaced it, is in a block with enough confirmations.
    async fn wait(
        &self,
        mut sent: Vec<TxHash>,
        mut latest: TxHash,
        mut fees: Eip1559Estimation,
    ) -> Result<RpcReceipt, NodeError> {
        let settings = &self.client.settings;
        let (begun, mut last_sent, mut last_told) = (Instant::now(), Instant::now(), Instant::now());
        let longest = Duration::from_millis(if self.client.is_local() { 250 } else { 3_000 });
        let mut pause = Duration::from_millis(20);
        let (mut first_block, mut used_since) = (None::<u64>, None::<Instant>);
        let mut refusals = 0;
        loop {
            let Looked { receipt, block, is_used } = match self.look(&sent).await {
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
            let waited = begun.elapsed();
            let blocks = block.saturating_sub(*first_block.get_or_insert(block));
            let is_included = receipt.is_some();
            let (progress, too_late) = match receipt {
                None => (
                    NodeProgress::Waiting { transaction: latest, waited, blocks },
                    NodeError::NotIncluded { transaction: latest, waited },
                ),
                Some(receipt) => {
                    let (transaction, included) = (receipt.transaction_hash, receipt.block_number.to::<u64>());
                    // The server that stated the height may be behind the one that has the receipt.
                    let confirmations = block.saturating_sub(included) + 1;
                    let wanted = settings.confirmations;
                    if confirmations >= wanted {
                        return Ok(receipt);
                    }
                    let reason = format!("it is in block {included}, with {confirmations} of {wanted} confirmations");
                    (
                        NodeProgress::Confirming { transaction, block: included, confirmations, wanted },
                        NodeError::Unconfirmed { transaction, reason },
                    )
                }
            };
            if waited >= settings.give_up_after {
                return Err(too_late);
            }
            if is_included || !is_used {
                used_since = None;
            } else if used_since.get_or_insert_with(Instant::now).elapsed() >= LATE_RECEIPT {
                return Err(NodeError::NonceConflict(self.from));
            }
            if last_told.elapsed() >= Duration::from_secs(1) {
                last_told = Instant::now();
                settings.progress.notify(progress);
            }
            if !is_included
                && last_sent.elapsed() >= settings.replace_after
                && sent.len() <= settings.replacements as usize
            {
                last_sent = Instant::now();
                if let Some(transaction) = self.replace(&mut fees).await {
                    sent.push(transaction);
                    let former = core::mem::replace(&mut latest, transaction);
                    let max_fee_per_gas = fees.max_fee_per_gas;
                    settings.progress.notify(NodeProgress::Replaced { former, transaction, max_fee_per_gas });
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
        match self.submit(&higher).await {
            // A transaction that was not acknowledged may have arrived.
            Ok(transaction) | Err(NodeError::Unconfirmed { transaction, .. }) => Some(transaction),
            Err(_) => None,
        }
    }

    /// Asks for the receipts of all sent transactions, for the height of the chain, and whether the nonce is used. A
    /// server that has not indexed the newest blocks has no receipt yet.
    async fn look(&self, sent: &[TxHash]) -> Result<Looked, NodeError> {
        let mut requests: Vec<Request> =
            vec![("eth_blockNumber", json!([])), ("eth_getTransactionCount", json!([self.from, "latest"]))];
        requests.extend(sent.iter().map(|hash| ("eth_getTransactionReceipt", json!([hash]))));
        let mut answers = self.client.read_all(&requests).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Err(NodeError::Unsteady));
        let (block, count) = (from_value::<U64>(next()?)?.to(), next().and_then(from_value::<U64>));
        let mut is_used = count.is_ok_and(|count| count.to::<u64>() > self.nonce);
        let mut refusal = None;
        for answer in answers {
            match answer.and_then(receipt_answer) {
                Ok(receipt @ Some(_)) => return Ok(Looked { receipt, block, is_used }),
                Ok(None) => {}
                Err(failed) if error::is_indexing(&failed) => is_used = false,
                Err(failed) => refusal = Some(failed),
            }
        }
        refusal.map_or(Ok(Looked { receipt: None, block, is_used }), Err)
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
