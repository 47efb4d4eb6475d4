//! The case of a post: whether readers should see it, its strike and its appeal, and the events that are not written yet.
//!
//! A case is one record, so that each change of it is one atomic operation. What follows from a change (events, the queue
//! of moderators) is written afterwards, and finished by any relay after a crash: a [mark](super::keys) is written before
//! the change and removed after all is done.

use quotapass_circuits::share::Nullifier;
use quotapass_protocol::{
    LogError, UnixSeconds,
    moderation::{AppealState, EventKind, PostState},
};
use serde::{Deserialize, Serialize};

use super::{Moderation, ModerationError, Swap, events, keys};

/// Maximum number of attempts to change a case that other relays change at the same time.
const ATTEMPTS: usize = 256;
/// The age at which a mark is removed, in seconds. No change takes that long.
const MARK_SECONDS: u64 = 300;
/// Maximum number of marks that one round finishes.
const MARKS_AT_ONCE: usize = 256;
/// Maximum number of reports of a post that are counted.
pub(super) const MAX_COUNTED: usize = 4_096;

/// An event that is not written yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unsent {
    /// The number of the change, which no other event of the case has.
    pub(super) change: u64,
    /// The number that the case has chosen for the event.
    number: Option<u64>,
    pub(super) at: UnixSeconds,
    pub(super) kind: EventKind,
    pub(super) strike: Option<String>,
}

/// An appeal against the strike of a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AppealRecord {
    pub(super) strike: String,
    pub(super) state: AppealState,
    /// The time at which the relay accepted the appeal.
    pub(super) made_at: UnixSeconds,
    /// The time of its state.
    pub(super) at: UnixSeconds,
    pub(super) text: String,
    /// The text of a refusal.
    pub(super) answer: Option<String>,
}

/// The case of a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) scope: String,
    pub(super) state: PostState,
    /// Reports until this time are closed.
    pub(super) closed_at: Option<UnixSeconds>,
    /// The stated time of the author's last action.
    pub(super) acted_at: Option<UnixSeconds>,
    /// The strike in force.
    pub(super) strike: Option<String>,
    /// The strikes that have ended, which are not told of again.
    ended: Vec<String>,
    pub(super) appeal: Option<AppealRecord>,
    /// The time since when it waits for a moderator.
    pub(super) queued: Option<UnixSeconds>,
    /// The time until which the record is kept.
    pub(super) until: Option<UnixSeconds>,
    changes: u64,
    outbox: Vec<Unsent>,
}

impl Case {
    pub(super) fn new(scope: &str, until: Option<UnixSeconds>) -> Self {
        Self {
            scope: scope.into(),
            state: PostState::Visible,
            closed_at: None,
            acted_at: None,
            strike: None,
            ended: Vec::new(),
            appeal: None,
            queued: None,
            until,
            changes: 0,
            outbox: Vec::new(),
        }
    }

    /// Adds an event, which is written after the change is stored.
    pub(super) fn emit(&mut self, kind: EventKind, at: UnixSeconds) {
        self.changes += 1;
        let strike = self.strike.clone();
        self.outbox.push(Unsent { change: self.changes, number: None, at, kind, strike });
    }

    /// Notes a strike in force, unless it is known. The strike is the moderators' answer to the reports.
    pub(super) fn struck(&mut self, strike: &str, now: UnixSeconds) {
        if self.strike.as_deref() != Some(strike) && !self.ended.iter().any(|ended| ended == strike) {
            self.strike = Some(strike.into());
            self.closed_at = Some(now);
            // The case stays until the strike has ended, and so does its place in the queue, which is a new one.
            (self.until, self.queued) = (None, None);
            self.emit(EventKind::Struck, now);
        }
    }

    /// Notes the end of a strike, unless it is known. An open appeal is thereby granted. The case is kept for these seconds.
    pub(super) fn lifted(&mut self, strike: &str, kept_for: u64, now: UnixSeconds) {
        if self.strike.as_deref() != Some(strike) {
            return;
        }
        self.emit(EventKind::Lifted, now);
        if let Some(appeal) = &mut self.appeal
            && appeal.state == AppealState::Open
        {
            (appeal.state, appeal.at) = (AppealState::Granted, now);
            self.emit(EventKind::Answered, now);
        }
        self.ended.extend(self.strike.take());
        self.until = Some(now.saturating_add(kept_for));
    }

    pub(super) fn has_open_appeal(&self) -> bool {
        self.appeal.as_ref().is_some_and(|appeal| appeal.state == AppealState::Open)
    }

    /// Returns whether a report is open.
    pub(super) fn is_open(&self, reported_at: UnixSeconds) -> bool {
        self.closed_at.is_none_or(|closed| reported_at > closed)
    }

    fn encode(&self) -> Result<Vec<u8>, LogError> {
        serde_json::to_vec(self).map_err(|_| LogError::Unfit("a case cannot be written".into()))
    }
}

impl Moderation<'_> {
    /// Returns the case of a post with its bytes.
    fn stored_case(&self, nullifier: Nullifier) -> Result<Option<(Vec<u8>, Case)>, LogError> {
        let Some(bytes) = self.store().read(&keys::case(nullifier))? else { return Ok(None) };
        let case = serde_json::from_slice(&bytes).map_err(|_| LogError::Damaged)?;
        Ok(Some((bytes, case)))
    }

    pub(super) fn case(&self, nullifier: Nullifier) -> Result<Option<Case>, LogError> {
        Ok(self.stored_case(nullifier)?.map(|(_, case)| case))
    }

    /// Replaces a case if it is still the one that was read.
    fn replace_case(&self, nullifier: Nullifier, known: Option<Vec<u8>>, next: &Case) -> Result<bool, LogError> {
        let swap = Swap {
            key: keys::case(nullifier),
            expected: known,
            new: Some(next.encode()?),
            // What is not written yet is not dropped.
            keep_until: next.until.filter(|_| next.outbox.is_empty()),
        };
        self.store().swap(&swap)
    }

    /// Marks a case before a change. Returns the key of the mark.
    pub(super) fn mark(&self, nullifier: Nullifier, now: UnixSeconds) -> Result<Vec<u8>, LogError> {
        let key = keys::mark(nullifier, rand::random());
        self.store().swap(&Swap::create(key.clone(), now.0.to_be_bytes().to_vec(), None))?;
        Ok(key)
    }

    /// Finishes what follows from the changes of a case, and removes its mark. If that fails, the mark stays, and the next
    /// [round](Self::tend) finishes it.
    pub(super) fn finish(&self, nullifier: Nullifier, mark: Vec<u8>, now: UnixSeconds) {
        if self.settle(nullifier, now).is_ok()
            && let Ok(Some(value)) = self.store().read(&mark)
        {
            // A mark that stays is removed by a later round.
            let _ = self.store().swap(&Swap::remove(mark, value));
        }
    }

    /// Changes a case, which begins as `new` if there is none. What `change` refuses changes nothing. The change is final
    /// when this returns; its events follow.
    pub(super) fn change<T>(
        &self,
        nullifier: Nullifier,
        new: &Case,
        now: UnixSeconds,
        change: impl Fn(&mut Case) -> Result<T, ModerationError>,
    ) -> Result<T, ModerationError> {
        let mark = self.mark(nullifier, now)?;
        let changed = self.change_marked(nullifier, new, change);
        self.finish(nullifier, mark, now);
        changed
    }

    fn change_marked<T>(
        &self,
        nullifier: Nullifier,
        new: &Case,
        change: impl Fn(&mut Case) -> Result<T, ModerationError>,
    ) -> Result<T, ModerationError> {
        for _ in 0..ATTEMPTS {
            let (known, case) = match self.stored_case(nullifier)? {
                Some((bytes, case)) => (Some(bytes), case),
                None => (None, new.clone()),
            };
            let mut next = case.clone();
            let changed = change(&mut next)?;
            if next == case || self.replace_case(nullifier, known, &next)? {
                return Ok(changed);
            }
        }
        Err(contended().into())
    }

    /// Brings a case up to its reports, and writes its events: holds the post if enough members reported it, puts it into
    /// the queue of moderators or takes it out, and writes what is not written yet. Any relay may do this at any time, and
    /// more than once.
    pub(super) fn settle(&self, nullifier: Nullifier, now: UnixSeconds) -> Result<(), LogError> {
        for _ in 0..ATTEMPTS {
            let stored = self.stored_case(nullifier)?;
            // A post that is held waits in any case: the reports of a post that very many members report are not read again.
            let is_held = stored.as_ref().is_some_and(|(_, case)| case.state == PostState::Held);
            let reports = if is_held { Vec::new() } else { self.report_records(nullifier, MAX_COUNTED)? };
            let (known, case) = match (stored, reports.first()) {
                (Some((bytes, case)), _) => (Some(bytes), case),
                (None, Some((_, first))) => (None, Case::new(&first.scope, Some(first.until))),
                (None, None) => return Ok(()),
            };
            let open = reports.iter().filter(|(_, report)| case.is_open(report.at)).count();
            let mut next = case.clone();
            if next.state == PostState::Visible && self.hide_at(&next.scope, now).is_some_and(|limit| open >= limit) {
                next.state = PostState::Held;
                next.emit(EventKind::Held, now);
            }
            let waits = open > 0 || next.state == PostState::Held || next.has_open_appeal();
            next.queued = if waits { next.queued.or(Some(now)) } else { None };
            let unsent = next.outbox.first().cloned();
            let head = if unsent.is_some() { events::head(self.store())? } else { 0 };
            if let Some(first) = next.outbox.first_mut()
                && first.number.is_none_or(|number| number != head + 1)
                && !self.is_written(first, &case.scope, nullifier)?
            {
                first.number = Some(head + 1);
            }
            if next != case && !self.replace_case(nullifier, known, &next)? {
                continue;
            }
            if let Some(at) = next.queued {
                self.store().swap(&Swap::create(keys::queued(at, nullifier), Vec::new(), next.until))?;
            }
            let Some(first) = next.outbox.first() else { return Ok(()) };
            let Some(number) = first.number else { continue };
            let event = events::event(first, number, &next.scope, nullifier);
            if events::write(self.store(), first, number, event)? {
                self.parts().news.send_modify(|last| *last = number.max(*last));
                self.take_sent(nullifier, first.change)?;
            }
        }
        Err(contended())
    }

    /// Returns whether an event stands at the number that its case has chosen.
    fn is_written(&self, unsent: &Unsent, scope: &str, nullifier: Nullifier) -> Result<bool, LogError> {
        let Some(number) = unsent.number else { return Ok(false) };
        events::is_written(self.store(), unsent, number, events::event(unsent, number, scope, nullifier))
    }

    /// Removes a written event from the case.
    fn take_sent(&self, nullifier: Nullifier, change: u64) -> Result<(), LogError> {
        for _ in 0..ATTEMPTS {
            let Some((bytes, case)) = self.stored_case(nullifier)? else { return Ok(()) };
            let mut next = case.clone();
            next.outbox.retain(|unsent| unsent.change != change);
            if next == case || self.replace_case(nullifier, Some(bytes), &next)? {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Finishes changes that a crash, or a failing store, left unfinished. Call it every few seconds.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn tend(&self, now: UnixSeconds) -> Result<(), LogError> {
        let mut tended = Ok(());
        for (key, value) in self.store().scan(keys::MARKS, None, MARKS_AT_ONCE)? {
            // A case that cannot be finished does not hold up the others.
            tended = self.tend_one(key, value, now).and(tended);
        }
        tended
    }

    fn tend_one(&self, key: Vec<u8>, value: Vec<u8>, now: UnixSeconds) -> Result<(), LogError> {
        self.settle(keys::nullifier_at(&key, 1)?, now)?;
        // A younger mark may be of a change that is being made.
        if keys::number_at(&value, 0)?.saturating_add(MARK_SECONDS) <= now.0 {
            self.store().swap(&Swap::remove(key, value))?;
        }
        Ok(())
    }
}

fn contended() -> LogError {
    LogError::Unavailable("other relays change the same case at the same time".into())
}
