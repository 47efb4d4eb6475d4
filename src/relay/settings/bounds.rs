//! Numbers and paths with bounds, which each setting states in its type.
//!
//! An absurd number is refused when the file is read. Otherwise it would fail later, in a place that does not know its
//! origin: for example, a header timeout of 2^63 - 1 seconds overflows the clock of every connection.

use core::fmt;
use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// The longest path that operating systems accept, in bytes.
const MAX_PATH: usize = 4_095;

/// A whole number of at least `MIN` and at most `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Within<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Within<MIN, MAX> {
    /// Creates a default value. Call it in a constant, so that a value out of bounds does not compile.
    pub(super) const fn usual(number: u64) -> Self {
        assert!(MIN <= number && number <= MAX);
        Self(number)
    }

    pub(super) fn get(self) -> u64 {
        self.0
    }

    /// Returns the number of seconds as a duration.
    pub(super) fn seconds(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Returns the number of milliseconds as a duration.
    pub(super) fn milliseconds(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Returns the number as a size in memory, limited to `usize::MAX`.
    pub(super) fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Returns the number as a size of at least one.
    pub(super) fn count(self) -> NonZeroUsize {
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

/// Reads the path of a file or folder, for `#[serde(default, deserialize_with)]`. An empty path is refused, because it
/// would mean the folder of the configuration itself.
pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.len() {
        0 => Err(D::Error::custom("a path must not be empty; name a file or folder, or leave the setting out")),
        length if length > MAX_PATH => {
            Err(D::Error::custom(format!("a path has at most {MAX_PATH} bytes, but this one has {length}")))
        }
        _ if text.contains('\0') => Err(D::Error::custom("a path must not contain zero bytes; name a file or folder")),
        _ => Ok(Some(text.into())),
    }
}
