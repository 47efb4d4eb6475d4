//! Other relays as servers of logs, over HTTP.

use std::time::Duration;

use quotapass_log::{CHECKPOINT_PATH, LogId, MAX_RESOURCE, POLICY_PATH, SignedCheckpoint, Source, SourceError};
use reqwest::{Certificate, Client, StatusCode, Url, header::CONTENT_TYPE, redirect::Policy};
use tokio::runtime::Runtime;

/// The time limit of one request, from the connection to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest answer that is read where no tile is asked for, in bytes.
const SHORT: usize = 128 << 10;
/// The bytes of a full tile of hashes.
const HASHES: usize = 256 * 32;
/// The most entries of a log that this relay follows.
///
/// **Attack.** The operator of a followed log appends without end, and fills the disks of all relays that follow it.
///
/// **Defence.** The log is refused at this size, which no list needs: it has some thousand times as many entries as a scope
/// can have in force.
const MAX_FOLLOWED: u64 = 1 << 22;

/// Errors in the settings of a [`LogServer`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogServerError {
    /// The address is not valid.
    #[error("the `url` of a followed log is not the address of a relay; give one such as https://relay.example")]
    Address,
    /// The certificates are not valid.
    #[error("the certificates for a followed log cannot be read ({0}); give a PEM file")]
    Certificates(String),
    /// The HTTP client cannot be created.
    #[error("cannot set up connections: {0}")]
    Setup(String),
}

/// The relay that serves a log.
///
/// Redirects are not followed, and no answer is trusted: all of it is checked against the log's root key.
#[derive(Clone, Debug)]
pub struct LogServer {
    /// The address without a final slash. It is not shown in errors, which are public.
    base: String,
    client: Client,
}

impl LogServer {
    /// The relay at this address. `authorities` are certificates in PEM form that it is accepted with, in place of those of
    /// the system.
    ///
    /// # Errors
    /// [`LogServerError`].
    pub fn new(address: &str, authorities: Option<&[u8]>) -> Result<Self, LogServerError> {
        let is_plain = |url: &Url| {
            let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
            is_web && url.query().is_none() && url.fragment().is_none()
        };
        let url = Url::parse(address).ok().filter(is_plain).ok_or(LogServerError::Address)?;
        let mut client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .referer(false)
            // Each round has a runtime of its own, which the connections do not outlive.
            .pool_max_idle_per_host(0);
        if let Some(authorities) = authorities {
            let invalid = |error: reqwest::Error| LogServerError::Certificates(innermost(&error));
            let authorities = Certificate::from_pem_bundle(authorities).map_err(invalid)?;
            if authorities.is_empty() {
                return Err(LogServerError::Certificates("it has no certificate".into()));
            }
            client = client.tls_certs_only(authorities);
        }
        let client = client.build().map_err(|error| LogServerError::Setup(innermost(&error)))?;
        Ok(Self { base: url.as_str().trim_end_matches('/').into(), client })
    }

    /// Opens a log there, for one round.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] if the system gives no threads or sockets.
    pub(super) fn open(&self, log: LogId) -> Result<RemoteLog<'_>, SourceError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unavailable("", error.to_string()))?;
        Ok(RemoteLog { server: self, address: format!("{}/v1/moderation/{log}", self.base), runtime })
    }
}

/// A log at another relay. Its calls block the thread, which must not be one of an asynchronous runtime.
pub(super) struct RemoteLog<'a> {
    server: &'a LogServer,
    address: String,
    runtime: Runtime,
}

impl RemoteLog<'_> {
    /// Sends a cosignature line.
    pub(super) fn send_cosignature(&self, line: &str) -> Result<(), SourceError> {
        let path = "cosignatures";
        let send = async {
            let request = self.server.client.post(format!("{}/{path}", self.address));
            let sent = request.header(CONTENT_TYPE, "text/plain; charset=utf-8").body(line.to_owned()).send().await;
            Ok(sent.map_err(|error| failed(path, error))?.status())
        };
        match self.runtime.block_on(send)? {
            StatusCode::OK => Ok(()),
            status => Err(unavailable(path, format!("it answers with status {}", status.as_u16()))),
        }
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let failed = |error| failed(path, error);
        let mut answer = self.server.client.get(format!("{}/{path}", self.address)).send().await.map_err(failed)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(SourceError::NotFound(path.into())),
            status => return Err(unavailable(path, format!("it answers with status {}", status.as_u16()))),
        }
        let limit = limit(path);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if chunk.len() > limit - body.len() {
                return Err(unavailable(path, format!("its answer has more than {limit} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Returns the longest answer for a path, in bytes.
fn limit(path: &str) -> usize {
    match path {
        CHECKPOINT_PATH | POLICY_PATH => SHORT,
        _ if path.starts_with("tile/entries/") => MAX_RESOURCE,
        _ if path.starts_with("tile/") => HASHES,
        _ => SHORT,
    }
}

impl Source for RemoteLog<'_> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let body = self.runtime.block_on(self.get(path))?;
        if path == CHECKPOINT_PATH {
            // One that is not valid is refused by its reader.
            let size = SignedCheckpoint::read(&body).map_or(0, |note| note.checkpoint().size);
            if size > MAX_FOLLOWED {
                let reason = format!("the log has {size} entries, and this relay follows at most {MAX_FOLLOWED}");
                return Err(unavailable(path, reason));
            }
        }
        Ok(body)
    }
}

fn failed(path: &str, error: reqwest::Error) -> SourceError {
    if error.is_timeout() {
        return unavailable(path, format!("there is no answer within {} s", TIMEOUT.as_secs()));
    }
    // Without the address, which may be private to the operators.
    unavailable(path, innermost(&error.without_url()))
}

fn unavailable(path: &str, reason: String) -> SourceError {
    SourceError::Unavailable { path: path.into(), reason }
}

/// Returns the innermost cause, which says more than the outer ones.
fn innermost(error: &dyn core::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_relays_are_taken() {
        for wrong in ["", "relay.example", "ftp://relay.example", "https://", "https://relay.example/?a", "http://a/#b"]
        {
            assert_eq!(LogServer::new(wrong, None).map(drop), Err(LogServerError::Address), "{wrong}");
        }
        for (right, base) in
            [("https://relay.example", "https://relay.example"), ("http://[::1]:80/a/", "http://[::1]/a")]
        {
            assert_eq!(LogServer::new(right, None).unwrap().base, base);
        }
        assert!(matches!(
            LogServer::new("https://a", Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")),
            Err(LogServerError::Certificates(_))
        ));
    }

    #[test]
    fn each_answer_has_a_limit() {
        assert_eq!(limit("tile/0/000.p/17"), HASHES);
        assert_eq!(limit("tile/entries/000"), MAX_RESOURCE);
        assert!(["checkpoint", "policy", "other"].iter().all(|path| limit(path) == SHORT));
    }
}
