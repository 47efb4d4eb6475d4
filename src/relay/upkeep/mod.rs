//! What a relay does from time to time (feature `relay-chain`): a watch on its clock and on its sight of the chain, epochs
//! that expire, and a count of what its log holds.
//!
//! Expired epochs stay closed, so that no clock that is wrong may close the future: epochs are expired by the time that two
//! clocks [agree](AgreedTime) on. Verdicts follow the relay's own clock as it is; while that is wrong, honest posts are
//! `epoch_out_of_range`, which is held against nobody. A log that is closed ahead of the agreed time all the same is
//! [said](super::TroubleKind::LogClosedAhead) to be, and can be [reopened](NullifierLog::reopen).

mod agreed;
mod sight;
mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::warn;

pub use agreed::{AgreedTime, Clocks};
pub use watch::ClockWatch;

use super::{LogError, LogStatistics, NullifierLog, Relay, RelayContext, StopSignal, Trouble, TroubleKind};

/// When a relay expires epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpkeepSettings {
    /// The pause between two rounds.
    pub interval: Duration,
    /// A change of the clock by more than this many seconds, beside the time that passed, is a jump.
    pub tolerance: u64,
    /// How long the clock must go steadily before epochs are expired by it alone.
    pub settle: Duration,
}

impl Default for UpkeepSettings {
    /// Every five seconds; half a minute; ten minutes.
    fn default() -> Self {
        Self { interval: Duration::from_secs(5), tolerance: 30, settle: Duration::from_secs(600) }
    }
}

/// The upkeep of a relay. See the [module](self).
pub struct Upkeep<L> {
    relay: Arc<Relay<L>>,
    context: RelayContext,
    settings: UpkeepSettings,
    watch: ClockWatch,
    agreed: AgreedTime,
}

impl<L: NullifierLog> Upkeep<L> {
    /// Upkeep that has done nothing yet.
    pub fn new(relay: Arc<Relay<L>>, context: RelayContext, settings: UpkeepSettings) -> Self {
        let watch = ClockWatch::new(settings.tolerance);
        let agreed = AgreedTime::new(settings.tolerance, settings.settle);
        Self { relay, context, settings, watch, agreed }
    }

    /// Goes on until it is told to stop.
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

    /// Looks at the clock, `elapsed` after the start by a clock that nobody can set, drops the epochs that are over, and
    /// counts what the log holds.
    ///
    /// # Errors
    /// [`LogError`] if the log fails.
    pub fn round(&mut self, elapsed: Duration) -> Result<(), LogError> {
        let now = self.context.clock.now();
        if let Some(seconds) = self.watch.observe(now, elapsed) {
            self.context.status.count_clock_jump();
            warn!(
                seconds,
                "the system's clock jumped; check it: posts are judged by it, and epochs are dropped only by a second clock that \
                 agrees with it"
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

    /// Says of a log that is closed ahead of its time that it is.
    fn compare(&self, closed_until: u64, agreed: u64, now: u64) {
        let ahead = closed_until.saturating_sub(agreed);
        self.context.status.update_log(|log| log.closed_ahead = ahead);
        let trouble = (ahead > self.settings.tolerance).then(|| {
            let cause = format!(
                "epochs are closed {ahead} s ahead of the time, by a relay whose clock was wrong; see that all clocks are right, \
                 and open them again with `quotapass relay log reopen`"
            );
            Trouble::new(cause, now)
        });
        self.context.status.troubles().set(TroubleKind::LogClosedAhead, trouble, now);
    }
}

impl<L> core::fmt::Debug for Upkeep<L> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Upkeep").field("settings", &self.settings).finish_non_exhaustive()
    }
}
