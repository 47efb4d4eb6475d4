//! Telling a clock that jumps from one that goes.

use std::time::Duration;

/// Compares a clock that may be set with one that cannot.
#[derive(Clone, Debug)]
pub struct ClockWatch {
    tolerance: u64,
    settle: Duration,
    /// By how much the clock is ahead of the time that passed, in seconds, at the last look.
    offset: Option<i128>,
    /// Since when it goes steadily, on the clock that cannot be set.
    steady_since: Duration,
    /// The offset that held for long enough.
    settled: Option<i128>,
}

impl ClockWatch {
    /// A watch for jumps of more than `tolerance` seconds, for which a clock is right after it went steadily for `settle`.
    pub const fn new(tolerance: u64, settle: Duration) -> Self {
        Self { tolerance, settle, offset: None, steady_since: Duration::ZERO, settled: None }
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
        if elapsed.saturating_sub(self.steady_since) >= self.settle {
            self.settled = Some(offset);
        }
        jumped.then(|| i64::try_from(jump).unwrap_or(if jump < 0 { i64::MIN } else { i64::MAX }))
    }

    /// A time that is not later than the right one, as far as can be told: what the clock shows, and at most what it
    /// would show without its jumps of late. None as long as it did not go steadily for long enough even once.
    pub fn settled(&self, now: u64, elapsed: Duration) -> Option<u64> {
        let settled = self.settled? + i128::from(elapsed.as_secs());
        Some(u64::try_from(settled).unwrap_or(0).min(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_795_176_000;
    const SETTLE: Duration = Duration::from_secs(600);

    /// A watch on a clock that went well for eleven minutes, and the seconds that passed.
    fn settled() -> (ClockWatch, u64) {
        let mut watch = ClockWatch::new(30, SETTLE);
        for passed in (0..=660).step_by(5) {
            assert_eq!(watch.observe(START + passed, Duration::from_secs(passed)), None);
            let known = (passed >= 600).then_some(START + passed);
            assert_eq!(watch.settled(START + passed, Duration::from_secs(passed)), known);
        }
        (watch, 660)
    }

    #[test]
    fn a_jump_forwards_counts_once_it_has_lasted() {
        const YEAR: u64 = 31_536_000;
        let (mut watch, passed) = settled();
        let at = |passed| (START + YEAR + passed, Duration::from_secs(passed));
        let (now, elapsed) = at(passed + 5);
        assert_eq!(watch.observe(now, elapsed), Some(YEAR as i64));
        assert_eq!(watch.settled(now, elapsed), Some(START + passed + 5));
        let (now, elapsed) = at(passed + 600);
        assert_eq!(watch.observe(now, elapsed), None);
        assert_eq!(watch.settled(now, elapsed), Some(START + passed + 600));
        let (now, elapsed) = at(passed + 605);
        assert_eq!(watch.observe(now, elapsed), None);
        assert_eq!(watch.settled(now, elapsed), Some(now));
    }

    #[test]
    fn a_jump_that_is_taken_back_changes_nothing() {
        let (mut watch, passed) = settled();
        let jump = |passed| (START + 86_400 + passed, Duration::from_secs(passed));
        let (now, elapsed) = jump(passed + 5);
        assert_eq!(watch.observe(now, elapsed), Some(86_400));
        let (now, elapsed) = (START + passed + 10, Duration::from_secs(passed + 10));
        assert_eq!(watch.observe(now, elapsed), Some(-86_400));
        assert_eq!(watch.settled(now, elapsed), Some(now));
    }

    #[test]
    fn a_jump_back_counts_at_once() {
        let (mut watch, passed) = settled();
        let (now, elapsed) = (START - 1_000_000, Duration::from_secs(passed + 5));
        assert_eq!(watch.observe(now, elapsed), Some(-1_000_665));
        assert_eq!(watch.settled(now, elapsed), Some(now));
        // To before 1970, and beyond all bounds.
        assert_eq!(watch.observe(0, elapsed), Some(-(now as i64)));
        assert_eq!(watch.observe(u64::MAX, elapsed), Some(i64::MAX));
    }

    #[test]
    fn a_clock_that_is_put_right_gently_does_not_jump() {
        let (mut watch, passed) = settled();
        for step in 1..100 {
            let (now, elapsed) = (START + passed + 7 * step, Duration::from_secs(passed + 5 * step));
            assert_eq!(watch.observe(now, elapsed), None);
            assert_eq!(watch.settled(now, elapsed), Some(now));
        }
    }
}
