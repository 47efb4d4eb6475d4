//! What waits, and what goes next.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{EngineSettings, Source, submission::Submission};

/// The work that finding one forgery makes, in posts.
const FORGERY_COST: usize = 8;

/// In which lane a submission waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneName {
    /// That of sources nothing is known against.
    Honest,
    /// That of sources that sent forgeries.
    Suspicious,
}

/// First come, first served.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Submission>,
    /// Verdicts that are missing.
    open: usize,
    bytes: usize,
    /// Batches taken and not finished.
    in_flight: usize,
}

impl Lane {
    fn push_back(&mut self, submission: Submission) {
        self.count(&submission);
        self.waiting.push_back(submission);
    }

    fn push_front(&mut self, submission: Submission) {
        self.count(&submission);
        self.waiting.push_front(submission);
    }

    fn count(&mut self, submission: &Submission) {
        self.open += submission.open();
        self.bytes += submission.bytes();
    }

    fn pop(&mut self) -> Option<Submission> {
        let submission = self.waiting.pop_front()?;
        self.open -= submission.open();
        self.bytes -= submission.bytes();
        Some(submission)
    }
}

/// A submission, and how many of its posts are in a batch.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) submission: Submission,
    pub(super) count: usize,
}

/// What is verified at once.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) portions: Vec<Portion>,
    pub(super) place: Place,
}

/// Where a batch was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) lane: LaneName,
    /// Whether honest posts waited that could have been taken instead.
    at_expense: bool,
}

impl Batch {
    /// How many verdicts it asks for.
    pub(super) fn len(&self) -> usize {
        self.portions.iter().map(|portion| portion.count).sum()
    }
}

/// What a worker does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Verify this.
    Verify(Batch),
    /// Look again after this time, or when something comes.
    Wait(Option<Duration>),
    /// Go home: nothing is left, and nothing will come.
    End,
}

/// The two lanes.
///
/// The honest lane goes first. The suspicious one goes when the honest one is empty, and otherwise with a small share of
/// the work, so that whoever shares an address with a forger is served too. A suspicious batch is small, and never takes
/// the last worker, so that an honest post does not wait for it.
#[derive(Debug)]
pub(super) struct Queue {
    honest: Lane,
    suspicious: Lane,
    settings: EngineSettings,
    /// Work that the suspicious lane may have at the honest one's expense, in posts times the share.
    credit: i64,
    is_stopping: bool,
}

impl Queue {
    pub(super) fn new(settings: EngineSettings) -> Self {
        Self { honest: Lane::default(), suspicious: Lane::default(), settings, credit: 0, is_stopping: false }
    }

    fn lane(&mut self, name: LaneName) -> &mut Lane {
        match name {
            LaneName::Honest => &mut self.honest,
            LaneName::Suspicious => &mut self.suspicious,
        }
    }

    /// Takes nothing more from now on.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Posts that wait, honest and suspicious.
    pub(super) fn depth(&self) -> (usize, usize) {
        (self.honest.open, self.suspicious.open)
    }

    /// Queues a submission, or gives it back if it is too much.
    pub(super) fn push(&mut self, submission: Submission, name: LaneName) -> Result<(), Box<Submission>> {
        let (max_posts, max_bytes) = match name {
            LaneName::Honest => (self.settings.max_queued, self.settings.max_queued_bytes),
            LaneName::Suspicious => (self.settings.max_suspicious(), self.settings.max_queued_bytes / 4),
        };
        let lane = self.lane(name);
        if lane.open + submission.open() > max_posts || lane.bytes + submission.bytes() > max_bytes {
            return Err(Box::new(submission));
        }
        lane.push_back(submission);
        Ok(())
    }

    /// Moves what a source has in the honest lane to the suspicious one, whatever that holds: it was taken.
    pub(super) fn demote(&mut self, source: &Source) {
        let lane = core::mem::take(&mut self.honest.waiting);
        (self.honest.open, self.honest.bytes) = (0, 0);
        for submission in lane {
            if submission.source == *source { &mut self.suspicious } else { &mut self.honest }.push_back(submission);
        }
    }

    /// What to do now.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let may_suspect = !self.suspicious.waiting.is_empty()
            && self.suspicious.in_flight < self.settings.workers.get().saturating_sub(1).max(1);
        let Some(oldest) = self.honest.waiting.front() else {
            if may_suspect {
                return Next::Verify(self.take(LaneName::Suspicious));
            }
            let is_done = self.is_stopping && self.suspicious.waiting.is_empty();
            return if is_done { Next::End } else { Next::Wait(None) };
        };
        if may_suspect && self.credit > 0 {
            return Next::Verify(self.take(LaneName::Suspicious));
        }
        let waited = now.saturating_duration_since(oldest.queued_at);
        let is_due = self.honest.open >= self.settings.max_batch.get()
            || self.honest.in_flight == 0
            || waited >= self.settings.max_delay
            || self.is_stopping;
        if is_due {
            Next::Verify(self.take(LaneName::Honest))
        } else {
            Next::Wait(Some(self.settings.max_delay - waited))
        }
    }

    fn take(&mut self, name: LaneName) -> Batch {
        let at_expense = name == LaneName::Suspicious && !self.honest.waiting.is_empty();
        let mut room = match name {
            LaneName::Honest => self.settings.max_batch.get(),
            LaneName::Suspicious => self.settings.max_batch.get().div_ceil(8),
        };
        let lane = self.lane(name);
        lane.in_flight += 1;
        let mut portions = Vec::new();
        while room > 0 {
            let Some(submission) = lane.pop() else { break };
            // Whoever went away is not owed an answer.
            if submission.is_abandoned() {
                continue;
            }
            let count = submission.open().min(room);
            room -= count;
            portions.push(Portion { submission, count });
        }
        Batch { portions, place: Place { lane: name, at_expense } }
    }

    /// Puts back what has open posts left, in front, where it was.
    pub(super) fn put_back(&mut self, submission: Submission, name: LaneName) {
        self.lane(name).push_front(submission);
    }

    /// A batch is finished, in which this many posts were verified and this many forged.
    pub(super) fn finish(&mut self, place: Place, posts: usize, forged: usize) {
        self.lane(place.lane).in_flight -= 1;
        let cost = i64::try_from(posts + FORGERY_COST * forged).unwrap_or(i64::MAX);
        let share = i64::from(self.settings.suspicious_share.get());
        match place.lane {
            LaneName::Honest if !self.suspicious.waiting.is_empty() => {
                let most = i64::try_from(self.settings.max_batch.get()).unwrap_or(i64::MAX).saturating_mul(share);
                self.credit = self.credit.saturating_add(cost).min(most);
            }
            LaneName::Suspicious if place.at_expense => {
                self.credit = self.credit.saturating_sub(cost.saturating_mul(share));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use core::num::{NonZeroU32, NonZeroUsize};

    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;
    use crate::relay::{
        Verdict,
        engine::submission::{OwnedPost, Work},
    };

    fn settings() -> EngineSettings {
        EngineSettings {
            workers: NonZeroUsize::new(2).unwrap(),
            max_batch: NonZeroUsize::new(16).unwrap(),
            max_delay: Duration::from_millis(5),
            max_queued: 64,
            suspicious_share: NonZeroU32::new(16).unwrap(),
            ..EngineSettings::default()
        }
    }

    /// A submission of some posts, and whoever waits for it.
    fn submission(name: &str, posts: usize, now: Instant) -> (Submission, oneshot::Receiver<Vec<Verdict>>) {
        let (reply, answer) = oneshot::channel();
        let post = OwnedPost { scope: "room".into(), message: Bytes::new(), pass: Ok(Bytes::new()) };
        let work = Work::Posts { posts: vec![post; posts], verdicts: Vec::new(), reply };
        (Submission { source: Source::name(name), work, queued_at: now }, answer)
    }

    fn take(queue: &mut Queue, now: Instant) -> Batch {
        match queue.next(now) {
            Next::Verify(batch) => batch,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_batch_goes_when_it_is_full_or_old_or_alone() {
        let (mut queue, now) = (Queue::new(settings()), Instant::now());
        assert!(matches!(queue.next(now), Next::Wait(None)));
        let mut answers = Vec::new();
        let mut push = |queue: &mut Queue, posts| {
            let (submission, answer) = submission("a", posts, now);
            answers.push(answer);
            queue.push(submission, LaneName::Honest).unwrap();
        };
        push(&mut queue, 1);
        assert_eq!(take(&mut queue, now).len(), 1);
        push(&mut queue, 3);
        // Another is in flight: wait for more.
        let Next::Wait(Some(wait)) = queue.next(now + Duration::from_millis(2)) else { panic!() };
        assert_eq!(wait, Duration::from_millis(3));
        push(&mut queue, 12);
        assert!(matches!(queue.next(now), Next::Wait(Some(_))));
        push(&mut queue, 9);
        // Full: the last submission goes in part.
        let batch = take(&mut queue, now);
        assert_eq!(batch.portions.iter().map(|portion| portion.count).collect::<Vec<_>>(), [3, 12, 1]);
        push(&mut queue, 1);
        assert_eq!(take(&mut queue, now + Duration::from_millis(5)).len(), 1);
        push(&mut queue, 1);
        assert!(matches!(queue.next(now), Next::Wait(Some(_))));
        queue.stop();
        assert_eq!(take(&mut queue, now).len(), 1);
        assert!(matches!(queue.next(now), Next::End));
    }

    #[test]
    fn beyond_the_bounds_a_submission_comes_back_whole() {
        let now = Instant::now();
        let mut queue = Queue::new(EngineSettings { max_queued_bytes: 20_000, ..settings() });
        let mut push = |posts, lane| queue.push(submission("a", posts, now).0, lane).map_err(|back| back.open());
        assert_eq!(push(60, LaneName::Honest), Ok(()));
        assert_eq!(push(5, LaneName::Honest), Err(5));
        assert_eq!(push(4, LaneName::Honest), Ok(()));
        assert_eq!(push(17, LaneName::Suspicious), Err(17));
        assert_eq!(push(16, LaneName::Suspicious), Ok(()));
        assert_eq!(queue.depth(), (64, 16));
        let mut queue = Queue::new(EngineSettings { max_queued_bytes: 10, ..settings() });
        assert!(queue.push(submission("a", 1, now).0, LaneName::Honest).is_err());
    }

    #[test]
    fn the_suspicious_get_a_small_share_while_the_honest_wait_and_all_of_it_otherwise() {
        let (mut queue, now) = (Queue::new(EngineSettings { max_queued: 1 << 20, ..settings() }), Instant::now());
        let mut answers = Vec::new();
        for _ in 0..1000 {
            for lane in [LaneName::Honest, LaneName::Suspicious] {
                let (submission, answer) = submission("a", 1, now);
                answers.push(answer);
                queue.push(submission, lane).unwrap();
            }
        }
        let (mut honest, mut suspicious) = (0, 0);
        while queue.depth().0 > 0 {
            let batch = take(&mut queue, now);
            let forged = match batch.place.lane {
                LaneName::Honest => {
                    honest += batch.len();
                    0
                }
                LaneName::Suspicious => {
                    assert!(batch.place.at_expense && batch.len() == 2);
                    suspicious += batch.len();
                    batch.len()
                }
            };
            queue.finish(batch.place, batch.len(), forged);
        }
        // A forgery costs nine posts, and a sixteenth of the work is theirs.
        assert_eq!(honest, 1000);
        assert!((6..=9).contains(&suspicious), "{suspicious}");
        let batch = take(&mut queue, now);
        assert_eq!(batch.place, Place { lane: LaneName::Suspicious, at_expense: false });
        // The other worker is kept for the honest.
        assert!(matches!(queue.next(now), Next::Wait(None)));
        let (late, _answer) = submission("b", 1, now);
        queue.push(late, LaneName::Honest).unwrap();
        assert_eq!(take(&mut queue, now).place.lane, LaneName::Honest);
    }

    #[test]
    fn a_forger_is_moved_and_whoever_left_is_dropped() {
        let (mut queue, now) = (Queue::new(settings()), Instant::now());
        let mut answers = Vec::new();
        for name in ["forger", "a", "forger", "gone", "b"] {
            let (submission, answer) = submission(name, 3, now);
            if name != "gone" {
                answers.push(answer);
            }
            queue.push(submission, LaneName::Honest).unwrap();
        }
        queue.demote(&Source::name("forger"));
        assert_eq!(queue.depth(), (9, 6));
        let batch = take(&mut queue, now);
        let sources: Vec<_> = batch.portions.iter().map(|portion| portion.submission.source.clone()).collect();
        assert_eq!(sources, [Source::name("a"), Source::name("b")]);
        assert_eq!(queue.depth(), (0, 6));
    }
}
