//! A signal that tells waiting threads to end.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};

/// A signal that tells threads to end. A clone is the same signal.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl StopSignal {
    /// Creates a signal that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the signal; it cannot be unset.
    pub fn set(&self) {
        *self.0.is_set.lock() = true;
        self.0.changed.notify_all();
    }

    /// Returns a guard that sets the signal when it is dropped.
    pub(super) fn set_on_drop(&self) -> SetOnDrop<'_> {
        SetOnDrop(self)
    }

    /// Returns whether the signal is set.
    pub fn is_set(&self) -> bool {
        *self.0.is_set.lock()
    }

    /// Waits until the signal is set, at most this long. Returns whether it is set.
    pub fn wait(&self, longest: Duration) -> bool {
        let mut is_set = self.0.is_set.lock();
        self.0.changed.wait_while_for(&mut is_set, |is_set| !*is_set, longest);
        *is_set
    }
}

/// A guard that sets a signal when it is dropped.
pub(super) struct SetOnDrop<'a>(&'a StopSignal);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.set();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_waiting_thread_wakes_up() {
        let stop = StopSignal::new();
        assert!(!stop.wait(Duration::ZERO));
        let waiting = stop.clone();
        let thread = thread::spawn(move || waiting.wait(Duration::from_secs(3_600)));
        stop.set();
        assert!(thread.join().unwrap() && stop.is_set());
    }
}
