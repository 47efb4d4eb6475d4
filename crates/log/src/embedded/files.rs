//! The files beside the database.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::error::{EmbeddedError, damaged, failed};
use crate::Origin;

const MANIFEST: &str = "log.json";
const WITNESS: &str = "witness";
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
fn create_new(path: &Path, content: &[u8]) -> io::Result<()> {
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
    for (name, content) in [(WITNESS, &encode(0)[..]), (MANIFEST, &manifest[..])] {
        create_new(&folder.join(name), content).map_err(|error| failed("create", folder, &error))?;
    }
    Ok(())
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

/// The number of the last change, beside the database: the number, and its complement, 8 bytes big-endian each.
///
/// It is written after the database has the change on disk, and needs no flush: if the process is killed, the system still
/// has it; after a power failure it may be older than the database, never newer.
pub(super) struct Witness(File);

impl Witness {
    /// Opens the file. The number is `None` if the content is invalid.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Option<u64>)> {
        let mut file = OpenOptions::new().read(true).write(true).open(folder.join(WITNESS))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let number = content.first_chunk().map(|number| u64::from_be_bytes(*number));
        Ok((Self(file), number.filter(|number| encode(*number)[..] == content)))
    }

    /// Writes the number of a change that the database has on disk.
    pub(super) fn write(&mut self, number: u64) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(&encode(number))
    }
}

fn encode(number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&(!number).to_be_bytes());
    bytes
}
