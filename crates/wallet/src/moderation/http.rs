//! Relays as servers of logs, over HTTP.

use quotapass_circuits::membership::Levels;
use quotapass_log::{LogId, MAX_RESOURCE, Source, SourceError};

use super::LogSettings;
use crate::members::{ClientError, ClientOptions, RelayMembers, SourceError as RelayError};

/// The servers of a log, in the order in which they are asked. A server that does not answer, or lacks something, is
/// passed over: what a server returns is checked, whichever it is.
///
/// As for members, requests contain nothing that distinguishes one wallet from another. Use a proxy to hide the address.
#[derive(Clone, Debug)]
pub struct LogServers {
    log: LogId,
    relays: Vec<RelayMembers>,
}

impl LogServers {
    /// The servers that the settings name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(settings: &LogSettings, options: &ClientOptions) -> Result<Self, ClientError> {
        let relay =
            |server: &quotapass_text::EndpointUrl| RelayMembers::new(server.expose(), Levels::STANDARD, options);
        let relays = settings.servers().iter().map(relay).collect::<Result<_, _>>()?;
        Ok(Self { log: settings.id(), relays })
    }
}

impl Source for LogServers {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let route = format!("/v1/moderation/{}/{path}", self.log);
        let mut last = None;
        for relay in &self.relays {
            match relay.get(&route, MAX_RESOURCE) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            None | Some(RelayError::Status { status: 404, .. }) => SourceError::NotFound(path.into()),
            Some(error) => SourceError::Unavailable { path: path.into(), reason: error.to_string() },
        })
    }
}
