//! The Python wheel, by maturin: for every Python 3, and for every Linux since glibc 2.17.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{Made, build::Build, consumers, files, tools};
use crate::{mobile, process::check, root};

/// Folder with `pyproject.toml`.
const PROJECT: &str = "bindings/mobile/python";
/// Lowest version of glibc, in the names of wheels: the lowest that Rust's standard library supports.
const COMPATIBILITY: &str = "manylinux2014";

/// Builds the library, and packs it with its module.
pub fn make(build: &Build, out: &Path) -> Result<Made> {
    // maturin runs `uniffi-bindgen` from the PATH, if no package of the workspace has a program of this name. It would
    // start one of the workspace without naming its package.
    let programs = build.work("wheel")?;
    let generator = programs.join("uniffi-bindgen");
    fs::copy(mobile::generator()?, &generator).with_context(|| format!("cannot write {}", generator.display()))?;
    // A program is looked up in the PATH of the command.
    let mut maturin = Command::new("maturin");
    tools::python(&mut maturin, Some(programs))?;
    build.prepare(&mut maturin);
    maturin
        .args(["build", "--locked", "--zig", "--compatibility", COMPATIBILITY, "--out"])
        .arg(out)
        .current_dir(root().join(PROJECT))
        // UniFFI's generator reads the symbols that the profile would remove. zig's linker removes them also if it is asked
        // to remove debugging information alone.
        .env("CARGO_PROFILE_MOBILE_STRIP", "none");
    check(&mut maturin, "maturin build")?;
    strip(build, &files::only(out, ".whl")?, out)?;
    Ok(Made::file(files::only(out, ".whl")?))
}

/// Removes the symbols and the debugging information from the library in a wheel. zig adds its own code with debugging
/// information, which has folders of this machine.
fn strip(build: &Build, wheel: &Path, out: &Path) -> Result<()> {
    let work = build.work("wheel-stripped")?;
    let tool = |arguments: &[&str], paths: &[&Path], name: &str| {
        let mut python = Command::new("python");
        tools::python(&mut python, None)?;
        build.prepare(&mut python);
        check(python.args(["-m", "wheel"]).args(arguments).args(paths), name)
    };
    tool(&["unpack", "--dest"], &[&work, wheel], "wheel unpack")?;
    let mut strip = Command::new("strip");
    check(strip.arg("--strip-unneeded").arg(files::only(&work, "libquotapass_mobile.so")?), "strip")?;
    // The folder that was unpacked has the name and the version of the package.
    let mut unpacked = fs::read_dir(&work).with_context(|| format!("cannot read {}", work.display()))?;
    let folder = unpacked.next().context("the wheel is empty")??.path();
    // The file list in the wheel is written anew, and the wheel replaced.
    tool(&["pack", "--dest-dir"], &[out, &folder], "wheel pack")
}

/// Installs the wheel into a new virtual environment, and runs a program that imports it.
pub fn test(made: &Made, clean: &Path) -> Result<Vec<PathBuf>> {
    let wheel = made.paths.first().context("no wheel was made")?;
    let name = wheel.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    ensure!(name.contains("-py3-none-manylinux"), "{name} is not for every Python 3 on Linux");
    let unpacked = clean.join("unpacked");
    let mut unzip = Command::new("python3");
    check(unzip.args(["-m", "zipfile", "--extract"]).arg(wheel).arg(&unpacked), "python3 -m zipfile")?;
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "METADATA", "quotapass_async.py"] {
        files::only(&unpacked, file)?;
    }
    let programs = tools::virtual_environment(clean.join("environment"))?;
    let mut pip = Command::new(programs.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-index"]).arg(wheel);
    check(&mut pip, "pip install of the wheel")?;
    let mut python = Command::new(programs.join("python"));
    // -I: neither the folder of the program nor PYTHONPATH may provide the module.
    python.arg("-I").arg(consumers().join("python/use.py")).current_dir(clean);
    check(&mut python, "the program with the wheel")?;
    Ok(vec![unpacked])
}
