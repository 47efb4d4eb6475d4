//! Values that must not be shown.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};

/// A value that may contain a key or a password, and is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::relay) struct Hidden<T>(pub(in crate::relay) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Hidden<T> {
    /// The error does not show the value either, unlike the errors of other types.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hidden = |_| D::Error::custom("the value, which is not shown, has the wrong type for this setting");
        T::deserialize(deserializer).map(Self).map_err(hidden)
    }
}
