//! Passwords and certificates in files.

use std::path::PathBuf;

use quotapass_text::read_secret;
use redis::{Client, ConnectionInfo, RedisConnectionInfo};

use super::ValkeyLogError;

/// Files with the credentials for servers. They are read for each new connection, so that a changed file takes effect
/// with the next connection. Open connections continue as long as the servers allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValkeyFiles {
    /// File with the password, used instead of a password in the addresses. Line breaks at its end are ignored.
    pub password: Option<PathBuf>,
    /// PEM file with the certificate authorities of the servers, used instead of the system's authorities.
    pub authorities: Option<PathBuf>,
    /// PEM files with this client's certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl ValkeyFiles {
    /// Returns whether files with certificates are set.
    pub(super) fn has_certificates(&self) -> bool {
        self.authorities.is_some() || self.identity.is_some()
    }

    /// Returns the settings with the password from the file, if one is set.
    pub(super) fn settings(&self, settings: RedisConnectionInfo) -> Result<RedisConnectionInfo, ValkeyLogError> {
        let Some(path) = &self.password else { return Ok(settings) };
        let password = read_secret(path).map_err(|error| unreadable(path, &error))?;
        Ok(settings.set_password(password.as_str()))
    }

    /// Creates a client of a server with the credentials from the files.
    pub(super) fn client(&self, info: ConnectionInfo) -> Result<Client, ValkeyLogError> {
        let settings = self.settings(info.redis_settings().clone())?;
        self.open(info.set_redis_settings(settings))
    }

    #[cfg(feature = "valkey-tls")]
    fn open(&self, info: ConnectionInfo) -> Result<Client, ValkeyLogError> {
        use redis::{ClientTlsConfig, TlsCertificates};
        if !self.has_certificates() {
            return plain(info);
        }
        let read = |path: &PathBuf| std::fs::read(path).map_err(|error| unreadable(path, &error));
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

    #[cfg(not(feature = "valkey-tls"))]
    fn open(&self, info: ConnectionInfo) -> Result<Client, ValkeyLogError> {
        if self.has_certificates() {
            return Err(ValkeyLogError::Files("this build has no TLS (feature valkey-tls)".into()));
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
