//! What a relay does from time to time (feature `relay-chain`): a watch on its clock, epochs that expire, and a count of
//! what its log holds.
//!
//! Expired epochs stay closed for good, so that a clock that is wrong for a moment must not close the future. Epochs are
//! expired by the time that was right for a while: after the clock has jumped, and after the start, nothing expires until
//! the clock has gone steadily for [`UpkeepSettings::settle`]. Verdicts follow the clock as it is; while it is wrong, honest
//! posts are `epoch_out_of_range`, which is held against nobody.

mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{error, warn};

pub use watch::ClockWatch;

use super::{LogError, LogStatistics, NullifierLog, Relay, RelayContext, StopSignal};

/// When a relay expires epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpkeepSettings {
    /// The pause between two rounds.
    pub interval: Duration,
    /// A change of the clock by more than this many seconds, beside the time that passed, is a jump.
    pub tolerance: u64,
    /// How long the clock must go steadily before epochs are expired by it.
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
}

impl<L: NullifierLog> Upkeep<L> {
    /// Upkeep that has done nothing yet.
    pub fn new(relay: Arc<Relay<L>>, context: RelayContext, settings: UpkeepSettings) -> Self {
        let watch = ClockWatch::new(settings.tolerance, settings.settle);
        Self { relay, context, settings, watch }
    }

    /// Goes on until it is told to stop.
    pub fn run(mut self, stop: &StopSignal) {
        let begun = Instant::now();
        loop {
            if let Err(error) = self.round(begun.elapsed()) {
                warn!(%error, "cannot see to the log; trying again");
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
            error!(
                seconds,
                settle_seconds = self.settings.settle.as_secs(),
                "the system's clock jumped; check it: posts are judged by it, and no epoch is dropped until it has gone \
                 steadily for a while"
            );
        }
        if let Some(settled) = self.watch.settled(now, elapsed) {
            self.relay.expire(settled)?;
        }
        let LogStatistics { nullifiers, epochs, convictions, bytes } = self.relay.log().statistics()?;
        self.context.status.update_log(|log| {
            log.nullifiers = Some(nullifiers);
            log.epochs = epochs;
            log.convictions = Some(convictions);
            log.bytes = bytes;
        });
        Ok(())
    }
}

impl<L> core::fmt::Debug for Upkeep<L> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Upkeep").field("settings", &self.settings).finish_non_exhaustive()
    }
}
