//! The periodic tasks of a relay: it watches its clock and the age of the chain's newest block,
//! expires epochs, and updates the statistics of its log.
//!
//! Expired epochs stay closed, so a wrong clock must not close future epochs: epochs are expired by the time on which
//! two clocks [agree](AgreedTime). Verdicts use the relay's own clock. While it is wrong, honest posts get
//! `epoch_out_of_range`, which lowers no sender's score. A log that is closed ahead of the agreed time anyway is
//! [reported](super::TroubleKind::LogClosedAhead), and can be [reopened](super::NullifierLog::reopen).

mod agreed;
mod sight;
mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use tracing::warn;

pub use agreed::{AgreedTime, Clocks};
pub use watch::ClockWatch;

use super::{
    LogStatistics, Relay, RelayContext, StopSignal, Trouble, TroubleKind,
    bounds::{number, seconds},
};
use quotapass_protocol::{LogError, UnixSeconds};

/// Settings of the upkeep of a relay. They are read from the section `[clock]` of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpkeepSettings {
    /// The pause between two rounds.
    #[serde(skip)]
    pub interval: Duration,
    /// The tolerance in seconds: a larger change of the clock, in addition to the elapsed time, is a jump.
    #[serde(rename = "tolerance_seconds", deserialize_with = "number::<1, 86_400, _>")]
    pub tolerance: u64,
    /// The time for which the clock must run steadily before epochs are expired by it alone.
    #[serde(rename = "settle_seconds", deserialize_with = "seconds::<0, 604_800, _>")]
    pub settle: Duration,
}

impl Default for UpkeepSettings {
    /// An interval of five seconds; a tolerance of half a minute; a settling time of ten minutes.
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), tolerance: 30, settle: Duration::from_secs(600) }
    }
}

/// The upkeep of a relay. See the [module](self).
pub struct Upkeep {
    relay: Arc<Relay>,
    context: RelayContext,
    settings: UpkeepSettings,
    watch: ClockWatch,
    agreed: AgreedTime,
}

impl Upkeep {
    /// Creates the upkeep of a relay.
    pub fn new(relay: Arc<Relay>, context: RelayContext, settings: UpkeepSettings) -> Self {
        let watch = ClockWatch::new(settings.tolerance);
        let agreed = AgreedTime::new(settings.tolerance, settings.settle);
        Self { relay, context, settings, watch, agreed }
    }

    /// Runs until `stop` is set.
    pub fn run(mut self, stop: &StopSignal) {
        let begun = Instant::now();
        loop {
            if let Err(error) = self.round(begun.elapsed()) {
                self.context.status.log_failed(&error, self.context.clock.now());
            }
            if stop.wait(self.settings.interval) {
                return;
            }
        }
    }

    /// Checks the clock, drops expired epochs, and reads the log's statistics. `elapsed` is the time since the start by
    /// a monotonic clock.
    ///
    /// # Errors
    /// [`LogError`] if the log fails.
    pub fn round(&mut self, elapsed: Duration) -> Result<(), LogError> {
        let now = self.context.clock.now();
        if let Some(seconds) = self.watch.observe(now, elapsed) {
            self.context.status.count_clock_jump();
            warn!(
                seconds,
                "the system's clock jumped; check it: posts are judged by this clock, and epochs are dropped only if a \
                 second clock agrees with it"
            );
        }
        sight::watch(&self.relay, self.context.status.troubles(), now);
        let LogStatistics { nullifiers, epochs, convictions, bytes, closed_until, time } =
            self.relay.log().statistics()?;
        self.context.status.update_log(|log| {
            log.nullifiers = Some(nullifiers);
            log.epochs = epochs;
            log.convictions = Some(convictions);
            log.bytes = bytes;
        });
        let clocks = Clocks { own: now, server: time, head: self.context.status.chain().head_time };
        let agreed = self.agreed.agree(&clocks, elapsed, self.watch.steady(elapsed));
        self.compare(closed_until, agreed.unwrap_or(now), now);
        if let Some(agreed) = agreed {
            self.relay.expire(agreed)?;
        }
        Ok(())
    }

    /// Reports a log that is closed ahead of time.
    fn compare(&self, closed_until: UnixSeconds, agreed: UnixSeconds, now: UnixSeconds) {
        let ahead = closed_until.since(agreed);
        self.context.status.update_log(|log| log.closed_ahead = ahead);
        let trouble = (ahead > self.settings.tolerance).then(|| {
            let cause = format!(
                "a relay with a wrong clock closed epochs {ahead} s too early; check that all clocks are right, and \
                 open the epochs again with `quotapass relay log reopen`"
            );
            Trouble::new(cause, now)
        });
        self.context.status.troubles().set(TroubleKind::LogClosedAhead, trouble, now);
    }
}

impl core::fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Upkeep").field("settings", &self.settings).finish_non_exhaustive()
    }
}
