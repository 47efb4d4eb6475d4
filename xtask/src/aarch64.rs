//! The tests of the circuits on aarch64, the processor of phones, under qemu.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{
    debian::Toolchain,
    process::{check, install, target},
    root,
};

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// What runs the tests: Debian's packages bring the libraries of the other processor for the linker, and they serve here too.
const RUNNER: &str = "qemu-aarch64-static -L /usr/aarch64-linux-gnu";

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
    cargo
        .current_dir(root())
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", RUNNER)
        // Examples in the documentation run on this processor alone, with the other suites.
        .args(["test", "--package", "quotapass-circuits", "--lib", "--tests", "--target", TARGET]);
    check(&mut cargo, "the tests of the circuits on aarch64")
}

/// The cargo in use, with Debian's compiler if its own lacks the target.
fn cargo() -> Result<Command> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let libraries = libraries.context("cannot run rustc")?.stdout;
    if !Path::new(String::from_utf8_lossy(&libraries).trim()).exists() {
        let advice = format!("this toolchain cannot compile for {TARGET}; run `rustup target add {TARGET}`");
        let toolchain = Toolchain::fetch(&advice)?;
        toolchain.add(TARGET, "arm64")?;
        toolchain.serve(&mut cargo)?;
        // Its own folder, for another compiler would compile everything anew each time.
        cargo.env("CARGO_TARGET_DIR", target().join("aarch64"));
    }
    Ok(cargo)
}
