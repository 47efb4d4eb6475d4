//! The detection of clock jumps.

use std::time::Duration;

use quotapass_protocol::UnixSeconds;

/// A comparison of a clock that can be set with a monotonic clock.
#[derive(Clone, Debug)]
pub struct ClockWatch {
    tolerance: u64,
    /// The clock minus the elapsed time, in seconds, at the last check.
    offset: Option<i128>,
    /// The time since when the clock runs steadily, by the monotonic clock.
    steady_since: Duration,
}

impl ClockWatch {
    /// Creates a watch for jumps of more than `tolerance` seconds.
    pub const fn new(tolerance: u64) -> Self {
        Self { tolerance, offset: None, steady_since: Duration::ZERO }
    }

    /// Checks the clock, which shows `now`, after the time `elapsed`. If the clock jumped since the last check, returns
    /// by how many seconds, forwards or backwards.
    pub fn observe(&mut self, now: UnixSeconds, elapsed: Duration) -> Option<i64> {
        let offset = i128::from(now.0) - i128::from(elapsed.as_secs());
        let jump = self.offset.map_or(0, |former| offset - former);
        let jumped = jump.unsigned_abs() > u128::from(self.tolerance);
        if jumped || self.offset.is_none() {
            self.steady_since = elapsed;
        }
        self.offset = Some(offset);
        jumped.then(|| i64::try_from(jump).unwrap_or(if jump < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Returns for how long the clock has run steadily, after the time `elapsed`.
    pub fn steady(&self, elapsed: Duration) -> Duration {
        elapsed.saturating_sub(self.steady_since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_795_176_000;

    #[test]
    fn a_jump_is_told_from_a_clock_that_goes() {
        let mut watch = ClockWatch::new(30);
        let mut look = |now: u64, passed: u64| {
            let elapsed = Duration::from_secs(passed);
            (watch.observe(UnixSeconds(now), elapsed), watch.steady(elapsed).as_secs())
        };
        for passed in (0..=660).step_by(5) {
            assert_eq!(look(START + passed, passed), (None, passed));
        }
        // Forwards and backwards.
        assert_eq!(look(START + 86_400 + 665, 665), (Some(86_400), 0));
        assert_eq!(look(START + 86_400 + 700, 700), (None, 35));
        assert_eq!(look(START + 705, 705), (Some(-86_400), 0));
        // Corrected gradually.
        for step in 1..100 {
            assert_eq!(look(START + 705 + 7 * step, 705 + 5 * step), (None, 5 * step));
        }
        // A clock before 1970, and a clock at its maximum.
        assert_eq!(look(0, 1_200), (Some(-(START as i64) - 1_398), 0));
        assert_eq!(look(u64::MAX, 1_200), (Some(i64::MAX), 0));
    }
}
