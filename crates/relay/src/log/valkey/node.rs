//! The connection to one server, which is made anew when it breaks.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use quotapass_protocol::LogError;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsMode,
    Value,
    aio::MultiplexedConnection,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Durability, ValkeyFiles, ValkeyLogError, ValkeySettings,
    check::{Server, check},
    vitals::EVICTED,
};

/// Pause between a failure and the next attempt. It doubles with each failure, up to the longest pause.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How to find a server.
enum Door {
    /// At a fixed address.
    Address(Box<ConnectionInfo>),
    /// At the address that sentinels give for the primary; user, password and TLS are those of the primary.
    Sentinels { primary: RedisConnectionInfo, sentinels: Vec<ConnectionInfo>, tls: Option<TlsMode> },
}

/// One server.
pub(super) struct Node {
    name: String,
    door: Door,
    files: ValkeyFiles,
    timeout: Duration,
    durability: Durability,
    state: Mutex<NodeConnection>,
    /// Number of keys that it had evicted since its start when it was first seen.
    evicted: AtomicU64,
}

#[derive(Default)]
struct NodeConnection {
    connection: Option<MultiplexedConnection>,
    /// Number of connections made so far.
    made: u64,
    failures: u32,
    /// Time of the next attempt, and the error of the last one.
    pause: Option<(Instant, LogError)>,
    /// Run id of the server at the last connection, if the server reports it.
    run: Option<String>,
}

impl NodeConnection {
    /// Starts a pause, and returns the error in a form for posters, who must not learn where the log is.
    fn refuse(&mut self, error: ValkeyLogError) -> LogError {
        let reason = match error.unnamed() {
            ValkeyLogError::Unreachable { .. } => LogError::Unavailable("no connection to the server".into()),
            ValkeyLogError::Password(_) => LogError::Unavailable("the server refuses the password".into()),
            ValkeyLogError::Lost(how) => LogError::Lost(how),
            ValkeyLogError::Files(_) => LogError::Unfit("the password or the certificates cannot be read".into()),
            unfit => LogError::Unfit(unfit.to_string()),
        };
        let pause = SHORTEST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.pause = Some((Instant::now() + pause, reason.clone()));
        reason
    }
}

fn unanswered(server: &str) -> ValkeyLogError {
    ValkeyLogError::Unreachable { server: server.into(), reason: "it did not answer in time".into() }
}

/// Errors of sending commands to a server.
pub(super) enum Failure {
    /// The server failed recently, and is not asked again before the pause ends.
    Paused(LogError),
    /// The server was asked, and it is unknown whether it executed the commands.
    Broken(LogError),
}

impl Failure {
    pub(super) fn into_error(self) -> LogError {
        match self {
            Self::Paused(error) | Self::Broken(error) => error,
        }
    }
}

impl Node {
    pub(super) fn new(info: ConnectionInfo, settings: &ValkeySettings) -> Result<Self, ValkeyLogError> {
        let name = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port}"),
            ConnectionAddr::Unix(path) => path.display().to_string(),
            _ => return Err(ValkeyLogError::Address("an address has an unknown type".into())),
        };
        Ok(Self::behind(Door::Address(Box::new(info)), name, settings))
    }

    /// Creates the node of a primary that sentinels watch. The host in `info` is the name under which they watch it.
    /// User, password and TLS are those of the primary.
    pub(super) fn watched(
        info: &ConnectionInfo,
        sentinels: Vec<ConnectionInfo>,
        settings: &ValkeySettings,
    ) -> Result<Self, ValkeyLogError> {
        if settings.files.has_certificates() {
            return Err(ValkeyLogError::Files(
                "files with certificates are not supported for servers behind sentinels".into(),
            ));
        }
        let (name, tls) = match info.addr() {
            ConnectionAddr::Tcp(name, _) => (name.clone(), None),
            ConnectionAddr::TcpTls { host, insecure, .. } => {
                (host.clone(), Some(if *insecure { TlsMode::Insecure } else { TlsMode::Secure }))
            }
            _ => return Err(ValkeyLogError::Address("sentinels cannot watch a server on a Unix socket".into())),
        };
        let primary = info.redis_settings().clone();
        Ok(Self::behind(Door::Sentinels { primary, sentinels, tls }, name, settings))
    }

    fn behind(door: Door, name: String, settings: &ValkeySettings) -> Self {
        let ValkeySettings { files, timeout, durability, .. } = settings.clone();
        Self { name, door, files, timeout, durability, state: Mutex::default(), evicted: AtomicU64::new(0) }
    }

    /// Returns host and port, or the name under which sentinels watch it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Connects, and checks the server.
    pub(super) async fn connect(&self) -> Result<Server, ValkeyLogError> {
        self.connect_in(&mut *self.state.lock().await).await
    }

    async fn connect_in(&self, state: &mut NodeConnection) -> Result<Server, ValkeyLogError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        let unreachable = |error: RedisError| ValkeyLogError::of_server(&self.name, &error);
        let mut connection = match &self.door {
            Door::Address(info) => {
                let client = self.files.client((**info).clone())?;
                client.get_multiplexed_async_connection_with_config(&config).await.map_err(unreachable)?
            }
            Door::Sentinels { primary, sentinels, tls } => {
                let settings = self.files.settings(primary.clone())?;
                let primary = SentinelNodeConnectionInfo::default().set_redis_connection_info(settings);
                let primary = match tls {
                    Some(mode) => primary.set_tls_mode(*mode),
                    None => primary,
                };
                let (name, kind) = (self.name.clone(), SentinelServerType::Master);
                let mut client =
                    SentinelClient::build(sentinels.clone(), name, Some(primary), kind).map_err(unreachable)?;
                client.get_async_connection_with_config(&config).await.map_err(unreachable)?
            }
        };
        let server = check(&mut connection, &self.name, self.durability).await?;
        self.note(state, &server)?;
        let run = server.run.clone();
        *state =
            NodeConnection { connection: Some(connection), made: state.made + 1, run, ..NodeConnection::default() };
        Ok(server)
    }

    /// Compares the number of evicted keys with the known number. A restarted server counts from zero.
    fn note(&self, state: &NodeConnection, server: &Server) -> Result<(), ValkeyLogError> {
        let Some(evicted) = server.evicted else { return Ok(()) };
        let is_other = state.run != server.run;
        let known = if state.made == 0 {
            evicted
        } else if is_other {
            0
        } else {
            self.evicted()
        };
        if evicted > known && self.durability != Durability::Volatile {
            return Err(ValkeyLogError::Lost(EVICTED));
        }
        self.evicted.store(evicted, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the number of keys that it had evicted because its memory was full when it was first seen; none of them
    /// belonged to the log.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Checks its settings and its role again. An unfit server is disconnected, and asked again after a pause.
    pub(super) async fn look(&self) -> Result<(), LogError> {
        let (mut connection, number) = self.connection().await.map_err(Failure::into_error)?;
        let checked = timeout(self.timeout / 2, check(&mut connection, &self.name, self.durability)).await;
        let mut state = self.state.lock().await;
        let checked = checked.unwrap_or_else(|_| Err(unanswered(&self.name)));
        let checked = checked.and_then(|server| self.note(&state, &server));
        checked.map_err(|error| {
            if state.made == number {
                state.connection = None;
            }
            state.refuse(error)
        })
    }

    /// Disconnects from a server that reports that it accepts no writes, so that the new primary is looked for.
    pub(super) async fn demoted(&self) {
        self.state.lock().await.connection = None;
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), Failure> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((connection.clone(), state.made));
        }
        if let Some((until, reason)) = &state.pause
            && Instant::now() < *until
        {
            return Err(Failure::Paused(reason.clone()));
        }
        // Shorter than the callers' timeout, so that they learn the result and later callers need not wait.
        let connected = timeout(self.timeout / 2, self.connect_in(&mut state)).await;
        match (connected, &state.connection) {
            (Ok(Ok(_)), Some(connection)) => Ok((connection.clone(), state.made)),
            (Ok(Err(error)), _) => Err(Failure::Paused(state.refuse(error))),
            _ => Err(Failure::Paused(state.refuse(unanswered(&self.name)))),
        }
    }

    /// Drops a connection, unless another one has already replaced it.
    async fn broken(&self, connection: u64) {
        let mut state = self.state.lock().await;
        if state.made == connection {
            state.connection = None;
        }
    }

    /// Sends commands in one pipeline, in this order, and returns the answer to each.
    pub(super) async fn ask(
        &self,
        commands: &redis::Pipeline,
        deadline: Instant,
    ) -> Result<Vec<RedisResult<Value>>, Failure> {
        let late = || Failure::Broken(LogError::Unavailable("the server did not answer in time".into()));
        let connection = timeout_at(deadline, self.connection()).await.map_err(|_| late())?;
        let (mut connection, number) = connection?;
        let failure = match timeout_at(deadline, commands.query_async(&mut connection)).await {
            Ok(Ok(answers)) => return Ok(answers),
            Ok(Err(error)) => Failure::Broken(LogError::Unavailable(error.category().into())),
            Err(_) => late(),
        };
        self.broken(number).await;
        Err(failure)
    }
}
