//! `cargo xtask test`: every suite of the project.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{bench, contracts, npm, root};

/// Runs all suites, or says which failed first.
pub fn run() -> Result<()> {
    // The Rust tests start anvil and the Solidity compiler, which npm brings with the contracts' tools, a browser, whose
    // driver npm brings, and snarkjs.
    for packages in ["contracts", "tests/page", "tests/snarkjs"] {
        npm::install(&root().join(packages))?;
    }
    announce("Rust");
    cargo(["test", "--workspace"])?;
    announce("benchmarks, once each");
    for name in bench::NAMES {
        cargo(["test", "--workspace", "--bench", name, "--", "--short"])?;
    }
    cargo(["test", "--workspace", "--bench", "chain", "--", "--test"])?;
    cargo(["test", "--workspace", "--bench", "relay", "--", "--test"])?;
    announce("contracts");
    contracts::run(&contracts::Task::Test)?;
    announce("snarkjs");
    snarkjs()?;
    announce("all suites passed");
    Ok(())
}

fn announce(suite: &str) {
    println!("\n== {suite}");
}

fn cargo<const N: usize>(arguments: [&str; N]) -> Result<()> {
    // The cargo that runs us, so that a toolchain chosen with `cargo +name` is kept.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    check(Command::new(cargo).args(arguments).current_dir(root()), &format!("cargo {}", arguments.join(" ")))
}

/// Exports the circuits and lets snarkjs check them.
fn snarkjs() -> Result<()> {
    let tests = root().join("tests/snarkjs");
    // The tests above have built the program; building it alone would compile everything with other features.
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder));
    let program = target.join("debug").join(format!("quotapass{}", std::env::consts::EXE_SUFFIX));
    let work = target.join("snarkjs");
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let (export, info) = (work.join("export"), work.join("info.json"));
    let quotapass = |arguments: &[&OsStr]| {
        let mut command = Command::new(&program);
        command.arg("circuit").args(arguments).env("QUOTAPASS_DATA_DIR", &work);
        command
    };
    let mut exporting = quotapass(&["export".as_ref(), "--out".as_ref(), export.as_os_str()]);
    check(exporting.stdout(Stdio::null()), "quotapass circuit export")?;
    let mut informing = quotapass(&["info".as_ref(), "--json".as_ref()]);
    check(informing.stdout(create(&info)?), "quotapass circuit info")?;
    let mut node = Command::new("node");
    node.arg("--test").current_dir(&tests).env("EXPORT", &export).env("INFO", &info);
    check(&mut node, "node --test in tests/snarkjs")
}

fn create(path: &Path) -> Result<fs::File> {
    fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn check(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {what}"))?;
    if !status.success() {
        bail!("{what} failed");
    }
    Ok(())
}
