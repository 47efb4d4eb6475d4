//! Requests with a time limit. Reads are repeated after failures, and batched if the endpoint allows it.

use core::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use alloy::{
    network::AnyNetwork,
    providers::RootProvider,
    rpc::client::{BuiltInConnectionString, RpcClient},
    transports::{TransportError, TransportErrorKind, utils::guess_local_url},
};
use alloy_primitives::{B256, BlockNumber, U64};
use backon::Retryable as _;
use quotapass_circuits::time::UnixSeconds;
use quotapass_text::EndpointUrl;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{NodeProgress, RpcSettings, error, transport::HttpTransport};
use crate::{Block, node::NodeError};

/// Maximum number of requests in a batch. Servers refuse more than about a hundred.
const BATCH: usize = 50;
/// Number of times a read request is repeated at least while a server is behind: eight seconds in all.
const RETRIES_BEHIND: u32 = 5;

/// A method and its parameters.
pub(super) type Request = (&'static str, Value);

/// A connection to an endpoint.
#[derive(Debug)]
pub(super) struct Client {
    rpc: RpcClient,
    pub(super) endpoint: EndpointUrl,
    pub(super) settings: RpcSettings,
    /// Whether the endpoint refuses batches.
    batches_refused: AtomicBool,
}

/// The fields of a block that a registry needs.
#[derive(Clone, Copy, Debug, Deserialize)]
struct RpcBlock {
    number: U64,
    hash: B256,
    timestamp: U64,
}

impl From<RpcBlock> for Block {
    fn from(block: RpcBlock) -> Self {
        Self { number: block.number.to(), hash: block.hash, timestamp: UnixSeconds(block.timestamp.to()) }
    }
}

impl Client {
    /// Connects. WebSocket and IPC connections are opened immediately, HTTP connections with the first request.
    pub(super) async fn connect(endpoint: EndpointUrl, settings: RpcSettings) -> Result<Self, NodeError> {
        let connection = parse(&endpoint)?;
        let limit = settings.timeout;
        let opened = async {
            match connection {
                BuiltInConnectionString::Http(url) => {
                    let client = settings.tls.clone().unwrap_or_default().client()?;
                    let is_local = guess_local_url(url.as_str());
                    Ok(RpcClient::new(HttpTransport::new(client, url), is_local))
                }
                connection => {
                    let opened = RpcClient::builder().connect_with(connection).await;
                    opened.map_err(|failed| error::from_transport(&endpoint, failed))
                }
            }
        };
        let rpc = match tokio::time::timeout(limit, opened).await {
            Err(_) => return Err(NodeError::TimedOut { endpoint: endpoint.to_string(), timeout: limit }),
            Ok(opened) => opened?,
        };
        Ok(Self { rpc, endpoint, settings, batches_refused: AtomicBool::new(false) })
    }

    /// Returns alloy's client over the same connection.
    pub(super) fn provider(&self) -> RootProvider<AnyNetwork> {
        RootProvider::new(self.rpc.clone())
    }

    /// Whether the endpoint seems to be on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.rpc.is_local()
    }

    /// Sends one request once.
    pub(super) async fn request<T>(&self, (method, params): Request) -> Result<T, NodeError>
    where
        T: DeserializeOwned + core::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        self.in_time(async { self.rpc.request::<Value, T>(method, params).await }).await
    }

    /// Waits for an answer until the time limit of the settings.
    pub(super) async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, NodeError> {
        let timeout = self.settings.timeout;
        match tokio::time::timeout(timeout, answer).await {
            Ok(answer) => answer.map_err(|failed| error::from_transport(&self.endpoint, failed)),
            Err(_) => Err(NodeError::TimedOut { endpoint: self.endpoint.to_string(), timeout }),
        }
    }

    /// Sends a read request, and repeats it while it fails in transit.
    pub(super) async fn read<T>(&self, request: Request) -> Result<T, NodeError>
    where
        T: DeserializeOwned + core::fmt::Debug + Send + Sync + Unpin + 'static,
    {
        self.repeated(error::is_passing, || self.request(request.clone())).await
    }

    /// Repeats a read operation while its error may pass. A server that is behind is waited for longer than the
    /// settings say for other errors, because it catches up by itself.
    pub(super) async fn repeated<T, F: Future<Output = Result<T, NodeError>>>(
        &self,
        mut may_pass: impl FnMut(&NodeError) -> bool,
        request: impl FnMut() -> F,
    ) -> Result<T, NodeError> {
        let retries = self.settings.retries;
        let (mut failures, mut attempt) = (0, 0);
        request
            .retry(error::PAUSES.with_max_times(retries.max(RETRIES_BEHIND) as usize))
            .when(|reason| {
                failures += 1;
                may_pass(reason) && (failures <= retries || error::is_behind(reason))
            })
            .adjust(|reason, planned| planned.map(|planned| error::pause(planned, reason)))
            .notify(|reason, after| {
                attempt += 1;
                self.notify(attempt, reason, after);
            })
            .await
    }

    /// Waits before the n-th repetition, for the planned time or longer.
    pub(super) async fn pause(&self, attempt: u32, planned: Duration, reason: &NodeError) {
        let after = error::pause(planned, reason);
        self.notify(attempt, reason, after);
        tokio::time::sleep(after).await;
    }

    fn notify(&self, attempt: u32, reason: &NodeError, after: Duration) {
        self.settings.progress.notify(NodeProgress::Retrying { reason: reason.to_string(), after, attempt });
    }

    /// Sends several read requests, in as few batches as possible, or one by one if the endpoint refuses batches. Each
    /// request has its own result. If a request fails in transit, its whole batch is repeated.
    pub(super) async fn read_all(&self, requests: &[Request]) -> Result<Vec<Result<Value, NodeError>>, NodeError> {
        let mut answers = Vec::with_capacity(requests.len());
        for chunk in requests.chunks(BATCH) {
            answers.extend(self.repeated(error::is_passing, || self.chunk(chunk)).await?);
        }
        Ok(answers)
    }

    async fn chunk(&self, requests: &[Request]) -> Result<Vec<Result<Value, NodeError>>, NodeError> {
        let batchable = requests.len() > 1 && !self.batches_refused.load(Ordering::Relaxed);
        let answers = match batchable {
            true => self.batch(requests).await?,
            false => None,
        };
        let answers = match answers {
            Some(answers) => answers,
            None => {
                let mut answers = Vec::with_capacity(requests.len());
                for request in requests {
                    answers.push(self.request(request.clone()).await);
                }
                // Only now it is certain that the batch was refused, and that the endpoint itself works.
                self.batches_refused.fetch_or(batchable && answers.iter().all(Result::is_ok), Ordering::Relaxed);
                answers
            }
        };
        let passing = answers.iter().filter_map(|answer| answer.as_ref().err()).find(|error| error::is_passing(error));
        passing.cloned().map_or(Ok(answers), Err)
    }

    /// Sends one batch; `None` if the endpoint seems to refuse batches.
    async fn batch(&self, requests: &[Request]) -> Result<Option<Vec<Result<Value, NodeError>>>, NodeError> {
        let mut batch = self.rpc.new_batch();
        let mut waiting = Vec::with_capacity(requests.len());
        for (method, params) in requests {
            let added = batch.add_call::<Value, Value>(*method, params);
            waiting.push(added.map_err(|failed| error::from_transport(&self.endpoint, failed))?);
        }
        match self.in_time(async { batch.send().await }).await {
            Ok(()) => {}
            Err(failed) if error::is_passing(&failed) => return Err(failed),
            Err(_) => return Ok(None),
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for answer in waiting {
            match answer.await {
                Err(TransportError::Transport(TransportErrorKind::MissingBatchResponse(_))) => return Ok(None),
                answer => answers.push(answer.map_err(|failed| error::from_transport(&self.endpoint, failed))),
            }
        }
        Ok(Some(answers))
    }

    /// Reads the latest block.
    pub(super) async fn latest(&self) -> Result<Block, NodeError> {
        let block: Option<RpcBlock> = self.read(("eth_getBlockByNumber", json!(["latest", false]))).await?;
        block.map(Block::from).ok_or_else(|| NodeError::BadAnswer("no latest block".into()))
    }

    /// Reads a block by its number.
    pub(super) async fn block(&self, number: BlockNumber) -> Result<Option<Block>, NodeError> {
        let block: Option<RpcBlock> = self.read(block_request(number)).await?;
        match block.map(Block::from) {
            Some(block) if block.number != number => {
                Err(NodeError::BadAnswer(format!("block {} instead of block {number}", block.number)))
            }
            block => Ok(block),
        }
    }
}

/// Returns the request for a block without its transactions.
pub(super) fn block_request(number: BlockNumber) -> Request {
    ("eth_getBlockByNumber", json!([U64::from(number), false]))
}

/// Parses the answer to it.
pub(super) fn block_answer(answer: Value) -> Result<Option<Block>, NodeError> {
    Ok(from_value::<Option<RpcBlock>>(answer)?.map(Block::from))
}

/// Parses an answer.
pub(super) fn from_value<T: DeserializeOwned>(answer: Value) -> Result<T, NodeError> {
    serde_json::from_value(answer).map_err(|failed| NodeError::BadAnswer(failed.to_string()))
}

fn parse(endpoint: &EndpointUrl) -> Result<BuiltInConnectionString, NodeError> {
    let url = endpoint.expose();
    let is = |schemes: [&str; 2]| schemes.iter().any(|scheme| url.starts_with(scheme));
    let parsed = if is(["http://", "https://"]) {
        BuiltInConnectionString::try_as_http(url)
    } else if is(["ws://", "wss://"]) {
        BuiltInConnectionString::try_as_ws(url)
    } else if url.contains("://") && !is(["ipc://", "file://"]) {
        return Err(NodeError::InvalidEndpoint(endpoint.to_string()));
    } else {
        return BuiltInConnectionString::try_as_ipc(url).map_err(|failed| {
            let endpoint = endpoint.to_string();
            // The text names the path, which may be a URL without its scheme.
            let reason = failed.to_string().replace(url, &endpoint);
            NodeError::Unreachable { endpoint, reason }
        });
    };
    parsed.map_err(|_| NodeError::InvalidEndpoint(endpoint.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_no_known_kind_is_refused() {
        let parse = |url: &str| parse(&url.into());
        for url in ["ftp://host", "gopher://x/1", "http://", "https://[::", "ws://"] {
            assert!(matches!(parse(url), Err(NodeError::InvalidEndpoint(_))), "{url}");
        }
        for url in ["/no/such/socket", "ipc:///no/such/socket", "localhost"] {
            assert!(matches!(parse(url), Err(NodeError::Unreachable { .. })), "{url}");
        }
        for url in ["http://127.0.0.1:8545", "https://host/key", "ws://host:1", "wss://host"] {
            assert!(parse(url).is_ok(), "{url}");
        }
    }
}
