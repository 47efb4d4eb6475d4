//! A JSON-RPC endpoint as a registry's node.

use core::ops::RangeInclusive;
use std::sync::Arc;

use alloy::rpc::types::Log;
use alloy_primitives::{Address, BlockNumber, Bytes, U64, U256};
use backon::BackoffBuilder as _;
use quotapass_text::EndpointUrl;
use serde_json::{Value, json};

use super::{
    AccountKey, OutgoingTransaction, RpcSettings, Settled, Standing,
    client::{Client, Request, block_answer, block_request, from_value},
    error, outbox,
    runtime::Runtime,
    transaction,
};
use crate::{
    Block,
    node::{Call, ChainLog, Node, NodeError, NodeReceipt},
};

/// Maximum number of repetitions of a read whose block changed during it.
const STEADY_ATTEMPTS: u32 = 5;

/// A chain behind a JSON-RPC endpoint. Clones are handles of the same connection.
///
/// Calls block the thread. The connection lives on a separate thread, so the caller needs no runtime, and may also be
/// inside one.
#[derive(Clone)]
pub struct JsonRpcNode {
    connection: Arc<Connection>,
    accounts: Vec<AccountKey>,
}

struct Connection {
    // Declared first: it must be dropped before the runtime that its tasks run on.
    client: Arc<Client>,
    chain_id: u64,
    runtime: Runtime,
}

impl JsonRpcNode {
    /// Connects to an endpoint: `http://`, `https://`, `ws://`, `wss://`, or the path of an IPC socket, with or without
    /// `ipc://`.
    ///
    /// # Errors
    /// [`NodeError::InvalidEndpoint`], [`NodeError::Unreachable`] or [`NodeError::TimedOut`] if the endpoint does not
    /// answer, and [`NodeError::WrongChain`] if the endpoint is on another chain than expected.
    pub fn connect(url: &str, settings: RpcSettings) -> Result<Self, NodeError> {
        let (endpoint, expected) = (EndpointUrl::new(url), settings.expected_chain_id);
        let runtime = Runtime::new()
            .map_err(|failed| NodeError::Unreachable { endpoint: endpoint.to_string(), reason: failed.to_string() })?;
        let (client, chain_id) = runtime.run(async move {
            let client = Client::connect(endpoint, settings).await?;
            // No repetition here, so a mistyped address fails at once.
            let chain_id: U64 = client.request(("eth_chainId", json!([]))).await?;
            Ok((Arc::new(client), chain_id.to::<u64>()))
        })?;
        match expected {
            Some(expected) if expected != chain_id => Err(NodeError::WrongChain { expected, found: chain_id }),
            _ => Ok(Self { connection: Arc::new(Connection { client, chain_id, runtime }), accounts: Vec::new() }),
        }
    }

    /// Adds an account that transactions can be sent from. The first one is [`account`](Self::account).
    pub fn with_account(mut self, key: AccountKey) -> Self {
        self.accounts.push(key);
        self
    }

    /// The paying account, if any.
    pub fn account(&self) -> Option<Address> {
        self.accounts.first().map(AccountKey::address)
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &EndpointUrl {
        &self.connection.client.endpoint
    }

    /// Reads an account's balance of the chain's native coin, in wei.
    ///
    /// # Errors
    /// [`NodeError`] if the endpoint does not answer.
    pub fn native_balance(&self, account: Address) -> Result<U256, NodeError> {
        self.run(move |client| async move { client.read(("eth_getBalance", json!([account, "latest"]))).await })
    }

    /// Deploys a contract from an account whose key was given. Returns its address.
    ///
    /// # Errors
    /// [`NodeError::Reverted`] if its constructor reverts, [`NodeError::NoKey`], and others.
    pub fn deploy(&self, from: Address, init_code: Bytes) -> Result<(Address, NodeReceipt), NodeError> {
        let (contract, receipt) = self.transact(from, None, init_code)?;
        let contract = contract.ok_or_else(|| NodeError::BadAnswer("a deployment without an address".into()))?;
        Ok((contract, receipt))
    }

    /// Waits for the transactions that earlier processes sent from an account, and returns their outcomes. The
    /// account's key must be given, because a stuck transaction is sent again with higher fees. A transaction that the
    /// endpoint does not know is left in the [memory](RpcSettings::outbox): the next one has the same nonce.
    ///
    /// [`deploy`](Self::deploy) and [`Node::send`] do this first. If an earlier process has sent the same call, they
    /// return its receipt, and send nothing.
    ///
    /// # Errors
    /// [`NodeError`] if an outcome stays unknown.
    pub fn settle(&self, from: Address) -> Result<Vec<Settled>, NodeError> {
        let (key, chain_id) = (self.key(from)?, self.connection.chain_id);
        self.run(move |client| async move { transaction::settle(&client, chain_id, &key).await })
    }

    /// Reads the state of a transaction that was sent, with its replacements.
    ///
    /// # Errors
    /// [`NodeError`] if the endpoint does not answer.
    pub fn standing(&self, attempts: Vec<OutgoingTransaction>) -> Result<Standing, NodeError> {
        self.run(move |client| async move { outbox::standing(&client, &attempts).await })
    }

    /// Sends any other request once, for methods that only this endpoint has, such as the time travel of a development
    /// chain.
    ///
    /// # Errors
    /// [`NodeError`] if the endpoint refuses or does not answer.
    pub fn request(&self, method: &'static str, params: Value) -> Result<Value, NodeError> {
        self.run(move |client| async move { client.request((method, params)).await })
    }

    fn run<T: Send + 'static, F: Future<Output = Result<T, NodeError>> + Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Client>) -> F,
    ) -> Result<T, NodeError> {
        self.connection.runtime.run(work(Arc::clone(&self.connection.client)))
    }

    fn key(&self, account: Address) -> Result<AccountKey, NodeError> {
        self.accounts.iter().find(|key| key.address() == account).cloned().ok_or(NodeError::NoKey(account))
    }

    fn transact(
        &self,
        from: Address,
        to: Option<Address>,
        data: Bytes,
    ) -> Result<(Option<Address>, NodeReceipt), NodeError> {
        let (key, chain_id) = (self.key(from)?, self.connection.chain_id);
        self.run(move |client| async move { transaction::send(&client, chain_id, &key, to, data).await })
    }
}

impl core::fmt::Debug for JsonRpcNode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("JsonRpcNode")
            .field("endpoint", &self.endpoint())
            .field("chain_id", &self.connection.chain_id)
            .field("accounts", &self.accounts)
            .finish_non_exhaustive()
    }
}

impl Node for JsonRpcNode {
    fn chain_id(&self) -> u64 {
        self.connection.chain_id
    }

    fn call(&self, calls: &[Call]) -> Result<(Block, Vec<Bytes>), NodeError> {
        let calls = calls.to_vec();
        self.run(move |client| async move { call(&client, &calls).await })
    }

    fn code(&self, contract: Address) -> Result<Bytes, NodeError> {
        let code: Bytes =
            self.run(move |client| async move { client.read(("eth_getCode", json!([contract, "latest"]))).await })?;
        if code.is_empty() { Err(NodeError::NoContract(contract)) } else { Ok(code) }
    }

    fn send(&self, from: Address, call: &Call) -> Result<NodeReceipt, NodeError> {
        Ok(self.transact(from, Some(call.to), call.data.clone())?.1)
    }

    fn logs(&self, contract: Address, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<ChainLog>, NodeError> {
        self.run(move |client| async move { logs(&client, contract, blocks).await })
    }

    fn block(&self, number: BlockNumber) -> Result<Option<Block>, NodeError> {
        self.run(move |client| async move { client.block(number).await })
    }
}

/// Makes calls on the state of one block. They name the block by its number, which every server understands; the same
/// batch also checks that the block is still the same.
async fn call(client: &Client, calls: &[Call]) -> Result<(Block, Vec<Bytes>), NodeError> {
    for (attempt, planned) in (1..=STEADY_ATTEMPTS).zip(error::PAUSES.build()) {
        let block = client.latest().await?;
        let number = U64::from(block.number);
        let mut requests: Vec<Request> = calls
            .iter()
            .map(|call| ("eth_call", json!([{ "to": call.to, "data": call.data }, number])))
            .chain([block_request(block.number)])
            .collect();
        let mut answers = match client.read_all(&requests).await {
            // One of the endpoint's servers does not have the block yet.
            Err(failed) if error::is_behind(&failed) => {
                client.pause(attempt, planned, &failed).await;
                continue;
            }
            answers => answers?,
        };
        let still = answers.pop().ok_or(NodeError::Unsteady)?;
        if block_answer(still?)? != Some(block) {
            continue;
        }
        let answers = answers.into_iter().map(|answer| from_value::<Bytes>(answer?)).collect::<Result<Vec<_>, _>>()?;
        // A missing contract answers every call with empty data, but an existing one may do so too.
        let silent = answers.iter().position(|answer| answer.is_empty());
        if let Some(call) = silent.and_then(|place| calls.get(place)) {
            requests = vec![("eth_getCode", json!([call.to, number]))];
            let code = client.read_all(&requests).await?.pop().ok_or(NodeError::Unsteady)??;
            if from_value::<Bytes>(code)?.is_empty() {
                return Err(NodeError::NoContract(call.to));
            }
        }
        return Ok((block, answers));
    }
    Err(NodeError::Unsteady)
}

/// Reads logs. A query for several blocks is repeated only if the endpoint asks to wait: after any other failure the
/// caller asks for fewer blocks.
async fn logs(
    client: &Client,
    contract: Address,
    blocks: RangeInclusive<BlockNumber>,
) -> Result<Vec<ChainLog>, NodeError> {
    let (from, to) = (U64::from(*blocks.start()), U64::from(*blocks.end()));
    let request = ("eth_getLogs", json!([{ "address": contract, "fromBlock": from, "toBlock": to }]));
    let is_single = blocks.start() == blocks.end();
    let may_pass = |failed: &NodeError| match failed {
        NodeError::TimedOut { .. } => false,
        NodeError::Unreachable { .. } | NodeError::BlockTooLarge { .. } => is_single,
        failed => error::is_passing(failed),
    };
    let asked = || async {
        let logs = client.request::<Option<Vec<Log>>>(request.clone()).await;
        logs.map_err(|failed| error::of_logs(failed, &blocks))
    };
    // Some servers answer null instead of an empty list.
    let logs = client.repeated(may_pass, asked).await?.unwrap_or_default();
    let mut logs = logs.into_iter().map(|log| chain_log(log, contract)).collect::<Result<Vec<_>, _>>()?;
    // Most servers sort the logs, but none guarantees it.
    logs.sort_by_key(|log| (log.block, log.index));
    Ok(logs)
}

/// Converts a log, and checks that it is in a block and that the contract emitted it.
fn chain_log(log: Log, contract: Address) -> Result<ChainLog, NodeError> {
    if log.inner.address != contract {
        return Err(NodeError::BadAnswer(format!("a log of {} instead of {contract}", log.inner.address)));
    }
    placed(log)
}

/// Converts a log and its position.
pub(super) fn placed(log: Log) -> Result<ChainLog, NodeError> {
    match (log.block_number, log.log_index, log.transaction_hash) {
        (Some(block), Some(index), Some(transaction)) if !log.removed => {
            Ok(ChainLog { block, index, transaction, log: log.inner })
        }
        _ => Err(NodeError::BadAnswer("a log without a block".into())),
    }
}
