//! Metrics of the engine.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
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
use quotapass_protocol::{PolicyTable, ScopePolicy, Verdict, VerdictKind};

/// The label of scopes that are not listed. A listed scope of this name shares it.
const OTHER: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    verdict: &'static str,
    scope: String,
    /// `enforced`, or `shadow` if the client gets `accepted` instead.
    mode: &'static str,
}

fn mode(is_shadow: bool) -> &'static str {
    if is_shadow { "shadow" } else { "enforced" }
}

/// Counters and histograms of one engine. They are in no registry until they are [registered](Self::register).
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    /// Verdicts by scope.
    verdicts: Family<VerdictLabels, Counter>,
    /// The scopes that have counters, and whether they are in shadow mode.
    scopes: Arc<Mutex<BTreeSet<(String, bool)>>>,
    /// Verdicts of all scopes, by the verdict's number.
    totals: [Counter; VerdictKind::ALL.len()],
    /// Seconds from submission to the beginning of its batch.
    pub(super) queue_seconds: Histogram,
    /// Seconds for a batch, including the log.
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
        let verdicts = Family::<VerdictLabels, Counter>::default();
        for kind in VerdictKind::ALL {
            drop(verdicts.get_or_create(&VerdictLabels {
                verdict: kind.name(),
                scope: OTHER.into(),
                mode: mode(false),
            }));
        }
        Self {
            verdicts,
            scopes: Arc::default(),
            totals: Default::default(),
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

    /// Counts a verdict on a pass for a scope.
    ///
    /// Each listed scope has its own label, which the scopes of a pattern and the reports in a scope share; all other
    /// scopes share one. A name that a client invents must not become a
    /// time series, because anybody could create any number of them.
    pub(super) fn count(&self, verdict: &Verdict, scope: &str, policies: &PolicyTable) {
        let listed = policies.get(scope).map(|found| found.listed().name());
        let labels = VerdictLabels {
            verdict: verdict.name(),
            scope: listed.unwrap_or(OTHER).into(),
            mode: mode(policies.is_shadow(scope)),
        };
        self.verdicts.get_or_create(&labels).inc();
        self.totals[usize::from(verdict.kind().number())].inc();
    }

    /// Creates all counters of the listed scopes at zero, so that their first increase is visible, and removes the
    /// counters of scopes that are no longer listed.
    pub(super) fn follow(&self, policies: &PolicyTable) {
        let listed = policies.iter().map(ScopePolicy::name);
        let now: BTreeSet<_> = listed.map(|name| (name.to_owned(), policies.is_shadow(name))).collect();
        let mut known = self.scopes.lock();
        if *known == now {
            return;
        }
        let labels = |(scope, is_shadow): &(String, bool)| {
            let (scope, mode) = (scope.clone(), mode(*is_shadow));
            VerdictKind::ALL.map(|kind| VerdictLabels { verdict: kind.name(), scope: scope.clone(), mode })
        };
        for labels in known.difference(&now).flat_map(labels) {
            self.verdicts.remove(&labels);
        }
        for labels in now.difference(&known).flat_map(labels) {
            drop(self.verdicts.get_or_create(&labels));
        }
        *known = now;
    }

    /// Returns the number of times each verdict was given, by its [number](VerdictKind::number).
    pub fn verdicts(&self) -> [u64; VerdictKind::ALL.len()] {
        self.totals.each_ref().map(Counter::get)
    }

    /// Adds all metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "verdicts",
            "Verdicts on posts and badges; in shadow mode the verdicts that would apply",
            self.verdicts.clone(),
        );
        for (name, help, seconds) in [
            ("queue", "Time from submission until its batch begins", &self.queue_seconds),
            ("verify", "Time of a batch, nullifier log included", &self.verify_seconds),
            ("answer", "Time from submission to answer", &self.answer_seconds),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, seconds.clone());
        }
        registry.register("batch_posts", "Posts and badges in a batch", self.batch_posts.clone());
        for (name, help, posts) in [
            ("queue_posts", "Waiting posts and badges of sources with recent good posts", &self.queue_posts),
            ("unproven_queue_posts", "Waiting posts and badges of sources with little history", &self.unproven_posts),
            ("suspicious_queue_posts", "Waiting posts and badges of suspicious sources", &self.suspicious_posts),
            ("forging_sources", "Suspicious sources and blocks of addresses", &self.forging_sources),
        ] {
            registry.register(name, help, posts.clone());
        }
        registry.register("forging_batches", "Batches with a forgery", self.forging_batches.clone());
        registry.register("failures", "Batches that ended in a panic", self.failures.clone());
    }
}
