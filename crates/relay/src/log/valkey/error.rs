//! Errors of opening a log on servers.

use redis::{ErrorKind, RedisError};

/// Errors of opening a log on a Valkey or Redis server. They name servers by host and port, never with a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValkeyLogError {
    /// An address is invalid, or none was given.
    #[error("{0}; give addresses like redis://user:password@host:6379, or rediss:// for TLS")]
    Address(String),
    /// A file with a password or certificates cannot be used.
    #[error(
        "cannot use the files with password and certificates: {0}; check the paths, their owner, and that they are PEM"
    )]
    Files(String),
    /// The threads that talk to servers cannot be started.
    #[error("cannot start the log's threads: {0}")]
    Threads(String),
    /// A server does not answer, or refuses the connection.
    #[error("{server} cannot be used: {reason}; check that it runs, its address and the password")]
    Unreachable {
        /// The server.
        server: String,
        /// The reason.
        reason: String,
    },
    /// The server refuses the password, or asks for one.
    #[error("{0} refuses the password, or asks for one; check the password")]
    Password(String),
    /// The log is not the one that this relay knows, or is incomplete.
    #[error(
        "the nullifier log on the servers was {0}; without it, members could use their quotas of the running epochs \
             twice: restore it, or start a new one with --new-log after those epochs"
    )]
    Lost(&'static str),
    /// Several addresses were given, and the servers are not a cluster.
    #[error("{0} is not in cluster mode; give one address, or those of one cluster")]
    NotACluster(String),
    /// The server is a replica, and accepts no writes.
    #[error("{0} is a replica; give the address of its primary, or the addresses of sentinels, which know the primary")]
    Replica(String),
    /// The server does not support a required command (`SET` with both `NX` and `GET`).
    #[error("{server} has version {version}; Redis 7.0 or any Valkey is needed")]
    TooOld {
        /// The server.
        server: String,
        /// Its version.
        version: String,
    },
    /// The server evicts nullifiers when its memory is full, and they would be accepted again.
    #[error(
        "{server} evicts keys when its memory is full (maxmemory-policy {policy}); set maxmemory-policy noeviction"
    )]
    Evicts {
        /// The server.
        server: String,
        /// Its policy.
        policy: String,
    },
    /// The server loses nullifiers when it restarts, and they would be accepted again.
    #[error(
        "{server} does not write its data to disk in time ({setting} {value}); set appendonly yes, and appendfsync \
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
    /// The server does not report its settings.
    #[error(
        "{server} does not report its settings ({reason}); allow CONFIG GET, or check yourself that it has \
             maxmemory-policy noeviction and appendonly yes, and vouch for it in the settings"
    )]
    Untold {
        /// The server.
        server: String,
        /// The server's answer.
        reason: String,
    },
    /// The server's clock is wrong, or this machine's: the server would drop nullifiers too early.
    #[error("the clock of {server} differs from this machine's by {seconds} seconds; set both by NTP")]
    Clock {
        /// The server.
        server: String,
        /// The difference in seconds.
        seconds: u64,
    },
}

impl ValkeyLogError {
    /// Returns the error for a server that cannot be asked.
    pub(super) fn of_server(server: &str, error: &RedisError) -> Self {
        let is_password =
            error.kind() == ErrorKind::AuthenticationFailed || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"));
        match is_password {
            true => Self::Password(server.into()),
            false => Self::Unreachable { server: server.into(), reason: error.to_string() },
        }
    }

    /// Replaces the server's name, for readers who must not know it.
    pub(super) fn unnamed(self) -> Self {
        let server: String = "the server".into();
        match self {
            Self::Unreachable { reason, .. } => Self::Unreachable { server, reason },
            Self::Password(_) => Self::Password(server),
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
