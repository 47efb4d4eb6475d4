//! Tests and benchmarks of the arithmetic and the circuits on aarch64, the processor of phones, under qemu.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{
    debian::Toolchain,
    process::{cargo_command, check, install, messages, target},
};

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Command that runs the tests. The aarch64 libraries are those that Debian's packages provide for the linker.
const RUNNER: &str = "qemu-aarch64-static -L /usr/aarch64-linux-gnu";

/// Builds the suite for aarch64, and runs it.
pub fn test() -> Result<()> {
    if cfg!(target_arch = "aarch64") {
        println!("nothing to do: this machine is aarch64, and the other suites cover it");
        return Ok(());
    }
    let mut cargo = cargo()?;
    // Examples in the documentation run only on this machine's processor, with the other suites.
    cargo.args(["test", "--package", "quotapass-bn254", "--package", "quotapass-circuits"]);
    cargo.args(["--lib", "--tests", "--target", TARGET]);
    check(&mut cargo, "the tests of the circuits on aarch64")
}

/// Builds a benchmark of the circuits for aarch64, and returns the path of its program.
pub fn build_bench(name: &str) -> Result<String> {
    let mut cargo = cargo()?;
    cargo.args(["bench", "--no-run", "--package", "quotapass-circuits", "--bench", name, "--target", TARGET]);
    let messages = messages(&mut cargo).with_context(|| format!("cannot build the benchmark `{name}` for aarch64"))?;
    let mut programs = messages.iter().filter_map(|message| message["executable"].as_str().map(str::to_owned));
    programs.next().with_context(|| format!("cargo built no program for the benchmark `{name}`"))
}

/// Returns a cargo that builds for aarch64 and runs the result. Installs the programs that it needs.
fn cargo() -> Result<Command> {
    let advice = |package| format!("install {package} (qemu's emulation of user programs, and a linker for {TARGET})");
    install("qemu-aarch64-static", &["--version"], "qemu-user-static", &advice("qemu-user-static"))?;
    install("aarch64-linux-gnu-gcc", &["--version"], "gcc-aarch64-linux-gnu", &advice("gcc-aarch64-linux-gnu"))?;
    let mut cargo = cargo_command();
    cargo
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", RUNNER);
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let libraries = libraries.context("cannot run rustc")?.stdout;
    if !Path::new(String::from_utf8_lossy(&libraries).trim()).exists() {
        // Use Debian's compiler, because the one in use lacks the target.
        let advice = format!("this toolchain cannot compile for {TARGET}; run `rustup target add {TARGET}`");
        let toolchain = Toolchain::fetch(&advice)?;
        toolchain.add(TARGET, "arm64")?;
        toolchain.serve(&mut cargo)?;
        // A separate target folder: two compilers that share one would compile everything again each time.
        cargo.env("CARGO_TARGET_DIR", target().join("aarch64"));
    }
    Ok(cargo)
}
