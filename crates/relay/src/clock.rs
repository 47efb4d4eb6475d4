//! Clocks of a relay.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use quotapass_protocol::UnixSeconds;

/// A clock in Unix time.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> UnixSeconds;
}

/// The system's clock. It may jump in either direction when it is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Returns zero if the system's clock shows a time before 1970; no epoch is in range then.
    fn now(&self) -> UnixSeconds {
        SystemTime::now().try_into().unwrap_or_default()
    }
}

/// A clock that stands still until it is set, for tests and for chains whose time is not real time.
#[derive(Debug, Default)]
pub struct SettableClock(AtomicU64);

impl SettableClock {
    /// Creates a clock that stands at a time.
    pub const fn at(time: UnixSeconds) -> Self {
        Self(AtomicU64::new(time.0))
    }

    /// Sets the clock, forwards or backwards.
    pub fn set(&self, time: UnixSeconds) {
        self.0.store(time.0, Ordering::Relaxed);
    }

    /// Moves the clock forwards.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for SettableClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(self.0.load(Ordering::Relaxed))
    }
}
