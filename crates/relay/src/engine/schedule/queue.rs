//! The queue of waiting posts, and the choice of the next batch.

use std::time::{Duration, Instant};

use super::{
    Costs, Place,
    budget::{Budget, Trust},
    lane::{Lane, Portion},
    standing::LaneName,
};
use crate::{
    Verification,
    engine::{EngineSettings, Source, submission::Submission},
};

/// A batch of posts that are verified at once.
#[derive(Debug)]
pub(in crate::engine) struct Batch {
    pub(in crate::engine) portions: Vec<Portion>,
    pub(super) kind: BatchKind,
}

/// The origin of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchKind {
    /// The proven lane, and also the unproven lane if forgeries are rare there.
    Large,
    /// One lane in which forgeries are expected.
    Doubtful {
        lane: LaneName,
        /// Whether other posts waited, or were being verified on the same cores at the time.
        at_expense: bool,
        /// Whether so many of its posts are expected to be forged that they take less time each by itself.
        is_mostly_forged: bool,
    },
}

impl Batch {
    /// Returns how its proofs are verified: each one alone if most are expected to be forged.
    pub(in crate::engine) fn verification(&self) -> Verification {
        match self.kind {
            BatchKind::Doubtful { is_mostly_forged: true, .. } => Verification::Each,
            BatchKind::Doubtful { .. } | BatchKind::Large => Verification::Together,
        }
    }

    /// Returns the number of verdicts that it needs.
    pub(in crate::engine) fn len(&self) -> usize {
        self.portions.iter().map(|portion| portion.count).sum()
    }
}

/// The next task of a worker.
#[derive(Debug)]
pub(in crate::engine) enum Next {
    /// Verify this batch.
    Verify(Batch),
    /// Check again after this time, or when a submission arrives.
    Wait(Option<Duration>),
    /// Shut down: the queue is empty and closed.
    End,
}

/// The number of waiting posts, by lane. A badge counts as several, because it is as much work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Depth {
    pub(in crate::engine) proven: usize,
    pub(in crate::engine) unproven: usize,
    pub(in crate::engine) suspicious: usize,
}

/// The three lanes.
///
/// Large batches go first. Doubtful batches, which are small, go when there is no other work, and otherwise within
/// their [budget](Budget). They never take the last worker, so a large batch does not wait for them.
#[derive(Debug)]
pub(super) struct Queue {
    proven: Lane,
    unproven: Lane,
    suspicious: Lane,
    settings: EngineSettings,
    budget: Budget,
    trust: Trust,
    costs: Costs,
    /// The number of batches that were taken and are not finished.
    large_in_flight: usize,
    doubtful_in_flight: usize,
    is_stopping: bool,
}

impl Queue {
    pub(super) fn new(settings: EngineSettings, costs: Costs) -> Self {
        let (posts, bytes) = (settings.max_queued, settings.max_queued_bytes);
        let max_batch = settings.max_batch.get();
        Self {
            proven: Lane::new(LaneName::Proven, posts, bytes),
            unproven: Lane::new(LaneName::Unproven, posts, bytes),
            suspicious: Lane::new(LaneName::Suspicious, posts / 4, bytes / 4),
            budget: Budget::new(settings.waste_share.get().into(), max_batch as f64),
            trust: Trust::new(max_batch),
            costs,
            settings,
            large_in_flight: 0,
            doubtful_in_flight: 0,
            is_stopping: false,
        }
    }

    fn lane(&mut self, name: LaneName) -> &mut Lane {
        match name {
            LaneName::Proven => &mut self.proven,
            LaneName::Unproven => &mut self.unproven,
            LaneName::Suspicious => &mut self.suspicious,
        }
    }

    /// Closes the queue: workers end when it is empty.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    pub(super) fn depth(&self) -> Depth {
        let [proven, unproven, suspicious] = [&self.proven, &self.unproven, &self.suspicious].map(Lane::open);
        Depth { proven, unproven, suspicious }
    }

    /// Queues a submission, or returns it if its lane has no room.
    pub(super) fn push(&mut self, submission: Submission, place: Place) -> Result<(), Box<Submission>> {
        let lane = self.lane(place.lane);
        if !lane.has_room(&place.flow, &submission) {
            return Err(Box::new(submission));
        }
        lane.push_back(place.flow, submission);
        Ok(())
    }

    /// Puts a submission with open posts back in front of its flow, even if the lane is full, because it was already
    /// accepted.
    pub(super) fn put_back(&mut self, submission: Submission, place: Place) {
        self.lane(place.lane).push_front(place.flow, submission);
    }

    /// Moves submissions of the affected flows whose place has changed, even if the new lane is full, because they were already accepted.
    pub(super) fn rearrange(&mut self, is_affected: impl Fn(&Source) -> bool, place: impl Fn(&Submission) -> Place) {
        for name in [LaneName::Proven, LaneName::Unproven, LaneName::Suspicious] {
            for (place, submission) in self.lane(name).take_misplaced(&is_affected, &place) {
                self.lane(place.lane).push_back(place.flow, submission);
            }
        }
    }

    /// Charges the flow of a place for wasted work.
    pub(super) fn charge(&mut self, place: &Place, wasted: f64) {
        self.lane(place.lane).charge(&place.flow, wasted);
    }

    /// Returns the next task.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let large = self.next_large();
        let at_expense = large.is_some() || self.large_in_flight > 0;
        if let Some(lane) = self.next_doubtful()
            && (!at_expense || self.budget.allows())
        {
            return Next::Verify(self.take_doubtful(lane, at_expense));
        }
        let Some((open, oldest)) = large else {
            let is_done = self.is_stopping && self.depth() == Depth::default();
            return if is_done { Next::End } else { Next::Wait(None) };
        };
        let waited = now.saturating_duration_since(oldest);
        let is_due = open >= self.settings.max_batch.get()
            || self.large_in_flight == 0
            || waited >= self.settings.max_delay
            || self.is_stopping;
        if is_due { Next::Verify(self.take_large()) } else { Next::Wait(Some(self.settings.max_delay - waited)) }
    }

    /// Returns the number of posts that wait for a large batch, and the time since when the oldest waits.
    fn next_large(&self) -> Option<(usize, Instant)> {
        let unproven = self.trust.is_merged().then_some(&self.unproven);
        let lanes = || core::iter::once(&self.proven).chain(unproven);
        let oldest = lanes().filter_map(Lane::next_queued_at).min()?;
        Some((lanes().map(Lane::open).sum(), oldest))
    }

    /// Returns whether unproven posts wait that do not go in large batches.
    fn unproven_waits(&self) -> bool {
        !self.trust.is_merged() && !self.unproven.is_empty()
    }

    /// Returns the doubtful lane that goes next, if one has waiting posts and a worker is available for it.
    fn next_doubtful(&mut self) -> Option<LaneName> {
        let lane = self.budget.choose(self.unproven_waits(), !self.suspicious.is_empty());
        let workers = self.settings.workers.get().saturating_sub(1).max(1);
        lane.filter(|_| self.doubtful_in_flight < workers)
    }

    fn take_large(&mut self) -> Batch {
        self.large_in_flight += 1;
        let (room, mut portions) = (self.settings.max_batch.get(), Vec::new());
        if self.trust.is_merged() {
            // A few posts of each unproven source go in each large batch: one good post proves a source. Their part is small
            // while other posts wait, because each large batch may contain as many forgeries until the attack is noticed.
            let kept = self.unproven.open().min(room.div_ceil(32));
            let taken = self.proven.take(room - kept, room, &mut portions);
            self.unproven.take(room.saturating_sub(taken).min(room.div_ceil(4)), room.div_ceil(128), &mut portions);
        } else {
            self.proven.take(room, room, &mut portions);
        }
        Batch { portions, kind: BatchKind::Large }
    }

    fn take_doubtful(&mut self, lane: LaneName, at_expense: bool) -> Batch {
        self.doubtful_in_flight += 1;
        let (room, most) = match lane {
            // A few posts are enough to judge a source.
            LaneName::Unproven => (self.trust.batch(), self.trust.batch().div_ceil(8)),
            // Most posts are forged, and each is verified alone: this is as much work as half a large batch.
            _ => (self.settings.max_batch.get().div_ceil(16), self.settings.max_batch.get()),
        };
        let mut portions = Vec::new();
        self.lane(lane).take(room, most, &mut portions);
        let is_mostly_forged = lane == LaneName::Suspicious || self.trust.forged() >= self.costs.each_from;
        Batch { portions, kind: BatchKind::Doubtful { lane, at_expense, is_mostly_forged } }
    }

    /// Records a finished batch with its work and its wasted work, both in posts.
    pub(super) fn finish(&mut self, kind: BatchKind, work: f64, wasted: f64) {
        match kind {
            BatchKind::Large => {
                self.large_in_flight -= 1;
                if self.unproven_waits() || !self.suspicious.is_empty() || self.doubtful_in_flight > 0 {
                    self.budget.earn(work);
                }
            }
            BatchKind::Doubtful { lane, at_expense, .. } => {
                self.doubtful_in_flight -= 1;
                self.budget.weigh(lane, work);
                if at_expense {
                    self.budget.spend(work, wasted);
                }
            }
        }
    }

    /// Records the results of posts from unproven sources.
    pub(super) fn note_unproven(&mut self, good: usize, forged: usize) {
        self.trust.note(good, forged);
    }
}
