//! Where a log on servers is, and what is asked of them.

use std::time::Duration;

use super::{ValkeyFiles, ValkeyLogError, servers::parse};

/// What is asked of a server's durability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// It must say that it keeps what it was given, when its memory is full and when it is restarted.
    #[default]
    Checked,
    /// It may be empty after a restart. A member who then repeats an id in the same epoch is not caught.
    Volatile,
    /// It is not asked, for managed servers that do not tell: the operator vouches for it.
    Vouched,
}

/// Where the log is, and what is asked of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValkeySettings {
    /// One server (`redis://`, `rediss://` for TLS with the feature `relay-valkey-tls`, `unix://`), or some of a
    /// cluster. User and password stand in the address; those of the first are used for servers that the cluster names.
    pub addresses: Vec<String>,
    /// Addresses of sentinels that watch the server. There is one address in `addresses` then, and its host is the name under
    /// which they watch it.
    pub sentinels: Vec<String>,
    /// Files with passwords and certificates.
    pub files: ValkeyFiles,
    /// How long a call may take.
    pub timeout: Duration,
    /// How many replicas must have a write before it is answered.
    pub replicas: u32,
    /// What is asked of the servers' settings.
    pub durability: Durability,
}

impl ValkeySettings {
    /// Those of a server or a cluster: two seconds, no replicas, durability checked.
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

    /// Whether the addresses can be read, without asking the servers.
    ///
    /// # Errors
    /// [`ValkeyLogError::Address`] if one cannot be.
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
