//! Passwords and certificates in files.

use std::{fs, path::PathBuf};

use redis::{Client, ConnectionInfo, RedisConnectionInfo};
use zeroize::Zeroizing;

use super::ValkeyLogError;

/// Files with what servers ask for. They are read whenever a connection is made, so that new ones count with the next
/// connection; those that are open go on, as servers let them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValkeyFiles {
    /// Holds the password, in the place of one in the addresses. The last line break does not count.
    pub password: Option<PathBuf>,
    /// Holds, in PEM, the authorities that the servers' certificates may be from. None of the system's counts then.
    pub authorities: Option<PathBuf>,
    /// Hold, in PEM, the certificate of this client and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl ValkeyFiles {
    /// Whether certificates are named.
    pub(super) fn has_certificates(&self) -> bool {
        self.authorities.is_some() || self.identity.is_some()
    }

    /// User and password, as the file has it.
    pub(super) fn settings(&self, settings: RedisConnectionInfo) -> Result<RedisConnectionInfo, ValkeyLogError> {
        let Some(path) = &self.password else { return Ok(settings) };
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| unreadable(path, &error))?);
        Ok(settings.set_password(text.trim_end_matches(['\r', '\n'])))
    }

    /// A client of a server with what is in the files.
    pub(super) fn client(&self, info: ConnectionInfo) -> Result<Client, ValkeyLogError> {
        let settings = self.settings(info.redis_settings().clone())?;
        self.open(info.set_redis_settings(settings))
    }

    #[cfg(feature = "relay-valkey-tls")]
    fn open(&self, info: ConnectionInfo) -> Result<Client, ValkeyLogError> {
        use redis::{ClientTlsConfig, TlsCertificates};
        if !self.has_certificates() {
            return plain(info);
        }
        let read = |path: &PathBuf| fs::read(path).map_err(|error| unreadable(path, &error));
        let identity = match &self.identity {
            None => None,
            Some((certificate, key)) => {
                Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
            }
        };
        let certificates =
            TlsCertificates { client_tls: identity, root_cert: self.authorities.as_ref().map(read).transpose()? };
        Client::build_with_tls(info, certificates).map_err(|error| ValkeyLogError::Files(error.to_string()))
    }

    #[cfg(not(feature = "relay-valkey-tls"))]
    fn open(&self, info: ConnectionInfo) -> Result<Client, ValkeyLogError> {
        if self.has_certificates() {
            return Err(ValkeyLogError::Files("this build has no TLS (feature relay-valkey-tls)".into()));
        }
        plain(info)
    }
}

fn plain(info: ConnectionInfo) -> Result<Client, ValkeyLogError> {
    Client::open(info).map_err(|error| ValkeyLogError::Address(error.to_string()))
}

fn unreadable(path: &std::path::Path, error: &std::io::Error) -> ValkeyLogError {
    ValkeyLogError::Files(format!("{}: {error}", path.display()))
}
