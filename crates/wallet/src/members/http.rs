//! A relay as a members source, over HTTP.

use std::{error::Error, thread, time::Duration};

use quotapass_circuits::membership::{Bucket, BucketNumber, Levels, UpperNodes};
use quotapass_text::EndpointUrl;
use reqwest::{Client, Proxy, StatusCode, Url, redirect::Policy};

use super::{MembersSource, SourceError};

/// Maximum length of an answer to `/v1/policy` that is read.
const MAX_POLICY_BYTES: usize = 4 << 20;

/// Errors in the setup of a relay client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The relay's address is not valid.
    #[error("`{0}` is not the address of a relay; give one such as https://relay.example")]
    Address(EndpointUrl),
    /// The proxy's address is not valid.
    #[error("`{0}` is not the address of a proxy; give one such as socks5h://127.0.0.1:9050")]
    Proxy(EndpointUrl),
    /// The HTTP client cannot be created.
    #[error("cannot set up connections: {0}")]
    Setup(String),
}

/// Options of a relay client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// Time limit of one request, from the connection to the last byte of the answer.
    pub timeout: Duration,
    /// A proxy for all requests, for example Tor's: `socks5h://127.0.0.1:9050`.
    pub proxy: Option<EndpointUrl>,
}

impl Default for ClientOptions {
    /// 30 seconds, no proxy.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), proxy: None }
    }
}

/// The member tree of a relay.
///
/// Requests contain nothing that distinguishes one wallet from another: no cookie, no program name, no conditional
/// headers, and each request uses a new connection. Redirects are not followed. Each request runs in a separate thread
/// and blocks the caller, which may also be an asynchronous task.
#[derive(Clone, Debug)]
pub struct RelayMembers {
    base: EndpointUrl,
    client: Client,
    levels: Levels,
}

impl RelayMembers {
    /// The relay at an address, given without the path of the routes. A tree of `levels` levels is expected.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(address: &str, levels: Levels, options: &ClientOptions) -> Result<Self, ClientError> {
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let url = Url::parse(address).ok().filter(is_web).ok_or_else(|| ClientError::Address(address.into()))?;
        let mut client = Client::builder()
            .timeout(options.timeout)
            .redirect(Policy::none())
            .referer(false)
            .pool_max_idle_per_host(0);
        if let Some(proxy) = &options.proxy {
            client = client.proxy(Proxy::all(proxy.expose()).map_err(|_| ClientError::Proxy(proxy.clone()))?);
        }
        let client = client.build().map_err(|error| ClientError::Setup(reason(&error)))?;
        Ok(Self { base: url.as_str().trim_end_matches('/').into(), client, levels })
    }

    /// Reads the relay's answer to `/v1/policy`, which is JSON. It is the same for all clients, so the request reveals
    /// only that a client asks.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn policy(&self) -> Result<Vec<u8>, SourceError> {
        self.get("/v1/policy", MAX_POLICY_BYTES)
    }

    /// Returns the URL of a route for errors.
    fn shown(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn get(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        let unreachable = |reason: &str| SourceError::Unreachable { url: self.shown(path), reason: reason.into() };
        let request = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| unreachable(&error.to_string()))?.block_on(self.fetch(path, limit))
        };
        thread::scope(|scope| scope.spawn(request).join()).unwrap_or_else(|_| Err(unreachable("the request failed")))
    }

    /// Reads an answer up to its maximum length.
    async fn fetch(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        let failed = |error: reqwest::Error| match error.is_timeout() {
            true => SourceError::Timeout { url: self.shown(path) },
            false => SourceError::Unreachable { url: self.shown(path), reason: reason(&error.without_url()) },
        };
        let mut answer = self.client.get(format!("{}{path}", self.base.expose())).send().await.map_err(failed)?;
        if answer.status() != StatusCode::OK {
            return Err(SourceError::Status { url: self.shown(path), status: answer.status().as_u16() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if chunk.len() > limit - body.len() {
                return Err(SourceError::TooLong { url: self.shown(path), limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl MembersSource for RelayMembers {
    fn upper_nodes(&self) -> Result<UpperNodes, SourceError> {
        let path = "/v1/members/upper";
        let body = self.get(path, UpperNodes::max_bytes(self.levels))?;
        UpperNodes::from_bytes(&body).map_err(|error| SourceError::Malformed { url: self.shown(path), error })
    }

    fn bucket(&self, number: BucketNumber) -> Result<Bucket, SourceError> {
        let path = format!("/v1/members/buckets/{number}");
        let body = self.get(&path, Bucket::max_bytes(self.levels)).map_err(|error| match error {
            SourceError::Status { status: 404, .. } => SourceError::NoSuchBucket(number),
            other => other,
        })?;
        Bucket::from_bytes(&body).map_err(|error| SourceError::Malformed { url: self.shown(&path), error })
    }
}

/// Returns the innermost cause, which says more than the outer ones.
fn reason(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
