//! Certificates for TLS to an endpoint.

use alloy::transports::http::reqwest::{Certificate, Client, Identity};
use zeroize::Zeroizing;

use crate::node::NodeError;

/// Certificates for an `https://` endpoint. The system's default is used for each one that is not given.
#[derive(Clone, Default)]
pub struct RpcTls {
    /// The trusted certificate authorities, in PEM. They replace the system's: an endpoint in a private network is then
    /// trusted only with a certificate of its own authority.
    pub authorities: Option<Vec<u8>>,
    /// The client's certificate chain and its private key, in PEM, for an endpoint that requires client authentication.
    pub identity: Option<Zeroizing<Vec<u8>>>,
}

/// Shows neither key nor certificates.
impl core::fmt::Debug for RpcTls {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RpcTls").finish_non_exhaustive()
    }
}

impl RpcTls {
    /// Returns an HTTP client with these certificates.
    ///
    /// # Errors
    /// [`NodeError::Certificates`] if they cannot be read.
    pub(super) fn client(&self) -> Result<Client, NodeError> {
        let unreadable = |error: alloy::transports::http::reqwest::Error| NodeError::Certificates(error.to_string());
        let mut client = Client::builder();
        if let Some(authorities) = &self.authorities {
            let authorities = Certificate::from_pem_bundle(authorities).map_err(unreadable)?;
            if authorities.is_empty() {
                return Err(NodeError::Certificates("the file of authorities has no certificate".into()));
            }
            client = client.tls_certs_only(authorities);
        }
        if let Some(identity) = &self.identity {
            client = client.identity(Identity::from_pem(identity).map_err(unreadable)?);
        }
        client.build().map_err(unreadable)
    }
}
