//! Moments in time.

use core::{
    fmt,
    ops::{Add, Sub},
};
use std::time::{SystemTime, SystemTimeError, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment in Unix time: seconds since 1970-01-01T00:00:00Z, without leap seconds. Serialized as the number alone.
///
/// Durations are plain seconds. Adding and subtracting them saturates, with operators too: no clock reaches the limits,
/// but times come from untrusted bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// The last moment, which no clock reaches.
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the moment this many seconds later.
    pub const fn saturating_add(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Returns the moment this many seconds earlier.
    pub const fn saturating_sub(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Returns the seconds since an earlier moment; zero if that moment is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the seconds between two moments, in either order.
    pub const fn abs_diff(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }
}

impl Add<u64> for UnixSeconds {
    type Output = Self;

    fn add(self, seconds: u64) -> Self {
        self.saturating_add(seconds)
    }
}

impl Sub<u64> for UnixSeconds {
    type Output = Self;

    fn sub(self, seconds: u64) -> Self {
        self.saturating_sub(seconds)
    }
}

impl TryFrom<SystemTime> for UnixSeconds {
    type Error = SystemTimeError;

    /// # Errors
    /// [`SystemTimeError`] for a time before 1970.
    fn try_from(time: SystemTime) -> Result<Self, SystemTimeError> {
        Ok(Self(time.duration_since(UNIX_EPOCH)?.as_secs()))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_saturate_and_have_the_form_of_numbers() {
        let time = UnixSeconds(1_800_000_000);
        assert_eq!((time + 60).since(time), 60);
        assert_eq!(time.since(time + 60), 0);
        assert_eq!(time.abs_diff(time + 60), 60);
        assert_eq!((UnixSeconds::MAX + 1, UnixSeconds(1) - 2), (UnixSeconds::MAX, UnixSeconds(0)));
        assert_eq!(time.to_string(), "1800000000");
        assert_eq!(serde_json::to_string(&time).unwrap(), "1800000000");
        assert_eq!(serde_json::from_str::<UnixSeconds>("1800000000").unwrap(), time);
    }

    #[test]
    fn fractions_are_cut_and_times_before_1970_are_refused() {
        let time = UNIX_EPOCH + Duration::from_millis(1_999);
        assert_eq!(UnixSeconds::try_from(time).unwrap(), UnixSeconds(1));
        assert!(UnixSeconds::try_from(UNIX_EPOCH - Duration::from_secs(1)).is_err());
    }
}
