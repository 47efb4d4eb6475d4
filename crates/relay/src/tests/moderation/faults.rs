//! Crashes and failing stores: an accepted post can be reported, and each change is one event.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use quotapass_protocol::{
    LogError,
    moderation::{ActionResult, Decision, EventKind},
};
use quotapass_testkit::authors::{author_request, report_of};

use super::*;
use crate::{
    BadgeBook, Conviction, Entry, LogEpoch, LogStatistics, ModerationStore, NullifierLog, Outcome, Recorded,
    SlashClaims, Swap, moderation::StoredRecord,
};

/// A log in memory that fails after some changes of records, like a process that is killed there.
#[derive(Default)]
struct Failing {
    inner: MemoryLog,
    /// The changes until the failure.
    left: AtomicUsize,
    /// Whether the change that fails is made.
    is_made: AtomicBool,
    /// Whether nullifiers are not recorded.
    records_nothing: AtomicBool,
}

impl Failing {
    fn after(changes: usize, is_made: bool) -> Arc<Self> {
        Arc::new(Self { left: changes.into(), is_made: is_made.into(), ..Self::default() })
    }

    fn heal(&self) {
        self.left.store(usize::MAX, Ordering::SeqCst);
        self.records_nothing.store(false, Ordering::SeqCst);
    }
}

fn broken<T>() -> Result<T, LogError> {
    Err(LogError::Unavailable("killed".into()))
}

impl NullifierLog for Failing {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        if self.records_nothing.load(Ordering::SeqCst) { broken() } else { self.inner.record(entry) }
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        self.inner.lookup(epoch, nullifier)
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        self.inner.convict(conviction)
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        self.inner.convictions(from)
    }

    fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        self.inner.expire(now)
    }

    fn reopen(&self, now: UnixSeconds) -> Result<UnixSeconds, LogError> {
        self.inner.reopen(now)
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        self.inner.statistics()
    }
}

impl ModerationStore for Failing {
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        if self.left.load(Ordering::SeqCst) == 0 { broken() } else { self.inner.read(key) }
    }

    fn swap(&self, swap: &Swap) -> Result<bool, LogError> {
        match self.left.load(Ordering::SeqCst) {
            0 => broken(),
            1 => {
                self.left.store(0, Ordering::SeqCst);
                if self.is_made.load(Ordering::SeqCst) {
                    self.inner.swap(swap)?;
                }
                broken()
            }
            left => {
                self.left.store(left - 1, Ordering::SeqCst);
                self.inner.swap(swap)
            }
        }
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<StoredRecord>, LogError> {
        if self.left.load(Ordering::SeqCst) == 0 { broken() } else { self.inner.scan(prefix, after, limit) }
    }
}

impl RelayStore for Failing {
    fn cases(&self) -> &dyn SlashClaims {
        &self.inner
    }

    fn badges(&self) -> &dyn BadgeBook {
        &self.inner
    }

    fn moderation(&self) -> &dyn ModerationStore {
        self
    }
}

fn failing_relay(log: &Arc<Failing>) -> Relay {
    relay_of(vec![moderated()], Arc::clone(log) as _)
}

/// A post that cannot be written to the book is not recorded, and can be sent again.
#[test]
fn no_post_is_accepted_that_cannot_be_reported() {
    for is_made in [false, true] {
        let log = Failing::after(1, is_made);
        let relay = failing_relay(&log);
        assert_eq!(honest().to(&relay, NOW).name(), "overloaded");
        assert_eq!(log.inner.len(), 0);
        log.heal();
        let reported = accept(&relay);
        assert_eq!(send(&relay, &report_of(&moderated(), reported, 1), NOW), Ok(ActionResult::Accepted));
    }
}

/// A crash after a post is in the book and before its nullifier is recorded. The post was not accepted, and the member may
/// use the message id for another one: that one can be reported and deleted.
#[test]
fn the_post_that_was_recorded_is_the_one_in_the_book() {
    let log = Failing::after(usize::MAX, false);
    let relay = failing_relay(&log);
    log.records_nothing.store(true, Ordering::SeqCst);
    assert_eq!(honest().to(&relay, NOW).name(), "overloaded");
    let nullifier = posting(0, 0, MESSAGE).entry().nullifier;
    assert_eq!(relay.moderation().post(nullifier, NOW), Ok(None), "it was not accepted");
    log.heal();
    assert_eq!(second().to(&relay, NOW), Verdict::Accepted);
    let accepted = posting(0, 0, SECOND_MESSAGE);
    for now in [NOW, NOW + 86_400] {
        // Also after the log has dropped the epoch.
        let post = relay.moderation().post(nullifier, now).unwrap().unwrap();
        assert_eq!((post.entry, &post.pass), (accepted.entry(), &second().pass));
    }
    let former = author_request(&posting(0, 0, MESSAGE), None, NOW);
    assert_eq!(relay.moderation().author(&former, NOW), Err(ModerationError::UnknownPost));
    let own = author_request(&accepted, None, NOW);
    assert_eq!(relay.moderation().author(&own, NOW), Ok(ActionResult::Accepted));
}

/// The second half of a double post is not accepted, and does not take the place of the first in the book.
#[test]
fn a_double_post_replaces_nothing() {
    let relay = moderated_relay();
    let nullifier = accept(&relay);
    assert_eq!(second().to(&relay, NOW).name(), "quota_exceeded");
    let post = |relay: &Relay| relay.moderation().post(nullifier, NOW + 86_400).unwrap().unwrap();
    assert_eq!(post(&relay).entry, posting(0, 0, MESSAGE).entry());
    // Both halves in one batch are in the book before either is recorded.
    let relay = moderated_relay();
    let verdicts = relay.verify_posts(&[honest().request(), second().request()], NOW);
    assert_eq!(verdicts.iter().map(Verdict::name).collect::<Vec<_>>(), ["accepted", "quota_exceeded"]);
    assert_eq!(post(&relay).entry, posting(0, 0, MESSAGE).entry());
}

/// A process is killed at every change of a record, once before and once after it. Another one finishes what is left: each
/// decision is one event, and numbers have no gap.
#[test]
fn a_kill_at_any_moment_loses_no_event_and_doubles_none() {
    let nullifier = posting(0, 0, MESSAGE).entry().nullifier;
    let mut reached_end = 0;
    for is_made in [false, true] {
        for changes in 1..40 {
            let log = Failing::after(usize::MAX, is_made);
            let relay = failing_relay(&log);
            accept(&relay);
            log.left.store(changes, Ordering::SeqCst);
            let hide = |now| relay.moderation().decide(nullifier, Decision::Hide, now);
            let keep = |now| relay.moderation().decide(nullifier, Decision::Keep, now);
            let first = [hide(NOW), keep(NOW), hide(NOW)];
            let is_killed = log.left.load(Ordering::SeqCst) == 0;
            reached_end += usize::from(!is_killed);
            log.heal();
            // The next start of the relay.
            relay.moderation().tend(NOW + 1_000).unwrap();
            let answered = first.iter().filter(|answer| **answer == Ok(ActionResult::Accepted)).count();
            let told = kinds(&relay);
            assert_eq!(told, [EventKind::Hidden, EventKind::Released, EventKind::Hidden][..told.len()], "{changes}");
            assert!(told.len() == answered || is_killed && told.len() == answered + 1, "{told:?}, {first:?}");
            // Nothing is left to be done, and the next decision follows.
            assert_eq!(log.inner.scan(b"o", None, 9), Ok(Vec::new()));
            let is_hidden = told.last() == Some(&EventKind::Hidden);
            let next = if is_hidden { keep(NOW + 2_000) } else { hide(NOW + 2_000) };
            assert_eq!(next, Ok(ActionResult::Accepted));
            assert_eq!(kinds(&relay).len(), told.len() + 1);
        }
    }
    assert!(reached_end > 0, "some runs are not killed");
}

/// A kill after a report is recorded and before it is counted: the next round counts it.
#[test]
fn a_report_that_was_recorded_is_counted() {
    let log = Failing::after(usize::MAX, false);
    let relay = failing_relay(&log);
    let reported = accept(&relay);
    assert_eq!(send(&relay, &report_of(&moderated(), reported, 1), NOW), Ok(ActionResult::Accepted));
    let ReportStage::Pending(pending) = relay.moderation().report(&report_of(&moderated(), reported, 2), NOW).unwrap()
    else {
        panic!("it is the first of this member");
    };
    let post = pending.post();
    let pass = post.pass.as_ref().unwrap();
    let verdict = relay.verify_post(PostRequest { scope: &post.scope, message: &post.message, pass }, NOW);
    assert_eq!(verdict, Verdict::Accepted);
    drop(pending);
    assert_eq!(kinds(&relay), []);
    relay.expire(NOW + 1).unwrap();
    assert_eq!(kinds(&relay), [EventKind::Held]);
}
