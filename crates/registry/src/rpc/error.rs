//! Translation of the errors of endpoints to [`NodeError`].
//!
//! Servers use different codes and texts, and put the revert data in different places. The forms that are recognised
//! here were observed from geth, erigon, nethermind, besu, reth, anvil, hardhat, ganache and the large providers.

use core::{ops::RangeInclusive, time::Duration};
use std::error::Error;

use alloy::transports::{RpcError, TransportError, TransportErrorKind};
use alloy_primitives::{Address, BlockNumber, Bytes, U256, hex};
use alloy_sol_types::{Revert, SolError};
use backon::ExponentialBuilder;
use quotapass_text::EndpointUrl;
use serde_json::Value;

use crate::node::NodeError;

/// Translates an error of a request. A server's text may repeat the key of its address, which is hidden.
pub(super) fn from_transport(endpoint: &EndpointUrl, error: TransportError) -> NodeError {
    let hide = |text: &str| endpoint.hide_in(text);
    let unreachable = |reason: String| NodeError::Unreachable { endpoint: endpoint.to_string(), reason: hide(&reason) };
    match error {
        RpcError::ErrorResp(payload) => {
            let data = payload.data.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok());
            from_response(payload.code, &hide(&payload.message), data.as_ref())
        }
        RpcError::NullResp => NodeError::BadAnswer("null instead of a value".into()),
        RpcError::DeserError { err, text } => {
            NodeError::BadAnswer(format!("{} in {}", hide(&err.to_string()), shortened(&hide(&text))))
        }
        RpcError::Transport(kind) => match kind.as_http_error() {
            Some(error) if error.status == 429 => NodeError::RateLimited { retry_after: kind.retry_after() },
            // Gateways whose server did not answer in time; Cloudflare has numbers of its own.
            Some(error) if matches!(error.status, 408 | 502..=504 | 520..=527) => match kind.retry_after() {
                Some(delay) => NodeError::RateLimited { retry_after: Some(delay) },
                None => unreachable(format!("HTTP status {}", error.status)),
            },
            Some(error) => from_http(error.status, &hide(&error.body)),
            None => match kind {
                TransportErrorKind::Custom(error) | TransportErrorKind::NonRetryable(error) => {
                    unreachable(innermost(&*error))
                }
                other => unreachable(other.to_string()),
            },
        },
        other => NodeError::BadAnswer(hide(&other.to_string())),
    }
}

/// Translates an HTTP error status with a body that alloy could not parse as JSON-RPC.
fn from_http(status: u16, body: &str) -> NodeError {
    let body: Option<Value> = serde_json::from_str(body).ok();
    let error = body.as_ref().map(|body| body.get("error").unwrap_or(body));
    let message = error.and_then(|error| error.get("message").unwrap_or(error).as_str());
    match message {
        Some(message) => from_response(i64::from(status), message, None),
        None => NodeError::Rpc { code: i64::from(status), message: format!("HTTP status {status}") },
    }
}

/// Translates an error object of JSON-RPC.
pub(super) fn from_response(code: i64, message: &str, data: Option<&Value>) -> NodeError {
    let lower = message.to_lowercase();
    let parity = data.and_then(Value::as_str).is_some_and(|data| data.starts_with("Reverted"));
    if code == 3 || lower.contains("revert") || parity {
        return NodeError::Reverted(data.and_then(revert_data).unwrap_or_else(|| revert_message(message)));
    }
    if code == 429 || RATE_LIMITS.iter().any(|text| lower.contains(text)) {
        return NodeError::RateLimited { retry_after: None };
    }
    if ["out of gas", "gas required exceeds allowance", "invalid opcode", "stack underflow", "bad instruction"]
        .iter()
        .any(|text| lower.contains(text))
    {
        return NodeError::Halted(message.into());
    }
    NodeError::Rpc { code, message: message.into() }
}

/// Texts of endpoints that limit the rate of requests. Other endpoints use the same codes for too many logs.
const RATE_LIMITS: [&str; 10] = [
    "rate limit",
    "rate exceeded",
    "too many requests",
    "request limit",
    "requests per second",
    "credits limited",
    "throughput limit",
    "daily request count",
    "concurrent requests",
    "rps limit",
];

/// The code of a request beyond a limit (EIP-1474), of requests or of something else.
const LIMIT_EXCEEDED: i64 = -32005;

/// Translates an error that answered a query for the logs of these blocks. No list of codes and texts is complete, so
/// every refusal of several blocks counts as a refusal of their number.
pub(super) fn of_logs(error: NodeError, blocks: &RangeInclusive<BlockNumber>) -> NodeError {
    let reason = match error {
        error if is_behind(&error) => return error,
        NodeError::Rpc { message, .. } | NodeError::Halted(message) => message,
        NodeError::Reverted(_) => "the query reverted".into(),
        other => return other,
    };
    if blocks.start() < blocks.end() {
        NodeError::RangeTooWide(reason)
    } else {
        NodeError::BlockTooLarge { block: *blocks.start(), reason }
    }
}

/// Translates an error that answered a transaction.
pub(super) fn of_transaction(error: NodeError, account: Address, balance: U256, needed: U256) -> NodeError {
    let NodeError::Rpc { message, .. } = &error else { return error };
    let lower = message.to_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    if says(&["insufficient funds", "insufficient balance", "insufficient sender balance", "upfront cost"]) {
        NodeError::InsufficientFunds { account, balance, needed }
    } else if says(&["nonce too low", "nonce is too low", "invalid nonce", "oldnonce", "nonce has already been used"]) {
        NodeError::NonceConflict(account)
    } else if is_underpriced(&lower) {
        NodeError::FeeTooLow(message.clone())
    } else {
        NodeError::Rejected(message.clone())
    }
}

fn is_underpriced(lower: &str) -> bool {
    ["underpriced", "fee too low", "less than block base fee", "fee cap less", "feetoolow", "gas price too low"]
        .iter()
        .any(|text| lower.contains(text))
}

/// Whether the endpoint already has this transaction.
pub(super) fn is_known(error: &NodeError) -> bool {
    let NodeError::Rpc { message, .. } = error else { return false };
    let lower = message.to_lowercase();
    ["already known", "already imported", "known transaction", "alreadyknown", "already exists", "already in mempool"]
        .iter()
        .any(|text| lower.contains(text))
}

/// Texts of servers that do not have a block yet.
const BEHIND: [&str; 10] = [
    "header not found",
    "block not found",
    "unknown block",
    "header for hash not found",
    "could not find block",
    "cannot be found",
    "beyond current head",
    "after last accepted block",
    "ahead of the chain",
    "not yet available",
];

/// Whether a server does not yet have a block that another server has announced.
pub(super) fn is_behind(error: &NodeError) -> bool {
    let NodeError::Rpc { message, .. } = error else { return false };
    let lower = message.to_lowercase();
    BEHIND.iter().any(|text| lower.contains(text))
}

/// Whether a server cannot return a receipt yet because it has not indexed its newest blocks.
pub(super) fn is_indexing(error: &NodeError) -> bool {
    let NodeError::Rpc { message, .. } = error else { return false };
    message.to_lowercase().contains("index")
}

/// Whether the endpoint limits the rate of requests.
pub(super) fn is_rate_limit(error: &NodeError) -> bool {
    matches!(error, NodeError::RateLimited { .. } | NodeError::Rpc { code: LIMIT_EXCEEDED, .. })
}

/// Whether the request may succeed if it is repeated later.
pub(super) fn is_passing(error: &NodeError) -> bool {
    matches!(error, NodeError::Unreachable { .. } | NodeError::TimedOut { .. })
        || is_rate_limit(error)
        || is_behind(error)
}

/// Finds the revert data: a hex string, a hex string after some words, or a field somewhere in an object.
fn revert_data(data: &Value) -> Option<Bytes> {
    match data {
        Value::String(text) => {
            let digits = text.rsplit(' ').next().filter(|digits| digits.starts_with("0x"))?;
            hex::decode(digits).ok().map(Bytes::from)
        }
        Value::Object(fields) => {
            let known = ["data", "result", "return", "output", "originalError", "error"];
            let named = known.iter().filter_map(|name| fields.get(*name)).find_map(revert_data);
            // ganache stores it under the hash of the transaction.
            named.or_else(|| fields.values().filter(|value| value.is_object()).find_map(revert_data))
        }
        _ => None,
    }
}

/// Some endpoints give the reason only as text.
fn revert_message(message: &str) -> Bytes {
    let reason = message.split_once("reverted: ").or_else(|| message.split_once("revert ")).map(|(_, reason)| reason);
    match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
        Some(reason) => Revert::from(reason.trim_start_matches("revert: ")).abi_encode().into(),
        None => Bytes::new(),
    }
}

/// Returns the innermost cause, which is the informative one: "connection refused", not "error sending request".
fn innermost(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let mut error: &dyn Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    // The address may contain a provider's key.
    let text = error.to_string();
    text.split_once(" for url (").map_or(&*text, |(reason, _)| reason).into()
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.chars().count() <= SHOWN { text.into() } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

/// The pauses before repetitions: each is twice as long as the one before it, up to a minute.
pub(super) const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(250))
    .with_max_delay(LONGEST_PAUSE)
    .without_max_times();
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Returns the pause before a repetition: the planned one, or the longer one that the endpoint asks for.
pub(super) fn pause(planned: Duration, error: &NodeError) -> Duration {
    let asked = match error {
        NodeError::RateLimited { retry_after: Some(delay) } => *delay,
        _ => Duration::ZERO,
    };
    planned.max(asked).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder as _;
    use serde_json::json;

    use super::*;
    use crate::{ContractRefusal, RegistryError};

    /// `UnknownMember(7)` of the registry.
    fn custom() -> String {
        use crate::bindings::RegistryAbi::UnknownMember;
        hex::encode_prefixed(UnknownMember { index: U256::from(7) }.abi_encode())
    }

    fn refusal(code: i64, message: &str, data: Option<Value>) -> ContractRefusal {
        match RegistryError::from(from_response(code, message, data.as_ref())) {
            RegistryError::Refused(refusal) => refusal,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn the_data_of_a_revert_is_found_wherever_servers_put_it() {
        let data = custom();
        let shapes = [
            // geth, reth, erigon
            (3, "execution reverted", json!(data)),
            // anvil
            (3, "execution reverted: custom error 0x12345678", json!(data)),
            // besu, infura
            (-32000, "Execution reverted", json!(data)),
            // parity, nethermind
            (-32015, "VM execution error.", json!(format!("Reverted {data}"))),
            // hardhat
            (
                -32603,
                "Error: VM Exception while processing transaction: reverted with a custom error",
                json!({
                    "message": "reverted", "txHash": "0x00", "data": data
                }),
            ),
            // behind wallets
            (-32603, "execution reverted", json!({ "originalError": { "code": 3, "data": data, "message": "m" } })),
            // ganache
            (
                -32000,
                "VM Exception while processing transaction: revert",
                json!({
                    "0xabcd": { "error": "revert", "program_counter": 1, "return": data, "reason": "r" }, "stack": "s"
                }),
            ),
        ];
        for (code, message, data) in shapes {
            assert_eq!(refusal(code, message, Some(data)), ContractRefusal::UnknownMember(U256::from(7)), "{message}");
        }
    }

    #[test]
    fn a_reason_in_words_is_kept() {
        let reason = refusal(-32000, "execution reverted: ERC20: insufficient allowance", None);
        assert_eq!(reason, ContractRefusal::Message("ERC20: insufficient allowance".into()));
        assert_eq!(refusal(3, "execution reverted", None), ContractRefusal::NoReason);
        assert_eq!(refusal(3, "execution reverted", Some(json!("0x"))), ContractRefusal::NoReason);
    }

    #[test]
    fn limits_of_requests_are_told_from_limits_of_ranges() {
        let requests = [
            (429, "You have exceeded your compute units per second capacity"),
            (-32005, "daily request count exceeded, request rate limited"),
            (-32007, "100/second request limit reached - reduce calls per second"),
            (-32016, "over rate limit"),
            (-32005, "You've exceeded the RPS limit available on the current plan."),
        ];
        for (code, message) in requests {
            let error = of_logs(from_response(code, message, None), &(7..=9));
            assert!(matches!(error, NodeError::RateLimited { .. }), "{message}: {error}");
        }
        let ranges = [
            (-32005, "query returned more than 10000 results"),
            (-32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range"),
            (-32614, "eth_getLogs is limited to a 10,000 range"),
            (-32000, "exceed maximum block range: 5000"),
            (-32602, "query exceeds max results 20000, retry with the range 0-1000"),
            (
                -32701,
                "Please specify an address in your request or, to remove restrictions, order a dedicated node: \
                      block range is too large",
            ),
            (-32000, "query timeout exceeded"),
            (-32603, "Internal error"),
            (30, "Request timeout on the free tier, please upgrade your tier to the paid one"),
            (-32099, "a text that no list has"),
        ];
        for (code, message) in ranges {
            let refused = |blocks| of_logs(from_response(code, message, None), &blocks);
            assert!(matches!(refused(7..=8), NodeError::RangeTooWide(_)), "{message}");
            let reason = message.into();
            assert_eq!(refused(7..=7), NodeError::BlockTooLarge { block: 7, reason });
        }
        let behind = of_logs(from_response(-32602, "block range extends beyond current head block", None), &(7..=9));
        assert!(is_behind(&behind), "{behind}");
    }

    #[test]
    fn refused_transactions_have_types() {
        let of = |message: &str| {
            of_transaction(from_response(-32000, message, None), Address::ZERO, U256::ZERO, U256::from(1))
        };
        assert!(matches!(of("insufficient funds for gas * price + value"), NodeError::InsufficientFunds { .. }));
        assert!(matches!(of("nonce too low: next nonce 5, tx nonce 4"), NodeError::NonceConflict(_)));
        assert!(matches!(of("replacement transaction underpriced"), NodeError::FeeTooLow(_)));
        assert!(matches!(of("max fee per gas less than block base fee"), NodeError::FeeTooLow(_)));
        assert!(matches!(of("exceeds block gas limit"), NodeError::Rejected(_)));
        assert!(is_known(&from_response(-32000, "already known", None)));
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_follow_the_server() {
        let lost = NodeError::Unreachable { endpoint: String::new(), reason: String::new() };
        let pauses = |error| PAUSES.build().map(move |planned| pause(planned, error).as_millis()).take(100);
        let all: Vec<_> = pauses(&lost).collect();
        assert_eq!((&all[..3], all[99]), (&[250, 500, 1_000][..], 60_000));
        let asked = NodeError::RateLimited { retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(pauses(&asked).next(), Some(7_000));
    }
}
