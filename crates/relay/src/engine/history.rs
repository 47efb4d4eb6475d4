//! The history of the last fifteen minutes: verdicts and latencies.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use hdrhistogram::{CreationError, Histogram};
use parking_lot::Mutex;
use quotapass_protocol::{UnixSeconds, Verdict, VerdictKind};
use serde::Serialize;

use crate::RelayStatus;

/// The length of a sample, in seconds.
pub const SAMPLE_SECONDS: u64 = 5;
/// The number of samples that are kept.
const KEPT: usize = 180;
/// The longest latency that is distinguished, in microseconds. A longer one counts as this one.
const LONGEST_LATENCY: u64 = 30_000_000;
/// Significant decimal digits of a latency.
const LATENCY_DIGITS: u8 = 2;

/// Verdicts and latencies of five seconds.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Sample {
    /// The time at which it begins.
    #[schema(value_type = u64)]
    pub at: UnixSeconds,
    /// Verdicts by [number](VerdictKind::number), on posts and badges.
    #[schema(value_type = Vec<u32>)]
    pub verdicts: [u32; VerdictKind::ALL.len()],
    /// The median time from submission to answer, in milliseconds; zero without submissions.
    pub p50_ms: f64,
    /// The 99th percentile of this time.
    pub p99_ms: f64,
    /// Members with a deposit, at the end of the sample.
    pub members: u64,
    /// Epochs whose nullifiers were kept, at the end of the sample; none if unknown.
    pub epochs: Option<u64>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    verdicts: [u32; VerdictKind::ALL.len()],
}

impl Open {
    fn sample(&self, latencies: &Histogram<u32>, status: &RelayStatus) -> Sample {
        let milliseconds = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
        Sample {
            at: UnixSeconds(self.number * SAMPLE_SECONDS),
            verdicts: self.verdicts,
            p50_ms: milliseconds(0.5),
            p99_ms: milliseconds(0.99),
            members: status.chain().members,
            epochs: status.log().epochs,
        }
    }
}

/// The samples.
#[derive(Debug)]
pub(super) struct History {
    state: Mutex<Samples>,
    status: Arc<RelayStatus>,
}

#[derive(Debug)]
struct Samples {
    closed: VecDeque<Sample>,
    open: Option<Open>,
    /// The latencies of the open sample, in microseconds.
    latencies: Histogram<u32>,
}

impl Samples {
    /// Returns the open sample for a moment, and closes the previous one. A clock that goes back also begins a new
    /// sample.
    fn turn(&mut self, now: UnixSeconds, status: &RelayStatus) -> &mut Open {
        let number = now.0 / SAMPLE_SECONDS;
        if let Some(over) = self.open.take_if(|open| open.number != number) {
            if self.closed.len() == KEPT {
                self.closed.pop_front();
            }
            self.closed.push_back(over.sample(&self.latencies, status));
            self.latencies.reset();
        }
        self.open.get_or_insert_with(|| Open { number, verdicts: Default::default() })
    }
}

impl History {
    pub(super) fn new(status: Arc<RelayStatus>) -> Result<Self, CreationError> {
        let latencies = Histogram::new_with_bounds(1, LONGEST_LATENCY, LATENCY_DIGITS)?;
        Ok(Self { state: Mutex::new(Samples { closed: VecDeque::new(), open: None, latencies }), status })
    }

    /// Counts verdicts that were given at `now`; without verdicts it only advances the time.
    pub(super) fn note(&self, verdicts: &[Verdict], now: UnixSeconds) {
        let state = &mut *self.state.lock();
        let open = state.turn(now, &self.status);
        for verdict in verdicts {
            open.verdicts[usize::from(verdict.kind().number())] += 1;
        }
    }

    /// Counts the latencies of submissions that were answered at `now`.
    pub(super) fn note_answers(&self, latencies: impl Iterator<Item = Duration>, now: UnixSeconds) {
        let state = &mut *self.state.lock();
        state.turn(now, &self.status);
        for latency in latencies {
            state.latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST_LATENCY));
        }
    }

    /// Returns the samples that begin at `since` or later, of the fifteen minutes before `now`, oldest first, without
    /// the sample that contains `now`.
    pub(super) fn samples(&self, since: UnixSeconds, now: UnixSeconds) -> Vec<Sample> {
        let state = &mut *self.state.lock();
        state.turn(now, &self.status);
        let since = since.max(now.saturating_sub(KEPT as u64 * SAMPLE_SECONDS));
        state.closed.iter().filter(|sample| (since..now).contains(&sample.at)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_of_five_seconds_and_fifteen_minutes() {
        let history = History::new(Arc::default()).unwrap();
        for second in 0..1000 {
            let now = UnixSeconds(1_000_000 + second);
            let latency = Duration::from_millis(if second % 5 == 0 { 40 } else { 10 });
            history.note(&[Verdict::Accepted, Verdict::Replay], now);
            history.note_answers([latency].into_iter(), now);
        }
        let samples = history.samples(UnixSeconds(0), UnixSeconds(1_001_000));
        assert_eq!(samples.len(), KEPT);
        assert_eq!((samples[0].at, samples[KEPT - 1].at), (UnixSeconds(1_000_100), UnixSeconds(1_000_995)));
        for sample in &samples {
            assert_eq!(sample.verdicts[..3], [5, 5, 0]);
            assert!((10.0..10.1).contains(&sample.p50_ms) && (40.0..40.4).contains(&sample.p99_ms), "{sample:?}");
        }
        assert_eq!(history.samples(UnixSeconds(0), UnixSeconds(1_001_500)).len(), 81);
        assert_eq!(history.samples(UnixSeconds(1_000_990), UnixSeconds(1_001_500)).len(), 3);
        assert_eq!(history.samples(UnixSeconds(0), UnixSeconds(2_000_000)), []);
    }

    #[test]
    fn a_clock_that_jumps_is_survived() {
        let history = History::new(Arc::default()).unwrap();
        for now in [500, u64::MAX, 3, 499] {
            history.note(&[Verdict::InvalidProof], UnixSeconds(now));
        }
        let samples = history.samples(UnixSeconds(0), UnixSeconds(510));
        assert_eq!(samples.iter().map(|sample| sample.at.0).collect::<Vec<_>>(), [500, 0, 495]);
        assert_eq!((samples[0].p50_ms, samples[0].p99_ms), (0.0, 0.0));
    }
}
