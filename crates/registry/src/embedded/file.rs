//! The file of an embedded chain. It is written atomically, and its header identifies it.
//!
//! One line of text, `quotapass-chain <version> <keccak256 of the rest, in hex>`, then the state as JSON.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::{B256, keccak256};

use super::state::ChainState;

const MAGIC: &str = "quotapass-chain";
const VERSION: u32 = 1;

/// Error of a chain's file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateFileError {
    /// A new chain would replace an existing file.
    #[error("{0} exists; open it, or choose another path for a new chain")]
    Exists(PathBuf),
    /// The file does not exist.
    #[error("{0} does not exist; check the path, or create a new chain there")]
    Missing(PathBuf),
    /// Another process, or another handle of this one, has the chain open.
    #[error("{0} is in use; close the other program that has this chain open")]
    InUse(PathBuf),
    /// The file is of another kind.
    #[error("{0} is not the file of an embedded chain; check the path (nothing was written to it)")]
    Foreign(PathBuf),
    /// The file is of another version of quotapass.
    #[error(
        "{path} has version {found} and this program reads version {VERSION}; open it with the program version that \
         wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        found: u32,
    },
    /// The content was changed after it was written.
    #[error(
        "{0} is damaged: its checksum does not match; restore it from a backup, or move it away and start a new chain"
    )]
    Damaged(PathBuf),
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

/// A locked path: only this process may write to it while this value lives.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    /// Holds the lock; the file itself stays empty.
    lock: File,
}

impl Drop for StateFile {
    fn drop(&mut self) {
        // A child process that is just being started may hold a copy of the file handle for a moment, which would keep
        // the lock.
        let _ = self.lock.unlock();
    }
}

impl StateFile {
    /// Locks the path of a new file, which must not exist yet.
    pub(super) fn create(path: &Path) -> Result<Self, StateFileError> {
        let file = Self::lock(path)?;
        if path.exists() { Err(StateFileError::Exists(path.into())) } else { Ok(file) }
    }

    /// Opens a file and reads it.
    pub(super) fn open(path: &Path) -> Result<(Self, ChainState), StateFileError> {
        if !path.exists() {
            return Err(StateFileError::Missing(path.into()));
        }
        let file = Self::lock(path)?;
        let content = fs::read(path).map_err(|source| file.io("read", path, source))?;
        let state = decode(path, &content)?;
        Ok((file, state))
    }

    /// Replaces the content: writes a file beside it, flushes it to the disk, then renames it over the old one.
    pub(super) fn write(&self, state: &ChainState) -> Result<(), StateFileError> {
        let draft = beside(&self.path, "new");
        let content = encode(state).map_err(|source| self.io("encode", &self.path, source))?;
        let written = File::create(&draft).and_then(|mut file| {
            file.write_all(&content)?;
            file.sync_all()
        });
        written.map_err(|source| self.io("write", &draft, source))?;
        fs::rename(&draft, &self.path).map_err(|source| self.io("replace", &self.path, source))?;
        self.sync_folder().map_err(|source| self.io("flush the folder of", &self.path, source))
    }

    #[cfg(unix)]
    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    /// Other platforms cannot open a folder as a file; the system decides when the rename reaches the disk.
    #[cfg(not(unix))]
    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(path: &Path) -> Result<Self, StateFileError> {
        let lock_path = beside(path, "lock");
        let io = |source| StateFileError::Io { action: "lock", path: lock_path.clone(), source };
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), lock }),
            Err(TryLockError::WouldBlock) => Err(StateFileError::InUse(path.into())),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    fn io(&self, action: &'static str, path: &Path, source: io::Error) -> StateFileError {
        StateFileError::Io { action, path: path.into(), source }
    }
}

/// Returns the path with one more extension.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn encode(state: &ChainState) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(state)?;
    let mut content = format!("{MAGIC} {VERSION} {:x}\n", keccak256(&body)).into_bytes();
    content.extend(body);
    Ok(content)
}

fn decode(path: &Path, content: &[u8]) -> Result<ChainState, StateFileError> {
    let damaged = || StateFileError::Damaged(path.into());
    if !content.starts_with(MAGIC.as_bytes()) {
        return Err(StateFileError::Foreign(path.into()));
    }
    let end = content.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let (header, body) = (&content[..end], &content[end + 1..]);
    let mut fields = core::str::from_utf8(header).map_err(|_| damaged())?.split(' ').skip(1);
    let version: u32 = fields.next().and_then(|field| field.parse().ok()).ok_or_else(damaged)?;
    if version != VERSION {
        return Err(StateFileError::Version { path: path.into(), found: version });
    }
    let checksum: B256 = fields.next().and_then(|field| field.parse().ok()).ok_or_else(damaged)?;
    if fields.next().is_some() || checksum != keccak256(body) {
        return Err(damaged());
    }
    serde_json::from_slice(body).map_err(|_| damaged())
}
