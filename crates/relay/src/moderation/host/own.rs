//! The moderation log that this relay writes.

use std::sync::Arc;

use parking_lot::Mutex;
use quotapass_log::{
    CHECKPOINT_PATH, CosignerPublicKey, LogError, LogId, LogStore, Publication, Published, SignedCheckpoint, Source,
    SourceError,
    moderation::{Body, EntryError, Journal, JournalError, NotASaltedText, SaltedText},
};
use quotapass_protocol::{
    UnixSeconds,
    note::{NoteKey, NotePublicKey},
};
use rand::rngs::OsRng;
use tracing::{info, warn};

use super::{
    Context, LogServer,
    bell::Bell,
    condition::LogCondition,
    strike::{ShownPost, StrikeCheck, StrikeError},
    struck::Strikes,
};

/// Seconds between two questions to other relays that have not answered since the start.
const ASK_AGAIN: u64 = 60;

/// An entry that somebody sends to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentEntry {
    /// The signed entry, as it stands in the log.
    pub leaf: Vec<u8>,
    /// The statement of reasons of a strike, with its salt.
    pub text: Option<Vec<u8>>,
    /// What the moderators saw of a struck post.
    pub shown: Option<ShownPost>,
}

/// Why an entry is not appended. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// This relay does not write this log.
    #[error("this relay does not write this log; send entries to the relay of its operator")]
    NotOwn,
    /// The relay has just started, and asks other relays what they saw of the log.
    #[error("the relay has just started, and asks other relays what they saw of this log; send the entry again")]
    Starting,
    /// Other relays saw more of the log, or another log.
    #[error("this log takes no entries: {0}")]
    Stopped(LogError),
    /// The log refuses the entry, or fails.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The strike does not pass the relay's own checks.
    #[error(transparent)]
    Strike(#[from] StrikeError),
    /// A strike comes without its statement of reasons.
    #[error("a strike comes with its statement of reasons; add `text`")]
    NoText,
    /// An entry other than a strike comes with a statement or a message.
    #[error("only a strike has a statement of reasons and a message; leave them out")]
    NotAStrike,
}

impl From<EntryError> for AppendError {
    fn from(error: EntryError) -> Self {
        Self::Journal(error.into())
    }
}

impl From<NotASaltedText> for AppendError {
    fn from(error: NotASaltedText) -> Self {
        Self::Journal(error.into())
    }
}

/// Whether the log may grow.
///
/// **Attack.** A log that was restored from an old backup goes on from there, and its readers see a fork: they refuse the log
/// from then on.
///
/// **Defence.** Before the first entry after a start, the relays that this relay knows are asked for the last checkpoint they
/// saw. If one is later, or other, the log takes no entries and publishes nothing until its operator has decided. A relay that
/// does not answer then is asked again each [minute](ASK_AGAIN) until it has answered.
#[derive(Clone, Debug)]
enum Standing {
    Starting,
    Current,
    Stopped(LogError),
}

/// The other relays that have not yet said what they saw of the log.
struct Unheard {
    peers: Vec<LogServer>,
    asked_at: UnixSeconds,
}

/// The own log.
pub(super) struct OwnLog {
    pub(super) id: LogId,
    pub(super) journal: Journal<Arc<dyn LogStore>>,
    key: NoteKey,
    pub(super) witnesses: Vec<CosignerPublicKey>,
    unheard: Mutex<Unheard>,
    standing: Mutex<Standing>,
    pub(super) strikes: Strikes,
    pub(super) bell: Bell,
}

impl OwnLog {
    pub(super) fn new(
        journal: Journal<Arc<dyn LogStore>>,
        key: NoteKey,
        witnesses: Vec<CosignerPublicKey>,
        peers: Vec<LogServer>,
    ) -> Self {
        Self {
            id: journal.name().id(),
            journal,
            key,
            witnesses,
            unheard: Mutex::new(Unheard { peers, asked_at: UnixSeconds(0) }),
            standing: Mutex::new(Standing::Starting),
            strikes: Strikes::default(),
            bell: Bell::new(),
        }
    }

    pub(super) fn working_key(&self) -> NotePublicKey {
        self.key.public()
    }

    /// Puts the lists of the last checkpoint in force again.
    pub(super) fn restore(&self, context: &Context) -> Result<(), JournalError> {
        let condition =
            LogCondition { origin: self.journal.name().origin.to_string(), is_own: true, ..LogCondition::default() };
        context.conditions().add(self.id, condition);
        if let Some((published, lists)) = self.journal.in_force()? {
            context.put_in_force(self.id, published.note.checkpoint(), &lists, published.at);
        }
        Ok(())
    }

    /// Ends the strikes that are over, publishes a checkpoint if it is time, and tells of strikes and lifts.
    pub(super) fn round(&self, context: &Context, now: UnixSeconds) {
        match self.try_round(context, now) {
            Ok(()) => context.conditions().accepted(self.id, now),
            Err((name, reason)) => context.conditions().refused(self.id, name, &reason, now),
        }
    }

    fn try_round(&self, context: &Context, now: UnixSeconds) -> Result<(), (&'static str, String)> {
        self.check_peers(now);
        if let Standing::Stopped(error) = &*self.standing.lock() {
            return Err(("log_stopped", error.to_string()));
        }
        let refused = |error: JournalError| (name_of(&error), error.to_string());
        if self.journal.read(|state| state.policy().is_none()).map_err(refused)? {
            return Err(refused(JournalError::NoPolicy));
        }
        // The key is checked first: an entry of another key would be refused one by one.
        let is_named = self
            .journal
            .read(|state| state.policy().is_some_and(|policy| policy.working_keys.contains(&self.key.public())));
        if !is_named.map_err(refused)? {
            return Err(refused(JournalError::NotAWorkingKey(self.key.public())));
        }
        let expired = self.journal.expire(&self.key, now, &mut OsRng).map_err(refused)?;
        if !expired.is_empty() {
            info!(strikes = expired.len(), "strikes are over and were lifted");
        }
        if let Publication::New(published) = self.journal.publish(&self.key, now, &mut OsRng).map_err(refused)? {
            let size = published.note.checkpoint().size;
            info!(size, "the moderation log has a new checkpoint");
        }
        let in_force = self.journal.in_force().map_err(refused)?;
        if let Some((published, lists)) = &in_force {
            context.put_in_force(self.id, published.note.checkpoint(), lists, published.at);
        }
        self.strikes.tell(&self.journal, &context.relay, now).map_err(|reason| ("log_events", reason))?;
        in_force.map_or(Ok(()), |(published, _)| self.check_cosigned(&published, now))
    }

    /// Reports a checkpoint that no witness has cosigned in an interval: wallets do not use it.
    fn check_cosigned(&self, published: &Published, now: UnixSeconds) -> Result<(), (&'static str, String)> {
        let interval = self.journal.read(|state| state.policy().map_or(0, |policy| policy.list_interval.get()));
        let interval = u64::from(interval.map_err(|error| (name_of(&error), error.to_string()))?);
        let is_cosigned = self.witnesses.iter().any(|key| published.note.cosigned_at(key).is_some());
        if self.witnesses.is_empty() || is_cosigned || now.since(published.at) <= interval {
            return Ok(());
        }
        let seconds = now.since(published.at);
        Err((
            "log_uncosigned",
            format!("no witness has cosigned the checkpoint of {seconds} s ago; wallets do not use it"),
        ))
    }

    /// Asks the other relays, each once after a start, whether they saw more of this log than the store has.
    fn check_peers(&self, now: UnixSeconds) {
        let Unheard { peers, asked_at } = &mut *self.unheard.lock();
        let is_start = matches!(*self.standing.lock(), Standing::Starting);
        if !is_start && (peers.is_empty() || now.since(*asked_at) < ASK_AGAIN) {
            return;
        }
        *asked_at = now;
        let mut objection = None;
        peers.retain(|peer| match peer.open(self.id).and_then(|log| log.fetch(CHECKPOINT_PATH)) {
            Ok(bytes) => match self.objection(&bytes) {
                Ok(found) => {
                    objection = found.or_else(|| objection.take());
                    false
                }
                Err(error) => {
                    warn!(%error, "what a relay saw of the moderation log cannot be compared; it is asked again");
                    true
                }
            },
            Err(SourceError::NotFound(_)) => false,
            Err(error) => {
                warn!(%error, "a relay does not say what it saw of the moderation log; it is asked again");
                true
            }
        });
        let mut standing = self.standing.lock();
        match objection {
            Some(error) => *standing = Standing::Stopped(error),
            None if is_start => *standing = Standing::Current,
            None => {}
        }
    }

    /// Returns what a checkpoint that another relay saw says against the store.
    fn objection(&self, bytes: &[u8]) -> Result<Option<LogError>, JournalError> {
        // What is not a checkpoint proves nothing.
        let Ok(seen) = SignedCheckpoint::read(bytes) else { return Ok(None) };
        match self.journal.check_not_behind(&seen, &self.key.public()) {
            Ok(()) => Ok(None),
            Err(JournalError::Log(error @ (LogError::Behind { .. } | LogError::Forked))) => Ok(Some(error)),
            Err(error) => Err(error),
        }
    }

    /// Checks an entry and appends it. Returns its place.
    pub(super) fn append(&self, context: &Context, sent: &SentEntry, now: UnixSeconds) -> Result<u64, AppendError> {
        match &*self.standing.lock() {
            Standing::Starting => return Err(AppendError::Starting),
            Standing::Stopped(error) => return Err(AppendError::Stopped(error.clone())),
            Standing::Current => {}
        }
        // Signatures and threshold come before everything that costs more.
        let entry = self.journal.read(|state| state.check_next(&sent.leaf))??;
        let place = match (&entry.body, &sent.text) {
            (Body::Strike(strike), Some(text)) => {
                let text = SaltedText::from_bytes(text)?;
                if strike.text != text.digest() {
                    return Err(JournalError::Text.into());
                }
                let check =
                    StrikeCheck { relay: &context.relay, posts: &context.posts, archive: context.archive.as_ref() };
                check.check(strike, sent.shown.as_ref(), now)?;
                self.journal.append_strike(&sent.leaf, &text, now)?
            }
            (Body::Strike(_), None) => return Err(AppendError::NoText),
            _ if sent.text.is_some() || sent.shown.is_some() => return Err(AppendError::NotAStrike),
            _ => self.journal.append(&sent.leaf, now)?,
        };
        info!(kind = entry.body.kind(), id = %entry.id, place, "an entry was appended to the moderation log");
        self.bell.ring();
        Ok(place)
    }

    /// Adds the cosignature of a witness to the published checkpoint, and returns whether it is newer.
    pub(super) fn add_cosignature(&self, line: &str) -> Result<bool, JournalError> {
        self.journal.add_cosignature(line, &self.witnesses)
    }

    /// Returns what the log serves at a path.
    pub(super) fn resource(&self, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
        match self.journal.fetch(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(SourceError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the stable name of an error of the own log.
fn name_of(error: &JournalError) -> &'static str {
    match error {
        JournalError::NoPolicy => "log_no_policy",
        JournalError::NotAWorkingKey(_) => "log_working_key",
        JournalError::Log(_) => "log_store",
        _ => "log_entry",
    }
}
