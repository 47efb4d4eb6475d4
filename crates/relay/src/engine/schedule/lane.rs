//! Lanes of waiting submissions, by source.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use super::{Place, standing::LaneName};
use crate::engine::{Source, submission::Submission};

/// A submission, and the number of its posts in a batch.
#[derive(Debug)]
pub(in crate::engine) struct Portion {
    pub(in crate::engine) submission: Submission,
    pub(in crate::engine) count: usize,
    /// The lane that it was taken from.
    pub(super) lane: LaneName,
}

/// The waiting submissions of one source, or of one block of addresses.
#[derive(Debug, Default)]
struct Flow {
    waiting: VecDeque<Submission>,
    /// The places that they take.
    open: usize,
    bytes: usize,
    /// Wasted work for which it has not skipped turns yet, in posts.
    debt: f64,
}

/// Flows that take turns.
///
/// **Attack.** One source opens 64 connections and fills the queue: in a common queue all other sources wait behind it,
/// or find no place.
///
/// **Defence.** Each flow has its own queue, and a batch takes some posts of each in turn, so a post waits for at most
/// as many posts of each other flow. No flow has more places than it leaves free for all others. A flow that wasted
/// work skips turns until the other flows had as much work: among forgers, a flow that also sends good posts is served
/// more.
#[derive(Debug)]
pub(super) struct Lane {
    name: LaneName,
    max_posts: usize,
    max_bytes: usize,
    /// The flows with waiting submissions.
    flows: HashMap<Source, Flow>,
    /// The same flows in order of turns, the next one in front.
    turns: VecDeque<Source>,
    /// The places that the waiting submissions take.
    open: usize,
    bytes: usize,
}

impl Lane {
    pub(super) fn new(name: LaneName, max_posts: usize, max_bytes: usize) -> Self {
        let (flows, turns) = Default::default();
        Self { name, max_posts, max_bytes, flows, turns, open: 0, bytes: 0 }
    }

    /// Returns the number of waiting posts. A badge counts as several.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Returns the time since when the next submission has waited.
    pub(super) fn next_queued_at(&self) -> Option<Instant> {
        let flow = self.flows.get(self.turns.front()?)?;
        flow.waiting.front().map(|submission| submission.queued_at)
    }

    /// Returns whether the lane has room for a submission: a flow may have at most as many places as are then still
    /// free.
    pub(super) fn has_room(&self, flow: &Source, submission: &Submission) -> bool {
        let (held, bytes) = self.flows.get(flow).map_or((0, 0), |flow| (flow.open, flow.bytes));
        held + submission.places() + self.open <= self.max_posts
            && bytes + submission.bytes() + self.bytes <= self.max_bytes
    }

    /// Puts a submission at the back of its flow, even if the lane is full.
    pub(super) fn push_back(&mut self, flow: Source, submission: Submission) {
        self.enter(flow, &submission).push_back(submission);
    }

    /// Puts a submission at the front of its flow, even if the lane is full.
    pub(super) fn push_front(&mut self, flow: Source, submission: Submission) {
        self.enter(flow, &submission).push_front(submission);
    }

    fn enter(&mut self, name: Source, submission: &Submission) -> &mut VecDeque<Submission> {
        let (open, bytes) = (submission.places(), submission.bytes());
        self.open += open;
        self.bytes += bytes;
        let turns = &mut self.turns;
        let flow = self.flows.entry(name.clone()).or_insert_with(|| {
            turns.push_back(name);
            Flow::default()
        });
        flow.open += open;
        flow.bytes += bytes;
        &mut flow.waiting
    }

    /// Charges a flow for wasted work, if it has waiting submissions.
    pub(super) fn charge(&mut self, flow: &Source, wasted: f64) {
        if let Some(flow) = self.flows.get_mut(flow) {
            flow.debt += wasted;
        }
    }

    /// Takes out posts for at most `room` places, or a few more if the last one is a badge or has records: first some of
    /// each flow in turn, and then more of the same flows, up to `most` of each, if room remains. Returns the places that
    /// they take.
    pub(super) fn take(&mut self, room: usize, most: usize, portions: &mut Vec<Portion>) -> usize {
        let turn = room.div_ceil(4).min(most);
        let (mut left, mut all) = (room, 0);
        while left > 0 && !self.turns.is_empty() {
            let shares = self.shares(left, turn, most);
            let expected: usize = shares.iter().map(|(_, count)| count).sum();
            let taken: usize = shares.into_iter().map(|(name, count)| self.take_of(name, count, portions)).sum();
            left = left.saturating_sub(taken);
            all += taken;
            // Abandoned submissions leave room, and debts may block all flows; then other flows have a turn.
            if taken >= expected && taken > 0 {
                break;
            }
        }
        all
    }

    /// Removes the next flows from the order of turns, and returns them with the number of posts to take from each.
    fn shares(&mut self, room: usize, turn: usize, most: usize) -> Vec<(Source, usize)> {
        let mut shares: Vec<(Source, usize)> = Vec::new();
        let (mut left, mut in_debt) = (room, Vec::new());
        while left > 0
            && let Some(name) = self.turns.pop_front()
        {
            let Some(flow) = self.flows.get_mut(&name) else { continue };
            if flow.debt >= turn as f64 {
                in_debt.push(name);
                continue;
            }
            // The first verdict counts in full: a badge, or a post with its records.
            let least = flow.waiting.front().map_or(0, |first| first.portion(0).1);
            let count = flow.open.min(turn).min(left).max(least);
            left = left.saturating_sub(count);
            shares.push((name, count));
        }
        let is_served = !shares.is_empty();
        let least =
            in_debt.iter().filter_map(|name| self.flows.get(name)).map(|flow| flow.debt).fold(f64::MAX, f64::min);
        // Each flow in debt skips one turn. If all are in debt, they skip as many turns as the smallest debt requires.
        let forgiven = if is_served { turn as f64 } else { least };
        for name in in_debt {
            if let Some(flow) = self.flows.get_mut(&name) {
                flow.debt -= forgiven;
                self.turns.push_back(name);
            }
        }
        for (name, count) in &mut shares {
            let open = self.flows.get(name).map_or(0, |flow| flow.open);
            let more = open.min(most).saturating_sub(*count).min(left);
            *count += more;
            left -= more;
        }
        shares
    }

    /// Takes at most `count` posts of a flow, and gives it another turn if posts remain.
    fn take_of(&mut self, name: Source, count: usize, portions: &mut Vec<Portion>) -> usize {
        let Some(flow) = self.flows.get_mut(&name) else { return 0 };
        let mut taken = 0;
        while taken < count
            && let Some(submission) = flow.waiting.pop_front()
        {
            let (open, bytes) = (submission.places(), submission.bytes());
            flow.open -= open;
            flow.bytes -= bytes;
            self.open -= open;
            self.bytes -= bytes;
            // The caller no longer waits for the answer.
            if submission.is_abandoned() {
                continue;
            }
            let (count, places) = submission.portion(count - taken);
            taken += places;
            portions.push(Portion { submission, count, lane: self.name });
        }
        if flow.waiting.is_empty() {
            self.flows.remove(&name);
        } else {
            self.turns.push_back(name);
        }
        taken
    }

    /// Removes submissions of the affected flows whose place has changed, in the order of turns.
    pub(super) fn take_misplaced(
        &mut self,
        is_affected: impl Fn(&Source) -> bool,
        place: impl Fn(&Submission) -> Place,
    ) -> Vec<(Place, Submission)> {
        let mut misplaced = Vec::new();
        for name in core::mem::take(&mut self.turns) {
            if !is_affected(&name) {
                self.turns.push_back(name);
                continue;
            }
            let Some(flow) = self.flows.get_mut(&name) else { continue };
            for submission in core::mem::take(&mut flow.waiting) {
                let now = place(&submission);
                if now.lane == self.name && now.flow == name {
                    flow.waiting.push_back(submission);
                    continue;
                }
                let (open, bytes) = (submission.places(), submission.bytes());
                flow.open -= open;
                flow.bytes -= bytes;
                self.open -= open;
                self.bytes -= bytes;
                misplaced.push((now, submission));
            }
            if flow.waiting.is_empty() {
                self.flows.remove(&name);
            } else {
                self.turns.push_back(name);
            }
        }
        misplaced
    }
}
