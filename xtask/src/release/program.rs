//! The program with its manual and completions, as an archive for any Linux with a recent glibc.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{Made, build::Build, files};
use crate::{
    process::{check, output},
    root,
};

/// Shells, and the names of their completions.
pub const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "quotapass.bash"), ("zsh", "_quotapass"), ("fish", "quotapass.fish")];
/// Files and folders of the repository in the archive.
const INCLUDED: [&str; 8] = [
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "contrib/grafana",
    "contrib/prometheus",
    "contrib/relay",
    "contrib/systemd",
];

/// The compiled program, and what it writes about itself.
pub struct Program {
    pub program: PathBuf,
    /// Folder with a page for each command.
    pub manual: PathBuf,
    /// Folder with the completions.
    pub completions: PathBuf,
}

/// Compiles the program, and lets it write its manual and completions into a folder.
pub fn build(build: &Build, work: &Path) -> Result<Program> {
    let mut cargo = build.cargo();
    check(cargo.args(["build", "--locked", "--release", "--bin", "quotapass"]), "cargo build of the program")?;
    let program = build.target().join("release/quotapass");
    let manual = work.join("manual");
    files::create(&manual)?;
    check(Command::new(&program).args(["man", "--out"]).arg(&manual), "quotapass man")?;
    let completions = work.join("completions");
    for (shell, name) in COMPLETIONS {
        let output = Command::new(&program).args(["completions", shell]).output();
        let output = output.context("cannot run the program")?;
        ensure!(output.status.success(), "quotapass completions {shell} failed");
        files::write(&completions.join(name), output.stdout)?;
    }
    Ok(Program { program, manual, completions })
}

/// Packs the archive.
pub fn make(build: &Build, out: &Path) -> Result<Made> {
    let work = build.work("archive")?;
    let Program { program, manual, completions } = self::build(build, &work)?;
    let name = name(build);
    let folder = work.join(&name);
    let copied = folder.join("quotapass");
    files::copy(&program, &copied)?;
    copy_below(&manual, &folder.join("man"))?;
    copy_below(&completions, &folder.join("completions"))?;
    for included in INCLUDED {
        copy_below(&root().join(included), &folder.join(included))?;
    }
    files::make_executable(&copied)?;
    let archive = out.join(format!("{name}.tar.gz"));
    files::tar(build, &folder, &archive)?;
    Ok(Made::file(archive))
}

/// Unpacks the archive, and lets the program hold its demonstration: deposits, posts, a double post and its slash.
pub fn test(build: &Build, made: &Made, clean: &Path) -> Result<Vec<PathBuf>> {
    let archive = made.paths.first().context("no archive was made")?;
    files::untar(archive, clean)?;
    let folder = clean.join(name(build));
    for file in
        ["LICENSE-APACHE", "LICENSE-MIT", "man/quotapass.1", "completions/_quotapass", "contrib/relay/valkey.toml"]
    {
        ensure!(folder.join(file).is_file(), "the archive lacks {file}");
    }
    let program = folder.join("quotapass");
    check_version(build, &program)?;
    let data = clean.join("data");
    let mut demo = Command::new(program);
    check(demo.arg("demo").current_dir(clean).env("QUOTAPASS_DATA_DIR", &data), "quotapass demo")?;
    Ok(vec![folder])
}

/// Fails unless a program says the version of this release.
pub fn check_version(build: &Build, program: &Path) -> Result<()> {
    let said = output(Command::new(program).arg("--version"))?;
    let expected = format!("quotapass {}", build.version);
    ensure!(said == expected, "the program says {said:?}, expected {expected:?}");
    Ok(())
}

/// The name of the archive, and of the folder in it.
fn name(build: &Build) -> String {
    format!("quotapass-{}-{}", build.version, build.host)
}

/// Copies a file, or the files below a folder.
pub fn copy_below(from: &Path, to: &Path) -> Result<()> {
    if fs::metadata(from).is_ok_and(|metadata| metadata.is_file()) {
        return files::copy(from, to);
    }
    for file in files::below(from)? {
        files::copy(&file, &to.join(file.strip_prefix(from)?))?;
    }
    Ok(())
}
