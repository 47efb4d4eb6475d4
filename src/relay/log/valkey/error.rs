//! Why a log on a server was not opened.

/// Why a log on a Valkey or Redis server was not opened. Servers are named by host and port, never with a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValkeyLogError {
    /// An address makes no sense, or none was given.
    #[error("{0}; give addresses like redis://user:password@host:6379, or rediss:// for TLS")]
    Address(String),
    /// A file with a password or certificates cannot be used.
    #[error(
        "cannot use the files with password and certificates: {0}; check the paths, their owner, and that they are PEM"
    )]
    Files(String),
    /// This machine has no room for the threads that talk to servers.
    #[error("cannot start the log's threads: {0}")]
    Threads(String),
    /// A server does not answer, or refuses.
    #[error("{server} cannot be used: {reason}; check that it runs, its address and the password")]
    Unreachable {
        /// The server.
        server: String,
        /// What it said.
        reason: String,
    },
    /// The log is not the one that this relay knows, or only part of one.
    #[error(
        "the nullifier log on the servers was {0}, and without it members could post twice what they posted in the running \
             epochs: restore it, or begin a new one with --new-log when those epochs are over"
    )]
    Lost(&'static str),
    /// Several addresses were given, and they are no cluster.
    #[error("{0} is not in cluster mode; give one address, or those of one cluster")]
    NotACluster(String),
    /// It is a copy of another server, and takes no writes.
    #[error("{0} is a replica; give the address of its primary, or those of sentinels, which know who it is")]
    Replica(String),
    /// It does not know a command that is needed (`SET` with both `NX` and `GET`).
    #[error("{server} has version {version}; Redis 7.0 or any Valkey is needed")]
    TooOld {
        /// The server.
        server: String,
        /// Its version.
        version: String,
    },
    /// It would forget nullifiers when its memory is full, and accept them again.
    #[error(
        "{server} forgets keys when its memory is full (maxmemory-policy {policy}); set maxmemory-policy noeviction"
    )]
    Evicts {
        /// The server.
        server: String,
        /// Its policy.
        policy: String,
    },
    /// It would lose nullifiers when it restarts, and accept them again.
    #[error(
        "{server} does not write what it holds to its disk in time ({setting} {value}); set appendonly yes, and appendfsync \
             everysec or always"
    )]
    Forgets {
        /// The server.
        server: String,
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
    },
    /// It does not tell its settings.
    #[error(
        "{server} does not tell its settings ({reason}); allow CONFIG GET, or check yourself that it has maxmemory-policy \
             noeviction and appendonly yes, and vouch for it in the settings"
    )]
    Untold {
        /// The server.
        server: String,
        /// What it said.
        reason: String,
    },
    /// Its clock is wrong, or ours is: it would drop nullifiers too early.
    #[error("the clock of {server} differs from this machine's by {seconds} seconds; set both by NTP")]
    Clock {
        /// The server.
        server: String,
        /// By how much.
        seconds: u64,
    },
}

impl ValkeyLogError {
    /// The same without a server's name, for those who are not to know it.
    pub(super) fn unnamed(self) -> Self {
        let server: String = "the server".into();
        match self {
            Self::Unreachable { reason, .. } => Self::Unreachable { server, reason },
            Self::NotACluster(_) => Self::NotACluster(server),
            Self::Replica(_) => Self::Replica(server),
            Self::TooOld { version, .. } => Self::TooOld { server, version },
            Self::Evicts { policy, .. } => Self::Evicts { server, policy },
            Self::Forgets { setting, value, .. } => Self::Forgets { server, setting, value },
            Self::Untold { reason, .. } => Self::Untold { server, reason },
            Self::Clock { seconds, .. } => Self::Clock { server, seconds },
            unnamed @ (Self::Address(_) | Self::Files(_) | Self::Threads(_) | Self::Lost(_)) => unnamed,
        }
    }
}
