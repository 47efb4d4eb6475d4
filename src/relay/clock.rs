//! What time it is for a relay.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// A clock in Unix seconds.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> u64;
}

/// The system's clock. It may jump in either direction when somebody sets it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Zero for a system that believes itself before 1970, when no epoch is in range.
    fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// A clock that stands still until it is set, for tests and for chains whose time is not the world's.
#[derive(Debug, Default)]
pub struct SettableClock(AtomicU64);

impl SettableClock {
    /// A clock that stands at a Unix second.
    pub const fn at(unix_seconds: u64) -> Self {
        Self(AtomicU64::new(unix_seconds))
    }

    /// Sets it, forwards or back.
    pub fn set(&self, unix_seconds: u64) {
        self.0.store(unix_seconds, Ordering::Relaxed);
    }

    /// Moves it forwards.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for SettableClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
