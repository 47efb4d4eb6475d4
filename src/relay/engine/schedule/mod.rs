//! Who is served, and when.
//!
//! The relay's promise under attack: work is wasted only within a bound, whoever sends forgeries and from however many
//! addresses, and sources that bring good posts hardly notice. What is known of [sources](standing) decides in which
//! [lane](lane) their posts wait; in a lane they take turns; the [queue](queue) makes batches of them, large ones of proven
//! sources and small ones of the others, within a [budget](budget) of what may be [wasted](costs).
//!
//! It reads no clock and verifies nothing, so that its tests hold both.

mod budget;
mod costs;
mod lane;
mod queue;
#[cfg(test)]
mod simulation;
mod standing;
#[cfg(test)]
mod tests;

use std::time::Instant;

pub(super) use self::{
    costs::Costs,
    lane::Portion,
    queue::{Batch, Depth, Next},
    standing::LaneName,
};
use self::{
    costs::Tally,
    queue::Queue,
    standing::{Place, Sources},
};
use super::{
    EngineSettings,
    submission::{Answer, Submission},
};

/// What waits, and what is known of those who sent it.
#[derive(Debug)]
pub(super) struct Scheduler {
    queue: Queue,
    sources: Sources,
    costs: Costs,
}

/// A batch that is answered.
#[derive(Debug)]
pub(super) struct Finished {
    /// Submissions that are answered whole.
    pub(super) done: Vec<Submission>,
    /// Whether there was a forgery in it.
    pub(super) was_forging: bool,
}

impl Scheduler {
    pub(super) fn new(settings: &EngineSettings, costs: Costs) -> Self {
        let sources = Sources::new(settings.max_sources, settings.half_life, &costs);
        Self { queue: Queue::new(settings.clone()), sources, costs }
    }

    /// Queues a submission, or gives it back if its lane has no room for more of its source.
    pub(super) fn submit(&mut self, submission: Submission, now: Instant) -> Result<(), Box<Submission>> {
        let place = self.sources.place(&submission.source, now);
        self.queue.push(submission, place)
    }

    /// What a worker does now.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        self.queue.next(now)
    }

    /// Gives the answers to their submissions, takes note of the sources, and queues again what is not done.
    pub(super) fn finish(&mut self, batch: Batch, answers: Vec<Answer>, now: Instant) -> Finished {
        let Batch { portions, kind } = batch;
        let (mut done, mut rest) = (Vec::with_capacity(portions.len()), Vec::new());
        let (mut all, mut unproven, mut became_suspicious, mut posts) = (Tally::default(), Tally::default(), false, 0);
        for (Portion { mut submission, count, lane }, answer) in portions.into_iter().zip(answers) {
            let tally = self.costs.tally(&answer);
            posts += count;
            all.add(tally);
            if lane == LaneName::Unproven {
                unproven.add(tally);
            }
            became_suspicious |= self.sources.note(&submission.source, tally, now);
            if tally.wasted > 0.0 {
                self.queue.charge(&self.sources.place(&submission.source, now), tally.wasted);
            }
            submission.take_answer(answer);
            if submission.open() == 0 { &mut done } else { &mut rest }.push(submission);
        }
        for submission in rest.into_iter().rev() {
            let place = self.sources.place(&submission.source, now);
            self.queue.put_back(submission, place);
        }
        if became_suspicious {
            self.queue.rearrange(|source| self.sources.place(source, now));
        }
        self.queue.note_unproven(unproven.good, unproven.forged);
        self.queue.finish(kind, posts as f64 + all.wasted, all.wasted);
        Finished { done, was_forging: all.forged > 0 }
    }

    /// Forgets sources that did nothing for long.
    pub(super) fn expire(&mut self, now: Instant) {
        self.sources.expire(now);
    }

    /// Takes nothing more from now on.
    pub(super) fn stop(&mut self) {
        self.queue.stop();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.queue.is_stopping()
    }

    /// Posts that wait.
    pub(super) fn depth(&self) -> Depth {
        self.queue.depth()
    }

    /// Sources, and blocks of addresses, that are suspicious or were a little while ago.
    pub(super) fn suspects(&self) -> usize {
        self.sources.suspects()
    }
}
