//! What time it is for the log, when clocks differ.

use std::time::Duration;

/// How long after its last new block a chain still tells the time, at most.
const CHAIN_LASTS: Duration = Duration::from_secs(600);

/// What the clocks show that a relay has, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The system's clock.
    pub own: u64,
    /// The clock of the server that keeps the log, if there is one.
    pub server: Option<u64>,
    /// When the chain's newest block was made, if one is known.
    pub head: Option<u64>,
}

/// The time that a relay's clocks agree on.
///
/// Epochs that are expired stay closed, for all relays that share a log. The attack that this answers: one clock is wrong,
/// perhaps by days, and its relay closes the epochs of days to come for all others.
///
/// Each clock that a relay has is a witness that at least so much time has gone by: the system's, the server's, and the
/// chain's, which is the time of its newest block and what went by since then. A chain that has made no block for ten minutes
/// is none, for it may be idle. The agreed time is the latest one for which two of them are witnesses, so that no single clock moves it ahead,
/// and no single clock holds it back where there are three.
///
/// With one clock alone, time goes on from what was agreed before, as a clock that nobody can set measures it, and at most by
/// the tolerance beyond. Where nothing was agreed before, the system's clock is believed once it has gone steadily for
/// a while.
#[derive(Clone, Debug)]
pub struct AgreedTime {
    tolerance: u64,
    settle: Duration,
    /// By how much the agreed time is ahead of the time that passed.
    base: Option<i128>,
    head: Option<SeenHead>,
}

/// The newest block of a chain.
#[derive(Clone, Copy, Debug)]
struct SeenHead {
    time: u64,
    /// When it was seen first.
    at: Duration,
    /// Whether it came while the relay looked on.
    is_new: bool,
}

impl AgreedTime {
    /// Nothing is agreed yet. `tolerance` is in seconds.
    pub const fn new(tolerance: u64, settle: Duration) -> Self {
        Self { tolerance, settle, base: None, head: None }
    }

    /// The agreed time, `elapsed` after the start by a clock that nobody can set, of which the system's clock has gone
    /// steadily for `steady`; none if nothing can be said yet.
    pub fn agree(&mut self, clocks: &Clocks, elapsed: Duration, steady: Duration) -> Option<u64> {
        let chain = self.chain_time(clocks.head, elapsed);
        let mut witnesses: Vec<u64> = [Some(clocks.own), clocks.server, chain].into_iter().flatten().collect();
        witnesses.sort_unstable();
        let passed = i128::from(elapsed.as_secs());
        if let [.., agreed, _] = witnesses[..] {
            self.base = Some(i128::from(agreed) - passed);
            return Some(agreed);
        }
        if self.base.is_none() && steady >= self.settle {
            self.base = Some(i128::from(clocks.own) - passed);
        }
        let latest = u64::try_from(self.base? + passed + i128::from(self.tolerance)).unwrap_or(0);
        Some(clocks.own.min(latest))
    }

    /// What time it is by the chain.
    fn chain_time(&mut self, head: Option<u64>, elapsed: Duration) -> Option<u64> {
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

    /// Asks for the agreed time when so many seconds have passed, of which the clock was steady for so many.
    struct Asked(AgreedTime);

    impl Asked {
        fn new() -> Self {
            Self(AgreedTime::new(30, SETTLE))
        }

        /// Relative to the right time; clocks as well.
        fn at(&mut self, passed: u64, own: i64, server: Option<i64>, head: Option<i64>, steady: u64) -> Option<i64> {
            let now = (START + passed) as i64;
            let clocks = Clocks {
                own: (now + own) as u64,
                server: server.map(|server| (now + server) as u64),
                head: head.map(|head| (now + head) as u64),
            };
            let agreed = self.0.agree(&clocks, Duration::from_secs(passed), Duration::from_secs(steady));
            agreed.map(|agreed| agreed as i64 - now)
        }
    }

    #[test]
    fn no_single_clock_moves_it_ahead_or_holds_it_back() {
        const AHEAD: i64 = DAYS as i64;
        let mut asked = Asked::new();
        // A block is a witness when another one has come.
        assert_eq!(asked.at(0, AHEAD, None, Some(-12), 0), None);
        assert_eq!(asked.at(12, AHEAD, None, Some(-3), 12), Some(-3));
        assert_eq!(asked.at(20, 0, None, Some(AHEAD), 0), Some(0));
        for (own, server) in [(AHEAD, 0), (0, AHEAD)] {
            assert_eq!(asked.at(24, own, Some(server), Some(-4), 0), Some(0));
            assert_eq!(asked.at(24, own, Some(server), None, 0), Some(0));
        }
        // Behind.
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
        // The same block, as it grows old.
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
