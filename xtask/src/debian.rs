//! Debian's packages of a Rust toolchain, unpacked in a folder and not installed: for targets that the toolchain in use
//! lacks where there is no rustup.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{check, target};

/// A toolchain, and the sources of its standard library.
const PACKAGES: [&str; 6] =
    ["rustc-web", "cargo-web", "libstd-rust-web-1.96", "libstd-rust-web-dev", "rust-web-src", "libllvm22"];
/// The one whose version for another processor is the standard library there.
const LIBRARY: &str = "libstd-rust-web-dev";

/// Where the compiler is in the folder.
const RUSTC: &str = "usr/bin/rustc";

/// The toolchain.
pub struct Toolchain(PathBuf);

impl Toolchain {
    /// Fetches it unless that was done, or gives the advice where it cannot be had.
    pub fn fetch(advice: &str) -> Result<Self> {
        let toolchain = Self(target().join("tools/rust-web"));
        if toolchain.0.join(RUSTC).exists() {
            return Ok(toolchain);
        }
        let has_apt = Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !has_apt || !cfg!(target_arch = "x86_64") {
            bail!("{advice}");
        }
        let work = empty(toolchain.0.with_extension("new"))?;
        let packages = empty(work.join("packages"))?;
        // The lists of packages may be missing or old.
        if download(&packages, &[], &PACKAGES).is_err() {
            check(Command::new("apt-get").arg("update"), "apt-get update")?;
            download(&packages, &[], &PACKAGES)?;
        }
        let unpacked = empty(work.join("unpacked"))?;
        unpack(&packages, PACKAGES.len(), &unpacked)?;
        rename(&unpacked, &toolchain.0)?;
        remove(&work)?;
        Ok(toolchain)
    }

    /// Adds the standard library of a target to it, from the packages for Debian's name of its processor.
    pub fn add(&self, target: &str, architecture: &str) -> Result<()> {
        let library = Path::new("usr/lib/rustlib").join(target);
        if self.0.join(&library).exists() {
            return Ok(());
        }
        let work = empty(self.0.with_extension(architecture))?;
        let packages = empty(work.join("packages"))?;
        let lists = empty(work.join("lists"))?;
        empty(lists.join("partial"))?;
        empty(work.join("archives/partial"))?;
        // Lists of their own, so that the system need not be told of a second kind of processor.
        let own = [
            format!("-oAPT::Architecture={architecture}"),
            format!("-oAPT::Architectures={architecture}"),
            format!("-oDir::State::lists={}", lists.display()),
            format!("-oDir::Cache={}", work.display()),
        ];
        check(Command::new("apt-get").args(&own).arg("update"), "apt-get update")?;
        download(&packages, &own, &[LIBRARY])?;
        let unpacked = empty(work.join("unpacked"))?;
        unpack(&packages, 1, &unpacked)?;
        rename(&unpacked.join(&library), &self.0.join(&library))?;
        remove(&work)
    }

    /// Its cargo, which calls its compiler.
    pub fn cargo(&self) -> Result<Command> {
        let mut cargo = Command::new(self.0.join("usr/bin/cargo"));
        self.serve(&mut cargo)?;
        Ok(cargo)
    }

    /// Lets any cargo call its compiler.
    pub fn serve(&self, cargo: &mut Command) -> Result<()> {
        let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib"].map(|folder| self.0.join(folder));
        cargo.env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?).env("RUSTC", self.0.join(RUSTC));
        Ok(())
    }
}

/// Makes a folder in which there is nothing.
fn empty(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        remove(&folder)?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Gives a folder its name, now that all is in it.
fn rename(folder: &Path, name: &Path) -> Result<()> {
    fs::rename(folder, name).with_context(|| format!("cannot make {}", name.display()))
}

fn download(folder: &Path, options: &[String], packages: &[&str]) -> Result<()> {
    let mut download = Command::new("apt-get");
    download.args(options).arg("download").args(packages);
    check(download.current_dir(folder), "apt-get download")
}

/// Unpacks all packages of a folder, which must be so many.
fn unpack(packages: &Path, count: usize, folder: &Path) -> Result<()> {
    let mut found = 0;
    for entry in fs::read_dir(packages).with_context(|| format!("cannot read {}", packages.display()))? {
        check(Command::new("dpkg").arg("-x").arg(entry?.path()).arg(folder), "dpkg -x")?;
        found += 1;
    }
    ensure!(found == count, "apt-get downloaded {found} packages in place of {count}");
    Ok(())
}
