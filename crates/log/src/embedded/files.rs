//! The files beside the database.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{
    error::{EmbeddedError, damaged, failed},
    witness::Witness,
};
use crate::Origin;

const MANIFEST: &str = "log.json";
const VERSION: u32 = 1;

/// Returns the folder that contains a path.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Syncs a folder, where the platform can open folders. A rename is durable only after this.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Writes a new file that is there as a whole or not at all.
pub(super) fn create_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    sync_folder(folder)
}

/// Content of the manifest. A version that adds fields must raise the version number.
#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    origin: String,
}

/// The field that all versions have.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Writes the manifest and the witness of a new store.
pub(super) fn create(folder: &Path, origin: &Origin) -> Result<(), EmbeddedError> {
    let manifest = Manifest { version: VERSION, origin: origin.to_string() };
    let manifest = serde_json::to_vec_pretty(&manifest).map_err(|error| failed("create", folder, &error))?;
    let create = || Witness::create(folder).and_then(|()| create_new(&folder.join(MANIFEST), &manifest));
    create().map_err(|error| failed("create", folder, &error))
}

/// Checks that the folder is the store of this log.
pub(super) fn check(folder: &Path, origin: &Origin) -> Result<(), EmbeddedError> {
    let content = match fs::read(folder.join(MANIFEST)) {
        Ok(content) => content,
        Err(_) if !folder.exists() => return Err(EmbeddedError::Missing(folder.into())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(EmbeddedError::Foreign(folder.into()));
        }
        Err(error) => return Err(failed("open", folder, &error)),
    };
    let unreadable = |error: &dyn core::fmt::Display| damaged(folder, &format_args!("{MANIFEST}: {error}"));
    let Version { version } = serde_json::from_slice(&content).map_err(|error| unreadable(&error))?;
    if version != VERSION {
        return Err(EmbeddedError::Version { path: folder.into(), found: version });
    }
    let Manifest { origin: found, .. } = serde_json::from_slice(&content).map_err(|error| unreadable(&error))?;
    if found == origin.as_str() {
        return Ok(());
    }
    Err(EmbeddedError::WrongLog { path: folder.into(), found, expected: origin.to_string() })
}
