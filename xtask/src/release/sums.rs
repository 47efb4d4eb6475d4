//! `SHA256SUMS`: the hashes of all files of a release, in the format of `sha256sum`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::files;

const NAME: &str = "SHA256SUMS";

/// Returns the SHA-256 of a file in hexadecimal.
pub fn of(file: &Path) -> Result<String> {
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(hex::encode(Sha256::digest(content)))
}

/// Writes the hashes of the files below a folder, and returns the path of the list.
pub fn write(folder: &Path) -> Result<PathBuf> {
    let list = folder.join(NAME);
    let mut lines = String::new();
    for file in files::below(folder)?.into_iter().filter(|file| *file != list) {
        lines += &format!("{}  {}\n", of(&file)?, file.strip_prefix(folder)?.display());
    }
    files::write(&list, lines)?;
    Ok(list)
}

/// Checks a list with `sha256sum`, as a user does.
pub fn check(list: &Path) -> Result<()> {
    let folder = list.parent().context("a list without a folder")?;
    let mut sums = Command::new("sha256sum");
    sums.args(["--check", "--strict", "--quiet", NAME]).current_dir(folder);
    crate::process::check(&mut sums, "sha256sum --check")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::process::target;

    #[test]
    fn a_changed_file_does_not_pass() {
        let folder = files::empty(target().join("sums-test")).unwrap();
        files::write(&folder.join("a/abc"), "abc").unwrap();
        let list = write(&folder).unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a/abc\n";
        assert_eq!(files::read(&list).unwrap(), expected);
        // The list itself is not in it.
        assert_eq!(files::read(&write(&folder).unwrap()).unwrap(), expected);
        check(&list).unwrap();
        files::write(&folder.join("a/abc"), "abd").unwrap();
        assert!(check(&list).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
