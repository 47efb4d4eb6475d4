//! Settings of a log on servers.

use std::time::Duration;

use super::{ValkeyFiles, ValkeyLogError, servers::parse};

/// Required durability of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The server's settings must show that it keeps its data when its memory is full and when it is restarted.
    #[default]
    Checked,
    /// The server may be empty after a restart. A member who then repeats an id in the same epoch is not caught.
    Volatile,
    /// The settings are not checked, for managed servers that do not report them: the operator vouches for the server.
    Vouched,
}

/// Settings of a log on servers.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValkeySettings {
    /// Address of one server (`redis://`, `rediss://` for TLS with the feature `valkey-tls`, `unix://`), or of
    /// some servers of a cluster. User and password are part of the address; those of the first address are also used
    /// for servers that the cluster names.
    pub addresses: Vec<String>,
    /// Addresses of sentinels that watch the server. Then `addresses` has exactly one address, whose host is the name
    /// under which they watch the server.
    pub sentinels: Vec<String>,
    /// Files with passwords and certificates.
    pub files: ValkeyFiles,
    /// Timeout of a call.
    pub timeout: Duration,
    /// Number of replicas that must have a write before it is answered.
    pub replicas: u32,
    /// Required durability of the servers.
    pub durability: Durability,
}

impl ValkeySettings {
    /// Creates settings for a server or a cluster: a timeout of two seconds, no replicas, durability checked.
    pub fn new(addresses: impl IntoIterator<Item = String>) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            sentinels: Vec::new(),
            files: ValkeyFiles::default(),
            timeout: Duration::from_secs(2),
            replicas: 0,
            durability: Durability::default(),
        }
    }

    /// Checks the form of the addresses, without a connection to the servers.
    ///
    /// # Errors
    /// [`ValkeyLogError::Address`] if an address is invalid.
    pub fn check(&self) -> Result<(), ValkeyLogError> {
        parse(&self.addresses).and_then(|_| parse(&self.sentinels)).map(drop)
    }
}

/// Leaves out the addresses, which may hold passwords.
impl core::fmt::Debug for ValkeySettings {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { addresses: _, sentinels: _, files, timeout, replicas, durability } = self;
        f.debug_struct("ValkeySettings")
            .field("files", files)
            .field("timeout", timeout)
            .field("replicas", replicas)
            .field("durability", durability)
            .finish_non_exhaustive()
    }
}
