//! What a light wallet knows, in a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quotapass_circuits::membership::Levels;

use super::{LightMembers, OwnMembership};
use crate::{files::write_atomically, wallet::bytes::FormatError};

/// A cache that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The file is not what was written.
    #[error(
        "the cached members in {path} cannot be used: {reason}. Delete the file to have them fetched anew; whoever \
         answered before may then learn more from the two requests together, so ask another relay"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: FormatError,
    },
    /// The file is another member's.
    #[error("the cached members in {0} are those of another member; check the path")]
    OtherMember(PathBuf),
    /// The system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl LightMembers {
    /// Writes [what is known](Self::to_bytes) into a file, as a whole.
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

    /// Reads what [`save`](Self::save) wrote; a wallet that knows nothing if there is no file. Buckets are checked
    /// against the upper nodes again; the upper nodes are checked against the chain by the next
    /// [`sync`](Self::sync).
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
