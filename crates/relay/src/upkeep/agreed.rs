//! The time for the log when clocks differ.

use std::time::Duration;

use quotapass_protocol::UnixSeconds;

/// The maximum time after its last new block for which a chain counts as a clock.
const CHAIN_LASTS: Duration = Duration::from_secs(600);

/// The times that a relay's clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The system's clock.
    pub own: UnixSeconds,
    /// The clock of the log server, if there is one.
    pub server: Option<UnixSeconds>,
    /// The time of the chain's newest block, if known.
    pub head: Option<UnixSeconds>,
}

/// The time on which a relay's clocks agree.
///
/// Expired epochs stay closed for all relays that share a log. Attack prevented: one clock is wrong, perhaps by days,
/// and its relay closes the epochs of the coming days for all other relays.
///
/// Each clock of a relay is a witness that at least this much time has passed: the system's clock, the server's clock,
/// and the chain's clock, which is the time of its newest block plus the time since that block arrived. A chain without
/// a new block for ten minutes is not a witness, because it may be idle. The agreed time is the latest time with two
/// witnesses, so no single clock moves it ahead, and no single clock of three holds it back.
///
/// With only one clock, time continues from the last agreed time by a monotonic clock, plus at most the tolerance.
/// Without an earlier agreed time, the system's clock is accepted after it has run steadily for a while.
#[derive(Clone, Debug)]
pub struct AgreedTime {
    tolerance: u64,
    settle: Duration,
    /// The agreed time minus the elapsed time.
    base: Option<i128>,
    head: Option<SeenHead>,
}

/// The newest block of a chain.
#[derive(Clone, Copy, Debug)]
struct SeenHead {
    time: UnixSeconds,
    /// The elapsed time at which it was first seen.
    at: Duration,
    /// Whether it arrived while the relay was running.
    is_new: bool,
}

impl AgreedTime {
    /// Creates a value without an agreed time. `tolerance` is in seconds.
    pub const fn new(tolerance: u64, settle: Duration) -> Self {
        Self { tolerance, settle, base: None, head: None }
    }

    /// Returns the agreed time; none if it is not known yet. `elapsed` is the time since the start by a monotonic
    /// clock; the system's clock has run steadily for the last `steady` of it.
    pub fn agree(&mut self, clocks: &Clocks, elapsed: Duration, steady: Duration) -> Option<UnixSeconds> {
        let chain = self.chain_time(clocks.head, elapsed);
        let mut witnesses: Vec<UnixSeconds> = [Some(clocks.own), clocks.server, chain].into_iter().flatten().collect();
        witnesses.sort_unstable();
        let passed = i128::from(elapsed.as_secs());
        if let [.., agreed, _] = witnesses[..] {
            self.base = Some(i128::from(agreed.0) - passed);
            return Some(agreed);
        }
        if self.base.is_none() && steady >= self.settle {
            self.base = Some(i128::from(clocks.own.0) - passed);
        }
        let latest = u64::try_from(self.base? + passed + i128::from(self.tolerance)).unwrap_or(0);
        Some(clocks.own.min(UnixSeconds(latest)))
    }

    /// Returns the time by the chain.
    fn chain_time(&mut self, head: Option<UnixSeconds>, elapsed: Duration) -> Option<UnixSeconds> {
        let time = head?;
        match self.head {
            Some(seen) if seen.time == time => {}
            before => self.head = Some(SeenHead { time, at: elapsed, is_new: before.is_some() }),
        }
        let seen = self.head.filter(|seen| seen.is_new)?;
        let since = elapsed.saturating_sub(seen.at);
        (since <= CHAIN_LASTS).then(|| seen.time.saturating_add(since.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_795_176_000;
    const DAYS: u64 = 3 * 86_400;
    const SETTLE: Duration = Duration::from_secs(600);

    /// A helper that queries the agreed time at given elapsed and steady seconds.
    struct Asked(AgreedTime);

    impl Asked {
        fn new() -> Self {
            Self(AgreedTime::new(30, SETTLE))
        }

        /// Returns the agreed time relative to the correct time. The clocks are also given relative to it.
        fn at(&mut self, passed: u64, own: i64, server: Option<i64>, head: Option<i64>, steady: u64) -> Option<i64> {
            let now = (START + passed) as i64;
            let clocks = Clocks {
                own: UnixSeconds((now + own) as u64),
                server: server.map(|server| UnixSeconds((now + server) as u64)),
                head: head.map(|head| UnixSeconds((now + head) as u64)),
            };
            let agreed = self.0.agree(&clocks, Duration::from_secs(passed), Duration::from_secs(steady));
            agreed.map(|agreed| agreed.0 as i64 - now)
        }
    }

    #[test]
    fn no_single_clock_moves_it_ahead_or_holds_it_back() {
        const AHEAD: i64 = DAYS as i64;
        let mut asked = Asked::new();
        // A block is a witness only after another block has arrived.
        assert_eq!(asked.at(0, AHEAD, None, Some(-12), 0), None);
        assert_eq!(asked.at(12, AHEAD, None, Some(-3), 12), Some(-3));
        assert_eq!(asked.at(20, 0, None, Some(AHEAD), 0), Some(0));
        for (own, server) in [(AHEAD, 0), (0, AHEAD)] {
            assert_eq!(asked.at(24, own, Some(server), Some(-4), 0), Some(0));
            assert_eq!(asked.at(24, own, Some(server), None, 0), Some(0));
        }
        // Clocks that are behind.
        assert_eq!(asked.at(36, -AHEAD, Some(0), Some(-4), 0), Some(-4));
        assert_eq!(asked.at(48, 0, Some(-AHEAD), Some(-4), 0), Some(-4));
        // A wrong clock that has long been steady is still alone.
        assert_eq!(asked.at(100_000, AHEAD, Some(0), None, 100_000), Some(0));
    }

    #[test]
    fn a_clock_alone_is_believed_after_a_while_and_never_beyond_a_jump() {
        let mut asked = Asked::new();
        assert_eq!(asked.at(599, 0, None, None, 599), None);
        assert_eq!(asked.at(600, 0, None, None, 600), Some(0));
        for passed in (605..5_000).step_by(5) {
            assert_eq!(asked.at(passed, DAYS as i64, None, None, passed), Some(30));
        }
        assert_eq!(asked.at(5_000, 29, None, None, 0), Some(29));
        assert_eq!(asked.at(5_005, -100, None, None, 0), Some(-100));
    }

    #[test]
    fn what_was_agreed_goes_on_when_the_chain_falls_silent() {
        let mut asked = Asked::new();
        assert_eq!(asked.at(0, DAYS as i64, None, Some(-12), 0), None);
        assert_eq!(asked.at(12, DAYS as i64, None, Some(0), 12), Some(0));
        // The same block, with growing age.
        assert_eq!(asked.at(612, DAYS as i64, None, Some(-600), 612), Some(0));
        assert_eq!(asked.at(613, DAYS as i64, None, Some(-601), 613), Some(30));
        assert_eq!(asked.at(90_000, DAYS as i64, None, Some(-89_988), 90_000), Some(30));
    }

    #[test]
    fn an_idle_chain_is_no_witness() {
        let mut asked = Asked::new();
        let idle = |passed: u64| Some(-(DAYS as i64) - passed as i64);
        assert_eq!(asked.at(0, 0, None, idle(0), 0), None);
        assert_eq!(asked.at(600, 0, None, idle(600), 600), Some(0));
    }
}
