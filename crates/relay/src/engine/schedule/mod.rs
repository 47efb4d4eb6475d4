//! The scheduler: the order in which posts are verified.
//!
//! The relay's promise under attack: wasted work is bounded, however many addresses send forgeries, and sources of good
//! posts hardly notice. The history of a [source](standing) decides in which [lane](lane) its posts wait; in a lane,
//! sources take turns. The [queue](queue) makes large batches for proven sources and small batches for the others,
//! within a [budget](budget) for [wasted](costs) work.
//!
//! It reads no clock and verifies nothing, so its tests control both.

mod budget;
mod costs;
mod lane;
mod queue;
#[cfg(test)]
mod simulation;
mod standing;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, time::Instant};

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
    EngineSettings, Source,
    submission::{Answer, OwnedPost, Submission},
};

/// The waiting posts, and the history of their sources.
#[derive(Debug)]
pub(super) struct Scheduler {
    queue: Queue,
    sources: Sources,
    costs: Costs,
}

/// The result of a finished batch.
#[derive(Debug)]
pub(super) struct Finished {
    /// Submissions that are answered completely.
    pub(super) done: Vec<Submission>,
    /// Whether the batch had a forgery.
    pub(super) was_forging: bool,
}

impl Scheduler {
    pub(super) fn new(settings: &EngineSettings, costs: Costs) -> Self {
        let sources = Sources::new(settings.max_sources, settings.half_life, &costs);
        Self { queue: Queue::new(settings.clone(), costs), sources, costs }
    }

    /// Queues a submission, or returns it if its lane has no room for more posts of its source.
    pub(super) fn submit(&mut self, submission: Submission, now: Instant) -> Result<(), Box<Submission>> {
        let place = self.sources.place_of(&submission, now);
        self.queue.push(submission, place)
    }

    /// Returns the next task of a worker.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        self.queue.next(now)
    }

    /// Adds the answers to their submissions, updates the sources, and queues unfinished submissions again.
    pub(super) fn finish(&mut self, batch: Batch, answers: Vec<Answer>, now: Instant) -> Finished {
        let Batch { portions, kind } = batch;
        let (mut done, mut rest) = (Vec::with_capacity(portions.len()), Vec::new());
        // Flows that sources have left, where more of their posts may wait.
        let mut left = HashSet::new();
        let (mut all, mut unproven, mut became_suspicious, mut places) = (Tally::default(), Tally::default(), false, 0);
        for (Portion { mut submission, count, lane }, answer) in portions.into_iter().zip(answers) {
            let next = submission.next_posts(count);
            let tally = self.costs.tally(&answer, next);
            // A badge is one post here, and its tally has the rest of its work.
            places += if next.is_empty() { count } else { next.iter().map(OwnedPost::places).sum() };
            all.add(tally);
            if lane == LaneName::Unproven {
                unproven.add(tally);
            }
            let before = self.sources.place_of(&submission, now);
            became_suspicious |= self.sources.note(&submission.source, tally, now);
            let place = self.sources.place_of(&submission, now);
            if tally.wasted + tally.badges > 0.0 {
                self.queue.charge(&place, tally.wasted + tally.badges);
            }
            if place != before {
                left.insert(before.flow);
            }
            submission.take_answer(answer);
            if submission.open() == 0 { &mut done } else { &mut rest }.push(submission);
        }
        for submission in rest.into_iter().rev() {
            let place = self.sources.place_of(&submission, now);
            self.queue.put_back(submission, place);
        }
        // A source that becomes suspicious can make others suspicious, which share a block with it.
        let is_affected = |flow: &Source| became_suspicious || left.contains(flow);
        if became_suspicious || !left.is_empty() {
            self.queue.rearrange(is_affected, |submission| self.sources.place_of(submission, now));
        }
        self.queue.note_unproven(unproven.good, unproven.forged);
        self.queue.finish(kind, places as f64 + all.wasted + all.badges, all.useless());
        Finished { done, was_forging: all.forged > 0 }
    }

    /// Forgets sources that were inactive for long.
    pub(super) fn expire(&mut self, now: Instant) {
        self.sources.expire(now);
    }

    /// Stops the scheduler: workers end when the queue is empty.
    pub(super) fn stop(&mut self) {
        self.queue.stop();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.queue.is_stopping()
    }

    /// Returns the number of waiting posts by lane.
    pub(super) fn depth(&self) -> Depth {
        self.queue.depth()
    }

    /// Returns the number of sources and blocks of addresses that are suspicious or recently were.
    pub(super) fn suspects(&self) -> usize {
        self.sources.suspects()
    }
}
