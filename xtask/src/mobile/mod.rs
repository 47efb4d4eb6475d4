//! The bindings for Kotlin, Swift and Python: their sources, and their tests.

pub mod kotlin;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::{
    npm,
    process::{cargo, check, install, target},
    root, web,
};
use kotlin::Kotlin;

/// Sources that are not generated, and their places among the generated ones.
const WRITTEN: [(&str, &str); 3] = [
    ("kotlin/Background.kt", "kotlin/org/quotapass/Background.kt"),
    ("python/quotapass_async.py", "python/quotapass_async.py"),
    ("swift/Background.swift", "swift/Background.swift"),
];

#[derive(Subcommand)]
pub enum Task {
    /// Write the Kotlin, Swift and Python sources
    Bindings(Arguments),
    /// Write the sources, and run the tests of each language
    Test,
}

#[derive(Args)]
pub struct Arguments {
    /// Folder to write into [default: `bindings` in the target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The program that writes the sources.
const GENERATOR: &str = "mobile-bindgen";

/// Builds that program, and returns its path.
pub fn generator() -> Result<PathBuf> {
    cargo(["build", "--package", "quotapass-mobile", "--features", "bindgen"])?;
    Ok(target().join("debug").join(format!("{GENERATOR}{}", std::env::consts::EXE_SUFFIX)))
}

/// Runs a task.
pub fn run(task: &Task) -> Result<()> {
    match task {
        Task::Bindings(arguments) => bindings(&arguments.out.clone().unwrap_or_else(folder)).map(drop),
        Task::Test => test(),
    }
}

/// Returns the default folder of the sources.
fn folder() -> PathBuf {
    target().join("bindings")
}

/// Builds the library, and writes its sources. Returns the path of the library.
pub fn bindings(out: &Path) -> Result<PathBuf> {
    let program = generator()?;
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = program.with_file_name(format!("{prefix}quotapass_mobile{suffix}"));
    for language in ["kotlin", "swift", "python"] {
        let mut command = Command::new(&program);
        command.arg("generate").arg(&library).args(["--no-format", "--language", language, "--out-dir"]);
        check(command.arg(out.join(language)).current_dir(root()), GENERATOR)?;
    }
    for (source, place) in WRITTEN {
        fs::copy(folder_of_sources().join(source), out.join(place)).with_context(|| format!("cannot copy {source}"))?;
    }
    println!("wrote {}", out.display());
    Ok(library)
}

/// Runs the tests of all languages.
pub fn test() -> Result<()> {
    let out = folder();
    // The workspace's tests leave out a program that needs a feature.
    cargo(["test", "--package", "quotapass-mobile", "--features", "bindgen", "--bin", GENERATOR])?;
    let library = bindings(&out)?;
    // The log of the tests of rooms with moderation is that of the npm package.
    let native = web::native()?;
    python(&out, &library, native.fixture())?;
    kotlin(&out, &library, native.fixture())?;
    swift(&out)
}

fn python(out: &Path, library: &Path, fixture: &Path) -> Result<()> {
    install("python3", &["--version"], "python3", "install Python 3.9 or newer (https://www.python.org)")?;
    let module = out.join("python");
    copy(library, &module)?;
    let mut command = Command::new("python3");
    command.arg(folder_of_sources().join("python/test_quotapass.py")).env("PYTHONPATH", &module);
    command.env("FIXTURE", fixture);
    check(&mut command, "the Python tests")
}

fn kotlin(out: &Path, library: &Path, fixture: &Path) -> Result<()> {
    let kotlin = Kotlin::find()?;
    let classes = out.join("tests.jar");
    let mut sources = kotlin_sources(out);
    sources.push(folder_of_sources().join("kotlin/QuotapassTest.kt"));
    kotlin.compile(&[], &sources, &classes)?;
    let native = out.join("kotlin");
    copy(library, &native)?;
    let mut library_path = OsString::from("-Djna.library.path=");
    library_path.push(&native);
    kotlin.run(&[library_path], &[&classes], "QuotapassTestKt", &[("FIXTURE", fixture)])
}

/// The Kotlin sources in a folder that [`bindings`] has written.
pub fn kotlin_sources(out: &Path) -> Vec<PathBuf> {
    ["quotapass.kt", "Background.kt"].map(|name| out.join("kotlin/org/quotapass").join(name)).to_vec()
}

/// Checks the Swift source with a parser, because Apple's compiler runs only on Apple's machines.
fn swift(out: &Path) -> Result<()> {
    let checks = folder_of_sources().join("swift");
    npm::install(&checks)?;
    let mut command = Command::new("node");
    check(command.arg("--test").current_dir(&checks).env("BINDINGS", out), "the checks of the Swift source")
}

fn copy(library: &Path, folder: &Path) -> Result<()> {
    let name = library.file_name().context("a library without a name")?;
    fs::copy(library, folder.join(name)).with_context(|| format!("cannot copy into {}", folder.display())).map(drop)
}

/// The folder of the crate and of the sources that are not generated.
pub fn folder_of_sources() -> PathBuf {
    root().join("bindings/mobile")
}
