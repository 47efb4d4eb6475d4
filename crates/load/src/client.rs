//! The HTTP client for posts and verdicts.

use std::{fmt, net::IpAddr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use quotapass_circuits::prover::KeyOrigin;
use quotapass_protocol::VerdictKind;
use quotapass_relay::{PostRequest, http::frames::write_post};
use reqwest::{
    Client, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderName},
};
use serde::Deserialize;
use serde_json::json;

use crate::{LoadError, material::Material, plan::Item, registry::SCOPE};

const OCTETS: &str = "application/octet-stream";
const JSON: &str = "application/json";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The encoding of posts and verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Length-prefixed bytes; one byte per verdict
    Binary,
    /// JSON, as `quotapass post` writes it
    Json,
}

/// Error: a request got no verdicts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoVerdicts {
    /// The relay is unreachable, or the connection broke; the relay may have recorded the posts.
    #[error("no answer: {0}")]
    Lost(reqwest::Error),
    /// The relay did not accept the request, or did not answer in time; it may have recorded the posts.
    #[error("the relay is overloaded ({0})")]
    Busy(StatusCode),
    /// The relay did not understand the request, or its answer is invalid.
    #[error("{0}")]
    Wrong(String),
}

/// Sends requests to one relay.
#[derive(Clone)]
pub(crate) struct RelayClient {
    client: Client,
    url: Url,
    format: Format,
}

impl RelayClient {
    /// Creates a client. With `from`, all connections come from this local address.
    pub(crate) fn new(base: &Url, format: Format, timeout: Duration, from: Option<IpAddr>) -> Result<Self, LoadError> {
        let client = Client::builder().http1_only().no_proxy().timeout(timeout).tcp_nodelay(true).local_address(from);
        let url = base.join("v1/verify").map_err(LoadError::client)?;
        Ok(Self { client: client.build().map_err(LoadError::client)?, url, format })
    }

    /// Sends a request that states `from` as its source, and returns the verdicts on its posts in order.
    pub(crate) async fn send(&self, body: Vec<u8>, posts: usize, from: IpAddr) -> Result<Vec<VerdictKind>, NoVerdicts> {
        let kind = match self.format {
            Format::Binary => OCTETS,
            Format::Json => JSON,
        };
        // The address may contain a password.
        let lost = |error: reqwest::Error| NoVerdicts::Lost(error.without_url());
        let request = self.client.post(self.url.clone()).header(FORWARDED_FOR, from.to_string());
        let request = request.header(CONTENT_TYPE, kind).header(ACCEPT, kind).body(body);
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let answer = response.bytes().await.map_err(lost)?;
        match status {
            StatusCode::OK => {}
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                return Err(NoVerdicts::Busy(status));
            }
            _ => return Err(NoVerdicts::Wrong(format!("{status}: {}", String::from_utf8_lossy(&answer)))),
        }
        read(self.format, &answer, posts).map_err(NoVerdicts::Wrong)
    }

    /// Encodes the body of a request with these posts.
    pub(crate) fn body(&self, material: &Material, items: &[Item]) -> Result<Vec<u8>, NoVerdicts> {
        let wrong = |error: &dyn fmt::Display| NoVerdicts::Wrong(error.to_string());
        let posts = items
            .iter()
            .map(|item| material.post(*item).ok_or_else(|| NoVerdicts::Wrong("a pass was not made in advance".into())));
        match self.format {
            Format::Binary => {
                let mut body = Vec::new();
                for post in posts {
                    let (message, pass) = post?;
                    let post = PostRequest { scope: SCOPE, message: message.as_bytes(), pass };
                    write_post(&mut body, &post).map_err(|error| wrong(&error))?;
                }
                Ok(body)
            }
            Format::Json => {
                let posts: Vec<_> = posts
                    .map(|post| {
                        let (message, pass) = post?;
                        let (pass, keys) = (URL_SAFE_NO_PAD.encode(pass), KeyOrigin::Development.to_string());
                        Ok(json!({ "scope": SCOPE, "message": message, "pass": pass, "keys": keys }))
                    })
                    .collect::<Result<_, _>>()?;
                Ok(json!({ "posts": posts }).to_string().into_bytes())
            }
        }
    }
}

#[derive(Deserialize)]
struct Verdicts {
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    verdict: String,
}

/// Reads the verdicts on a number of posts; otherwise returns what is wrong with the answer.
fn read(format: Format, answer: &[u8], posts: usize) -> Result<Vec<VerdictKind>, String> {
    let verdicts: Vec<_> = match format {
        Format::Binary => answer.iter().map(|byte| VerdictKind::from_number(*byte)).collect(),
        Format::Json => {
            let answer: Verdicts =
                serde_json::from_slice(answer).map_err(|error| format!("the answer contains no verdicts: {error}"))?;
            answer.verdicts.iter().map(|verdict| VerdictKind::from_name(&verdict.verdict)).collect()
        }
    };
    if verdicts.len() != posts {
        return Err(format!("the relay gave {} verdicts on {posts} posts", verdicts.len()));
    }
    verdicts.into_iter().collect::<Option<_>>().ok_or_else(|| "the relay gave an unknown verdict".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_read_in_both_formats() {
        let expected = [VerdictKind::Accepted, VerdictKind::InvalidProof];
        assert_eq!(read(Format::Binary, &[0, 9], 2).unwrap(), expected);
        let json = br#"{"verdicts":[{"verdict":"accepted","gossip":"accept"},{"verdict":"invalid_proof"}]}"#;
        assert_eq!(read(Format::Json, json, 2).unwrap(), expected);
    }

    #[test]
    fn answers_that_do_not_fit_are_errors() {
        assert!(read(Format::Binary, &[0], 2).is_err());
        assert!(read(Format::Binary, &[0, 0, 0], 2).is_err());
        assert!(read(Format::Binary, &[13], 1).is_err());
        assert!(read(Format::Json, br#"{"verdicts":[{"verdict":"lost?"}]}"#, 1).is_err());
        assert!(read(Format::Json, b"<html>", 1).is_err());
    }
}
