//! What moderators see and decide: the queue of posts that wait for them, decisions, and answers to appeals.

use quotapass_circuits::share::Nullifier;
use quotapass_protocol::{
    LogError, UnixSeconds,
    moderation::{
        ActionResult, AppealAnswer, AppealState, Decision, EventKind, PostState, QueueAnswer, QueueItem, QueuedAppeal,
        QueuedReport,
    },
};

use super::{
    DAY, Moderation, ModerationError, Swap,
    case::{AppealRecord, Case},
    error::MAX_ANSWER_BYTES,
    keys,
    metrics::Request,
};

/// Maximum number of items in one answer.
const MAX_ITEMS: usize = 256;
/// Maximum number of reports that an item shows; the others count.
const MAX_SHOWN: usize = 100;
/// The bytes of passes, reports and appeals after which an answer ends. An item is never cut.
///
/// **Attack.** Members report many posts, each with the longest body. A part of the queue would then have more than a
/// gigabyte, in the relay's memory and in the moderator's browser.
///
/// **Defence.** The answer ends early, and the rest is the next part.
const MAX_ANSWER: usize = 4 << 20;

/// Returns the bytes of what strangers wrote in an item.
fn size_of_item(item: &QueueItem) -> usize {
    let reports: usize = item.reports.iter().map(|report| report.body.len()).sum();
    item.pass.len() + reports + item.appeal.as_ref().map_or(0, |appeal| appeal.text.len())
}

impl Moderation<'_> {
    /// Returns posts that wait for a moderator, those that wait longest first: those after the position `after` of an
    /// earlier answer if it is given, and at most `limit`. An answer whose items are large has fewer.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn queue(&self, after: Option<&str>, limit: usize, now: UnixSeconds) -> Result<QueueAnswer, LogError> {
        self.queue_within(MAX_ANSWER, after, limit, now)
    }

    /// Returns the same for an answer that ends after this number of bytes.
    pub(crate) fn queue_within(
        &self,
        bytes: usize,
        after: Option<&str>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<QueueAnswer, LogError> {
        let limit = limit.clamp(1, MAX_ITEMS);
        // A position that is none of an earlier answer begins anew.
        let after = after.and_then(|position| hex::decode(position).ok()).filter(|key| key.starts_with(keys::QUEUE));
        let found = self.store().scan(keys::QUEUE, after.as_deref(), limit)?;
        let mut next = found.last().filter(|_| found.len() == limit).map(|(key, _)| hex::encode(key));
        let (mut items, mut size, mut last) = (Vec::new(), 0, None);
        for (key, value) in found {
            if size >= bytes {
                next = last.map(hex::encode);
                break;
            }
            let (at, nullifier) = (UnixSeconds(keys::number_at(&key, 1)?), keys::nullifier_at(&key, 9)?);
            let case = self.case(nullifier)?;
            match case.filter(|case| case.queued == Some(at)) {
                Some(case) => {
                    let item = self.queue_item(nullifier, &case, now)?;
                    size += item.as_ref().map_or(0, size_of_item);
                    items.extend(item);
                }
                // A decision took it out.
                None => drop(self.store().swap(&Swap::remove(key.clone(), value))?),
            }
            last = Some(key);
        }
        Ok(QueueAnswer { items, next })
    }

    /// Returns a post with its reports, whether or not it waits for a moderator; none if the relay does not know it.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn item(&self, nullifier: Nullifier, now: UnixSeconds) -> Result<Option<QueueItem>, LogError> {
        match self.case(nullifier)? {
            Some(case) => self.queue_item(nullifier, &case, now),
            None => {
                let Some(post) = self.post(nullifier, now)? else { return Ok(None) };
                self.queue_item(nullifier, &Case::new(&post.scope, None), now)
            }
        }
    }

    fn queue_item(&self, nullifier: Nullifier, case: &Case, now: UnixSeconds) -> Result<Option<QueueItem>, LogError> {
        let post = match self.post(nullifier, now)? {
            Some(post) => post,
            // The book has dropped it, and the log shows it with its strike.
            None => match self.strike_of(nullifier) {
                Some(struck) => struck.into_post(),
                None => return Ok(None),
            },
        };
        let records = self.report_records(nullifier, MAX_SHOWN)?;
        let bodies =
            records.iter().map(|(own, record)| record.body_key(nullifier, *own)).collect::<Result<Vec<_>, _>>()?;
        let report = |((_, record), body): ((Nullifier, super::report::ReportRecord), Result<_, LogError>)| {
            // A body whose record is about to be dropped may be gone.
            let kept: Option<Vec<u8>> = body?;
            let body = kept.as_deref().map(super::report::body_of).transpose()?.unwrap_or_default();
            Ok(QueuedReport { at: record.at, body, reason: record.reason })
        };
        let bodies = self.store().read_all(&bodies);
        let mut reports = records.into_iter().zip(bodies).map(report).collect::<Result<Vec<_>, LogError>>()?;
        reports.retain(|report| case.is_open(report.at));
        reports.sort_by_key(|report| report.at);
        let open = case.appeal.as_ref().filter(|appeal| appeal.state == AppealState::Open);
        Ok(Some(QueueItem {
            nullifier,
            scope: post.scope,
            epoch_seconds: post.epoch.seconds(),
            epoch: post.epoch.number(),
            x: post.entry.x,
            y: post.entry.y,
            pass: post.pass,
            accepted_at: post.accepted_at,
            state: case.state,
            reports,
            strike: case.strike.clone(),
            appeal: open.map(|appeal| QueuedAppeal { at: appeal.made_at, text: appeal.text.clone() }),
        }))
    }

    /// Carries out a moderator's decision about a post at `now`. Both decisions close the reports that the post has. To
    /// keep a held or hidden post releases it; a deletion stays final.
    ///
    /// # Errors
    /// [`ModerationError`]; nothing is changed then.
    pub fn decide(
        &self,
        nullifier: Nullifier,
        decision: Decision,
        now: UnixSeconds,
    ) -> Result<ActionResult, ModerationError> {
        let result = self.decided(nullifier, decision, now);
        self.metrics().count_result(Request::Decision, &result);
        result
    }

    fn decided(
        &self,
        nullifier: Nullifier,
        decision: Decision,
        now: UnixSeconds,
    ) -> Result<ActionResult, ModerationError> {
        let new = match self.case(nullifier)? {
            Some(case) => case,
            None => {
                let post = self.post(nullifier, now)?.ok_or(ModerationError::UnknownPost)?;
                let until = post.accepted_at.saturating_add(self.kept_days(&post.scope, now) * DAY);
                Case::new(&post.scope, Some(until))
            }
        };
        let has_reports = !self
            .report_records(nullifier, super::case::MAX_COUNTED)?
            .iter()
            .all(|(_, report)| !new.is_open(report.at));
        self.change(nullifier, &new, now, |case| {
            let event = match (decision, case.state) {
                (Decision::Keep, PostState::Held | PostState::Hidden) => {
                    Some((PostState::Visible, EventKind::Released))
                }
                (Decision::Hide, PostState::Visible | PostState::Held) => Some((PostState::Hidden, EventKind::Hidden)),
                _ => None,
            };
            if event.is_none() && !has_reports {
                return Ok(ActionResult::Repeated);
            }
            case.closed_at = Some(now);
            if let Some((state, kind)) = event {
                case.state = state;
                case.emit(kind, now);
            }
            Ok(ActionResult::Accepted)
        })
    }

    /// Refuses the open appeal against a strike, with a text for its author. An appeal is granted by lifting the strike.
    ///
    /// # Errors
    /// [`ModerationError`]; nothing is changed then.
    pub fn answer(&self, strike: &str, text: &str, now: UnixSeconds) -> Result<ActionResult, ModerationError> {
        let result = self.refuse_appeal(strike, text, now);
        self.metrics().count_result(Request::Answer, &result);
        result
    }

    fn refuse_appeal(&self, strike: &str, text: &str, now: UnixSeconds) -> Result<ActionResult, ModerationError> {
        if text.is_empty() || text.len() > MAX_ANSWER_BYTES {
            return Err(ModerationError::Answer(text.len()));
        }
        let nullifier = self.appealed(strike)?.ok_or(ModerationError::NoAppeal)?;
        let known = self.case(nullifier)?.ok_or(ModerationError::NoAppeal)?;
        self.change(nullifier, &known, now, |case| {
            let appeal = case.appeal.as_mut().filter(|appeal| appeal.strike == strike);
            let appeal = appeal.ok_or(ModerationError::NoAppeal)?;
            match appeal.state {
                AppealState::Refused if appeal.answer.as_deref() == Some(text) => return Ok(ActionResult::Repeated),
                AppealState::Open => {}
                _ => return Err(ModerationError::NoAppeal),
            }
            (appeal.state, appeal.at, appeal.answer) = (AppealState::Refused, now, Some(text.into()));
            case.emit(EventKind::Answered, now);
            Ok(ActionResult::Accepted)
        })
    }

    /// Returns what became of the last appeal against a strike; none if there was no appeal.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn appeal(&self, strike: &str) -> Result<Option<AppealAnswer>, LogError> {
        let Some(nullifier) = self.appealed(strike)? else { return Ok(None) };
        let appeal = self.case(nullifier)?.and_then(|case| case.appeal).filter(|appeal| appeal.strike == strike);
        Ok(appeal.map(|AppealRecord { state, at, answer, .. }| AppealAnswer { state, at, text: answer }))
    }

    /// Returns the post whose author appealed against a strike.
    fn appealed(&self, strike: &str) -> Result<Option<Nullifier>, LogError> {
        let found = self.store().read(&keys::appeal(strike))?;
        found.map(|bytes| keys::nullifier_at(&bytes, 0)).transpose()
    }
}
