//! Requests to the relay of a moderation log.

use anyhow::{Context as _, Result, bail};
use ed25519_dalek::{Signer as _, SigningKey};
use quotapass_log::{LogId, MAX_RESOURCE, Source, SourceError};
use quotapass_protocol::{UnixSeconds, note::NoteKey};
use quotapass_text::EndpointUrl;
use quotapass_wallet::members::ClientOptions;
use reqwest::{Client, Method, StatusCode, header::CONTENT_TYPE};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::{
    endpoint,
    exit_code::ExitKind,
    failure::{Failure, usage},
    send::{http_client, innermost, read_body, said},
    time::now,
};

/// The header of a moderator's request.
const MODERATOR: &str = "Quotapass-Moderator";
/// The longest answer other than a part of a log, in bytes: pages of the queue have reports of 64 KiB.
const MAX_ANSWER: usize = 32 << 20;

/// A relay, with one of the logs that it writes or has a copy of.
pub(super) struct RelayClient {
    name: String,
    base: String,
    log: LogId,
    client: Client,
    runtime: Runtime,
}

impl RelayClient {
    pub(super) fn new(relay: &EndpointUrl, log: LogId, options: &ClientOptions) -> Result<Self> {
        if let Some(right) = endpoint::with_scheme(relay) {
            bail!(usage(format!("`{relay}` has no scheme; write {right}")));
        }
        Ok(Self {
            name: relay.to_string(),
            base: relay.expose().trim_end_matches('/').into(),
            log,
            client: http_client(options)?,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// The relay's address, without secrets.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads a route of the log that needs a moderator.
    pub(super) fn read<T: DeserializeOwned>(&self, route: &str, key: &NoteKey) -> Result<T> {
        let answer = self.ask(Method::GET, &self.path(route), &[], Some(key))?;
        self.parse(&self.accepted(answer)?)
    }

    /// Reads a route of the log that needs a moderator; `None` if what it names is not there.
    pub(super) fn find<T: DeserializeOwned>(&self, route: &str, key: &NoteKey) -> Result<Option<T>> {
        let answer = self.ask(Method::GET, &self.path(route), &[], Some(key))?;
        if answer.0 == StatusCode::NOT_FOUND { Ok(None) } else { self.parse(&self.accepted(answer)?).map(Some) }
    }

    /// Reads a route that everybody can read, given from the relay's root.
    pub(super) fn read_public<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.ask(Method::GET, path, &[], None)?;
        self.parse(&self.accepted(answer)?)
    }

    /// Sends JSON to a route of the log, signed by a moderator unless the content proves itself.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &impl Serialize,
        key: Option<&NoteKey>,
    ) -> Result<T> {
        let answer = self.ask(Method::POST, &self.path(route), &serde_json::to_vec(body)?, key)?;
        self.parse(&self.accepted(answer)?)
    }

    fn path(&self, route: &str) -> String {
        format!("/v1/moderation/{}/{route}", self.log)
    }

    fn parse<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T> {
        serde_json::from_slice(answer).with_context(|| {
            Failure::new(
                ExitKind::Endpoint,
                format!("the answer of {} is not a relay's of this version; check the address", self.name),
            )
        })
    }

    /// Returns the body of an answer that says success.
    fn accepted(&self, (status, answer): (StatusCode, Vec<u8>)) -> Result<Vec<u8>> {
        if status.is_success() { Ok(answer) } else { Err(refusal(&self.name, status, &answer).into()) }
    }

    /// Sends a request, and returns the status and the body of its answer.
    fn ask(&self, method: Method, path: &str, body: &[u8], key: Option<&NoteKey>) -> Result<(StatusCode, Vec<u8>)> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.header(MODERATOR, header_of(key, &self.log, method.as_str(), path, now()?, body));
        }
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_vec());
        }
        let (status, answer) = self.runtime.block_on(exchange(request, MAX_ANSWER)).map_err(|error| {
            let again = if method == Method::POST {
                "; it may have taken the request: send it again, nothing is taken twice"
            } else {
                "; try again later"
            };
            let reason = format!("{} does not answer ({}){again}", self.name, innermost(&error));
            Failure::new(ExitKind::Endpoint, reason)
        })?;
        let Some(answer) = answer else {
            bail!(Failure::new(ExitKind::Endpoint, format!("the answer of {} is too long", self.name)));
        };
        Ok((status, answer))
    }
}

/// Returns the failure for an answer other than success: its code, and what the relay says to do.
fn refusal(relay: &str, status: StatusCode, answer: &[u8]) -> Failure {
    let said = said(answer).unwrap_or_else(|| "no reason is given".into());
    let kind = match status {
        StatusCode::BAD_REQUEST
        | StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::CONFLICT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => ExitKind::Refused,
        _ => ExitKind::Endpoint,
    };
    Failure::new(kind, format!("{relay} refuses the request with status {}: {said}", status.as_u16()))
}

async fn exchange(request: reqwest::RequestBuilder, limit: usize) -> reqwest::Result<(StatusCode, Option<Vec<u8>>)> {
    let mut answer = request.send().await?;
    let body = read_body(&mut answer, limit).await?;
    Ok((answer.status(), body))
}

/// Returns the value of the header by which a moderator's request is known: public key, time, and signature.
///
/// The signature is over method, path and body, in one log and at one time: a request that another party saw does nothing
/// else, in no other log, and nothing after a minute.
fn header_of(key: &NoteKey, log: &LogId, method: &str, path: &str, at: UnixSeconds, body: &[u8]) -> String {
    let key = SigningKey::from_bytes(&key.seed());
    let signed = signed_text(log, method, path, at, body);
    let signature = key.sign(signed.as_bytes());
    format!("{} {at} {}", hex::encode(key.verifying_key().as_bytes()), hex::encode(signature.to_bytes()))
}

fn signed_text(log: &LogId, method: &str, path: &str, at: UnixSeconds, body: &[u8]) -> String {
    let body = hex::encode(Sha256::digest(body));
    format!("quotapass.moderator.v1\n{log}\n{method}\n{path}\n{at}\n{body}\n")
}

/// The log, as its readers fetch it.
impl Source for RelayClient {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let unavailable = |reason: String| SourceError::Unavailable { path: path.into(), reason };
        let request = self.client.get(format!("{}{}", self.base, self.path(path)));
        let answered = self.runtime.block_on(exchange(request, MAX_RESOURCE));
        let (status, body) = answered.map_err(|error| unavailable(innermost(&error)))?;
        match (status, body) {
            (StatusCode::OK, Some(body)) => Ok(body),
            (StatusCode::OK, None) => Err(unavailable("the answer is too long".into())),
            (StatusCode::NOT_FOUND, _) => Err(SourceError::NotFound(path.into())),
            (status, _) => Err(unavailable(format!("status {}", status.as_u16()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};

    use super::*;

    #[test]
    fn the_header_signs_the_whole_request() {
        let key = NoteKey::from_seed("alice", &[3; 32]).unwrap();
        let (log, at) = (LogId::from_bytes([0xab; 32]), UnixSeconds(1_795_176_000));
        let path = "/v1/moderation/x/queue?after=7";
        let header = header_of(&key, &log, "GET", path, at, b"{}");
        let parts: Vec<_> = header.split(' ').collect();
        assert_eq!(parts[1], "1795176000");
        let mut public = [0; 32];
        hex::decode_to_slice(parts[0], &mut public).unwrap();
        let mut signature = [0; 64];
        hex::decode_to_slice(parts[2], &mut signature).unwrap();
        let public = VerifyingKey::from_bytes(&public).unwrap();
        assert_eq!(public, SigningKey::from_bytes(&[3; 32]).verifying_key());
        let verify = |text: &str| public.verify(text.as_bytes(), &Signature::from_bytes(&signature)).is_ok();
        // SHA-256 of `{}` as `sha256sum` prints it.
        let body = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let text = format!("quotapass.moderator.v1\n{}\nGET\n{path}\n1795176000\n{body}\n", "ab".repeat(32));
        assert!(verify(&text));
        for (from, to) in [("GET", "POST"), ("after=7", "after=8"), ("1795176000", "1795176001"), ("ab", "ac")] {
            assert!(!verify(&text.replace(from, to)), "{from}");
        }
    }

    #[test]
    fn a_refusal_says_what_the_relay_says_without_its_control_characters() {
        let answer = br#"{"error":"threshold; 1 of 2\u001b[2J","hint":"sign it"}"#;
        let text = refusal("relay", StatusCode::CONFLICT, answer).to_string();
        assert_eq!(text, "relay refuses the request with status 409: threshold; 1 of 2\\u{1b}[2J; sign it");
        let text = refusal("relay", StatusCode::BAD_GATEWAY, b"<html>").to_string();
        assert!(text.ends_with("status 502: no reason is given"), "{text}");
    }
}
