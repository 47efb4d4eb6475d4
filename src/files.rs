//! Writing files so that a crash leaves either the old content or the new.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use tempfile::NamedTempFile;

/// Replaces a file's content: a temporary file beside it is written, synced and renamed. Missing folders are made.
///
/// # Errors
/// Those of the file system; the former content is then untouched.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    draft(folder, content)?.persist(path)?;
    sync_folder(folder)
}

/// Writes a file that is not there yet, in the same way. Only its owner can read it.
///
/// # Errors
/// Those of the file system, [`io::ErrorKind::AlreadyExists`] among them; nothing is left behind then.
pub fn create_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    draft(folder, content)?.persist_noclobber(path)?;
    sync_folder(folder)
}

/// The folder that a path lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A temporary file with this content, synced.
fn draft(folder: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// A rename lasts only once the folder is synced, where folders can be opened at all.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_content_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_does_not_replace_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        create_new(&path, b"one").unwrap();
        assert_eq!(create_new(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
