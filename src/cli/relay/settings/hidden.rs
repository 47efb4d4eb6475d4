//! Values that are not shown.

use std::fmt;

use serde::Deserialize;

/// Something that may hold a key or a password, and is not shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(in crate::cli::relay) struct Hidden<T>(pub(in crate::cli::relay) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
