//! Helpers to run programs.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::root;

/// Returns cargo's target folder.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Returns the cargo that runs this program, so that a toolchain chosen with `cargo +name` is kept.
pub fn cargo_command() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Runs cargo in the root.
pub fn cargo<const N: usize>(arguments: [&str; N]) -> Result<()> {
    check(cargo_command().args(arguments), &format!("cargo {}", arguments.join(" ")))
}

/// Runs a cargo that only builds, and returns its messages about what it built.
pub fn messages(cargo: &mut Command) -> Result<Vec<Value>> {
    let output = cargo.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit()).output();
    let output = output.context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo failed");
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not text")?;
    messages.lines().map(|line| serde_json::from_str(line).context("cargo's messages are not JSON")).collect()
}

/// Runs a command, and returns an error if it fails.
pub fn check(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {what}"))?;
    if !status.success() {
        bail!("{what} failed");
    }
    Ok(())
}

/// Runs a command, and returns its output without the spaces around it.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout).with_context(|| format!("{program} printed no text"))?.trim().to_owned())
}

/// Ensures that a program runs. If it does not, installs the distribution's package with apt-get, or returns an error
/// with the advice.
pub fn install(program: &str, arguments: &[&str], package: &str, advice: &str) -> Result<()> {
    let runs = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if runs.is_ok_and(|status| status.success()) { Ok(()) } else { install_package(package, advice) }
}

/// Installs a package of the distribution, or returns an error with the advice.
pub fn install_package(package: &str, advice: &str) -> Result<()> {
    let apt = |arguments: &[&str]| {
        let status = Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status();
        status.is_ok_and(|status| status.success())
    };
    let arguments = ["install", "--yes", "--no-install-recommends", package];
    // The package lists may be missing or old.
    if apt(&arguments) || apt(&["update"]) && apt(&arguments) {
        return Ok(());
    }
    bail!("{package} is missing: {advice}")
}
