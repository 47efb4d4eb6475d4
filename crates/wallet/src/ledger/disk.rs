//! The file system steps that the ledger needs.
//!
//! The steps are in a trait, so that a test can stop between any two of them, lose unflushed data, and inspect the
//! result. The program has one implementation, [`Files`].

use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::files::private_folder;

/// Attributes that distinguish a file from a copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The inode number. Systems reuse it, often immediately, so it is not enough alone.
    pub(super) inode: u64,
    /// Creation time of the inode, in nanoseconds since the Unix epoch. No program can set it.
    ///
    /// The device number is not included, because it changes at a reboot on many systems.
    pub(super) born: u64,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) content: Vec<u8>,
    pub(super) stamp: Option<Stamp>,
}

/// A file system.
pub(super) trait Disk {
    /// A new file that does not have its final name yet.
    type Draft;

    /// Reads a file; `None` if it does not exist.
    fn read(&self, path: &Path) -> io::Result<Option<Stored>>;

    /// Creates an empty file that only its owner can read, and replaces a draft that was left there.
    fn create(&self, path: &Path) -> io::Result<(Self::Draft, Option<Stamp>)>;

    /// Writes all of its content.
    fn write(&self, draft: &mut Self::Draft, content: &[u8]) -> io::Result<()>;

    /// Returns when the content will survive a power loss.
    fn sync(&self, draft: &Self::Draft) -> io::Result<()>;

    /// Renames the file to its final name, and replaces the file that had it.
    fn rename(&self, draft: &Self::Draft, path: &Path) -> io::Result<()>;

    /// Returns when the names in the folder of `path` will survive a power loss.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Removes a draft that did not get its name.
    fn discard(&self, draft: Self::Draft);
}

/// Replaces a file atomically: at every moment its name refers to the complete old or the complete new content. The
/// content may contain the new file's stamp.
pub(super) fn replace<D: Disk>(
    disk: &D,
    path: &Path,
    content: impl FnOnce(Option<Stamp>) -> Vec<u8>,
) -> io::Result<Vec<u8>> {
    let (mut draft, stamp) = disk.create(&beside(path, "new"))?;
    let content = content(stamp);
    let written =
        disk.write(&mut draft, &content).and_then(|()| disk.sync(&draft)).and_then(|()| disk.rename(&draft, path));
    if let Err(error) = written {
        disk.discard(draft);
        return Err(error);
    }
    disk.sync_folder(path)?;
    Ok(content)
}

/// Returns the path with one more extension.
pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Returns the folder that contains a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The real file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files;

/// An open file and its path.
#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    path: PathBuf,
}

impl Disk for Files {
    type Draft = Draft;

    fn read(&self, path: &Path) -> io::Result<Option<Stored>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut content = Vec::new();
        io::Read::read_to_end(&mut file, &mut content)?;
        let stamp = stamp(&file.metadata()?);
        Ok(Some(Stored { content, stamp }))
    }

    fn create(&self, path: &Path) -> io::Result<(Draft, Option<Stamp>)> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = private().create_new(true).write(true).open(path)?;
        let stamp = stamp(&file.metadata()?);
        Ok((Draft { file, path: path.into() }, stamp))
    }

    fn write(&self, draft: &mut Draft, content: &[u8]) -> io::Result<()> {
        draft.file.write_all(content)
    }

    fn sync(&self, draft: &Draft) -> io::Result<()> {
        draft.file.sync_all()
    }

    fn rename(&self, draft: &Draft, path: &Path) -> io::Result<()> {
        fs::rename(&draft.path, path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // Where folders cannot be opened, the system decides when the rename reaches the disk.
        if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
    }

    fn discard(&self, draft: Draft) {
        // If this fails, the next draft replaces the file.
        let _ = fs::remove_file(draft.path);
    }
}

/// Creates the folder of a file and its parents, so that they survive a power loss.
pub(super) fn create_folder_of(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    // The last ancestor of a relative path is empty, which means the current folder.
    let is_missing = |above: &&Path| !above.as_os_str().is_empty() && !above.exists();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    for folder in missing.into_iter().rev() {
        match private_folder().create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => Files.sync_folder(folder)?,
        }
    }
    Ok(())
}

/// Returns options that create a file that only its owner can read.
pub(super) fn private() -> fs::OpenOptions {
    #[allow(unused_mut)]
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Other platforms have no inode, and a new file can inherit the creation time of an earlier file with its name.
#[cfg(unix)]
fn stamp(metadata: &Metadata) -> Option<Stamp> {
    let born = metadata.created().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Stamp { inode: std::os::unix::fs::MetadataExt::ino(metadata), born: u64::try_from(born.as_nanos()).ok()? })
}

#[cfg(not(unix))]
fn stamp(_: &Metadata) -> Option<Stamp> {
    None
}
