//! A Rust toolchain that compiles for WebAssembly.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::TARGET;
use crate::process::{check, install_package, target};

/// Debian's packages of a toolchain whose standard library is compiled with the crate.
const PACKAGES: [&str; 6] =
    ["rustc-web", "cargo-web", "libstd-rust-web-1.96", "libstd-rust-web-dev", "rust-web-src", "libllvm22"];
/// What the packages need and cannot bring themselves.
const INSTALLED: [(&str, &str); 2] =
    [("lld-22", "/usr/bin/wasm-ld-22"), ("libgit2-1.5", "/usr/lib/x86_64-linux-gnu/libgit2.so.1.5")];

/// How the crate is compiled.
pub enum Toolchain {
    /// By the toolchain in use, to which rustup has added the target.
    Installed,
    /// By Debian's packages, unpacked in a folder.
    Debian(PathBuf),
}

impl Toolchain {
    /// The toolchain in use if it has the target. Otherwise, where there is apt-get, Debian's, fetched once.
    pub fn find() -> Result<Self> {
        let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
        let libraries = libraries.context("cannot run rustc")?.stdout;
        if Path::new(String::from_utf8_lossy(&libraries).trim()).exists() {
            return Ok(Self::Installed);
        }
        let has_apt = Command::new("apt-get").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !has_apt || !cfg!(target_arch = "x86_64") {
            bail!("this toolchain cannot compile for WebAssembly; run `rustup target add {TARGET}`");
        }
        let folder = target().join("tools/rust-web");
        if !folder.join("usr/bin/rustc").exists() {
            fetch(&folder)?;
        }
        for (package, file) in INSTALLED {
            if !Path::new(file).exists() {
                install_package(package, "install it, or run `rustup target add wasm32-unknown-unknown`")?;
            }
        }
        Ok(Self::Debian(folder))
    }

    /// Its cargo.
    pub fn cargo(&self) -> Command {
        match self {
            Self::Installed => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Self::Debian(root) => {
                let mut cargo = Command::new(root.join("usr/bin/cargo"));
                let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib"].map(|folder| root.join(folder));
                cargo
                    .env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap_or_default())
                    .env("RUSTC", root.join("usr/bin/rustc"))
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22")
                    // Debian has no compiled standard library for the target; its own is compiled along.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
                cargo
            }
        }
    }
}

/// Downloads the packages and unpacks them. The folder gets its name when all is there.
fn fetch(folder: &Path) -> Result<()> {
    let parent = folder.parent().context("the folder has a parent")?;
    let (packages, unpacked) = (parent.join("rust-web-packages"), parent.join("rust-web-unpacked"));
    for folder in [&packages, &unpacked] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let download = || {
        let mut download = Command::new("apt-get");
        check(download.arg("download").args(PACKAGES).current_dir(&packages), "apt-get download")
    };
    // The lists of packages may be missing or old.
    if download().is_err() {
        check(Command::new("apt-get").arg("update"), "apt-get update")?;
        download()?;
    }
    for entry in fs::read_dir(&packages)? {
        check(Command::new("dpkg").arg("-x").arg(entry?.path()).arg(&unpacked), "dpkg -x")?;
    }
    fs::rename(&unpacked, folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::remove_dir_all(&packages).with_context(|| format!("cannot remove {}", packages.display()))
}
