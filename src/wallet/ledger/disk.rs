//! What the ledger asks of a file system, step by step.
//!
//! The steps stand behind a trait so that a test can stop between any two of them, lose what was not flushed, and look
//! at what is left. The program itself has one implementation, [`Files`].

use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// Marks that a file has and a copy of it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The inode's number. Systems give it out again, often at once; therefore it does not stand alone.
    pub(super) inode: u64,
    /// When the inode was made, in nanoseconds since the Unix epoch. No program can set it.
    ///
    /// The device's number is left out: on many systems it changes when they start anew.
    pub(super) born: u64,
}

/// A file as it was found.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) content: Vec<u8>,
    pub(super) stamp: Option<Stamp>,
}

/// A file system.
pub(super) trait Disk {
    /// A new file that has not yet got its name.
    type Draft;

    /// Reads a file; none if there is none.
    fn read(&self, path: &Path) -> io::Result<Option<Stored>>;

    /// Makes an empty file, for nobody else to read, in the place of any that was left there.
    fn create(&self, path: &Path) -> io::Result<(Self::Draft, Option<Stamp>)>;

    /// Writes all of its content.
    fn write(&self, draft: &mut Self::Draft, content: &[u8]) -> io::Result<()>;

    /// Returns once the content will outlast a loss of power.
    fn sync(&self, draft: &Self::Draft) -> io::Result<()>;

    /// Gives the file its name, in the place of the file that had it.
    fn rename(&self, draft: &Self::Draft, path: &Path) -> io::Result<()>;

    /// Returns once the names in the folder of `path` will outlast a loss of power.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Removes a draft that did not get its name.
    fn discard(&self, draft: Self::Draft);
}

/// Replaces a file so that at every moment its name leads to the whole old content or to the whole new one. The content
/// may hold the new file's stamp.
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

/// The path with one more extension.
pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// The folder that a file lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The system's own files.
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
        // Where folders cannot be opened, the rename reaches the disk in the system's own time.
        if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
    }

    fn discard(&self, draft: Draft) {
        // What stays is replaced by the next draft.
        let _ = fs::remove_file(draft.path);
    }
}

/// Makes the folder of a file, and those above it, so that they outlast a loss of power.
pub(super) fn create_folder_of(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    // The last ancestor of a relative path is empty: the folder that we are in.
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

/// Opens a file that only its owner may read, once it is made.
pub(super) fn private() -> fs::OpenOptions {
    #[allow(unused_mut)]
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn private_folder() -> fs::DirBuilder {
    #[allow(unused_mut)]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Elsewhere than on Unix there is no inode, and a file can inherit the birth of one that had its name.
#[cfg(unix)]
fn stamp(metadata: &Metadata) -> Option<Stamp> {
    let born = metadata.created().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Stamp { inode: std::os::unix::fs::MetadataExt::ino(metadata), born: u64::try_from(born.as_nanos()).ok()? })
}

#[cfg(not(unix))]
fn stamp(_: &Metadata) -> Option<Stamp> {
    None
}
