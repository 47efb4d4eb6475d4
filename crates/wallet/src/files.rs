//! The data folder, and file writes that leave either the old or the new content after a crash.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use tempfile::NamedTempFile;

/// Environment variable that names a data folder to use instead of the platform's default.
pub const DATA_FOLDER_VARIABLE: &str = "QUOTAPASS_DATA_DIR";

/// Replaces a file's content: writes and syncs a temporary file beside it, then renames it. Creates missing folders.
///
/// # Errors
/// File system errors; the old content is then unchanged.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    draft(folder, content)?.persist(path)?;
    sync_folder(folder)
}

/// Writes a new file in the same way. Only its owner can read it.
///
/// # Errors
/// File system errors, [`io::ErrorKind::AlreadyExists`] among them; no file is left behind then.
pub fn create_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    draft(folder, content)?.persist_noclobber(path)?;
    sync_folder(folder)
}

/// Creates a folder that only its owner can list, and its parents. A folder that exists becomes such a folder.
///
/// The name of a file can tell what its content does not: whose member it is about.
///
/// # Errors
/// File system errors.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    private_folder().recursive(true).create(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
            // Not all file systems have permissions, and the folder may be another user's. Its files are private anyway.
            let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
        }
    }
    Ok(())
}

/// Returns a builder of folders that only their owner can list.
pub(crate) fn private_folder() -> fs::DirBuilder {
    #[allow(unused_mut)]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Returns the folder that contains a path.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes a synced temporary file with this content.
fn draft(folder: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Syncs a folder, where the platform can open folders. A rename is durable only after this.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
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

    #[cfg(unix)]
    #[test]
    fn nobody_else_lists_a_private_folder_new_or_old() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let (above, folder) = (root.path().join("above"), root.path().join("above/folder"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        create_private_folder(&folder).unwrap();
        assert_eq!((mode(&above), mode(&folder)), (0o700, 0o700));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        create_private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
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
