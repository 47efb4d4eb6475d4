//! Waking the thread of a log before its next round.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

/// How often a waiting thread looks whether the relay stops.
const LOOK: Duration = Duration::from_millis(250);

/// The signal of one thread. Its rounds are counted, so that a task can wait for the end of one.
#[derive(Debug)]
pub(super) struct Bell {
    is_rung: Mutex<bool>,
    rung: Condvar,
    ended: watch::Sender<u64>,
}

impl Bell {
    pub(super) fn new() -> Self {
        Self { is_rung: Mutex::default(), rung: Condvar::new(), ended: watch::Sender::new(0) }
    }

    /// Asks for a round now, or after the one that is under way.
    pub(super) fn ring(&self) {
        *self.is_rung.lock() = true;
        self.rung.notify_all();
    }

    /// Returns a receiver that sees the end of each round.
    pub(super) fn rounds(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Waits until it is rung, or the threads end, at most this long.
    pub(super) fn wait(&self, longest: Duration, is_over: &dyn Fn() -> bool) {
        let begun = Instant::now();
        let mut is_rung = self.is_rung.lock();
        while !*is_rung && !is_over() {
            let left = longest.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            self.rung.wait_for(&mut is_rung, left.min(LOOK));
        }
    }

    /// Runs a round. A ring during the round asks for another one.
    pub(super) fn round<T>(&self, run: impl FnOnce() -> T) -> T {
        *self.is_rung.lock() = false;
        let result = run();
        self.ended.send_modify(|rounds| *rounds += 1);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::StopSignal;

    #[test]
    fn a_thread_wakes_up_for_each_ring_and_for_the_stop() {
        let (bell, stop) = (Bell::new(), StopSignal::new());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| bell.wait(Duration::from_secs(3_600), &|| stop.is_set()));
            bell.ring();
            waiting.join().unwrap();
        });
        let rounds = bell.rounds();
        bell.round(|| bell.ring());
        assert!(rounds.has_changed().unwrap());
        bell.wait(Duration::from_secs(3_600), &|| stop.is_set());
        bell.round(|| ());
        stop.set();
        bell.wait(Duration::from_secs(3_600), &|| stop.is_set());
    }
}
