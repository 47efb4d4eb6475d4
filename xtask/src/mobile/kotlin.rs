//! The Kotlin compiler, which npm provides, and the JVM with Java Native Access.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::folder_of_sources;
use crate::{
    npm,
    process::{check, install, install_package},
};

/// Environment variable with the path of a jna.jar, in place of the distribution's.
const JNA_VARIABLE: &str = "JNA_JAR";
/// Name of the compiler's npm package.
const COMPILER: &str = "kotlin-compiler";

/// A compiler and the libraries that each program needs.
pub struct Kotlin {
    compiler: PathBuf,
    jna: PathBuf,
}

impl Kotlin {
    /// Finds Java, Java Native Access and the compiler. Installs what is missing, or returns an error with the advice.
    pub fn find() -> Result<Self> {
        install("java", &["-version"], "openjdk-17-jre-headless", "install Java 17 or newer (https://adoptium.net)")?;
        let jna = jna()?;
        let folder = folder_of_sources().join("kotlin");
        npm::install(&folder)?;
        Ok(Self { compiler: folder.join("node_modules").join(COMPILER), jna })
    }

    /// The version of the compiler and of its standard library.
    pub fn version() -> Result<String> {
        let manifest = folder_of_sources().join("kotlin/package.json");
        let text = std::fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        let manifest: Value = serde_json::from_str(&text)?;
        Ok(manifest["devDependencies"][COMPILER].as_str().context("package.json names no Kotlin compiler")?.to_owned())
    }

    /// Compiles sources into a jar or a folder. `libraries` are needed besides Java Native Access.
    pub fn compile(&self, libraries: &[&Path], sources: &[PathBuf], out: &Path) -> Result<()> {
        let path = std::env::join_paths(libraries.iter().copied().chain([self.jna.as_path()]))?;
        let mut command = Command::new(self.compiler.join("bin/kotlinc"));
        command.args(["-nowarn", "-classpath"]).arg(path).args(sources).arg("-d").arg(out);
        check(&mut command, "kotlinc")
    }

    /// Runs the program of a class in `libraries`, with variables in its environment.
    pub fn run(&self, options: &[OsString], libraries: &[&Path], class: &str, env: &[(&str, &Path)]) -> Result<()> {
        let standard = self.compiler.join("lib/kotlin-stdlib.jar");
        let path = std::env::join_paths([self.jna.as_path(), &standard].into_iter().chain(libraries.iter().copied()))?;
        let mut command = Command::new("java");
        command.args(options).arg("-classpath").arg(path).arg(class).envs(env.iter().copied());
        check(&mut command, &format!("the Kotlin program {class}"))
    }
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
