//! Values that are not shown.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};

/// Something that may hold a key or a password, and is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::cli::relay) struct Hidden<T>(pub(in crate::cli::relay) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Hidden<T> {
    /// Its error does not show the value either, as those of other types do.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hidden = |_| D::Error::custom("the value, which is not shown, is of another type than the setting's");
        T::deserialize(deserializer).map(Self).map_err(hidden)
    }
}
