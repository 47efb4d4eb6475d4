//! The report of a run.

use std::time::Duration;

use hdrhistogram::Histogram;
use quotapass_protocol::VerdictKind;
use serde_json::{Map, Value, json};

use crate::{
    accounts::{Accounts, Answer, Complaint},
    drive::Measured,
};

/// Number of complaints that are shown; the others are only counted.
const SHOWN: usize = 20;

/// Error: the verdicts of a run are not all as they must be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Verdicts contradict each other or the sent posts.
    #[error("the verdicts on {0} posts are inconsistent with the sent posts")]
    Inconsistent(usize),
    /// The same, and some verdicts suggest that the relay has another registry or policy.
    #[error("the verdicts on {0} posts are inconsistent with the sent posts; was the relay prepared with --prepare?")]
    OtherRelay(usize),
    /// The relay did not understand a request, or its answer is invalid.
    #[error("the relay did not understand a request, or sent an invalid answer")]
    Misunderstood,
    /// Posts have no final verdict.
    #[error("{0} posts were never decided; use --retry to send such posts again")]
    Undecided(u64),
}

/// The figures of a run.
pub struct Report {
    accounts: Accounts,
    measured: Measured,
    /// The number of honest posts in the plan.
    honest: u32,
    /// How many of them were sent before the measurement.
    warm_up: u64,
    complaints: Vec<Complaint>,
}

/// The quantiles that are reported, by name.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

impl Report {
    pub(crate) fn new(accounts: Accounts, measured: Measured, honest: u32, warm_up: u32) -> Self {
        let complaints = accounts.complaints();
        Self { accounts, measured, honest, warm_up: warm_up.into(), complaints }
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |answer: Answer| (answer.name(), self.accounts.count(answer));
        Answer::all().map(count).filter(|(_, count)| *count > 0)
    }

    fn a_second(&self, count: u64) -> f64 {
        rate(count, self.measured.time)
    }

    fn answered(&self) -> u64 {
        let decided = Answer::all().filter(|answer| answer.is_decided());
        decided.map(|answer| self.accounts.count(answer)).sum::<u64>().saturating_sub(self.warm_up)
    }

    /// Posts accepted while it was measured.
    fn accepted(&self) -> u64 {
        self.accounts.count(Answer::Verdict(VerdictKind::Accepted)).saturating_sub(self.warm_up)
    }

    /// Formats the figures for people.
    pub fn text(&self) -> String {
        let Measured { time, honest_time, latencies, forged_latencies, retries, failures, .. } = &self.measured;
        let accepted = self.accepted();
        let mut text = format!(
            "{} verdicts in {:.2} s: {:.0} per second, of which {:.0} accepted\n",
            self.answered(),
            time.as_secs_f64(),
            self.a_second(self.answered()),
            self.a_second(accepted)
        );
        if !forged_latencies.is_empty() {
            let accepted = rate(accepted, *honest_time);
            text += &format!("until the last post that is not forged: {accepted:.0} accepted per second\n");
        }
        for (name, count) in self.counts() {
            text += &format!("  {name:<22}{count:>10}\n");
        }
        if *retries > 0 {
            text += &format!("  {:<22}{retries:>10}\n", "sent again");
        }
        for (what, histogram) in [("latency, ms", latencies), ("latency of forgeries", forged_latencies)] {
            if !histogram.is_empty() {
                text += &format!("  {what:<22}{}\n", line(histogram));
            }
        }
        for (reason, count) in failures {
            text += &format!("  {count} requests without verdicts: {reason}\n");
        }
        for complaint in self.complaints.iter().take(SHOWN) {
            text += &format!("  wrong: {complaint}\n");
        }
        text.trim_end().into()
    }

    /// Formats the figures for scripts.
    pub fn json(&self) -> Value {
        let Measured { time, honest_time, latencies, forged_latencies, retries, failures, .. } = &self.measured;
        let accepted = self.accepted();
        let counts: Map<_, _> = self.counts().map(|(name, count)| (name.to_owned(), count.into())).collect();
        json!({
            "seconds": time.as_secs_f64(),
            "verdicts": counts,
            "verdicts_per_second": self.a_second(self.answered()),
            "accepted_per_second": self.a_second(accepted),
            "honest_posts": self.honest,
            "honest_seconds": honest_time.as_secs_f64(),
            "accepted_per_honest_second": rate(accepted, *honest_time),
            "latency_ms": quantiles(latencies),
            "forged_latency_ms": quantiles(forged_latencies),
            "sent_again": retries,
            "undecided": self.measured.undecided,
            "requests_without_verdicts": failures,
            "wrong": self.complaints.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>(),
            "wrong_count": self.complaints.len(),
        })
    }

    /// Checks the verdicts.
    ///
    /// # Errors
    /// If verdicts are inconsistent, not understood, or missing.
    pub fn verdict(&self) -> Result<(), Failure> {
        if !self.complaints.is_empty() {
            let signs = [VerdictKind::UnknownRoot, VerdictKind::RequirementMismatch];
            let is_elsewhere = signs.into_iter().any(|kind| self.accounts.count(Answer::Verdict(kind)) > 0);
            let failure = if is_elsewhere { Failure::OtherRelay } else { Failure::Inconsistent };
            return Err(failure(self.complaints.len()));
        }
        if self.measured.misunderstood {
            return Err(Failure::Misunderstood);
        }
        if self.measured.undecided > 0 {
            return Err(Failure::Undecided(self.measured.undecided));
        }
        Ok(())
    }
}

/// Returns the number per second.
fn rate(count: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn line(histogram: &Histogram<u64>) -> String {
    let quantile = |(name, quantile)| format!("{name} {:.1}", milliseconds(histogram.value_at_quantile(quantile)));
    let quantiles: Vec<_> = QUANTILES.into_iter().map(quantile).collect();
    format!("{}  max {:.1}", quantiles.join("  "), milliseconds(histogram.max()))
}

fn quantiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let quantile = |(name, quantile): (&str, _)| {
        (name.replace('.', ""), milliseconds(histogram.value_at_quantile(quantile)).into())
    };
    let mut object: Map<String, Value> = QUANTILES.into_iter().map(quantile).collect();
    object.insert("max".into(), milliseconds(histogram.max()).into());
    Value::Object(object)
}

fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e3
}
