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
//! every second ([`probe`](NullifierLog::probe)).
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
//! | `quotapass:n:{`, last byte of the nullifier in hex, `}:`, external nullifier (32 bytes), nullifier (32 bytes) | a [record](Recorded), token (16 bytes) |
//! | `quotapass:m:{00}:registry` to `quotapass:m:{ff}:registry` | the log's identity (16 bytes), for the nullifiers of the same byte |
//! | the same with `:probe` | an empty string, for a minute |
//! | `quotapass:{registry}:store` | the log's identity, for the keys below |
//! | `quotapass:{registry}:expired` | the time until which epochs are expired |
//! | `quotapass:{registry}:convictions` | a list of [convictions](Conviction) |
//! | `quotapass:{registry}:convicted` | a hash: commitment to token |
//! | `quotapass:{registry}:cases` | a hash: commitment to case |
//! | `quotapass:{registry}:chat-keys` | a hash: scope and pseudonym (64 bytes) to the [chat key](BoundKey) bound to it |
//! | `quotapass:{registry}:restrictions` | a hash: the same to [restriction](Restriction) |
//! | `quotapass:{registry}:restriction-ends` | a sorted set: the same by the end of the restriction, if it has one |
//!
//! `registry` is the chain id and the address in hex. In a cluster, the braces keep these keys in one slot, and
//! nullifiers in the slot of their mark, while nullifiers spread over all servers. External nullifiers already depend
//! on the registry.

mod check;
mod error;
mod files;
mod marks;
mod node;
mod servers;
mod settings;
mod slot;
mod vitals;

use std::{
    future::Future,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

pub use error::ValkeyLogError;
pub use files::ValkeyFiles;
use quotapass_circuits::{identity::IdentityCommitment, registry_id::RegistryId, share::Nullifier};
use redis::{Cmd, Value, cmd};
pub use settings::{Durability, ValkeySettings};
use tokio::runtime::Runtime;

use self::{
    servers::{Kind, Request, Servers},
    vitals::EVICTED,
};
use super::{
    super::{
        BadgeBook, BoundKey, Case, Conviction, Entry, LogEpoch, LogStatistics, NullifierLog, Outcome, Persona,
        PersonaRecord, Recorded, Restriction, Settlement, SlashClaims, WorkerId,
    },
    LogChoice, LogIdentity,
    record::Record,
};
use quotapass_protocol::LogError;

/// Seconds by which a server keeps nullifiers longer than it must, because its clock may be fast.
const GRACE: u64 = 60;
/// The last second of the year 9999: servers refuse times that are much later.
const LATEST: u64 = 253_402_300_799;
/// Bytes of the token that ends the value of a nullifier.
const TOKEN_BYTES: usize = 16;
/// Maximum number of attempts to replace a case that others write at the same time.
const CASE_ATTEMPTS: u32 = 16;

/// Raises a number, and returns it.
const RAISE: &str = "local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) <= known then return known end
redis.call('SET', KEYS[1], ARGV[1])
return tonumber(ARGV[1])";
/// Lowers a number to another one, but not below the time up to which the server has dropped nullifiers, and returns
/// it.
const LOWER: &str = "local known = tonumber(redis.call('GET', KEYS[1]) or '0')
local lowered = math.max(tonumber(ARGV[1]), tonumber(redis.call('TIME')[1]) - tonumber(ARGV[2]))
if lowered >= known then return known end
redis.call('SET', KEYS[1], string.format('%.0f', lowered))
return lowered";
/// Stores evidence unless there is some against the member; a repetition recognises its own write by its token.
const CONVICT: &str = "local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then return known == ARGV[2] and 1 or 0 end
redis.call('RPUSH', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1";
/// Writes a case if the stored case is still the one that was read, or is already the new one.
const REPLACE: &str = "local known = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if known ~= ARGV[2] and known ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1";

/// Binds a chat key if none is bound, or replaces the bound one, and returns the former one.
const BIND: &str = "local bound = redis.call('HGET', KEYS[1], ARGV[1])
if not bound or ARGV[3] == '1' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return bound";
/// Restricts a pseudonym, and updates the sorted set of ends.
const RESTRICT: &str = "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] == '' then redis.call('ZREM', KEYS[2], ARGV[1]) else redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1]) end
return 1";
/// Lifts a restriction.
const LIFT: &str = "redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])";
/// Drops ended restrictions, at most 1,000 at a time.
const END: &str = "local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[1], 'LIMIT', 0, 1000)
if #ended == 0 then return 0 end
redis.call('HDEL', KEYS[1], unpack(ended))
redis.call('ZREM', KEYS[2], unpack(ended))
return #ended";

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
            registry,
        }
    }
}

fn nullifier_key(epoch: &LogEpoch, nullifier: Nullifier) -> Vec<u8> {
    let nullifier = nullifier.to_be_bytes();
    let shard = format!("quotapass:n:{{{:02x}}}:", nullifier[31]);
    [shard.as_bytes(), &epoch.external_nullifier().to_be_bytes(), &nullifier].concat()
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
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("nullifier-log")
            .enable_all()
            .build()
            .map_err(|error| ValkeyLogError::Threads(error.to_string()))?;
        let (registry, settings) = (*registry, settings.clone());
        let log = block_on(&runtime, async move { Log::connect(&registry, settings, choice).await });
        let log = log.unwrap_or_else(|error| Err(ValkeyLogError::Threads(error.to_string())))?;
        Ok(Self { runtime: Some(runtime), log: Arc::new(log) })
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
        let server: String = if settings.addresses.len() == 1 { "the server" } else { "the cluster" }.into();
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
        let taken = match log.take(if is_volatile { LogChoice::New } else { choice }).await {
            Ok(()) => log.convictions(0).await.map(drop),
            Err(error) => Err(error),
        };
        taken.map_err(|error| match error {
            LogError::Lost(how) => ValkeyLogError::Lost(how),
            error => ValkeyLogError::Unreachable { server, reason: error.to_string() },
        })?;
        Ok(log)
    }

    fn next_token(&self) -> [u8; 16] {
        let mut token = [0; 16];
        token[..8].copy_from_slice(&self.token.to_be_bytes());
        token[8..].copy_from_slice(&self.tokens.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        token
    }

    fn check(&self, epoch: &LogEpoch) -> Result<(), LogError> {
        if epoch.keep_until() <= self.watermark.load(Ordering::Relaxed) { Err(LogError::Expired) } else { Ok(()) }
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

    /// Sends commands about the items that are not expired.
    async fn run<T>(
        &self,
        items: &[T],
        kind: Kind,
        epoch: impl Fn(&T) -> &LogEpoch,
        command: impl Fn(&T) -> Request,
    ) -> Vec<Result<Value, LogError>> {
        let checked: Vec<_> = items.iter().map(|item| self.check(epoch(item)).map(|()| command(item))).collect();
        let requests = checked.iter().flatten().cloned().collect();
        let mut answers = self.send(requests, kind).await.into_iter();
        checked
            .into_iter()
            .map(|checked| checked.and_then(|_| answers.next().unwrap_or_else(|| Err(ended()))))
            .collect()
    }

    async fn record_all(&self, entries: Vec<Entry>) -> Vec<Result<Outcome, LogError>> {
        let entries: Vec<_> = entries.into_iter().map(|entry| (entry, self.next_token())).collect();
        let command = |(entry, token): &(Entry, [u8; 16])| {
            let key = nullifier_key(&entry.epoch, entry.nullifier);
            let expires = entry.epoch.keep_until().saturating_add(GRACE).min(LATEST);
            let mut set = cmd("SET");
            let value = [&entry.recorded().to_bytes()[..], token].concat();
            set.arg(&key).arg(value).arg("NX").arg("GET").arg("EXAT").arg(expires);
            Request::new(&key, set)
        };
        let answers = self.run(&entries, Kind::Write, |(entry, _)| &entry.epoch, command).await;
        let outcome = |(entry, token): &(Entry, [u8; 16]), answer: Result<Value, LogError>| {
            Ok(match bytes_of(answer?)? {
                None => Outcome::New,
                Some(value) => {
                    let (recorded, by) = recorded_from(&value)?;
                    if by == token { Outcome::New } else { Outcome::of(&recorded, entry) }
                }
            })
        };
        entries.iter().zip(answers).map(|(entry, answer)| outcome(entry, answer)).collect()
    }

    async fn lookup_all(&self, nullifiers: Vec<(LogEpoch, Nullifier)>) -> Vec<Result<Option<Recorded>, LogError>> {
        let command = |(epoch, nullifier): &(LogEpoch, Nullifier)| {
            let key = nullifier_key(epoch, *nullifier);
            Request::new(&key, cmd("GET").arg(&key).to_owned())
        };
        let answers = self.run(&nullifiers, Kind::Read, |(epoch, _)| epoch, command).await;
        let recorded = |value: Vec<u8>| recorded_from(&value).map(|(recorded, _)| recorded);
        answers.into_iter().map(|answer| bytes_of(answer?)?.map(recorded).transpose()).collect()
    }

    async fn convict_all(&self, convictions: Vec<Conviction>) -> Vec<Result<bool, LogError>> {
        let convict = |conviction: &Conviction| {
            let commitment = conviction.secret()?.commitment();
            let mut convict = script(CONVICT, &[&self.keys.convicted, &self.keys.convictions]);
            convict.arg(&commitment.to_be_bytes()[..]).arg(&self.next_token()[..]).arg(conviction.to_bytes());
            Some(Request::new(self.keys.convicted.as_bytes(), convict))
        };
        let requests: Vec<Option<Request>> = convictions.iter().map(convict).collect();
        let sent = requests.iter().flatten().cloned().collect();
        let mut answers = self.send(sent, Kind::Write).await.into_iter();
        let mut answer = || answers.next().unwrap_or_else(|| Err(ended()));
        requests
            .into_iter()
            .map(|request| request.map_or(Err(LogError::Damaged), |_| Ok(answer()? == Value::Int(1))))
            .collect()
    }

    /// Each batch of posts begins with this call, so that it also reads the log's identity and the watermark.
    async fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        let Keys { store, expired, convictions, .. } = &self.keys;
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let commands = [
            (store, cmd("GET").arg(store).to_owned()),
            (expired, cmd("GET").arg(expired).to_owned()),
            (convictions, cmd("LRANGE").arg(convictions).arg(from).arg(-1).to_owned()),
        ];
        let requests = commands.into_iter().map(|(key, command)| Request::new(key.as_bytes(), command)).collect();
        let answers: Vec<Value> = self.send(requests, Kind::Read).await.into_iter().collect::<Result<_, _>>()?;
        let [store, expired, convictions] = <[Value; 3]>::try_from(answers).map_err(|_| ended())?;
        if self.is_volatile
            && bytes_of(store)?.as_deref() != self.identity().as_ref().map(|known| &known.as_bytes()[..])
        {
            self.take(LogChoice::New).await?;
        }
        if let Some(expired) = bytes_of(expired)? {
            let expired = String::from_utf8(expired).ok().and_then(|expired| expired.parse().ok());
            // The server's number replaces the known one, even if it is lower.
            self.watermark.store(expired.ok_or(LogError::Damaged)?, Ordering::Relaxed);
        }
        let Value::Array(convictions) = convictions else { return Err(LogError::Damaged) };
        let conviction = |value| Ok(Conviction::from_bytes(&bytes_of(value)?.ok_or(LogError::Damaged)?)?);
        convictions.into_iter().map(conviction).collect()
    }

    async fn expire(&self, now: u64) -> Result<(), LogError> {
        let mut raise = script(RAISE, &[&self.keys.expired]);
        raise.arg(now.min(LATEST));
        self.move_watermark(raise).await?;
        // By `now`, not by the watermark: a watermark that is ahead must not end restrictions that are in force.
        self.end_restrictions(now).await
    }

    async fn reopen(&self, now: u64) -> Result<u64, LogError> {
        let mut lower = script(LOWER, &[&self.keys.expired]);
        lower.arg(now.min(LATEST)).arg(GRACE);
        self.move_watermark(lower).await
    }

    async fn move_watermark(&self, script: Cmd) -> Result<u64, LogError> {
        let Value::Int(expired) = self.one(&self.keys.expired, script, Kind::Write).await? else {
            return Err(LogError::Damaged);
        };
        self.watermark.store(expired.unsigned_abs(), Ordering::Relaxed);
        Ok(expired.unsigned_abs())
    }

    /// Drops ended restrictions of pseudonyms.
    async fn end_restrictions(&self, now: u64) -> Result<(), LogError> {
        let mut end = script(END, &[&self.keys.restrictions, &self.keys.restriction_ends]);
        end.arg(now);
        self.one(&self.keys.restrictions, end, Kind::Write).await.map(drop)
    }

    async fn statistics(&self) -> Result<LogStatistics, LogError> {
        let Keys { store, expired, convictions, convicted, cases, chat_keys, restrictions, restriction_ends, .. } =
            &self.keys;
        let convicted_count = self.one(convictions, cmd("LLEN").arg(convictions).to_owned(), Kind::Read).await?;
        let own = [store, expired, convictions, convicted, cases, chat_keys, restrictions, restriction_ends];
        let own = self.one(store, cmd("EXISTS").arg(&own[..]).to_owned(), Kind::Read).await?;
        let marks = self.keys.shards().count() as u64;
        // Some of these keys may be probes.
        let keys: u64 = self.servers.ask_all(&cmd("DBSIZE")).await?.iter().map(count_of).sum();
        let closed_until = bytes_of(self.one(expired, cmd("GET").arg(expired).to_owned(), Kind::Read).await?)?;
        let closed_until = closed_until.map(|text| String::from_utf8(text).ok().and_then(|text| text.parse().ok()));
        let time = self.one(store, cmd("TIME"), Kind::Read).await?;
        let (time, _): (u64, u64) = redis::from_redis_value(time).map_err(|_| LogError::Damaged)?;
        let memory = self.servers.ask_all(cmd("INFO").arg("memory")).await?;
        let bytes = memory.into_iter().filter_map(|answer| {
            let info = bytes_of(answer).ok().flatten()?;
            let info = String::from_utf8(info).ok()?;
            info.lines().find_map(|line| line.trim().strip_prefix("used_memory:")?.parse::<u64>().ok())
        });
        Ok(LogStatistics {
            nullifiers: keys.saturating_sub(count_of(&own) + marks),
            epochs: None,
            convictions: count_of(&convicted_count),
            bytes: Some(bytes.sum()),
            closed_until: closed_until.map_or(Ok(0), |time| time.ok_or(LogError::Damaged))?,
            time: Some(time),
        })
    }

    async fn probe(&self) -> Result<(), LogError> {
        let probe = |mark: &[u8]| {
            let mut set = cmd("SET");
            set.arg([mark, b":probe"].concat()).arg("").arg("EX").arg(GRACE);
            set
        };
        let looked = self.servers.look(probe).await;
        if looked == Err(LogError::Lost(EVICTED)) {
            self.abandon().await;
        }
        looked
    }

    async fn case(&self, commitment: &[u8]) -> Result<Option<(Vec<u8>, Case)>, LogError> {
        let mut get = cmd("HGET");
        get.arg(&self.keys.cases).arg(commitment);
        let Some(bytes) = bytes_of(self.one(&self.keys.cases, get, Kind::Read).await?)? else { return Ok(None) };
        let case = Case::from_json(&bytes)?;
        Ok(Some((bytes, case)))
    }

    /// Replaces a case if `may_be` allows it, and returns whether it was replaced.
    async fn replace(
        &self,
        commitment: IdentityCommitment,
        next: Case,
        may_be: impl Fn(&Case) -> bool,
    ) -> Result<bool, LogError> {
        let commitment = commitment.to_be_bytes();
        for _ in 0..CASE_ATTEMPTS {
            let known = self.case(&commitment).await?;
            if known.as_ref().is_some_and(|(_, case)| !may_be(case)) {
                return Ok(false);
            }
            let mut replace = script(REPLACE, &[&self.keys.cases]);
            replace.arg(&commitment[..]).arg(known.map_or_else(Vec::new, |(bytes, _)| bytes)).arg(next.to_json()?);
            if self.one(&self.keys.cases, replace, Kind::Write).await? == Value::Int(1) {
                return Ok(true);
            }
        }
        Err(LogError::Unavailable("other relays write the case at the same time".into()))
    }
}

/// Returns the record of a nullifier, and the token of the call that wrote it.
fn recorded_from(value: &[u8]) -> Result<(Recorded, &[u8; TOKEN_BYTES]), LogError> {
    let (recorded, token) = value.split_last_chunk().ok_or(LogError::Damaged)?;
    Ok((Recorded::from_bytes(recorded)?, token))
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

fn count_of(value: &Value) -> u64 {
    match value {
        Value::Int(count) => count.unsigned_abs(),
        _ => 0,
    }
}

impl NullifierLog for ValkeyLog {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        self.record_all(core::slice::from_ref(entry)).pop().unwrap_or_else(|| Err(ended()))
    }

    fn record_all(&self, entries: &[Entry]) -> Vec<Result<Outcome, LogError>> {
        let owned = entries.to_vec();
        let answers = self.run(|log| async move { Ok(log.record_all(owned).await) });
        answers.unwrap_or_else(|error| vec![Err(error); entries.len()])
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        self.lookup_all(&[(*epoch, nullifier)]).pop().unwrap_or_else(|| Err(ended()))
    }

    fn lookup_all(&self, nullifiers: &[(LogEpoch, Nullifier)]) -> Vec<Result<Option<Recorded>, LogError>> {
        let owned = nullifiers.to_vec();
        let answers = self.run(|log| async move { Ok(log.lookup_all(owned).await) });
        answers.unwrap_or_else(|error| vec![Err(error); nullifiers.len()])
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        self.convict_all(core::slice::from_ref(conviction)).pop().unwrap_or_else(|| Err(ended()))
    }

    fn convict_all(&self, convictions: &[Conviction]) -> Vec<Result<bool, LogError>> {
        let owned = convictions.to_vec();
        let answers = self.run(|log| async move { Ok(log.convict_all(owned).await) });
        answers.unwrap_or_else(|error| vec![Err(error); convictions.len()])
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        self.run(move |log| async move { log.convictions(from).await })
    }

    fn expire(&self, now: u64) -> Result<(), LogError> {
        self.run(move |log| async move { log.expire(now).await })
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        self.run(|log| async move { log.statistics().await })
    }

    fn reopen(&self, now: u64) -> Result<u64, LogError> {
        self.run(move |log| async move { log.reopen(now).await })
    }

    fn probe(&self) -> Result<(), LogError> {
        self.run(|log| async move { log.probe().await })
    }
}

impl Log {
    async fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError> {
        let get = |key: &String| {
            let mut get = cmd("HGET");
            get.arg(key).arg(&persona.to_bytes()[..]);
            Request::new(key.as_bytes(), get)
        };
        let requests = vec![get(&self.keys.chat_keys), get(&self.keys.restrictions)];
        let answers: Vec<Value> = self.send(requests, Kind::Read).await.into_iter().collect::<Result<_, _>>()?;
        let [bound, restriction] = <[Value; 2]>::try_from(answers).map_err(|_| ended())?;
        let restriction = bytes_of(restriction)?.map(|bytes| Restriction::from_bytes(&bytes)).transpose()?;
        Ok(PersonaRecord { bound: bound_from(bound)?, restriction })
    }

    async fn bind(&self, persona: Persona, key: &BoundKey, replaces: bool) -> Result<Option<BoundKey>, LogError> {
        let mut bind = script(BIND, &[&self.keys.chat_keys]);
        bind.arg(&persona.to_bytes()[..]).arg(key.to_bytes()).arg(i32::from(replaces));
        bound_from(self.one(&self.keys.chat_keys, bind, Kind::Write).await?)
    }

    async fn restrict(&self, persona: Persona, restriction: &Restriction) -> Result<(), LogError> {
        let mut restrict = script(RESTRICT, &[&self.keys.restrictions, &self.keys.restriction_ends]);
        let end = restriction.until.map_or_else(String::new, |until| until.to_string());
        restrict.arg(&persona.to_bytes()[..]).arg(restriction.to_bytes()).arg(end);
        self.one(&self.keys.restrictions, restrict, Kind::Write).await.map(drop)
    }

    async fn lift(&self, persona: Persona) -> Result<bool, LogError> {
        let mut lift = script(LIFT, &[&self.keys.restrictions, &self.keys.restriction_ends]);
        lift.arg(&persona.to_bytes()[..]);
        Ok(self.one(&self.keys.restrictions, lift, Kind::Write).await? == Value::Int(1))
    }
}

fn bound_from(value: Value) -> Result<Option<BoundKey>, LogError> {
    Ok(bytes_of(value)?.map(|bytes| BoundKey::from_bytes(&bytes)).transpose()?)
}

impl BadgeBook for ValkeyLog {
    fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError> {
        self.run(move |log| async move { log.persona(persona).await })
    }

    fn bind_first(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        let key = key.clone();
        self.run(move |log| async move { log.bind(persona, &key, false).await })
    }

    fn rebind(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        let key = key.clone();
        self.run(move |log| async move { log.bind(persona, &key, true).await })
    }

    fn restrict(&self, persona: Persona, restriction: &Restriction) -> Result<(), LogError> {
        let restriction = restriction.clone();
        self.run(move |log| async move { log.restrict(persona, &restriction).await })
    }

    fn lift(&self, persona: Persona) -> Result<bool, LogError> {
        self.run(move |log| async move { log.lift(persona).await })
    }
}

impl SlashClaims for ValkeyLog {
    fn claim(&self, commitment: IdentityCommitment, worker: &WorkerId, now: u64, until: u64) -> Result<bool, LogError> {
        let worker = worker.clone();
        self.run(move |log| async move {
            let claimed = Case::Claimed { worker: worker.clone(), until };
            log.replace(commitment, claimed, |case| case.is_free_for(&worker, now, until)).await
        })
    }

    fn settle(&self, commitment: IdentityCommitment, settlement: &Settlement) -> Result<(), LogError> {
        let settled = Case::Settled(settlement.clone());
        self.run(move |log| async move {
            log.replace(commitment, settled, |case| matches!(case, Case::Claimed { .. })).await.map(drop)
        })
    }

    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError> {
        self.run(move |log| async move {
            Ok(log.case(&commitment.to_be_bytes()).await?.and_then(|(_, case)| case.into_settlement()))
        })
    }
}
