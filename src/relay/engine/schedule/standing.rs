//! What is known of sources.
//!
//! **Attack.** A proof that proves nothing costs its sender nothing and a relay several posts' work. A forger who is known
//! by his address alone takes the next one: a home line has 256 prefixes of 64 bits, a site 65,536, and a botnet has
//! thousands of addresses. A table of suspects that evicts the oldest is flooded with addresses until it forgets the
//! forger.
//!
//! **Answer.** Each source has a record of the work that it wasted and of the good posts that it brought, and so has each
//! block of addresses around it. Both decay. A source that wastes more than its good posts are worth is suspicious; a
//! source without a record of its own inherits from the widest suspicious block around it. What a source wastes counts
//! against its block only as long as the source itself is not suspicious: one bad host adds no more to its neighbourhood
//! than what is forgiven, and only several can make it suspicious. A host that brings good posts stands for itself,
//! whatever its neighbours do.
//!
//! Proven sources, sources with a few forgeries, and suspicious sources are kept in bounded tables of their own, so that
//! none of them evicts another kind. In a suspicious block only the block itself is kept, so that it fills no table.

use core::{iter, num::NonZeroUsize};
use std::{
    collections::hash_map::RandomState,
    time::{Duration, Instant},
};

use lru::LruCache;

use super::{Tally, costs::Costs};
use crate::relay::engine::Source;

/// How many forgeries are forgiven: libraries have bugs, and networks flip bits.
const FORGIVEN: f64 = 3.0;
/// A block of addresses is forgiven this many times as much as what it consists of.
const WIDER: f64 = 4.0;
/// A record that has decayed to less than this is none.
const FORGOTTEN: f64 = 0.05;

/// Where a source's posts wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay::engine) enum LaneName {
    /// Of sources that brought good posts lately, and wasted less.
    Proven,
    /// Of sources nothing is known of, or too little.
    Unproven,
    /// Of sources that sent forgeries, and of those in a block of addresses that did.
    Suspicious,
}

/// Where a submission waits: in which lane, and whose turn it is when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) lane: LaneName,
    /// The source itself if it is proven, the widest suspicious block if there is one, and else the widest block: more
    /// addresses give no more turns.
    pub(super) flow: Source,
}

/// What a source did, in posts, each counting less as time passes.
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
    /// Of sources and blocks that brought more good posts than they wasted.
    proven: Table,
    /// Of sources and blocks that wasted something, and are not suspicious yet.
    noted: Table,
    suspects: Table,
    half_life: Duration,
    /// Work that is forgiven a source.
    forgiven: f64,
}

impl Sources {
    /// At most this many sources of each of three kinds; within a kind, those that did nothing for longest go first.
    pub(super) fn new(capacity: NonZeroUsize, half_life: Duration, costs: &Costs) -> Self {
        let table = || LruCache::with_hasher(capacity, RandomState::new());
        let [proven, noted, suspects] = [table(), table(), table()];
        Self { proven, noted, suspects, half_life, forgiven: FORGIVEN * costs.forgery }
    }

    /// How many sources and blocks are suspicious, or were a little while ago.
    pub(super) fn suspects(&self) -> usize {
        self.suspects.len()
    }

    /// Where a source's posts wait now.
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

    /// The widest suspicious block around a source, or itself, with the work that it is forgiven.
    fn widest_suspect(&self, source: &Source, now: Instant) -> Option<(Source, f64)> {
        let is_suspicious = |(level, forgiven): &(Source, f64)| self.record(level, now).is_suspicious(*forgiven);
        self.with_forgiven(source).filter(is_suspicious).last()
    }

    /// Takes note of what a source sent. Returns whether it, or a block around it, became suspicious by that.
    pub(super) fn note(&mut self, source: &Source, tally: Tally, now: Instant) -> bool {
        let (mut wasted, good) = (tally.wasted, tally.good as f64);
        // In a suspicious block the block bears it, and nothing is kept of those in it.
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
            // Blocks that wasted nothing have no record.
            let good = if is_own || was.wasted >= FORGOTTEN || wasted > 0.0 { good } else { 0.0 };
            if wasted == 0.0 && good == 0.0 {
                continue;
            }
            let record = Record { wasted: was.wasted + wasted, good: was.good + good, at: now };
            became_suspicious |= record.is_suspicious(forgiven) && !was.is_suspicious(forgiven);
            // What goes beyond is its own, and its block's no more.
            wasted = if was.is_suspicious(forgiven) { 0.0 } else { wasted.min((forgiven - was.wasted).max(0.0)) };
            self.keep(level, record, forgiven);
        }
        became_suspicious
    }

    /// Forgets what is over.
    pub(super) fn expire(&mut self, now: Instant) {
        for table in [&mut self.proven, &mut self.noted, &mut self.suspects] {
            while table.peek_lru().is_some_and(|(_, record)| record.decayed(now, self.half_life).is_over()) {
                table.pop_lru();
            }
        }
    }

    /// A source and the blocks around it, each with the work that it is forgiven.
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
