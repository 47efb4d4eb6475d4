//! What the engine counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::relay::Verdict;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

/// Counters and histograms of one engine. They belong to no registry until they are [registered](Self::register).
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    verdicts: Family<VerdictLabel, Counter>,
    /// Seconds from submission to being taken.
    pub(super) queue_seconds: Histogram,
    /// Seconds that a batch takes, the log included.
    pub(super) verify_seconds: Histogram,
    /// Seconds from submission to answer.
    pub(super) answer_seconds: Histogram,
    pub(super) batch_posts: Histogram,
    pub(super) queue_posts: Gauge,
    pub(super) unproven_posts: Gauge,
    pub(super) suspicious_posts: Gauge,
    pub(super) forging_sources: Gauge,
    pub(super) forging_batches: Counter,
    pub(super) failures: Counter,
}

impl EngineMetrics {
    pub(super) fn new() -> Self {
        // From a quarter of a millisecond to eight seconds.
        let seconds = || Histogram::new(exponential_buckets(0.00025, 2.0, 16));
        let verdicts = Family::<VerdictLabel, Counter>::default();
        for verdict in Verdict::NAMES {
            // A counter that begins at zero, so that its first increase is seen.
            drop(verdicts.get_or_create(&VerdictLabel { verdict }));
        }
        Self {
            verdicts,
            queue_seconds: seconds(),
            verify_seconds: seconds(),
            answer_seconds: seconds(),
            batch_posts: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            queue_posts: Gauge::default(),
            unproven_posts: Gauge::default(),
            suspicious_posts: Gauge::default(),
            forging_sources: Gauge::default(),
            forging_batches: Counter::default(),
            failures: Counter::default(),
        }
    }

    pub(super) fn count(&self, verdict: &Verdict) {
        self.verdicts.get_or_create(&VerdictLabel { verdict: verdict.name() }).inc();
    }

    /// How many times a verdict was given, by its [number](Verdict::number).
    pub fn verdicts(&self) -> [u64; Verdict::NAMES.len()] {
        Verdict::NAMES.map(|verdict| self.verdicts.get_or_create(&VerdictLabel { verdict }).get())
    }

    /// Adds all of it to a registry of metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("verdicts", "Verdicts given, on posts and badges", self.verdicts.clone());
        for (name, help, seconds) in [
            ("queue", "Time from submission until its batch begins", &self.queue_seconds),
            ("verify", "Time of a batch, nullifier log included", &self.verify_seconds),
            ("answer", "Time from submission to answer", &self.answer_seconds),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, seconds.clone());
        }
        registry.register("batch_posts", "Posts and badges in a batch", self.batch_posts.clone());
        for (name, help, posts) in [
            ("queue_posts", "Posts and badges that wait, of sources that brought good ones lately", &self.queue_posts),
            ("unproven_queue_posts", "Posts and badges that wait, of sources little is known of", &self.unproven_posts),
            ("suspicious_queue_posts", "Posts and badges that wait, of suspicious sources", &self.suspicious_posts),
            ("forging_sources", "Suspicious sources and blocks of addresses", &self.forging_sources),
        ] {
            registry.register(name, help, posts.clone());
        }
        registry.register("forging_batches", "Batches that held a forgery", self.forging_batches.clone());
        registry.register("failures", "Batches that ended in a panic", self.failures.clone());
    }
}
