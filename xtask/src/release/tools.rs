//! Programs that a release needs and that the distribution lacks, in `tools` of the target folder.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::files;
use crate::{
    process::{cargo_command, check, install, target},
    root,
};

/// Packages from PyPI: maturin packs the wheel, and cargo-zigbuild and maturin link with ziglang, which has the symbols of
/// old versions of glibc. wheel unpacks and packs a wheel.
const PYTHON: [&str; 4] = ["cargo-zigbuild==0.24.0", "maturin==1.16.0", "wheel==0.48.0", "ziglang==0.17.1"];
/// Program from crates.io that lists dependencies, and its version.
const CYCLONEDX: (&str, &str) = ("cargo-cyclonedx", "0.5.9");

fn tools() -> PathBuf {
    target().join("tools")
}

/// Creates a virtual environment of Python, and returns the folder of its programs.
pub fn virtual_environment(folder: PathBuf) -> Result<PathBuf> {
    let advice = "install Python 3.9 or newer with its module venv (https://www.python.org)";
    // On Debian the module venv exists without the package, but its part ensurepip does not.
    install("python3", &["-c", "import ensurepip, venv"], "python3-venv", advice)?;
    let folder = files::empty(folder)?;
    check(Command::new("python3").args(["-m", "venv"]).arg(&folder), "python3 -m venv")?;
    Ok(folder.join("bin"))
}

/// Installs the packages from PyPI, and makes a command find their programs first, after those of another folder.
pub fn python(command: &mut Command, own: Option<PathBuf>) -> Result<()> {
    let folder = tools().join("python");
    let mut programs = folder.join("bin");
    if !programs.join("pip").exists() {
        programs = virtual_environment(folder.clone())?;
    }
    let mut pip = Command::new(programs.join("pip"));
    check(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(PYTHON), "pip install of maturin")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().chain([programs]).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).context("PATH cannot name the folder of the Python programs")?;
    command.env("PATH", path).env("VIRTUAL_ENV", folder);
    Ok(())
}

/// Installs the program that lists dependencies, and returns its path.
pub fn cyclonedx() -> Result<PathBuf> {
    let (name, version) = CYCLONEDX;
    // The version is in the name, so that another one is installed beside it.
    let folder = tools().join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if !program.exists() {
        let mut cargo = cargo_command();
        cargo.args(["install", "--locked", "--version", version, name, "--root"]).arg(&folder).current_dir(root());
        check(cargo.env_remove("CARGO_TARGET_DIR"), &format!("cargo install {name}"))?;
    }
    Ok(program)
}
