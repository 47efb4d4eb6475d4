//! The tests of the circuits on aarch64, the processor of phones, under qemu.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{check, install, target},
    root,
};

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// What runs the tests: Debian's packages bring the libraries of the other processor for the linker, and they serve here too.
const RUNNER: &str = "qemu-aarch64-static -L /usr/aarch64-linux-gnu";

/// Debian's packages of a toolchain, for those who have none with the target.
const PACKAGES: [&str; 4] = ["rustc-web", "libstd-rust-web-1.96", "libstd-rust-web-dev", "libllvm22"];
/// The one whose version for the other processor is the standard library there.
const LIBRARY: &str = "libstd-rust-web-dev";

/// Builds the suite for aarch64, and runs it.
pub fn test() -> Result<()> {
    if cfg!(target_arch = "aarch64") {
        println!("this is aarch64, where the other suites have run");
        return Ok(());
    }
    let advice = |package| format!("install {package} (qemu's emulation of user programs, and a linker for {TARGET})");
    install("qemu-aarch64-static", &["--version"], "qemu-user-static", &advice("qemu-user-static"))?;
    install("aarch64-linux-gnu-gcc", &["--version"], "gcc-aarch64-linux-gnu", &advice("gcc-aarch64-linux-gnu"))?;
    let mut cargo = cargo()?;
    // Examples in the documentation run on this processor alone, with the other suites.
    cargo.args(["test", "--package", "quotapass-circuits", "--lib", "--tests", "--target", TARGET]);
    check(&mut cargo, "the tests of the circuits on aarch64")
}

/// Cargo, told how to link and run for aarch64.
fn cargo() -> Result<Command> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root())
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", RUNNER);
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let libraries = libraries.context("cannot run rustc")?.stdout;
    if !Path::new(String::from_utf8_lossy(&libraries).trim()).exists() {
        let toolchain = debian()?;
        let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib"].map(|folder| toolchain.join(folder));
        cargo
            .env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?)
            .env("RUSTC", toolchain.join("usr/bin/rustc"))
            // Its own folder, for another compiler would compile everything anew each time.
            .env("CARGO_TARGET_DIR", target().join("aarch64"));
    }
    Ok(cargo)
}

/// A toolchain of Debian's packages, unpacked in a folder and not installed; fetched once.
fn debian() -> Result<PathBuf> {
    let toolchain = target().join("tools/rust-aarch64");
    if toolchain.join("usr/bin/rustc").exists() {
        return Ok(toolchain);
    }
    if !Path::new("/usr/bin/apt-get").exists() || !cfg!(target_arch = "x86_64") {
        bail!("this toolchain cannot compile for {TARGET}; run `rustup target add {TARGET}`");
    }
    let work = target().join("tools/rust-aarch64.new");
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    }
    let packages = work.join("packages");
    for folder in [&packages, &work.join("lists/partial"), &work.join("archives/partial")] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let apt = |options: &[String], arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(options).args(arguments).current_dir(&packages);
        check(&mut apt, &format!("apt-get {}", arguments.join(" ")))
    };
    apt(&[], &[&["download"], &PACKAGES[..]].concat())?;
    // Lists of their own, so that the system need not be told of a second kind of processor.
    let own = [
        "-oAPT::Architecture=arm64".to_owned(),
        "-oAPT::Architectures=arm64".to_owned(),
        format!("-oDir::State::lists={}", work.join("lists").display()),
        format!("-oDir::Cache={}", work.display()),
    ];
    apt(&own, &["update"])?;
    apt(&own, &["download", LIBRARY])?;
    let mut found = 0;
    for entry in fs::read_dir(&packages).with_context(|| format!("cannot read {}", packages.display()))? {
        let mut unpack = Command::new("dpkg");
        check(unpack.arg("-x").arg(entry?.path()).arg(&work), "dpkg -x")?;
        found += 1;
    }
    if found != PACKAGES.len() + 1 {
        bail!("apt-get downloaded {found} packages in place of {}", PACKAGES.len() + 1);
    }
    for folder in ["packages", "lists", "archives"] {
        fs::remove_dir_all(work.join(folder)).with_context(|| format!("cannot remove {folder}"))?;
    }
    fs::rename(&work, &toolchain).with_context(|| format!("cannot make {}", toolchain.display()))?;
    Ok(toolchain)
}
