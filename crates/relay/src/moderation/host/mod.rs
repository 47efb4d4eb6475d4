//! The moderation logs of a relay: the one that it hosts, and those of other operators that it follows.
//!
//! A [`ModerationHost`] runs a thread for each log.
//!
//! - **The own log** ends strikes whose time is over, publishes a checkpoint at most once in the interval of its policy, takes
//!   [entries](ModerationHost::append) that pass all checks, and the cosignatures of its witnesses.
//! - **A followed log** is fetched from another relay entry by entry. What the entries claim is computed again. Then the
//!   checkpoint is cosigned, and the copy is served to readers who ask a second server.
//!
//! Each accepted checkpoint puts its lists in force ([`Lists`](crate::Lists)). A checkpoint that is refused changes nothing:
//! the last good list stays in force, and `/readyz`, `/metrics` and the log output say why. At a start the last accepted
//! lists are in force again before the first post is judged.

mod bell;
mod condition;
mod follow;
mod ledger;
mod moderator;
mod own;
mod remote;
mod strike;
mod struck;

use core::{future::Future, pin::Pin};
use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use quotapass_circuits::{post::Post, share::Nullifier, verifier::Verifier};
use quotapass_log::{
    Checkpoint, CosignerKey, CosignerPublicKey, LogId, LogName, LogStore, Refusal, SourceError, StoreError, TrustError,
    moderation::{Journal, JournalError, ListKey, ListedEntry},
};
use quotapass_protocol::{
    LogIdentity, UnixSeconds,
    note::{NoteKey, NotePublicKey},
};

pub use condition::{LogCondition, LogConditions, LogRefusal};
pub use follow::FollowSettings;
pub use moderator::{MODERATOR_HEADER, ModeratorError, ModeratorRequest, SEAL_SECONDS};
pub use own::{AppendError, SentEntry};
pub use remote::{LogServer, LogServerError};
pub use strike::{ShownPost, StrikeError};

use super::{OwnLog as StrikesOfOwnLog, Struck};
use crate::{ListFetcher, Relay, RelayContext, StopSignal, chain::RootArchive};
use follow::Followed;
use moderator::UsedSeals;
use own::OwnLog;

/// The pause between two rounds of the own log.
const OWN_PAUSE: Duration = Duration::from_secs(5);
/// The shortest and the longest pause between two rounds of a followed log, in seconds.
const FOLLOW_SECONDS: [u64; 2] = [5, 60];

/// The lists in force of a log.
type ListsInForce = [(ListKey, Vec<ListedEntry>)];

/// Errors of opening the logs of a relay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The own log cannot be opened.
    #[error("the relay's own moderation log: {0}")]
    Own(#[from] JournalError),
    /// The copy of a followed log cannot be opened.
    #[error("the copy of the moderation log `{origin}`: {refusal}")]
    Followed {
        /// The log.
        origin: String,
        /// The reason.
        refusal: Refusal,
    },
    /// The settings of a followed log are not valid.
    #[error("the moderation log `{origin}`: {error}")]
    Trust {
        /// The log.
        origin: String,
        /// What is wrong.
        error: TrustError,
    },
    /// A log is named twice.
    #[error("the moderation log `{0}` is named twice; name each log once, and do not follow the relay's own log")]
    Twice(String),
}

/// The own log to host.
pub struct OwnLogParts {
    /// The log.
    pub name: LogName,
    /// Where it is kept.
    pub store: Arc<dyn LogStore>,
    /// The working key, which the log's policy names.
    pub key: NoteKey,
    /// The witnesses whose cosignatures are taken.
    pub witnesses: Vec<CosignerPublicKey>,
}

/// The parts of a [`ModerationHost`].
pub struct HostParts {
    /// The relay whose lists these are.
    pub relay: Arc<Relay>,
    /// Its clock and status.
    pub context: RelayContext,
    /// The verifier of posts, for the passes of strikes.
    pub posts: Verifier<Post>,
    /// What knows the former roots of the registry; none if there is no chain.
    pub archive: Option<RootArchive>,
    /// The own log.
    pub own: Option<OwnLogParts>,
    /// The logs to follow, each with the store of its copy.
    pub follow: Vec<(FollowSettings, Arc<dyn LogStore>)>,
    /// The key that cosigns followed logs.
    pub witness: Option<CosignerKey>,
}

/// What all logs of a relay share.
struct Context {
    relay: Arc<Relay>,
    context: RelayContext,
    posts: Verifier<Post>,
    archive: Option<RootArchive>,
    witness: Option<CosignerKey>,
}

impl Context {
    fn conditions(&self) -> &LogConditions {
        self.context.status.moderation_logs()
    }

    fn now(&self) -> UnixSeconds {
        self.context.clock.now()
    }

    /// Puts the lists of a checkpoint in force, unless they are.
    fn put_in_force(&self, log: LogId, checkpoint: &Checkpoint, lists: &ListsInForce, at: UnixSeconds) {
        let known = self.conditions().get(log);
        if known.is_some_and(|known| (known.size, known.root) == (checkpoint.size, Some(checkpoint.root))) {
            return;
        }
        ledger::publish(&self.relay, log, (checkpoint.size, checkpoint.root), lists, at);
        self.conditions().update(log, |condition| {
            (condition.size, condition.root, condition.at) = (checkpoint.size, Some(checkpoint.root), Some(at));
            condition.listed = lists.iter().map(|(_, list)| list.len() as u64).sum();
        });
    }
}

/// The logs of a relay. See the [module](self).
pub struct ModerationHost {
    context: Context,
    own: Option<Arc<OwnLog>>,
    followed: BTreeMap<LogId, Followed>,
    seals: UsedSeals,
}

/// A log that a relay hosts or follows, as `GET /v1/moderation` names it. What is said here is not to be trusted: origin and
/// root key come with the address of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedLog {
    /// The log.
    pub name: LogName,
    /// The relay's view of it.
    pub condition: LogCondition,
}

impl ModerationHost {
    /// Opens the logs, and puts the lists in force that were in force before.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn open(parts: HostParts) -> Result<Arc<Self>, HostError> {
        let HostParts { relay, context, posts, archive, own, follow, witness } = parts;
        let context = Context { relay, context, posts, archive, witness };
        let peers = follow.iter().map(|(settings, _)| settings.server.clone()).collect();
        let own = match own {
            Some(OwnLogParts { name, store, key, witnesses }) => {
                let own = OwnLog::new(Journal::open(name, store)?, key, witnesses, peers);
                own.restore(&context)?;
                Some(Arc::new(own))
            }
            None => None,
        };
        let mut followed = BTreeMap::new();
        for (settings, store) in follow {
            let origin = settings.name.origin.to_string();
            let trust = settings.trust().map_err(|error| HostError::Trust { origin: origin.clone(), error })?;
            let refused = |refusal| HostError::Followed { origin: origin.clone(), refusal };
            let log = Followed::open(&settings, trust, store).map_err(refused)?;
            log.restore(&context).map_err(refused)?;
            if own.as_ref().is_some_and(|own| own.id == log.id) || followed.insert(log.id, log).is_some() {
                return Err(HostError::Twice(origin));
            }
        }
        let host = Arc::new(Self { context, own, followed, seals: UsedSeals::default() });
        let relay = &host.context.relay;
        if let Some(own) = &host.own {
            let strikes = StrikesOf { log: own.id, own: Arc::downgrade(own) };
            relay.moderation().set_own_log(Arc::new(strikes));
        }
        relay.lists().set_fetcher(Arc::new(Fetcher(Arc::downgrade(&host))));
        Ok(host)
    }

    /// Runs the threads of all logs until `stop` is set.
    ///
    /// # Errors
    /// If the system gives no threads.
    ///
    /// # Panics
    /// If the thread of a log did; the others have ended then.
    pub fn run(&self, stop: &StopSignal) -> io::Result<()> {
        // Set by each thread that ends, also by a panic.
        let ended = StopSignal::new();
        let is_over = || stop.is_set() || ended.is_set();
        thread::scope(|scope| {
            let _ended = ended.set_on_drop();
            if let Some(own) = &self.own {
                let run = || {
                    let _ended = ended.set_on_drop();
                    while !is_over() {
                        own.bell.round(|| own.round(&self.context, self.context.now()));
                        own.bell.wait(OWN_PAUSE, &is_over);
                    }
                };
                thread::Builder::new().name("moderation".into()).spawn_scoped(scope, run)?;
            }
            for log in self.followed.values() {
                let run = || {
                    let _ended = ended.set_on_drop();
                    while !is_over() {
                        log.bell.round(|| log.round(&self.context, self.context.now()));
                        let pause = log.interval().clamp(FOLLOW_SECONDS[0], FOLLOW_SECONDS[1]);
                        log.bell.wait(Duration::from_secs(pause), &is_over);
                    }
                };
                thread::Builder::new().name("moderation-follow".into()).spawn_scoped(scope, run)?;
            }
            while !is_over() {
                stop.wait(Duration::from_secs(1));
            }
            Ok(())
        })
    }

    /// Makes one round of each log, for tests and for programs with threads of their own.
    pub fn round(&self) {
        if let Some(own) = &self.own {
            own.bell.round(|| own.round(&self.context, self.context.now()));
        }
        for log in self.followed.values() {
            log.bell.round(|| log.round(&self.context, self.context.now()));
        }
    }

    /// Returns the logs, the own one first.
    pub fn logs(&self) -> Vec<HostedLog> {
        let names = self.own.iter().map(|own| own.journal.name());
        let names = names.chain(self.followed.values().map(|log| &log.name));
        let hosted = |name: &LogName| {
            let condition = self.context.conditions().get(name.id())?;
            Some(HostedLog { name: name.clone(), condition })
        };
        names.filter_map(hosted).collect()
    }

    /// The key that this relay signs the checkpoints of its own log with. The policy of the log must name it.
    pub fn working_key(&self) -> Option<NotePublicKey> {
        self.own.as_ref().map(|own| own.working_key())
    }

    /// The key that this relay cosigns followed logs with.
    pub fn witness_key(&self) -> Option<CosignerPublicKey> {
        self.context.witness.as_ref().map(CosignerKey::public)
    }

    /// Returns what a log serves at a path; none if the log or the path is unknown.
    ///
    /// # Errors
    /// [`SourceError`] if a store fails.
    pub fn resource(&self, log: LogId, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
        if let Some(own) = self.own.as_ref().filter(|own| own.id == log) {
            return own.resource(path);
        }
        let Some(followed) = self.followed.get(&log) else { return Ok(None) };
        followed.resource(path).map_err(|error| unavailable(path, &error))
    }

    /// Returns the first proof that a followed log forked, as JSON: two checkpoints ([`Equivocation`]).
    ///
    /// # Errors
    /// [`SourceError`] if a store fails.
    ///
    /// [`Equivocation`]: quotapass_log::Equivocation
    pub fn fork(&self, log: LogId) -> Result<Option<Vec<u8>>, SourceError> {
        let Some(followed) = self.followed.get(&log) else { return Ok(None) };
        followed.fork().map_err(|error| unavailable("fork", &error))
    }

    /// Returns whether this relay writes a log.
    pub fn is_own(&self, log: LogId) -> bool {
        self.own.as_ref().is_some_and(|own| own.id == log)
    }

    fn own(&self, log: LogId) -> Result<&OwnLog, AppendError> {
        self.own.as_deref().filter(|own| own.id == log).ok_or(AppendError::NotOwn)
    }

    /// Appends an entry to the own log, and returns its place. It is on disk then, and in force from the next checkpoint on.
    /// Blocks the thread.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn append(&self, log: LogId, sent: &SentEntry) -> Result<u64, AppendError> {
        self.own(log)?.append(&self.context, sent, self.context.now())
    }

    /// Adds the cosignature of a configured witness to the published checkpoint of the own log, and returns whether it is
    /// newer than what was there.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn add_cosignature(&self, log: LogId, line: &str) -> Result<bool, AppendError> {
        Ok(self.own(log)?.add_cosignature(line)?)
    }

    /// Checks that a request comes from a moderator of the own log; see [`ModeratorRequest`].
    ///
    /// # Errors
    /// [`ModeratorError`].
    pub fn authenticate(&self, log: LogId, request: &ModeratorRequest<'_>) -> Result<(), ModeratorError> {
        let own = self.own(log).map_err(|_| ModeratorError::NotOwn)?;
        let now = self.context.now();
        let seal = request.verify(log, now)?;
        let is_moderator = own.journal.read(|state| state.policy().map(|policy| policy.moderator(&seal.key).is_some()));
        match is_moderator.map_err(|error| ModeratorError::Unavailable(error.to_string()))? {
            None => Err(ModeratorError::NoPolicy),
            Some(false) => Err(ModeratorError::NotAModerator),
            Some(true) => self.seals.spend(request, &seal, now),
        }
    }

    /// Fetches a followed log now, and waits for the end of the round at most this long.
    async fn fetch(&self, log: LogId, longest: Duration) {
        let Some(followed) = self.followed.get(&log) else { return };
        let mut rounds = followed.bell.rounds();
        let (before, begun) = (self.context.conditions().get(log).map(|known| known.size), Instant::now());
        followed.bell.ring();
        // A round that is under way may have begun before the version was published; then the next one is waited for.
        for _ in 0..2 {
            let left = longest.saturating_sub(begun.elapsed());
            if tokio::time::timeout(left, rounds.changed()).await.is_err() {
                return;
            }
            if self.context.conditions().get(log).map(|known| known.size) != before {
                return;
            }
        }
    }
}

fn unavailable(path: &str, error: &StoreError) -> SourceError {
    SourceError::Unavailable { path: path.into(), reason: error.to_string() }
}

impl core::fmt::Debug for ModerationHost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ModerationHost({} own, {} followed)", usize::from(self.own.is_some()), self.followed.len())
    }
}

/// The own log as the relay asks it. It does not keep the log open: the relay outlives its host.
struct StrikesOf {
    log: LogId,
    own: std::sync::Weak<OwnLog>,
}

impl StrikesOfOwnLog for StrikesOf {
    fn identity(&self) -> LogIdentity {
        ledger::identity(self.log)
    }

    fn strike_of(&self, nullifier: Nullifier) -> Option<Struck> {
        self.own.upgrade()?.strikes.of(nullifier)
    }
}

/// The longest time for which passes wait for a log that is fetched for them.
const FETCH_PATIENCE: Duration = Duration::from_secs(2);

/// Fetches a log when a pass names a version that this relay does not have. It does not keep the host alive.
struct Fetcher(std::sync::Weak<ModerationHost>);

impl ListFetcher for Fetcher {
    fn fetch(&self, log: LogIdentity) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let host = self.0.upgrade();
        Box::pin(async move {
            if let Some(host) = host {
                host.fetch(LogId::from_bytes(log.0), FETCH_PATIENCE).await;
            }
        })
    }
}
