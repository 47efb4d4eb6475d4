//! A Rust toolchain from Debian's packages, unpacked in a folder and not installed. It serves systems without rustup,
//! for targets that the toolchain in use lacks.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{check, target};

/// Packages of the toolchain, and of the sources of its standard library.
const PACKAGES: [&str; 6] =
    ["rustc-web", "cargo-web", "libstd-rust-web-1.96", "libstd-rust-web-dev", "rust-web-src", "libllvm22"];
/// Package whose version for another processor has the standard library for that processor.
const LIBRARY: &str = "libstd-rust-web-dev";

/// Path of the compiler in the folder.
const RUSTC: &str = "usr/bin/rustc";

/// The unpacked toolchain, by its folder.
pub struct Toolchain(PathBuf);

impl Toolchain {
    /// Fetches the toolchain unless it is there already; returns an error with the advice if this system cannot fetch
    /// it.
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
        // The package lists may be missing or old.
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

    /// Adds the standard library of a target. `architecture` is Debian's name of the target's processor.
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
        // Separate package lists, so that the system's configuration needs no second architecture.
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

    /// Returns the toolchain's cargo, which calls the toolchain's compiler.
    pub fn cargo(&self) -> Result<Command> {
        let mut cargo = Command::new(self.0.join("usr/bin/cargo"));
        self.serve(&mut cargo)?;
        Ok(cargo)
    }

    /// Makes any cargo call the toolchain's compiler.
    pub fn serve(&self, cargo: &mut Command) -> Result<()> {
        let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib"].map(|folder| self.0.join(folder));
        cargo.env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?).env("RUSTC", self.0.join(RUSTC));
        Ok(())
    }
}

/// Creates an empty folder.
fn empty(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        remove(&folder)?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Renames a folder after it is complete.
fn rename(folder: &Path, name: &Path) -> Result<()> {
    fs::rename(folder, name).with_context(|| format!("cannot create {}", name.display()))
}

fn download(folder: &Path, options: &[String], packages: &[&str]) -> Result<()> {
    let mut download = Command::new("apt-get");
    download.args(options).arg("download").args(packages);
    check(download.current_dir(folder), "apt-get download")
}

/// Unpacks all packages of a folder, and checks that there are `count`.
fn unpack(packages: &Path, count: usize, folder: &Path) -> Result<()> {
    let mut found = 0;
    for entry in fs::read_dir(packages).with_context(|| format!("cannot read {}", packages.display()))? {
        check(Command::new("dpkg").arg("-x").arg(entry?.path()).arg(folder), "dpkg -x")?;
        found += 1;
    }
    ensure!(found == count, "apt-get downloaded {found} packages, expected {count}");
    Ok(())
}
