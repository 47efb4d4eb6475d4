//! The connection to one server, made anew when it breaks.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisResult, Value, aio::MultiplexedConnection,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Durability, ValkeyLogError,
    check::{Server, check},
};
use crate::relay::LogError;

/// How long after a failure the next attempt is made, doubled with each failure up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One server.
pub(super) struct Node {
    name: String,
    client: Client,
    timeout: Duration,
    durability: Durability,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Of how many connections this is the last.
    made: u64,
    failures: u32,
    /// When the next attempt may be made, and why the last one failed.
    pause: Option<(Instant, LogError)>,
}

/// Why a server did not do what it was asked.
pub(super) enum Failure {
    /// It did not long ago, and is not asked again so soon.
    Paused(LogError),
    /// It was asked, and what became of it is not known.
    Broken(LogError),
}

impl Node {
    pub(super) fn new(info: ConnectionInfo, timeout: Duration, durability: Durability) -> Result<Self, ValkeyLogError> {
        let name = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port}"),
            ConnectionAddr::Unix(path) => path.display().to_string(),
            _ => return Err(ValkeyLogError::Address("an address is of an unknown kind".into())),
        };
        let client = Client::open(info).map_err(|error| ValkeyLogError::Address(error.to_string()))?;
        Ok(Self { name, client, timeout, durability, state: Mutex::default() })
    }

    /// Host and port.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Connects, and checks the server.
    pub(super) async fn connect(&self) -> Result<Server, ValkeyLogError> {
        self.connect_in(&mut *self.state.lock().await).await
    }

    async fn connect_in(&self, state: &mut State) -> Result<Server, ValkeyLogError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection
            .map_err(|error| ValkeyLogError::Unreachable { server: self.name.clone(), reason: error.to_string() })?;
        let server = check(&mut connection, &self.name, self.durability).await?;
        *state = State { connection: Some(connection), made: state.made + 1, ..State::default() };
        Ok(server)
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
        // Before the callers' own patience ends, so that they find out and the next ones need not wait.
        let connected = timeout(self.timeout / 2, self.connect_in(&mut state)).await;
        match (connected, &state.connection) {
            (Ok(Ok(_)), Some(connection)) => Ok((connection.clone(), state.made)),
            (connected, _) => {
                let reason = LogError::Unavailable(match connected {
                    // Posters may read it, and it is not for them where the log is.
                    Ok(Err(ValkeyLogError::Unreachable { .. }) | Ok(_)) | Err(_) => {
                        "no connection to the server".into()
                    }
                    Ok(Err(_)) => "the server's settings or clock are not as they were; restart to see more".into(),
                });
                let pause = SHORTEST_PAUSE.saturating_mul(1 << state.failures.min(10)).min(LONGEST_PAUSE);
                state.failures += 1;
                state.pause = Some((Instant::now() + pause, reason.clone()));
                Err(Failure::Paused(reason))
            }
        }
    }

    /// Drops a connection, unless another has taken its place already.
    async fn broken(&self, connection: u64) {
        let mut state = self.state.lock().await;
        if state.made == connection {
            state.connection = None;
        }
    }

    /// Sends commands at once, in this order, and returns the answer to each.
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
