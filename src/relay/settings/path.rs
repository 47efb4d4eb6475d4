//! Paths with bounds.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de::Error};

/// The longest path that operating systems accept, in bytes.
const MAX_PATH: usize = 4_095;

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
