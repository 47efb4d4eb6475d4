//! The bindings for Kotlin, Swift and Python: their sources, and their tests.

mod texts;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::{
    npm,
    process::{cargo, check, install, install_package, target},
    root,
};

/// Kotlin code of UniFFI for a handle that is an argument. It does not check whether the handle is closed, so a closed
/// handle would access freed memory.
const UNCHECKED_HANDLE: &str = "return value.uniffiCloneHandle()";
/// The same code with the check that UniFFI makes for the receiver of a call: a closed handle throws
/// `IllegalStateException`.
const CHECKED_HANDLE: &str = "return value.callWithHandle { it }";

/// Sources that are not generated, and their places among the generated ones.
const WRITTEN: [(&str, &str); 3] = [
    ("kotlin/Background.kt", "kotlin/org/quotapass/Background.kt"),
    ("python/quotapass_async.py", "python/quotapass_async.py"),
    ("swift/Background.swift", "swift/Background.swift"),
];

/// Environment variable with the path of a jna.jar, in place of the distribution's.
const JNA_VARIABLE: &str = "JNA_JAR";

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
fn bindings(out: &Path) -> Result<PathBuf> {
    cargo(["build", "--package", "quotapass-mobile", "--features", "bindgen"])?;
    let built = target().join("debug");
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = built.join(format!("{prefix}quotapass_mobile{suffix}"));
    let program = built.join(format!("uniffi-bindgen{}", std::env::consts::EXE_SUFFIX));
    for language in ["kotlin", "swift", "python"] {
        let mut command = Command::new(&program);
        command.arg("generate").arg(&library).args(["--no-format", "--language", language, "--out-dir"]);
        check(command.arg(out.join(language)).current_dir(root()), "uniffi-bindgen")?;
    }
    change(&out.join("kotlin/org/quotapass/quotapass.kt"), |source| texts::kotlin(&check_handles(source)?))?;
    change(&out.join("python/quotapass.py"), texts::python)?;
    change(&out.join("swift/Quotapass.swift"), texts::swift)?;
    for (source, place) in WRITTEN {
        fs::copy(mobile().join(source), out.join(place)).with_context(|| format!("cannot copy {source}"))?;
    }
    println!("wrote {}", out.display());
    Ok(library)
}

/// Changes a generated source.
fn change(path: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let source = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let changed = change(&source).with_context(|| format!("cannot adapt {}", path.display()))?;
    fs::write(path, changed).with_context(|| format!("cannot write {}", path.display()))
}

/// Adds the check of handles that are arguments to the Kotlin source.
fn check_handles(source: &str) -> Result<String> {
    let objects = source.matches(" fun uniffiCloneHandle(").count();
    if objects == 0 || source.matches(UNCHECKED_HANDLE).count() < objects {
        bail!("UniFFI changed its code for handles; check whether it tests arguments, and adapt this task");
    }
    Ok(source.replace(UNCHECKED_HANDLE, CHECKED_HANDLE))
}

/// Runs the tests of all languages.
pub fn test() -> Result<()> {
    let out = folder();
    let library = bindings(&out)?;
    python(&out, &library)?;
    kotlin(&out, &library)?;
    swift(&out)
}

fn python(out: &Path, library: &Path) -> Result<()> {
    install("python3", &["--version"], "python3", "install Python 3.9 or newer (https://www.python.org)")?;
    let module = out.join("python");
    copy(library, &module)?;
    let mut command = Command::new("python3");
    command.arg(mobile().join("python/test_quotapass.py")).env("PYTHONPATH", &module);
    check(&mut command, "the Python tests")
}

fn kotlin(out: &Path, library: &Path) -> Result<()> {
    install("java", &["-version"], "openjdk-17-jre-headless", "install Java 17 or newer (https://adoptium.net)")?;
    let jna = jna()?;
    let tests = mobile().join("kotlin");
    npm::install(&tests)?;
    let compiler = tests.join("node_modules/kotlin-compiler");
    let classes = out.join("tests.jar");
    let package = out.join("kotlin/org/quotapass");
    let sources = [package.join("quotapass.kt"), package.join("Background.kt"), tests.join("QuotapassTest.kt")];
    let mut command = Command::new(compiler.join("bin/kotlinc"));
    command.args(["-nowarn", "-classpath"]).arg(&jna).args(sources).arg("-d").arg(&classes);
    check(&mut command, "kotlinc")?;
    let native = out.join("kotlin");
    copy(library, &native)?;
    let path = std::env::join_paths([&jna, &classes, &compiler.join("lib/kotlin-stdlib.jar")])?;
    let mut library_path = OsString::from("-Djna.library.path=");
    library_path.push(&native);
    let mut command = Command::new("java");
    command.arg(library_path).arg("-classpath").arg(path).arg("QuotapassTestKt");
    check(&mut command, "the Kotlin tests")
}

/// Returns the path of Java Native Access, through which UniFFI's Kotlin code calls the library.
fn jna() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(JNA_VARIABLE) {
        return Ok(path.into());
    }
    let path = PathBuf::from("/usr/share/java/jna.jar");
    if !path.exists() {
        let advice =
            "get jna.jar 5.13 or newer (https://github.com/java-native-access/jna), and name it in the environment";
        install_package("libjna-java", &format!("{advice} variable {JNA_VARIABLE}"))?;
    }
    Ok(path)
}

/// Checks the Swift source with a parser, because Apple's compiler runs only on Apple's machines.
fn swift(out: &Path) -> Result<()> {
    let checks = mobile().join("swift");
    npm::install(&checks)?;
    let mut command = Command::new("node");
    check(command.arg("--test").current_dir(&checks).env("BINDINGS", out), "the checks of the Swift source")
}

fn copy(library: &Path, folder: &Path) -> Result<()> {
    let name = library.file_name().context("a library without a name")?;
    fs::copy(library, folder.join(name)).with_context(|| format!("cannot copy into {}", folder.display())).map(drop)
}

fn mobile() -> PathBuf {
    root().join("bindings/mobile")
}
