//! JSON-RPC over HTTP.
//!
//! Unlike alloy's transport, it reports the status 429 whatever the body holds, and reads answers in which `error` or
//! `result` is null beside the other.

use core::{
    task::{Context, Poll},
    time::Duration,
};

use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket},
    transports::{
        TransportError, TransportErrorKind, TransportFut,
        http::reqwest::{Client, StatusCode, Url, header::RETRY_AFTER},
    },
};
use serde_json::Value;
use tower_service::Service;

/// An HTTP endpoint. Clones share its connections.
#[derive(Clone)]
pub(super) struct HttpTransport {
    client: Client,
    url: Url,
}

impl HttpTransport {
    pub(super) fn new(client: Client, url: Url) -> Self {
        Self { client, url }
    }

    async fn send(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let answer = self.client.post(self.url).json(&request).send().await.map_err(TransportErrorKind::custom)?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        let refusal = |body: &[u8]| {
            let body = String::from_utf8_lossy(body).into_owned();
            TransportErrorKind::http_error_with_retry_after(status.as_u16(), body, retry_after)
        };
        let body = match answer.bytes().await {
            Ok(body) => body,
            Err(failed) if status.is_success() => return Err(TransportErrorKind::custom(failed)),
            Err(_) => return Err(refusal(&[])),
        };
        match parse(&body) {
            _ if status == StatusCode::TOO_MANY_REQUESTS => Err(refusal(&body)),
            Ok(packet) if status.is_success() || packet.is_error() => Ok(packet),
            Err(failed) if status.is_success() => {
                Err(TransportError::deser_err(failed, String::from_utf8_lossy(&body)))
            }
            _ => Err(refusal(&body)),
        }
    }
}

impl Service<RequestPacket> for HttpTransport {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> TransportFut<'static> {
        Box::pin(self.clone().send(request))
    }
}

/// Parses an answer. JSON-RPC allows only one of `result` and `error`, but some servers send both, one of them null.
fn parse(body: &[u8]) -> serde_json::Result<ResponsePacket> {
    serde_json::from_slice(body).or_else(|_| {
        let mut packet: Value = serde_json::from_slice(body)?;
        match &mut packet {
            Value::Array(answers) => answers.iter_mut().for_each(remove_null),
            answer => remove_null(answer),
        }
        serde_json::from_slice(&serde_json::to_vec(&packet)?)
    })
}

/// Removes a null `error`, or a null `result` beside an error.
fn remove_null(answer: &mut Value) {
    let Value::Object(fields) = answer else { return };
    let is_null = |name: &str| fields.get(name).map(Value::is_null);
    match (is_null("error"), is_null("result")) {
        (Some(true), _) => fields.remove("error"),
        (Some(false), Some(true)) => fields.remove("result"),
        _ => None,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_beside_the_other_field_counts_as_missing() {
        let is_error = |text: &str| parse(text.as_bytes()).map(|packet| packet.is_error()).ok();
        let error = "{\"code\":-32000,\"message\":\"m\"}";
        assert_eq!(is_error("{\"id\":1,\"result\":\"0x1\",\"error\":null}"), Some(false));
        assert_eq!(is_error("{\"id\":1,\"error\":null,\"result\":null}"), Some(false));
        assert_eq!(is_error(&format!("{{\"id\":1,\"result\":null,\"error\":{error}}}")), Some(true));
        assert_eq!(
            is_error(&format!("[{{\"id\":1,\"error\":null,\"result\":[]}},{{\"id\":2,\"error\":{error}}}]")),
            Some(true)
        );
        for text in ["", "<html>", "{\"id\":1}", "{\"id\":1,\"error\":null}"] {
            assert_eq!(is_error(text), None, "{text}");
        }
        assert_eq!(is_error(&format!("{{\"id\":1,\"result\":\"0x1\",\"error\":{error}}}")), None);
    }
}
