//! Files of packages: copies with fixed modes, and archives that are the same for the same content.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};

use super::build::Build;
use crate::process::{check, install};

/// Creates an empty folder.
pub fn empty(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    create(&folder)?;
    Ok(folder)
}

/// Creates a folder and the folders above it.
pub fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Writes a file, and creates its folder.
pub fn write(file: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    create(file.parent().context("a file without a folder")?)?;
    fs::write(file, content).with_context(|| format!("cannot write {}", file.display()))
}

/// Copies a file, and creates the folder of the copy.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    create(to.parent().context("a file without a folder")?)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display())).map(drop)
}

/// Reads a text.
pub fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Returns a file, or the files below a folder, in the order of their names. Links are left out.
pub fn below(path: &Path) -> Result<Vec<PathBuf>> {
    let kind = fs::symlink_metadata(path).with_context(|| format!("cannot read {}", path.display()))?.file_type();
    if kind.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !kind.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?;
    let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        files.extend(below(&entry)?);
    }
    Ok(files)
}

/// Returns the one file in a folder whose name ends so.
pub fn only(folder: &Path, ending: &str) -> Result<PathBuf> {
    let mut files = below(folder)?;
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    ensure!(files.len() == 1, "{} files end with {ending} in {}, expected 1", files.len(), folder.display());
    Ok(files.remove(0))
}

/// Gives folders and programs the mode 755, other files 644, and all of them the time of the commit.
pub fn normalise(build: &Build, folder: &Path) -> Result<()> {
    let seconds = build.epoch.parse().context("SOURCE_DATE_EPOCH is no number")?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    check(Command::new("chmod").args(["--recursive", "u=rwX,go=rX"]).arg(folder), "chmod")?;
    for path in below(folder)? {
        fs::File::open(&path).and_then(|file| file.set_modified(time)).context("cannot set the time of a file")?;
    }
    Ok(())
}

/// Makes a file executable.
pub fn make_executable(file: &Path) -> Result<()> {
    check(Command::new("chmod").arg("755").arg(file), "chmod")
}

/// Packs a folder, with its name, into a compressed tar archive.
pub fn tar(build: &Build, folder: &Path, archive: &Path) -> Result<()> {
    normalise(build, folder)?;
    let (parent, name) = (folder.parent().context("a folder without a parent")?, folder.file_name());
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    // gzip -n writes neither the name nor the time of its input.
    tar.arg(format!("--mtime=@{}", build.epoch)).args(["--use-compress-program", "gzip -9n", "--file"]);
    tar.arg(archive).arg("--directory").arg(parent).arg(name.context("a folder without a name")?);
    check(&mut tar, "tar (GNU tar is required)")
}

/// Packs the files below a folder into a zip archive, in which their names begin below the folder.
pub fn zip(build: &Build, folder: &Path, archive: &Path) -> Result<()> {
    zip_below(build, folder, folder, archive)
}

/// Packs a folder, with its name, into a zip archive.
pub fn zip_folder(build: &Build, folder: &Path, archive: &Path) -> Result<()> {
    zip_below(build, folder, folder.parent().context("a folder without a parent")?, archive)
}

/// Packs the files below a folder, with names that begin below `base`.
fn zip_below(build: &Build, folder: &Path, base: &Path, archive: &Path) -> Result<()> {
    install("zip", &["-v"], "zip", "install zip (https://infozip.sourceforge.net)")?;
    normalise(build, folder)?;
    let mut names = String::new();
    for file in below(folder)? {
        names += &format!("{}\n", file.strip_prefix(base)?.display());
    }
    // -X leaves out owners, -D folders, and -@ reads the names in their order.
    let mut zip = Command::new("zip");
    zip.args(["-q", "-9", "-X", "-D", "-@"]).arg(archive).current_dir(base).env("TZ", "UTC");
    let mut child = zip.stdin(Stdio::piped()).spawn().context("cannot run zip")?;
    child.stdin.take().context("zip takes no names")?.write_all(names.as_bytes())?;
    ensure!(child.wait()?.success(), "zip failed");
    Ok(())
}

/// Unpacks a compressed tar archive into a folder.
pub fn untar(archive: &Path, folder: &Path) -> Result<()> {
    create(folder)?;
    check(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder), "tar")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::process::target;

    #[test]
    fn files_below_a_folder_are_in_order() {
        let folder = empty(target().join("files-test")).unwrap();
        for name in ["b/x.whl", "a", "b/a.txt"] {
            write(&folder.join(name), name).unwrap();
        }
        let names: Vec<_> = below(&folder).unwrap();
        assert_eq!(names, ["a", "b/a.txt", "b/x.whl"].map(|name| folder.join(name)));
        assert_eq!(only(&folder, ".whl").unwrap(), folder.join("b/x.whl"));
        assert!(only(&folder, ".deb").unwrap_err().to_string().starts_with("0 files end with .deb"));
        write(&folder.join("y.whl"), "").unwrap();
        assert!(only(&folder, ".whl").is_err(), "two files");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_archive_depends_on_content_alone() {
        let build = Build::of_checkout().unwrap();
        let folder = empty(target().join("archives-test")).unwrap();
        let archives = ["first", "second"].map(|name| {
            let content = folder.join(name).join("content");
            write(&content.join("b/program"), "b").unwrap();
            make_executable(&content.join("b/program")).unwrap();
            write(&content.join("a"), name.len().to_string()).unwrap();
            let (tar_archive, zip_archive) =
                (folder.join(format!("{name}.tar.gz")), folder.join(format!("{name}.zip")));
            tar(&build, &content, &tar_archive).unwrap();
            zip_folder(&build, &content, &zip_archive).unwrap();
            (fs::read(tar_archive).unwrap(), fs::read(zip_archive).unwrap())
        });
        assert!(archives[0] != archives[1], "the content differs");
        write(&folder.join("second/content/a"), "5").unwrap();
        let again = folder.join("again.tar.gz");
        tar(&build, &folder.join("second/content"), &again).unwrap();
        assert!(fs::read(again).unwrap() == archives[0].0, "the same content at another time and place");
        untar(&folder.join("first.tar.gz"), &folder.join("unpacked")).unwrap();
        assert_eq!(read(&folder.join("unpacked/content/b/program")).unwrap(), "b");
        fs::remove_dir_all(folder).unwrap();
    }
}
