//! The nullifier log of many relays, on a Valkey or Redis server or a cluster of them.
//!
//! **Atomic.** A nullifier is one key, and recording it is one command, `SET key value NX GET EXAT time`: of any number
//! of relays, one is first, and all others get the value that it wrote. Redis supports this command from version 7.0
//! on, and Valkey in every version. The commands of a batch go to each server in one pipeline.
//!
//! **Repeatable.** Each entry of each call has a unique token, which is stored with the share. When a connection
//! breaks, the call sends its commands again, and recognises its own writes by their tokens: a lost answer does not
//! become a replay. If no repetition succeeds, the post is answered with [`LogError::Unavailable`], but may be on the
//! server nevertheless; if it is sent again, it is then a replay.
//!
//! **Expiring.** The server drops a nullifier one minute after its epoch may expire, by the server's own clock, which
//! each write compares with this machine's clock. The server stores the time until which relays have expired epochs, so
//! that no relay whose clock goes back opens an epoch again.
//!
//! **Bounded in time.** Every call ends within its timeout. A failed server is asked again after a pause, which grows
//! to two seconds; during the pause, calls return [`LogError::Unavailable`] at once. In a cluster, this concerns only
//! the nullifiers of the failed server, until another server takes over its slots or it comes back.
//!
//! # Durability
//!
//! Durability depends on the server's settings, which are checked for each new connection (see [`Durability`]):
//!
//! | setting of the server | |
//! |---|---|
//! | `maxmemory-policy noeviction` | required: if a server evicts nullifiers, they are accepted twice |
//! | `appendonly yes` | required: nullifiers survive a restart, and a kill of the server |
//! | `appendfsync always` | nullifiers survive a power failure, too; `everysec`, the minimum, may lose the last second |
//! | `min-replicas-to-write` | with replicas: a primary that is cut off from them accepts no writes |
//!
//! Replication is asynchronous: a replica that takes over may lack the last writes that its primary answered. With
//! [`replicas`](ValkeySettings::replicas), a call waits until this number of replicas has its writes (`WAIT`), and is
//! [unavailable](LogError::Unavailable) if they do not have them in time. This makes the loss unlikely; it is
//! impossible only if the primary comes back with its own file.
//!
//! A server that comes back empty is noticed: a [`LogIdentity`] is written beside the nullifiers of each slot when the
//! log is created, and is read after the writes of each batch, on the same connection. A batch does not count if its
//! server was emptied, or evicted keys because its memory was full. Relays store the identity that they have seen, so
//! that a log that is lost while they are stopped is noticed as well. A server's settings, role and clock are checked
//! every second ([`probe`](crate::NullifierLog::probe)).
//!
//! The server drops nullifiers by its own clock. While that clock differs from a relay's by more than half a minute,
//! the relay records nothing. If a server's clock was ahead for a while, what it dropped in that time is not noticed.
//!
//! # Sentinels
//!
//! With [`sentinels`](ValkeySettings::sentinels), the log finds the primary by its name, and finds the new one after a
//! failover: it disconnects from a server that reports that it is a replica. Between two primaries,
//! `min-replicas-to-write` prevents that the former one accepts writes.
//!
//! # Secrecy
//!
//! Evidence reveals secrets: anyone who can read the server can slash the convicted members. Keep the server in a
//! separate network, with a password and TLS, and its files and backups as secret as an identity.
//!
//! # Keys
//!
//! | key | holds |
//! |---|---|
//! | `quotapass:n:{`, last byte of the nullifier in hex, `}:`, external nullifier (32 bytes), nullifier (32 bytes) | a [record](crate::Recorded), token (16 bytes) |
//! | `quotapass:m:{00}:registry` to `quotapass:m:{ff}:registry` | the log's identity (16 bytes), for the nullifiers of the same byte |
//! | the same with `:probe` | an empty string, for a minute |
//! | `quotapass:{registry}:store` | the log's identity, for the keys below |
//! | `quotapass:{registry}:expired` | the time until which epochs are expired |
//! | `quotapass:{registry}:convictions` | a list of [convictions](crate::Conviction) |
//! | `quotapass:{registry}:convicted` | a hash: commitment to token |
//! | `quotapass:{registry}:cases` | a hash: commitment to case |
//! | `quotapass:{registry}:chat-keys` | a hash: scope and pseudonym (64 bytes) to the [chat key](crate::BoundKey) bound to it |
//! | `quotapass:{registry}:restrictions` | a hash: the same to [restriction](crate::Restriction) |
//! | `quotapass:{registry}:restriction-ends` | a sorted set: the same by the end of the restriction, if it has one |
//! | `quotapass:{registry}:moderation` | a hash: key to token (16 bytes) and [record of moderation](crate::ModerationStore) |
//! | `quotapass:{registry}:moderation-keys` | a sorted set: the same keys, in their order |
//! | `quotapass:{registry}:moderation-ends` | a sorted set: the same by the time until which the record is kept |
//! | `quotapass:p:{00}:registry` to `quotapass:p:{ff}:registry` | a hash: the records of moderation that are [spread](crate::SPREAD), by the last byte of their keys |
//! | the same with `:ends` | a sorted set: the same by the time until which the record is kept |
//!
//! `registry` is the chain id and the address in hex. In a cluster, the braces keep these keys in one slot, and
//! nullifiers in the slot of their mark, while nullifiers spread over all servers. External nullifiers already depend
//! on the registry.

mod badges;
mod cases;
mod check;
mod error;
mod files;
mod marks;
mod moderation;
mod node;
mod nullifiers;
mod servers;
mod settings;
mod slot;
mod vitals;

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicU64, mpsc},
};

pub use error::ValkeyLogError;
pub use files::ValkeyFiles;
use parking_lot::RwLock;
use quotapass_circuits::registry_id::RegistryId;
use quotapass_protocol::LogError;
use redis::{Cmd, Value, cmd};
pub use settings::{Durability, ValkeySettings};
use tokio::runtime::Runtime;

use self::{
    servers::{Kind, Request, Servers},
    vitals::EVICTED,
};
use super::{LogChoice, LogIdentity};

/// A nullifier log on servers that several relays share; see the [module](self).
///
/// Its methods block: call them from any thread, but not from an async task.
pub struct ValkeyLog {
    runtime: Option<Runtime>,
    log: Arc<Log>,
}

struct Log {
    servers: Servers,
    keys: Keys,
    is_volatile: bool,
    identity: RwLock<Option<LogIdentity>>,
    watermark: AtomicU64,
    /// The first half of all tokens of this handle.
    token: u64,
    tokens: AtomicU64,
}

/// The keys that all relays of a registry share.
struct Keys {
    /// Chain id and address.
    registry: String,
    store: String,
    expired: String,
    convictions: String,
    convicted: String,
    cases: String,
    chat_keys: String,
    restrictions: String,
    restriction_ends: String,
    moderation: String,
    moderation_keys: String,
    moderation_ends: String,
}

impl Keys {
    fn new(registry: &RegistryId) -> Self {
        let registry = format!("{}-{}", registry.chain_id, hex::encode(registry.address));
        let key = |name| format!("quotapass:{{{registry}}}:{name}");
        Self {
            store: key("store"),
            expired: key("expired"),
            convictions: key("convictions"),
            convicted: key("convicted"),
            cases: key("cases"),
            chat_keys: key("chat-keys"),
            restrictions: key("restrictions"),
            restriction_ends: key("restriction-ends"),
            moderation: key("moderation"),
            moderation_keys: key("moderation-keys"),
            moderation_ends: key("moderation-ends"),
            registry,
        }
    }
}

/// Returns the command of a script on keys of one slot.
fn script(text: &str, keys: &[&str]) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(text).arg(keys.len()).arg(keys);
    command
}

impl ValkeyLog {
    /// Connects to the server or the cluster, checks it, and takes the existing log or creates one.
    ///
    /// # Errors
    /// [`ValkeyLogError`]. In a cluster, an unreachable server is not an error as long as another one is reachable.
    pub fn connect(
        registry: &RegistryId,
        settings: &ValkeySettings,
        choice: LogChoice,
    ) -> Result<Self, ValkeyLogError> {
        let (runtime, registry, settings) = (threads()?, *registry, settings.clone());
        let log = block_on(&runtime, async move { Log::connect(&registry, settings, choice).await });
        let log = log.unwrap_or_else(|error| Err(ValkeyLogError::Threads(error.to_string())))?;
        Ok(Self { runtime: Some(runtime), log: Arc::new(log) })
    }

    /// Checks the server or the cluster and the log on it, without writing. Returns the identity of the log; `None` if
    /// there is none yet, and `known` names none.
    ///
    /// # Errors
    /// [`ValkeyLogError`], also if `known` is another log.
    pub fn inspect(
        registry: &RegistryId,
        settings: &ValkeySettings,
        known: Option<LogIdentity>,
    ) -> Result<Option<LogIdentity>, ValkeyLogError> {
        let (runtime, registry, settings) = (threads()?, *registry, settings.clone());
        let inspected = block_on(&runtime, async move { Log::inspect(&registry, settings, known).await });
        runtime.shutdown_background();
        inspected.unwrap_or_else(|error| Err(ValkeyLogError::Threads(error.to_string())))
    }

    /// Returns the identity of the log, which a relay stores.
    pub fn identity(&self) -> Option<LogIdentity> {
        self.log.identity()
    }

    fn run<T: Send + 'static, F: Future<Output = Result<T, LogError>> + Send + 'static>(
        &self,
        ask: impl FnOnce(Arc<Log>) -> F,
    ) -> Result<T, LogError> {
        let runtime = self.runtime.as_ref().ok_or_else(ended)?;
        block_on(runtime, ask(Arc::clone(&self.log)))?
    }
}

/// Starts the threads that talk to servers.
fn threads() -> Result<Runtime, ValkeyLogError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("nullifier-log")
        .enable_all()
        .build()
        .map_err(|error| ValkeyLogError::Threads(error.to_string()))
}

/// Runs a task and waits for it, even on a thread that runs other async tasks.
fn block_on<T: Send + 'static>(
    runtime: &Runtime,
    task: impl Future<Output = T> + Send + 'static,
) -> Result<T, LogError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // The caller waits for the answer below.
        let _ = sender.send(task.await);
    });
    receiver.recv().map_err(|_| ended())
}

fn ended() -> LogError {
    LogError::Unavailable("its threads have ended".into())
}

impl Drop for ValkeyLog {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // No call is in progress, because calls borrow the log. Waiting is not allowed on threads that run async
            // tasks.
            runtime.shutdown_background();
        }
    }
}

impl core::fmt::Debug for ValkeyLog {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ValkeyLog").finish_non_exhaustive()
    }
}

impl Log {
    async fn connect(
        registry: &RegistryId,
        settings: ValkeySettings,
        choice: LogChoice,
    ) -> Result<Self, ValkeyLogError> {
        let (log, server) = Self::reach(registry, settings).await?;
        let taken = match log.take(if log.is_volatile { LogChoice::New } else { choice }).await {
            Ok(()) => log.convictions(0).await.map(drop),
            Err(error) => Err(error),
        };
        taken.map_err(|error| unusable(error, server))?;
        Ok(log)
    }

    /// Checks servers and log without writing.
    async fn inspect(
        registry: &RegistryId,
        settings: ValkeySettings,
        known: Option<LogIdentity>,
    ) -> Result<Option<LogIdentity>, ValkeyLogError> {
        let (log, server) = Self::reach(registry, settings).await?;
        let refused = |error| unusable(error, server);
        if log.is_volatile {
            return log.look(None).await.map_err(refused);
        }
        let found = log.look(known).await.map_err(refused)?;
        if found.is_some() {
            log.convictions(0).await.map_err(refused)?;
        }
        Ok(found)
    }

    /// Connects to the servers, whose log is not known yet. Returns their name for errors, too.
    async fn reach(registry: &RegistryId, settings: ValkeySettings) -> Result<(Self, &'static str), ValkeyLogError> {
        let server = if settings.addresses.len() == 1 { "the server" } else { "the cluster" };
        let is_volatile = settings.durability == Durability::Volatile;
        let keys = Keys::new(registry);
        let log = Self {
            servers: Servers::connect(settings, &keys.marks()).await?,
            keys,
            is_volatile,
            identity: RwLock::default(),
            watermark: AtomicU64::new(0),
            token: rand::random(),
            tokens: AtomicU64::new(0),
        };
        Ok((log, server))
    }

    /// Sends commands. If a server has evicted keys, the log is lost, and its identity is deleted so that every relay
    /// notices.
    async fn send(&self, requests: Vec<Request>, kind: Kind) -> Vec<Result<Value, LogError>> {
        let answers = self.servers.run(requests, kind).await;
        if answers.contains(&Err(LogError::Lost(EVICTED))) {
            self.abandon().await;
        }
        answers
    }

    /// Sends one command about one key.
    async fn one(&self, key: &str, command: Cmd, kind: Kind) -> Result<Value, LogError> {
        let answers = self.send(vec![Request::new(key.as_bytes(), command)], kind).await;
        answers.into_iter().next().unwrap_or_else(|| Err(ended()))
    }
}

/// Returns the error for a log that cannot be used.
fn unusable(error: LogError, server: &str) -> ValkeyLogError {
    match error {
        LogError::Lost(how) => ValkeyLogError::Lost(how),
        error => ValkeyLogError::Unreachable { server: server.into(), reason: error.to_string() },
    }
}

/// Returns the bytes of a string; `None` for nil.
fn bytes_of(value: Value) -> Result<Option<Vec<u8>>, LogError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        _ => Err(LogError::Damaged),
    }
}
