//! The engine's threads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::CreationError;
use parking_lot::{Condvar, Mutex};
use quotapass_protocol::{Overload, UnixSeconds, Verdict};
use rayon::prelude::*;
use tokio::sync::watch;

use super::{
    EngineMetrics, EngineSettings, Progress, RelayContext,
    history::History,
    schedule::{Batch, Costs, Depth, Finished, Next, Portion, Scheduler},
    source::Source,
    submission::{Answer, OwnedBadge, Submission, Work},
};
use crate::{BadgeAnswer, BadgeRequest, PostRequest, Relay};

/// The interval at which the log is polled.
const LOOK_AT_LOG: Duration = Duration::from_secs(1);

/// The state that the engine's handles and threads share.
pub(super) struct Shared {
    pub(super) relay: Arc<Relay>,
    pub(super) context: RelayContext,
    pub(super) metrics: EngineMetrics,
    pub(super) history: History,
    state: Mutex<Pending>,
    /// Signals a new submission, a finished batch, or the stop of the engine.
    changed: Condvar,
    /// Signals the stop of the engine, or a conviction.
    look: Condvar,
    /// The number of running threads.
    alive: AtomicUsize,
    /// The numbers of batches that were begun, and that were finished.
    begun: AtomicU64,
    finished: AtomicU64,
    has_ended: watch::Sender<bool>,
}

struct Pending {
    schedule: Scheduler,
    is_look_due: bool,
}

/// A guard that decrements the number of threads when its thread ends, also after a panic.
pub(super) struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        if self.0.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.has_ended.send_replace(true);
        }
    }
}

impl core::ops::Deref for Alive {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    pub(super) fn new(
        relay: Arc<Relay>,
        context: RelayContext,
        settings: &EngineSettings,
    ) -> Result<Self, CreationError> {
        let begun = Instant::now();
        let costs = relay.measure_costs(|| begun.elapsed());
        let schedule = Scheduler::new(settings, Costs::of(&costs, settings.max_batch));
        let history = History::new(context.status.clone())?;
        let metrics = EngineMetrics::new();
        metrics.follow(&relay.policies());
        Ok(Self {
            relay,
            context,
            metrics,
            history,
            state: Mutex::new(Pending { schedule, is_look_due: false }),
            changed: Condvar::new(),
            look: Condvar::new(),
            alive: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            has_ended: watch::Sender::new(false),
        })
    }

    /// Increments the number of threads, and returns the guard.
    pub(super) fn enter(self: &Arc<Self>) -> Alive {
        self.alive.fetch_add(1, Ordering::AcqRel);
        Alive(self.clone())
    }

    /// Returns a receiver that becomes true when the last thread has ended.
    pub(super) fn has_ended(&self) -> watch::Receiver<bool> {
        self.has_ended.subscribe()
    }

    /// Queues a submission, or refuses it at once.
    pub(super) fn submit(&self, source: Source, work: Work, is_last: bool) {
        let now = Instant::now();
        let submission = Submission { source, work, queued_at: now, is_last };
        let mut state = self.state.lock();
        if state.schedule.is_stopping() {
            drop(state);
            return self.refuse(submission, Overload::Stopping);
        }
        let refused = state.schedule.submit(submission, now).err();
        self.gauge(&state);
        drop(state);
        match refused {
            None => {
                self.changed.notify_one();
            }
            Some(submission) => self.refuse(*submission, Overload::Queue),
        }
    }

    fn refuse(&self, submission: Submission, overload: Overload) {
        let verdict = Verdict::Overloaded(overload);
        let verdicts = vec![verdict.clone(); submission.open()];
        self.count(&submission, &verdicts, self.context.clock.now());
        submission.refuse(&verdict);
    }

    /// Counts verdicts on the next posts of a submission, or on its badge.
    fn count(&self, submission: &Submission, verdicts: &[Verdict], now: UnixSeconds) {
        {
            let policies = self.relay.policies();
            for (scope, verdict) in submission.next_scopes(verdicts.len()).into_iter().zip(verdicts) {
                self.metrics.count(verdict, scope, &policies);
            }
        }
        self.history.note(verdicts, now);
    }

    /// Refuses new submissions; the threads end when the queue is empty.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.schedule.stop();
        state.is_look_due = true;
        drop(state);
        self.changed.notify_all();
        self.look.notify_all();
    }

    /// Verifies batches until the engine stops.
    pub(super) fn verify(&self) {
        while let Some(batch) = self.next_batch() {
            self.run(batch);
        }
    }

    fn next_batch(&self) -> Option<Batch> {
        let mut state = self.state.lock();
        loop {
            let next = state.schedule.next(Instant::now());
            self.gauge(&state);
            match next {
                Next::Verify(batch) => return Some(batch),
                Next::End => {
                    // Another worker may also wait for the end.
                    self.changed.notify_one();
                    return None;
                }
                Next::Wait(None) => self.changed.wait(&mut state),
                Next::Wait(Some(time)) => {
                    self.changed.wait_for(&mut state, time);
                }
            }
        }
    }

    fn gauge(&self, state: &Pending) {
        let Depth { proven, unproven, suspicious } = state.schedule.depth();
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.queue_posts.set(gauge(proven));
        self.metrics.unproven_posts.set(gauge(unproven));
        self.metrics.suspicious_posts.set(gauge(suspicious));
        self.metrics.forging_sources.set(gauge(state.schedule.suspects()));
    }

    /// Returns the progress.
    pub(super) fn progress(&self) -> Progress {
        let Depth { proven, unproven, suspicious } = self.state.lock().schedule.depth();
        let finished = self.finished.load(Ordering::Relaxed);
        let running = self.begun.load(Ordering::Relaxed).saturating_sub(finished);
        let waiting = proven + unproven + suspicious;
        Progress { open: waiting.saturating_add(usize::try_from(running).unwrap_or(usize::MAX)), finished }
    }

    /// Verifies a batch and sends the answers.
    fn run(&self, batch: Batch) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let (begin, now, len) = (Instant::now(), self.context.clock.now(), batch.len());
        for Portion { submission, .. } in &batch.portions {
            let waited = begin.saturating_duration_since(submission.queued_at);
            self.metrics.queue_seconds.observe(waited.as_secs_f64());
        }
        let judged = catch_unwind(AssertUnwindSafe(|| self.judge(&batch, now)));
        let answers = judged.unwrap_or_else(|_| {
            self.metrics.failures.inc();
            batch.portions.iter().map(failure).collect()
        });
        let end = Instant::now();
        if len > 0 {
            self.metrics.batch_posts.observe(len as f64);
            self.metrics.verify_seconds.observe(end.saturating_duration_since(begin).as_secs_f64());
        }
        for (portion, answer) in batch.portions.iter().zip(&answers) {
            self.count(&portion.submission, answer.verdicts(), now);
        }
        self.watch_log(&answers, now);
        let done = self.finish(batch, answers, end);
        self.finished.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        let latency = |submission: &Submission| end.saturating_duration_since(submission.queued_at);
        for submission in &done {
            self.metrics.answer_seconds.observe(latency(submission).as_secs_f64());
        }
        self.history.note_answers(done.iter().map(latency), now);
        done.into_iter().for_each(Submission::reply);
    }

    /// Returns the answers to a batch's portions, in order.
    fn judge(&self, batch: &Batch, now: UnixSeconds) -> Vec<Answer> {
        let portions = &batch.portions;
        let posts = || portions.iter().flat_map(|portion| portion.submission.next_posts(portion.count));
        let requests: Vec<PostRequest<'_>> = posts()
            .filter_map(|post| {
                Some(PostRequest { scope: &post.scope, message: &post.message, pass: post.pass.as_ref().ok()? })
            })
            .collect();
        let mut judged = if requests.is_empty() {
            Vec::new()
        } else {
            self.relay.verify_posts_by(batch.verification(), &requests, now)
        }
        .into_iter();
        let mut verdicts = posts().map(|post| match &post.pass {
            Ok(_) => judged.next().unwrap_or(Verdict::Overloaded(Overload::Failure)),
            Err(error) => (*error).into(),
        });
        // Each badge is verified alone.
        let badges: Vec<Option<BadgeAnswer>> = portions
            .par_iter()
            .map(|portion| match &portion.submission.work {
                Work::Badge { badge, .. } => Some(self.judge_badge(badge, now)),
                Work::Posts { .. } => None,
            })
            .collect();
        let answer = |(portion, badge): (&Portion, Option<BadgeAnswer>)| match badge {
            Some(answer) => Answer::Badge(answer),
            None => Answer::Posts(verdicts.by_ref().take(portion.count).collect()),
        };
        portions.iter().zip(badges).map(answer).collect()
    }

    fn judge_badge(&self, badge: &OwnedBadge, now: UnixSeconds) -> BadgeAnswer {
        match &badge.pass {
            Ok(pass) => {
                let request = BadgeRequest { scope: &badge.scope, pass };
                let has_chat_key = |scope, key: &[u8]| {
                    badge.key_check.as_ref().map_or(Ok(false), |check| check.check(scope, key, now))
                };
                self.relay.verify_badge_of(request, has_chat_key, now)
            }
            Err(error) => Verdict::from(*error).into(),
        }
    }

    /// Updates the status of the log from the answers.
    fn watch_log(&self, answers: &[Answer], now: UnixSeconds) {
        let verdicts = || answers.iter().flat_map(Answer::verdicts);
        let failure = verdicts().find_map(|verdict| match verdict {
            Verdict::Overloaded(Overload::Log(error)) => Some(error),
            _ => None,
        });
        // The log's polling thread notices when it works again.
        if let Some(error) = failure {
            self.context.status.log_failed(error, now);
        }
        if verdicts().any(|verdict| matches!(verdict, Verdict::QuotaExceeded(_))) {
            self.state.lock().is_look_due = true;
            self.look.notify_all();
        }
    }

    /// Adds the answers to their submissions and updates the sources. Returns the finished submissions. The caller
    /// replies to them afterwards, so that a source is already updated when its client has the answer.
    fn finish(&self, batch: Batch, answers: Vec<Answer>, end: Instant) -> Vec<Submission> {
        let mut state = self.state.lock();
        let Finished { done, was_forging } = state.schedule.finish(batch, answers, end);
        if was_forging {
            self.metrics.forging_batches.inc();
        }
        self.gauge(&state);
        done
    }

    /// Polls the log each second, and after each conviction, until the engine stops.
    pub(super) fn look_at_log(&self) {
        let mut looked_after: Option<Instant> = None;
        loop {
            let now = self.context.clock.now();
            self.history.note(&[], now);
            // New convictions are published at once. Open cases are checked only each second, because each check is a
            // query to the log, and many convictions a second would cause too many queries.
            let looks_after_cases = looked_after.is_none_or(|at| at.elapsed() >= LOOK_AT_LOG);
            if looks_after_cases {
                looked_after = Some(Instant::now());
            }
            self.metrics.follow(&self.relay.policies());
            let (relay, events) = (&self.relay, &self.context.events);
            let read = relay
                .learn_convictions(now)
                .and_then(|()| relay.convicted.publish(relay.log().cases(), events, now, looks_after_cases))
                .and_then(|()| relay.log().probe());
            match read {
                Ok(()) => self.context.status.log_works(now),
                Err(error) => self.context.status.log_failed(&error, now),
            }
            self.relay.prepare(now);
            let mut state = self.state.lock();
            if state.schedule.is_stopping() {
                return;
            }
            state.schedule.expire(Instant::now());
            if !state.is_look_due {
                self.look.wait_for(&mut state, LOOK_AT_LOG);
            }
            state.is_look_due = false;
        }
    }
}

/// Returns the answer to a portion of a batch that ended in a panic.
fn failure(portion: &Portion) -> Answer {
    let verdict = Verdict::Overloaded(Overload::Failure);
    match portion.submission.work {
        Work::Posts { .. } => Answer::Posts(vec![verdict; portion.count]),
        Work::Badge { .. } => Answer::Badge(verdict.into()),
    }
}
