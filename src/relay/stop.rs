//! How threads that wait are told to end.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::lock;

/// Tells threads to end. A clone is the same signal.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl StopSignal {
    /// A signal that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it, for good.
    pub fn set(&self) {
        *lock(&self.0.is_set) = true;
        self.0.changed.notify_all();
    }

    /// Sets it when the returned value is dropped, whatever happens before.
    pub(super) fn set_on_drop(&self) -> SetOnDrop<'_> {
        SetOnDrop(self)
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        *lock(&self.0.is_set)
    }

    /// Waits until it is set, at most this long. Returns whether it is.
    pub fn wait(&self, longest: Duration) -> bool {
        let waited = self.0.changed.wait_timeout_while(lock(&self.0.is_set), longest, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Sets a signal at the end of its life.
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
