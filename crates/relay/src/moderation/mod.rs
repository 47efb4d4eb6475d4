//! Moderation without identification: reports, actions of authors, decisions of moderators, and their events.
//!
//! | what | where |
//! |---|---|
//! | accepted posts of moderated scopes, for `report_days` | [`AcceptedPost`] |
//! | reports: [`report`](Moderation::report), then the engine, then [`conclude_report`](Moderation::conclude_report) | the store |
//! | deletions and appeals: [`author`](Moderation::author) | the case of a post |
//! | decisions: [`queue`](Moderation::queue), [`decide`](Moderation::decide), [`answer`](Moderation::answer) | the case of a post |
//! | numbered events: [`events`](Moderation::events) | the store |
//!
//! All of it is kept in a [`ModerationStore`], so that relays that share a store share it. The moderation log itself, with
//! its strikes, is elsewhere: the relay that hosts it is asked through [`OwnLog`], and tells of
//! [strikes](Moderation::struck) and [lifts](Moderation::lifted).
//!
//! Nothing here learns who wrote, reported or deleted a post. Nothing but a strike refuses anybody's posts.

mod author;
mod book;
mod case;
mod error;
mod events;
pub mod host;
mod keys;
mod metrics;
mod queue;
mod record;
mod report;
pub(crate) mod store;

use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use quotapass_circuits::{
    moderation::{Entry as PostEntry, author::Author},
    share::Nullifier,
    signal::{Epoch, Scope},
    verifier::Verifier,
};
use quotapass_protocol::{LogError, LogIdentity, UnixSeconds, moderation::ModerationEvent};
use tokio::sync::watch;

pub use book::AcceptedPost;
pub use error::{MAX_ANSWER_BYTES, ModerationError};
pub use metrics::ModerationMetrics;
pub use report::{PendingReport, ReportStage};
pub use store::{ModerationStore, SPREAD, StoredRecord, Swap};

pub(crate) use record::Moderated;
pub(crate) use report::StagedReports;
pub(crate) use store::MemoryRecords;

use crate::Relay;

/// Seconds of a day.
const DAY: u64 = 86_400;
/// The days for which posts of a moderated scope that takes no reports are kept, for their authors' deletions.
const KEPT_DAYS: u16 = 30;
/// Maximum number of events in one answer.
const MAX_EVENTS: usize = 1_000;

fn kept_days(report_days: u16) -> u64 {
    u64::from(if report_days == 0 { KEPT_DAYS } else { report_days })
}

/// A post that a strike in force lists, as the host of a log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The id of the strike.
    pub id: String,
    /// The name of the post's scope.
    pub scope: String,
    /// The post's epoch.
    pub epoch: Epoch,
    /// The post's entry.
    pub entry: PostEntry,
    /// The post's pass.
    pub pass: Vec<u8>,
    /// The time of the strike.
    pub at: UnixSeconds,
}

impl Struck {
    fn into_post(self) -> AcceptedPost {
        let Self { scope, epoch, entry, pass, at, .. } = self;
        AcceptedPost { scope, epoch, entry, pass, accepted_at: at }
    }
}

/// The moderation log of the relay's operator, as far as this module asks it.
pub trait OwnLog: Send + Sync {
    /// Returns the identity of the log.
    fn identity(&self) -> LogIdentity;

    /// Returns the strike in force of the post with this nullifier, in the scopes of the relay's registry.
    fn strike_of(&self, nullifier: Nullifier) -> Option<Struck>;
}

/// What moderation keeps in memory.
pub(crate) struct ModerationParts {
    author: OnceLock<Verifier<Author>>,
    own_log: RwLock<Option<Arc<dyn OwnLog>>>,
    staged: Arc<StagedReports>,
    metrics: ModerationMetrics,
    /// The number of the last event that this relay has written.
    news: watch::Sender<u64>,
}

impl Default for ModerationParts {
    fn default() -> Self {
        Self {
            author: OnceLock::new(),
            own_log: RwLock::default(),
            staged: Arc::default(),
            metrics: ModerationMetrics::default(),
            news: watch::Sender::new(0),
        }
    }
}

impl ModerationParts {
    /// Returns whether the key of authors is a development key, with which anybody can act as the author of a post.
    pub(crate) fn has_development_key(&self) -> bool {
        self.author.get().is_some_and(|verifier| verifier.key().is_development())
    }
}

/// The moderation of a relay; see the [module](self). Its methods wait for the store: call them from any thread, but not
/// from an async task.
#[derive(Clone, Copy)]
pub struct Moderation<'a> {
    relay: &'a Relay,
}

impl Relay {
    /// Returns the moderation of the relay's scopes.
    pub fn moderation(&self) -> Moderation<'_> {
        Moderation { relay: self }
    }

    /// Sets the verifier of authors, without which reports and actions of authors are refused. The first one stays.
    #[must_use]
    pub fn with_author(self, author: Verifier<Author>) -> Self {
        self.moderation_parts().author.get_or_init(|| author);
        self
    }
}

impl<'a> Moderation<'a> {
    fn parts(&self) -> &'a ModerationParts {
        self.relay.moderation_parts()
    }

    fn store(&self) -> &'a dyn ModerationStore {
        self.relay.log.moderation()
    }

    fn author_verifier(&self) -> Result<&'a Verifier<Author>, ModerationError> {
        self.parts().author.get().ok_or(ModerationError::NoKey)
    }

    /// Returns the counters.
    pub fn metrics(&self) -> &'a ModerationMetrics {
        &self.parts().metrics
    }

    /// Sets the moderation log of the relay's operator.
    pub fn set_own_log(&self, log: Arc<dyn OwnLog>) {
        *self.parts().own_log.write() = Some(log);
    }

    /// Returns the identity of the moderation log of the relay's operator; none if there is none.
    pub fn own_log(&self) -> Option<LogIdentity> {
        self.parts().own_log.read().as_ref().map(|log| log.identity())
    }

    fn strike_of(&self, nullifier: Nullifier) -> Option<Struck> {
        let log = self.parts().own_log.read().clone();
        log.and_then(|log| log.strike_of(nullifier))
    }

    /// Returns an accepted post of a scope with moderation, for as long as it is kept.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn post(&self, nullifier: Nullifier, now: UnixSeconds) -> Result<Option<AcceptedPost>, LogError> {
        let registry = self.relay.policies().registry();
        book::read(self.relay.log(), nullifier, |name| Scope::new(&registry, name), now)
    }

    /// Returns the events after the number `since`, in the order of their numbers and at most `limit`. Numbers begin with
    /// 1 and have no gap; events are kept for a year.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn events(&self, since: u64, limit: usize) -> Result<Vec<ModerationEvent>, LogError> {
        events::read(self.store(), since, limit.clamp(1, MAX_EVENTS))
    }

    /// Returns a receiver of the number of the last event that this relay has written. Relays that share the store write
    /// events that it does not tell of.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.parts().news.subscribe()
    }

    /// Returns the number of reports at which a post of a scope is held.
    fn hide_at(&self, scope: &str, now: UnixSeconds) -> Option<usize> {
        let policies = self.relay.policies();
        let view = policies.get(scope).ok()?;
        view.history().current(now).policy.moderation.as_ref()?.hide_at.map(|limit| limit.get().into())
    }

    /// Returns the days for which posts of a scope are kept.
    fn kept_days(&self, scope: &str, now: UnixSeconds) -> u64 {
        kept_days(self.relay.policies().get(scope).map_or(0, |view| view.history().report_days(now)))
    }
}

impl core::fmt::Debug for Moderation<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Moderation(..)")
    }
}
