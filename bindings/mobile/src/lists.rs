//! The lists of rooms: what is read of moderation logs, and what a struck member learns.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use quotapass_log::{LogId, MAX_RESOURCE, Memory, Source, SourceError, moderation::Until};
use quotapass_protocol::{LogIdentity, UnixSeconds};
use quotapass_wallet::moderation::{
    CurrentList, ListError, LogMemory, LogMemoryError, LogSettings, MemoryFolder, OwnStrike, ScopeLists, StatedLog,
    needs_large_key,
};

use crate::{
    Account, CancelToken, PostEntry, QuotapassError, Reason, Room, SourceFailure, lock,
    progress::{Progress, Step},
};

/// Settings of a moderation log. They come with the address of the room or with the app, never from a relay's answer.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct LogStatement {
    /// The origin of the log, for example `relay.example/moderation`.
    pub origin: String,
    /// The log's root key, as `NAME+HASH+KEY`.
    pub root_key: String,
    /// Addresses of relays that have the log or a copy of it, in the order in which they are asked.
    pub servers: Vec<String>,
    /// Public keys of witnesses, as `NAME+HASH+KEY`. They are not the operator's: a witness makes sure that all readers see
    /// the same log.
    pub witnesses: Vec<String>,
    /// How many of these witnesses must have cosigned what is used; at least one.
    #[uniffi(default = 1)]
    pub required: u32,
}

/// Fetches what servers of logs have. Implement it with the app's HTTP client. Whatever it returns is checked.
///
/// Requests must contain nothing that distinguishes one wallet from another: no cookie, no program name, no conditional
/// headers. Use a proxy if the IP address must stay unknown.
#[uniffi::export(foreign)]
pub trait LogServers: Send + Sync {
    /// Returns the answer of a server to `GET` at `{server}/v1/moderation/{log}/{path}`.
    ///
    /// # Errors
    /// `SourceFailure`; `NotFound` for status 404.
    fn fetch(&self, server: String, log: String, path: String) -> Result<Vec<u8>, SourceFailure>;
}

/// Stores what must be remembered of each log: a text under the log's identity. Implement it with the app's own database,
/// or use a `LogFolder`.
///
/// If it forgets a text, the log is at first contact again, and can show an older state.
#[uniffi::export(rust, foreign)]
pub trait LogStore: Send + Sync {
    /// Returns the text of a log; none if there is none.
    ///
    /// # Errors
    /// `StoreFailure`.
    fn load(&self, log: String) -> Result<Option<String>, StoreFailure>;

    /// Stores the text of a log. It must survive a power loss when this returns: the list is used then.
    ///
    /// # Errors
    /// `StoreFailure`.
    fn save(&self, log: String, text: String) -> Result<(), StoreFailure>;
}

/// The error of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[non_exhaustive]
pub enum StoreFailure {
    /// The text cannot be read or written.
    #[error("{reason}")]
    Failed {
        /// The failure.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for StoreFailure {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: error.reason }
    }
}

/// A list as it was read.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ListState {
    /// Identity of the log: 64 hexadecimal digits.
    pub log: String,
    /// Number of entries of the log.
    pub size: u64,
    /// Number of listed posts.
    pub entries: u32,
}

/// A strike of one of the account's own posts. Only the account itself can find it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct OwnedStrike {
    /// The origin of the log that has it.
    pub origin: String,
    /// Relays that take an appeal: send it to `/v1/author` there.
    pub servers: Vec<String>,
    /// The post.
    pub entry: PostEntry,
    /// What the log says about it; none if that cannot be fetched now.
    pub details: Option<StrikeFacts>,
}

/// What a log says about a strike.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct StrikeFacts {
    /// Its identity, with which a relay is asked for the answer to an appeal.
    pub id: String,
    /// When it was made, in Unix seconds.
    pub at: u64,
    /// The scope of the post.
    pub scope: String,
    /// The reason.
    pub reason: Reason,
    /// Whether a law was broken, and not a rule of the operator.
    pub is_illegal: bool,
    /// The law, or the rule.
    pub reference: String,
    /// The Unix second at which it ends; none if it has no end.
    pub until: Option<u64>,
    /// The statement of reasons; none if it was erased, or is not served.
    pub text: Option<String>,
    /// Whether a program found the post.
    pub automated_detection: bool,
    /// Whether a program decided.
    pub automated_decision: bool,
}

/// The lists of struck posts that a room enforces, read from the logs of its operators.
///
/// A list is used only if the log is signed by its root key, continues what was read of it before, and was cosigned by
/// enough of the witnesses in the settings: otherwise a server could show a list to one member alone, and recognise this
/// member by it.
#[derive(uniffi::Object)]
pub struct Lists {
    room: Room,
    settings: Vec<LogSettings>,
    store: Arc<dyn LogStore>,
    servers: Arc<dyn LogServers>,
    /// One call at a time reads. The app's code runs under this lock, and never under that of the lists in use.
    readers: Mutex<ScopeLists>,
    used: Mutex<Used>,
}

/// The lists in use.
#[derive(Default)]
struct Used {
    current: Option<Vec<CurrentList>>,
    /// Versions that were replaced, and since when.
    former: Vec<(CurrentList, UnixSeconds)>,
}

#[uniffi::export]
impl Lists {
    /// Opens the lists of a room with the settings of their logs.
    ///
    /// # Errors
    /// `LogNotNamed` if the settings lack a log of the room: a relay could name a log of its own to find out who is on its
    /// list. `LogMemory` if the store fails, or its text is damaged; `BadInput`.
    #[uniffi::constructor]
    pub fn open(
        room: &Room,
        logs: Vec<LogStatement>,
        servers: Arc<dyn LogServers>,
        store: Arc<dyn LogStore>,
    ) -> Result<Self, QuotapassError> {
        let settings = logs.into_iter().map(settings).collect::<Result<Vec<_>, _>>()?;
        let readers = ScopeLists::open(room.bound_policy(), &settings, &Stored(&*store))?;
        let room = room.clone();
        Ok(Self { room, settings, store, servers, readers: Mutex::new(readers), used: Mutex::default() })
    }

    /// Reads the newest version of each list at `now` (Unix seconds). Fetches kilobytes, and not the logs' history. Call it
    /// at fixed times, for example once per epoch, and not when there is a message to post. The app's servers and store must
    /// not call it.
    ///
    /// # Errors
    /// `Source` if no server answers, `LogRefused` if no server shows what can be used, `LogForked` with both checkpoints if
    /// the log has two histories, `LogMemory`, `Cancelled`. What was read before stays in use.
    #[uniffi::method(default(token = None))]
    pub fn sync(&self, now: u64, token: Option<Arc<CancelToken>>) -> Result<Vec<ListState>, QuotapassError> {
        let progress = Progress::of(token);
        let cancelled = Mutex::new(None);
        let mut readers = lock(&self.readers);
        let sources = self.sources(&readers, &progress, &cancelled);
        let sources: Vec<&dyn Source> = sources.iter().map(|source| source as &dyn Source).collect();
        let read = readers.refresh(&sources, &Stored(&*self.store), UnixSeconds(now));
        if let Some(error) = lock(&cancelled).take() {
            return Err(error);
        }
        let read = read?;
        let states = read.iter().map(ListState::of).collect();
        let mut used = lock(&self.used);
        let replaced = used.current.replace(read.clone()).unwrap_or_default();
        let replaced = replaced.into_iter().filter(|list| !read.iter().any(|new| new.reference == list.reference));
        used.former.extend(replaced.map(|list| (list, UnixSeconds(now))));
        Ok(states)
    }

    /// Returns the strikes of an account's posts in these lists, with reason, end and way of appeal; empty if it can post.
    /// Ask before the user writes a message. Others cannot find out whose post a strike is about.
    ///
    /// Only for a struck account, this fetches what the logs say about the strikes, together with other entries, so that
    /// the servers do not learn which strike it is.
    ///
    /// # Errors
    /// `ListsMissing` before the first sync, `Closed` if the account was wiped, `Cancelled`.
    #[uniffi::method(default(token = None))]
    pub fn strikes(
        &self,
        account: &Account,
        token: Option<Arc<CancelToken>>,
    ) -> Result<Vec<OwnedStrike>, QuotapassError> {
        match self.check(account, &Progress::of(token)) {
            Ok(()) => Ok(Vec::new()),
            Err(QuotapassError::Struck { strikes, .. }) => Ok(strikes),
            Err(error) => Err(error),
        }
    }

    /// Whether the records need the key of `record128`.
    ///
    /// # Errors
    /// `ListsMissing` before the first sync.
    pub fn need_large_key(&self) -> Result<bool, QuotapassError> {
        Ok(needs_large_key(&self.current()?))
    }
}

impl Lists {
    /// The lists in use.
    pub(crate) fn current(&self) -> Result<Vec<CurrentList>, QuotapassError> {
        lock(&self.used).current.clone().ok_or_else(QuotapassError::lists_missing)
    }

    /// Fails if these are the lists of another room: it may list other posts of the same log.
    pub(crate) fn require_for(&self, room: &Room) -> Result<(), QuotapassError> {
        let (own, other) = (self.room.bound_policy(), room.bound_policy());
        if own.scope() == other.scope() {
            return Ok(());
        }
        let (own, other) = (&own.values().name, &other.values().name);
        Err(QuotapassError::mismatch(format!(
            "these are the lists of `{own}`, not of `{other}`, or of another registry"
        )))
    }

    /// The lists that a receiver accepts at `now`: those in use, and those that they replaced at most `window` seconds ago.
    pub(crate) fn accepted(&self, window: u32, now: UnixSeconds) -> Result<Vec<CurrentList>, QuotapassError> {
        let mut used = lock(&self.used);
        used.former.retain(|(_, since)| now.since(*since) <= u64::from(window));
        let current = used.current.as_ref().ok_or_else(QuotapassError::lists_missing)?;
        Ok(used.former.iter().map(|(list, _)| list).chain(current).cloned().collect())
    }

    /// Fails if the account is struck.
    pub(crate) fn check(&self, account: &Account, progress: &Progress) -> Result<(), QuotapassError> {
        let secret = account.secret()?;
        let cancelled = Mutex::new(None);
        self.current()?;
        let readers = lock(&self.readers);
        let sources = self.sources(&readers, progress, &cancelled);
        let sources: Vec<&dyn Source> = sources.iter().map(|source| source as &dyn Source).collect();
        let tested = readers.test(&secret, &sources);
        if let Some(error) = lock(&cancelled).take() {
            return Err(error);
        }
        Ok(tested?)
    }

    /// The source of each list.
    fn sources<'a>(
        &'a self,
        readers: &ScopeLists,
        progress: &'a Progress,
        cancelled: &'a Mutex<Option<QuotapassError>>,
    ) -> Vec<ForeignLog<'a>> {
        let source = |log: LogId| {
            let settings = self.settings.iter().find(|settings| settings.id() == log);
            let addresses = settings.map_or(&[][..], LogSettings::servers);
            let addresses = addresses.iter().map(|address| address.expose().trim_end_matches('/').to_owned()).collect();
            ForeignLog { servers: &*self.servers, addresses, log: log.to_string(), progress, cancelled }
        };
        readers.logs().map(source).collect()
    }
}

impl ListState {
    fn of(list: &CurrentList) -> Self {
        // A list has at most 1,024 entries.
        Self { log: list.log().to_string(), size: list.reference.size, entries: list.entries.len() as u32 }
    }
}

fn settings(stated: LogStatement) -> Result<LogSettings, QuotapassError> {
    let LogStatement { origin, root_key, servers, witnesses, required } = stated;
    let cosignatures = usize::try_from(required).unwrap_or(usize::MAX);
    let stated = StatedLog { origin, root_key, servers, witnesses, cosignatures };
    LogSettings::try_from(&stated).map_err(|error| QuotapassError::bad_input("logs", error))
}

/// The servers of one log.
struct ForeignLog<'a> {
    servers: &'a dyn LogServers,
    addresses: Vec<String>,
    log: String,
    progress: &'a Progress,
    /// The step at which the call was cancelled. No server was asked then.
    cancelled: &'a Mutex<Option<QuotapassError>>,
}

impl Source for ForeignLog<'_> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let mut last = SourceError::NotFound(path.into());
        for server in &self.addresses {
            let unavailable = |reason: String| SourceError::Unavailable { path: path.into(), reason };
            if let Err(error) = self.progress.begin(Step::FetchLog) {
                let reason = error.to_string();
                lock(self.cancelled).replace(error);
                return Err(unavailable(reason));
            }
            match self.servers.fetch(server.clone(), self.log.clone(), path.into()) {
                Ok(bytes) if bytes.len() <= MAX_RESOURCE => return Ok(bytes),
                Ok(bytes) => last = unavailable(format!("the answer has {} bytes, which is too long", bytes.len())),
                Err(SourceFailure::NotFound) => {}
                Err(SourceFailure::Unreachable { reason }) => last = unavailable(reason),
            }
        }
        Err(last)
    }
}

/// Adapter of the app's store to the wallet's interface.
struct Stored<'a>(&'a dyn LogStore);

impl LogMemory for Stored<'_> {
    fn load(&self, log: LogId) -> Result<Option<Memory>, LogMemoryError> {
        let failed = |StoreFailure::Failed { reason }| LogMemoryError::Store { log, action: "read", reason };
        let text = self.0.load(log.to_string()).map_err(failed)?;
        let memory = text.map(|text| serde_json::from_str(&text)).transpose();
        memory.map_err(|_| LogMemoryError::Damaged { log })
    }

    fn save(&self, log: LogId, memory: &Memory) -> Result<(), LogMemoryError> {
        let failed = |reason| LogMemoryError::Store { log, action: "write", reason };
        let text = serde_json::to_string(memory).map_err(|error| failed(error.to_string()))?;
        self.0.save(log.to_string(), text).map_err(|StoreFailure::Failed { reason }| failed(reason))
    }
}

/// A store that keeps a file for each log in a folder, which is created when it is first needed. Several programs may use
/// it at a time.
#[derive(uniffi::Object)]
pub struct LogFolder {
    folder: MemoryFolder,
}

#[uniffi::export]
impl LogFolder {
    /// Uses a folder.
    #[uniffi::constructor]
    pub fn new(folder: String) -> Arc<Self> {
        Arc::new(Self { folder: MemoryFolder::new(Path::new(&folder)) })
    }
}

#[uniffi::export]
impl LogStore for LogFolder {
    fn load(&self, log: String) -> Result<Option<String>, StoreFailure> {
        let memory = self.folder.load(log_id(&log)?).map_err(|error| failure(&error))?;
        memory.map(|memory| serde_json::to_string(&memory)).transpose().map_err(|error| failure(&error))
    }

    fn save(&self, log: String, text: String) -> Result<(), StoreFailure> {
        let memory: Memory = serde_json::from_str(&text).map_err(|error| failure(&error))?;
        self.folder.save(log_id(&log)?, &memory).map_err(|error| failure(&error))
    }
}

fn log_id(text: &str) -> Result<LogId, StoreFailure> {
    let identity: Result<LogIdentity, _> = text.parse();
    identity.map(|identity| LogId::from_bytes(identity.0)).map_err(|error| failure(&error))
}

fn failure(error: &dyn core::fmt::Display) -> StoreFailure {
    StoreFailure::Failed { reason: error.to_string() }
}

impl From<&OwnStrike> for OwnedStrike {
    fn from(strike: &OwnStrike) -> Self {
        let facts = strike.details.as_ref().map(|details| StrikeFacts {
            id: details.id.to_string(),
            at: details.at.0,
            scope: details.scope.clone(),
            reason: details.reason.into(),
            is_illegal: details.ground.kind == quotapass_log::moderation::GroundKind::Illegal,
            reference: details.ground.reference.clone(),
            until: match details.until {
                Until::At(at) => Some(at.0),
                Until::Never => None,
            },
            text: details.text.clone(),
            automated_detection: details.automated_detection,
            automated_decision: details.automated_decision,
        });
        Self {
            origin: strike.origin.clone(),
            servers: strike.servers.iter().map(|server| server.expose().to_owned()).collect(),
            entry: strike.post.into(),
            details: facts,
        }
    }
}

impl From<ListError> for QuotapassError {
    fn from(error: ListError) -> Self {
        use quotapass_log::Refusal;
        use quotapass_wallet::moderation::LogSettingsError;

        let reason = error.to_string();
        match error {
            ListError::Settings(LogSettingsError::Unnamed { .. }) => Self::LogNotNamed { reason },
            ListError::Memory(LogMemoryError::Forked { .. }) => Self::LogRefused { reason },
            ListError::Memory(_) => Self::LogMemory { reason },
            ListError::Refused { refusal: Refusal::Source(_), .. } => Self::Source { reason },
            ListError::Refused { refusal: Refusal::Fork(forked), .. } => {
                Self::LogForked { seen: forked.seen, shown: forked.shown, reason }
            }
            ListError::Struck(struck) => {
                Self::Struck { strikes: struck.strikes.iter().map(Into::into).collect(), reason }
            }
            ListError::Settings(_) => Self::bad_input("logs", reason),
            _ => Self::LogRefused { reason },
        }
    }
}
