//! Pauses after failures.

use std::time::Duration;

use rand::Rng;

/// A pause that doubles with every failure in a row, up to a maximum. Up to half of it is random, so that callers that
/// failed together do not retry together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Backoff {
    /// Returns the pause after this many failures in a row.
    pub fn pause(&self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(31));
        let pause = doubled.min(self.longest);
        pause / 2 + pause.mul_f64(rand::thread_rng().gen_range(0.0..0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(60) };
        for (failures, whole) in [(0, 2), (1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (40, 60), (u32::MAX, 60)] {
            let pause = backoff.pause(failures);
            assert!(pause >= Duration::from_secs(whole) / 2 && pause <= Duration::from_secs(whole), "{pause:?}");
        }
    }
}
