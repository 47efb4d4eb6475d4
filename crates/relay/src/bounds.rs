//! Numbers with bounds, for settings in files. Each setting states its bounds where it is declared.
//!
//! An absurd number is refused when the file is read. Otherwise it would fail later, in a place that does not know its
//! origin: for example, a header timeout of 2^63 - 1 seconds overflows the clock of every connection.
//!
//! The functions are for serde's attribute `deserialize_with`:
//!
//! ```
//! # use quotapass_relay::bounds::seconds;
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     #[serde(rename = "pause_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
//!     pause: std::time::Duration,
//! }
//! assert!(serde_json::from_str::<Settings>("{\"pause_seconds\": 3600}").is_ok());
//! assert!(serde_json::from_str::<Settings>("{\"pause_seconds\": 3601}").is_err());
//! ```

use core::fmt;
use std::{num::NonZeroUsize, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// A whole number of at least `MIN` and at most `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Within<MIN, MAX> {
    /// Creates a default value. Call it in a constant, so that a value out of bounds does not compile.
    pub const fn usual(number: u64) -> Self {
        assert!(MIN <= number && number <= MAX);
        Self(number)
    }

    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Returns the number of seconds as a duration.
    pub fn seconds(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Returns the number of milliseconds as a duration.
    pub fn milliseconds(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Returns the number as a size in memory, limited to `usize::MAX`.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Returns the number as a size of at least one.
    pub fn count(self) -> NonZeroUsize {
        NonZeroUsize::new(self.size()).unwrap_or(NonZeroUsize::MIN)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounds<const MIN: u64, const MAX: u64>;

        impl<const MIN: u64, const MAX: u64> Visitor<'_> for Bounds<MIN, MAX> {
            type Value = Within<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
                }
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                if (MIN..=MAX).contains(&number) {
                    Ok(Within(number))
                } else {
                    Err(E::invalid_value(Unexpected::Unsigned(number), &self))
                }
            }
        }

        deserializer.deserialize_i64(Bounds::<MIN, MAX>)
    }
}

/// Reads a number.
///
/// # Errors
/// The deserializer's error, which names the bounds.
pub fn number<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Within::<MIN, MAX>::deserialize(deserializer).map(Within::get)
}

/// Reads a number of seconds.
///
/// # Errors
/// As [`number`].
pub fn seconds<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    Within::<MIN, MAX>::deserialize(deserializer).map(Within::seconds)
}

/// Reads a number of milliseconds.
///
/// # Errors
/// As [`number`].
pub fn milliseconds<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    Within::<MIN, MAX>::deserialize(deserializer).map(Within::milliseconds)
}

/// Reads a size in memory, limited to `usize::MAX`.
///
/// # Errors
/// As [`number`].
pub fn size<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    Within::<MIN, MAX>::deserialize(deserializer).map(Within::size)
}

/// Reads a size of at least one.
///
/// # Errors
/// As [`number`].
pub fn count<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<NonZeroUsize, D::Error> {
    Within::<MIN, MAX>::deserialize(deserializer).map(Within::count)
}
