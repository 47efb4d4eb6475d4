//! What waits, and what goes next.

use std::time::{Duration, Instant};

use super::{
    Place,
    budget::{Budget, Trust},
    lane::{Lane, Portion},
    standing::LaneName,
};
use crate::relay::{
    Verification,
    engine::{EngineSettings, Source, submission::Submission},
};

/// What is verified at once.
#[derive(Debug)]
pub(in crate::relay::engine) struct Batch {
    pub(in crate::relay::engine) portions: Vec<Portion>,
    pub(super) kind: BatchKind,
}

/// What a batch was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchKind {
    /// The proven lane, and the unproven one if forgeries are rare there.
    Large,
    /// One lane in which forgeries are to be expected.
    Doubtful {
        lane: LaneName,
        /// Whether other posts waited, or were being verified on the same cores.
        at_expense: bool,
    },
}

impl Batch {
    /// How its proofs are verified: each by itself where most are expected to be forged.
    pub(in crate::relay::engine) fn verification(&self) -> Verification {
        match self.kind {
            BatchKind::Doubtful { lane: LaneName::Suspicious, .. } => Verification::Each,
            BatchKind::Doubtful { .. } | BatchKind::Large => Verification::Together,
        }
    }

    /// How many verdicts it asks for.
    pub(in crate::relay::engine) fn len(&self) -> usize {
        self.portions.iter().map(|portion| portion.count).sum()
    }
}

/// What a worker does next.
#[derive(Debug)]
pub(in crate::relay::engine) enum Next {
    /// Verify this.
    Verify(Batch),
    /// Look again after this time, or when something comes.
    Wait(Option<Duration>),
    /// Shut down: the queue is empty and closed.
    End,
}

/// Posts that wait, by lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::relay::engine) struct Depth {
    pub(in crate::relay::engine) proven: usize,
    pub(in crate::relay::engine) unproven: usize,
    pub(in crate::relay::engine) suspicious: usize,
}

/// The three lanes.
///
/// Large batches go first. Doubtful ones, which are small, go when nothing else is to be done, and otherwise within their
/// [budget](Budget). They never take the last worker, so that a large batch does not wait for them.
#[derive(Debug)]
pub(super) struct Queue {
    proven: Lane,
    unproven: Lane,
    suspicious: Lane,
    settings: EngineSettings,
    budget: Budget,
    trust: Trust,
    /// Batches that were taken and are not finished.
    large_in_flight: usize,
    doubtful_in_flight: usize,
    is_stopping: bool,
}

impl Queue {
    pub(super) fn new(settings: EngineSettings) -> Self {
        let (posts, bytes) = (settings.max_queued, settings.max_queued_bytes);
        let max_batch = settings.max_batch.get();
        Self {
            proven: Lane::new(LaneName::Proven, posts, bytes),
            unproven: Lane::new(LaneName::Unproven, posts, bytes),
            suspicious: Lane::new(LaneName::Suspicious, posts / 4, bytes / 4),
            budget: Budget::new(settings.waste_share.get().into(), max_batch as f64),
            trust: Trust::new(max_batch),
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

    /// Takes nothing more from now on.
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

    /// Queues a submission, or gives it back if it is too much.
    pub(super) fn push(&mut self, submission: Submission, place: Place) -> Result<(), Box<Submission>> {
        let lane = self.lane(place.lane);
        if !lane.has_room(&place.flow, &submission) {
            return Err(Box::new(submission));
        }
        lane.push_back(place.flow, submission);
        Ok(())
    }

    /// Puts back what has open posts left, in front of what its flow has, whatever its lane holds: it was taken.
    pub(super) fn put_back(&mut self, submission: Submission, place: Place) {
        self.lane(place.lane).push_front(place.flow, submission);
    }

    /// Moves what belongs to another place now, whatever that holds: it was taken.
    pub(super) fn rearrange(&mut self, place: impl Fn(&Source) -> Place) {
        for name in [LaneName::Proven, LaneName::Unproven, LaneName::Suspicious] {
            for (place, submission) in self.lane(name).take_misplaced(&place) {
                self.lane(place.lane).push_back(place.flow, submission);
            }
        }
    }

    /// Charges a place for work that was wasted on it.
    pub(super) fn charge(&mut self, place: &Place, wasted: f64) {
        self.lane(place.lane).charge(&place.flow, wasted);
    }

    /// What to do now.
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

    /// Posts that wait for a large batch, and since when.
    fn next_large(&self) -> Option<(usize, Instant)> {
        let unproven = self.trust.is_merged().then_some(&self.unproven);
        let lanes = || core::iter::once(&self.proven).chain(unproven);
        let oldest = lanes().filter_map(Lane::next_queued_at).min()?;
        Some((lanes().map(Lane::open).sum(), oldest))
    }

    /// Whether unproven posts wait that do not go in large batches.
    fn unproven_waits(&self) -> bool {
        !self.trust.is_merged() && !self.unproven.is_empty()
    }

    /// The doubtful lane that goes next, if one waits and a worker may be spared for it.
    fn next_doubtful(&mut self) -> Option<LaneName> {
        let lane = self.budget.choose(self.unproven_waits(), !self.suspicious.is_empty());
        let workers = self.settings.workers.get().saturating_sub(1).max(1);
        lane.filter(|_| self.doubtful_in_flight < workers)
    }

    fn take_large(&mut self) -> Batch {
        self.large_in_flight += 1;
        let (room, mut portions) = (self.settings.max_batch.get(), Vec::new());
        if self.trust.is_merged() {
            // A quarter is kept for newcomers; of each some posts, until these have proven it.
            let kept = self.unproven.open().min(room / 4);
            self.proven.take(room - kept, room, &mut portions);
            let taken: usize = portions.iter().map(|portion| portion.count).sum();
            self.unproven.take(room - taken, room.div_ceil(32), &mut portions);
        } else {
            self.proven.take(room, room, &mut portions);
        }
        Batch { portions, kind: BatchKind::Large }
    }

    fn take_doubtful(&mut self, lane: LaneName, at_expense: bool) -> Batch {
        self.doubtful_in_flight += 1;
        let room = match lane {
            LaneName::Unproven => self.trust.batch(),
            // Most of it is forged, and each is found by itself: as much work as half a large batch.
            _ => self.settings.max_batch.get().div_ceil(16),
        };
        let mut portions = Vec::new();
        self.lane(lane).take(room, room, &mut portions);
        Batch { portions, kind: BatchKind::Doubtful { lane, at_expense } }
    }

    /// A batch is finished that made this work, of which so much led to nothing, all in posts.
    pub(super) fn finish(&mut self, kind: BatchKind, work: f64, wasted: f64) {
        match kind {
            BatchKind::Large => {
                self.large_in_flight -= 1;
                if self.unproven_waits() || !self.suspicious.is_empty() || self.doubtful_in_flight > 0 {
                    self.budget.earn(work);
                }
            }
            BatchKind::Doubtful { lane, at_expense } => {
                self.doubtful_in_flight -= 1;
                self.budget.weigh(lane, work);
                if at_expense {
                    self.budget.spend(work, wasted);
                }
            }
        }
    }

    /// Posts of unproven sources came out like this.
    pub(super) fn note_unproven(&mut self, good: usize, forged: usize) {
        self.trust.note(good, forged);
    }
}
