//! The standing of sources.
//!
//! **Attack.** A forged proof costs its sender nothing, but costs a relay the work of several posts. If a forger is
//! known only by one address, it changes to another: a home line has 256 prefixes of 64 bits, a site 65,536, and a
//! botnet has thousands of addresses. If a table of suspects evicts the oldest entry, a forger floods it with addresses
//! until it forgets the forger.
//!
//! **Defence.** Each source has a record of its wasted work and its good posts, and so has each block of addresses
//! around it. Both decay. A source that wastes more than its good posts are worth is suspicious; a source without a
//! record inherits from the widest suspicious block around it. Work that a source wastes counts against its block only
//! while the source itself is not suspicious: one bad host adds at most the forgiven amount to its block, and only
//! several bad hosts can make the block suspicious. A host with good posts is judged alone, whatever its neighbours do.
//!
//! Proven sources, sources with a few forgeries, and suspicious sources are in three separate bounded tables, so that
//! no kind evicts another. Of a suspicious block only the block itself is kept, so its sources fill no table.

use core::{iter, num::NonZeroUsize};
use std::{
    collections::hash_map::RandomState,
    time::{Duration, Instant},
};

use lru::LruCache;

use super::{Tally, costs::Costs};
use crate::engine::{Source, submission::Submission};

/// The number of forgeries that are forgiven: libraries have bugs, and networks flip bits.
const FORGIVEN: f64 = 3.0;
/// A block of addresses is forgiven this many times as much as the next narrower level.
const WIDER: f64 = 4.0;
/// A record that has decayed below this value is dropped.
const FORGOTTEN: f64 = 0.05;

/// The lane in which a source's posts wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum LaneName {
    /// For sources with recent good posts and less wasted work.
    Proven,
    /// For sources with no history, or too little.
    Unproven,
    /// For sources that sent forgeries, and sources in a block of addresses that did.
    Suspicious,
}

/// The place where a submission waits: the lane, and the flow that takes turns in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) lane: LaneName,
    /// The source itself if it is proven, otherwise the widest suspicious block if there is one, otherwise the widest
    /// block. More addresses therefore give no more turns.
    pub(super) flow: Source,
}

/// The history of a source, in posts; older posts count less.
#[derive(Clone, Copy, Debug)]
struct Record {
    wasted: f64,
    good: f64,
    at: Instant,
}

impl Record {
    fn new(now: Instant) -> Self {
        Self { wasted: 0.0, good: 0.0, at: now }
    }

    fn decayed(self, now: Instant, half_life: Duration) -> Self {
        let halves = now.saturating_duration_since(self.at).as_secs_f64() / half_life.as_secs_f64().max(1e-3);
        let factor = (-halves).exp2();
        Self { wasted: self.wasted * factor, good: self.good * factor, at: now }
    }

    fn is_over(&self) -> bool {
        self.wasted.max(self.good) < FORGOTTEN
    }

    fn is_suspicious(&self, forgiven: f64) -> bool {
        self.wasted >= forgiven && self.wasted > self.good
    }

    fn is_proven(&self) -> bool {
        self.good >= FORGOTTEN && self.good > self.wasted
    }
}

type Table = LruCache<Source, Record, RandomState>;

/// The sources that are known.
#[derive(Debug)]
pub(super) struct Sources {
    /// Sources and blocks with more good posts than wasted work.
    proven: Table,
    /// Sources and blocks with wasted work that are not suspicious yet.
    noted: Table,
    suspects: Table,
    half_life: Duration,
    /// The wasted work that a source is forgiven.
    forgiven: f64,
}

impl Sources {
    /// Creates tables for at most this many sources of each of three kinds. Within a kind, the least recently active
    /// sources are evicted first.
    pub(super) fn new(capacity: NonZeroUsize, half_life: Duration, costs: &Costs) -> Self {
        let table = || LruCache::with_hasher(capacity, RandomState::new());
        let [proven, noted, suspects] = [table(), table(), table()];
        Self { proven, noted, suspects, half_life, forgiven: FORGIVEN * costs.forgery }
    }

    /// Returns the number of sources and blocks that are suspicious or recently were.
    pub(super) fn suspects(&self) -> usize {
        self.suspects.len()
    }

    /// Returns the place where a source's posts wait now.
    pub(super) fn place(&self, source: &Source, now: Instant) -> Place {
        let own = self.record(source, now);
        if own.is_proven() {
            return Place { lane: LaneName::Proven, flow: source.clone() };
        }
        match self.widest_suspect(source, now) {
            Some((flow, _)) => Place { lane: LaneName::Suspicious, flow },
            None => Place { lane: LaneName::Unproven, flow: source.widest() },
        }
    }

    /// Returns the place where a submission waits now.
    pub(super) fn place_of(&self, submission: &Submission, now: Instant) -> Place {
        if submission.is_last {
            return Place { lane: LaneName::Suspicious, flow: submission.source.widest() };
        }
        self.place(&submission.source, now)
    }

    /// Returns the widest suspicious block around a source, or the source itself, with the work that it is forgiven.
    fn widest_suspect(&self, source: &Source, now: Instant) -> Option<(Source, f64)> {
        let is_suspicious = |(level, forgiven): &(Source, f64)| self.record(level, now).is_suspicious(*forgiven);
        self.with_forgiven(source).filter(is_suspicious).last()
    }

    /// Records the results of a source's posts. Returns whether the source, or a block around it, became suspicious.
    pub(super) fn note(&mut self, source: &Source, tally: Tally, now: Instant) -> bool {
        let (mut wasted, good) = (tally.wasted, tally.on_good);
        // In a suspicious block, wasted work counts for the block, and its sources get no record.
        if wasted > 0.0
            && !self.record(source, now).is_proven()
            && let Some((block, forgiven)) = self.widest_suspect(source, now)
            && block != *source
        {
            let was = self.record(&block, now);
            self.keep(block, Record { wasted: was.wasted + wasted, ..was }, forgiven);
            wasted = 0.0;
        }
        let mut became_suspicious = false;
        for (level, forgiven) in self.with_forgiven(source) {
            let was = self.record(&level, now);
            let is_own = level == *source;
            // Blocks without wasted work have no record.
            let good = if is_own || was.wasted >= FORGOTTEN || wasted > 0.0 { good } else { 0.0 };
            if wasted == 0.0 && good == 0.0 {
                continue;
            }
            let record = Record { wasted: was.wasted + wasted, good: was.good + good, at: now };
            became_suspicious |= record.is_suspicious(forgiven) && !was.is_suspicious(forgiven);
            // Work above the forgiven amount counts for this level only, not for its wider block.
            wasted = if was.is_suspicious(forgiven) { 0.0 } else { wasted.min((forgiven - was.wasted).max(0.0)) };
            self.keep(level, record, forgiven);
        }
        became_suspicious
    }

    /// Drops records that have decayed.
    pub(super) fn expire(&mut self, now: Instant) {
        for table in [&mut self.proven, &mut self.noted, &mut self.suspects] {
            while table.peek_lru().is_some_and(|(_, record)| record.decayed(now, self.half_life).is_over()) {
                table.pop_lru();
            }
        }
    }

    /// Returns a source and the blocks around it, each with the work that it is forgiven.
    fn with_forgiven(&self, source: &Source) -> impl Iterator<Item = (Source, f64)> + use<> {
        source.levels().zip(iter::successors(Some(self.forgiven), |forgiven| Some(forgiven * WIDER)))
    }

    fn record(&self, source: &Source, now: Instant) -> Record {
        let tables = [&self.proven, &self.noted, &self.suspects];
        let known = tables.into_iter().find_map(|table| table.peek(source));
        known.map_or(Record::new(now), |record| record.decayed(now, self.half_life))
    }

    fn keep(&mut self, source: Source, record: Record, forgiven: f64) {
        for table in [&mut self.proven, &mut self.noted, &mut self.suspects] {
            table.pop(&source);
        }
        let table = if record.is_suspicious(forgiven) {
            &mut self.suspects
        } else if record.is_proven() {
            &mut self.proven
        } else {
            &mut self.noted
        };
        table.put(source, record);
    }
}
