//! Telling a clock that jumps from one that goes.

use std::time::Duration;

/// Compares a clock that may be set with one that cannot.
#[derive(Clone, Debug)]
pub struct ClockWatch {
    tolerance: u64,
    /// By how much the clock is ahead of the time that passed, in seconds, at the last look.
    offset: Option<i128>,
    /// Since when it goes steadily, on the clock that cannot be set.
    steady_since: Duration,
}

impl ClockWatch {
    /// A watch for jumps of more than `tolerance` seconds.
    pub const fn new(tolerance: u64) -> Self {
        Self { tolerance, offset: None, steady_since: Duration::ZERO }
    }

    /// Looks at the clock, which shows Unix second `now`, when `elapsed` has passed. Returns by how many seconds it
    /// jumped since the last look, forwards or back, if it did.
    pub fn observe(&mut self, now: u64, elapsed: Duration) -> Option<i64> {
        let offset = i128::from(now) - i128::from(elapsed.as_secs());
        let jump = self.offset.map_or(0, |former| offset - former);
        let jumped = jump.unsigned_abs() > u128::from(self.tolerance);
        if jumped || self.offset.is_none() {
            self.steady_since = elapsed;
        }
        self.offset = Some(offset);
        jumped.then(|| i64::try_from(jump).unwrap_or(if jump < 0 { i64::MIN } else { i64::MAX }))
    }

    /// For how long the clock has gone steadily when `elapsed` has passed.
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
            (watch.observe(now, elapsed), watch.steady(elapsed).as_secs())
        };
        for passed in (0..=660).step_by(5) {
            assert_eq!(look(START + passed, passed), (None, passed));
        }
        // Forwards and back.
        assert_eq!(look(START + 86_400 + 665, 665), (Some(86_400), 0));
        assert_eq!(look(START + 86_400 + 700, 700), (None, 35));
        assert_eq!(look(START + 705, 705), (Some(-86_400), 0));
        // Put right gently.
        for step in 1..100 {
            assert_eq!(look(START + 705 + 7 * step, 705 + 5 * step), (None, 5 * step));
        }
        // To before 1970, and beyond all bounds.
        assert_eq!(look(0, 1_200), (Some(-(START as i64) - 1_398), 0));
        assert_eq!(look(u64::MAX, 1_200), (Some(i64::MAX), 0));
    }
}
