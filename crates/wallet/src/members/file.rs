//! A light wallet's cache file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quotapass_circuits::membership::Levels;

use super::{LightMembers, OwnMembership};
use crate::{bytes::FormatError, files::write_atomically};

/// Errors of a cache file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The file is damaged.
    #[error(
        "the cached members in {path} cannot be used: {reason}. Delete the file and they are fetched again. The relay \
         that answered before may learn more from the two requests together, so ask another relay"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: FormatError,
    },
    /// The file belongs to another member.
    #[error("the cached members in {0} belong to another member; check the path")]
    OtherMember(PathBuf),
    /// The system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl LightMembers {
    /// Writes the wallet's [bytes](Self::to_bytes) to a file atomically.
    ///
    /// # Errors
    /// [`CacheError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), CacheError> {
        write_atomically(path, &self.to_bytes()).map_err(|source| CacheError::Io {
            action: "write",
            path: path.into(),
            source,
        })
    }

    /// Reads a file of [`save`](Self::save); returns an empty wallet if the file does not exist. Buckets are checked
    /// against the upper nodes again; the upper nodes are checked against the chain by the next [`sync`](Self::sync).
    ///
    /// # Errors
    /// [`CacheError`].
    pub fn load(path: &Path, levels: Levels, own: OwnMembership) -> Result<Self, CacheError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::new(levels, own)),
            Err(source) => return Err(CacheError::Io { action: "read", path: path.into(), source }),
        };
        let cached =
            Self::from_bytes(&bytes, levels).map_err(|reason| CacheError::Damaged { path: path.into(), reason })?;
        if cached.own == own { Ok(cached) } else { Err(CacheError::OtherMember(path.into())) }
    }
}
