//! A folder in the form of a Maven repository: the jar for the JVM with its native library, and the AAR for Android where
//! the NDK is installed.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{Made, build::Build, consumers, files, tools};
use crate::{
    mobile::{self, kotlin::Kotlin},
    process::{check, output},
    root,
};

/// Folder of the group `org.quotapass`.
const GROUP: &str = "org/quotapass";
/// Version of Java Native Access. Android needs the AAR of it.
const JNA: &str = "5.17.0";
/// Lowest version of glibc: the lowest that Rust's standard library supports.
const GLIBC: &str = "2.17";
/// Lowest level of Android's interfaces.
const ANDROID: &str = "24";
/// Rust's targets for Android, with the name of the folder in an AAR, and the prefix of the NDK's linker.
const ANDROID_TARGETS: [(&str, &str, &str); 4] = [
    ("aarch64-linux-android", "arm64-v8a", "aarch64-linux-android"),
    ("armv7-linux-androideabi", "armeabi-v7a", "armv7a-linux-androideabi"),
    ("x86_64-linux-android", "x86_64", "x86_64-linux-android"),
    ("i686-linux-android", "x86", "i686-linux-android"),
];
/// Environment variables that name the NDK.
const NDK_VARIABLES: [&str; 2] = ["ANDROID_NDK_HOME", "ANDROID_NDK_ROOT"];
const LIBRARY: &str = "libquotapass_mobile.so";

/// Fills the repository.
pub fn make(build: &Build, out: &Path) -> Result<Made> {
    let work = build.work("maven")?;
    let sources = work.join("sources");
    mobile::bindings(&sources)?;
    let classes = work.join("classes");
    Kotlin::find()?.compile(&[], &mobile::kotlin_sources(&sources), &classes)?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        files::copy(&root().join(licence), &classes.join("META-INF").join(licence))?;
    }

    let jar = work.join("jar");
    super::program::copy_below(&classes, &jar)?;
    files::write(&jar.join("META-INF/MANIFEST.MF"), "Manifest-Version: 1.0\nAutomatic-Module-Name: org.quotapass\n")?;
    files::copy(&library(build)?, &jar.join(jna_folder(&build.host)?).join(LIBRARY))?;
    let artifact = Artifact { name: "quotapass", packaging: "jar", version: build.version };
    files::zip(build, &jar, &artifact.place(out, ".jar")?)?;
    artifact.complete(build, &work, &sources, out)?;

    let mut made = Made::file(out.to_owned());
    match ndk()? {
        Some(ndk) => {
            let artifact = Artifact { name: "quotapass-android", packaging: "aar", version: build.version };
            let aar = android(build, &ndk, &classes, &work)?;
            files::zip(build, &aar, &artifact.place(out, ".aar")?)?;
            artifact.complete(build, &work, &sources, out)?;
        }
        None => {
            let variables = NDK_VARIABLES.join(" or ");
            made.left_out.push(format!("the AAR: name the folder of the Android NDK (r28 or newer) in {variables}"));
        }
    }
    for file in files::below(out)? {
        hash(&file)?;
    }
    Ok(made)
}

/// Compiles a program against the jar in the repository, and runs it with nothing but the jar's dependencies.
pub fn test(build: &Build, made: &Made, clean: &Path) -> Result<Vec<PathBuf>> {
    let repository = made.paths.first().context("no repository was made")?;
    let copied = clean.join("repository");
    super::program::copy_below(repository, &copied)?;
    let mut poms = Command::new("python3");
    poms.args(["-c", "import sys, xml.etree.ElementTree as tree\nfor name in sys.argv[1:]: tree.parse(name)"]);
    let artifact = Artifact { name: "quotapass", packaging: "jar", version: build.version };
    check(poms.arg(artifact.place(&copied, ".pom")?), "the reading of the POM")?;
    for suffix in [".jar", ".pom", "-sources.jar", "-javadoc.jar"] {
        let file = artifact.place(&copied, suffix)?;
        let found = output(Command::new("sha1sum").arg(&file))?;
        let stated = files::read(&with_ending(&file, "sha1"))?;
        ensure!(found.starts_with(&stated), "{} is not the file that its SHA-1 is of", file.display());
    }
    let kotlin = Kotlin::find()?;
    let (jar, program) = (artifact.place(&copied, ".jar")?, clean.join("use.jar"));
    kotlin.compile(&[&jar], &[consumers().join("kotlin/Use.kt")], &program)?;
    kotlin.run(&[], &[&jar, &program], "UseKt", &[])?;
    let unpacked = clean.join("unpacked");
    let mut unzip = Command::new("python3");
    check(unzip.args(["-m", "zipfile", "--extract"]).arg(&jar).arg(&unpacked), "python3 -m zipfile")?;
    Ok(vec![unpacked])
}

/// A thing of a repository, by its coordinates.
struct Artifact {
    name: &'static str,
    packaging: &'static str,
    version: &'static str,
}

impl Artifact {
    /// The path of a file in a repository.
    fn place(&self, repository: &Path, suffix: &str) -> Result<PathBuf> {
        let folder = repository.join(GROUP).join(self.name).join(self.version);
        files::create(&folder)?;
        Ok(folder.join(format!("{}-{}{suffix}", self.name, self.version)))
    }

    /// Writes what Maven Central requires besides the artifact itself: the POM, the sources, and a jar of documentation.
    fn complete(&self, build: &Build, work: &Path, sources: &Path, out: &Path) -> Result<()> {
        files::write(&self.place(out, ".pom")?, self.pom(&Kotlin::version()?))?;
        files::zip(build, &sources.join("kotlin"), &self.place(out, "-sources.jar")?)?;
        let documentation = work.join("documentation");
        files::copy(&mobile::folder_of_sources().join("README.md"), &documentation.join("README.md"))?;
        files::zip(build, &documentation, &self.place(out, "-javadoc.jar")?)
    }

    fn pom(&self, kotlin: &str) -> String {
        let jna_type = if self.packaging == "aar" { "\n      <type>aar</type>" } else { "" };
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.quotapass</groupId>
  <artifactId>{name}</artifactId>
  <version>{version}</version>
  <packaging>{packaging}</packaging>
  <name>{name}</name>
  <description>Anonymous rate limiting with deposits: identities, memberships, proofs and their verification</description>
  <url>https://github.com/quotapass/quotapass</url>
  <licenses>
    <license><name>MIT</name><url>https://opensource.org/license/mit</url></license>
    <license><name>Apache-2.0</name><url>https://www.apache.org/licenses/LICENSE-2.0</url></license>
  </licenses>
  <developers>
    <developer><name>The quotapass contributors</name><url>https://github.com/quotapass</url></developer>
  </developers>
  <scm>
    <connection>scm:git:https://github.com/quotapass/quotapass.git</connection>
    <url>https://github.com/quotapass/quotapass</url>
    <tag>v{version}</tag>
  </scm>
  <dependencies>
    <dependency>
      <groupId>net.java.dev.jna</groupId>
      <artifactId>jna</artifactId>
      <version>{JNA}</version>{jna_type}
    </dependency>
    <dependency>
      <groupId>org.jetbrains.kotlin</groupId>
      <artifactId>kotlin-stdlib</artifactId>
      <version>{kotlin}</version>
    </dependency>
  </dependencies>
</project>
"#,
            name = self.name,
            version = self.version,
            packaging = self.packaging,
        )
    }
}

/// Compiles the library for any Linux on this processor, and returns its path.
fn library(build: &Build) -> Result<PathBuf> {
    let mut cargo = build.cargo();
    tools::python(&mut cargo, None)?;
    cargo.args(["zigbuild", "--locked", "--package", "quotapass-mobile", "--lib", "--profile", "mobile"]);
    cargo.arg("--target").arg(format!("{}.{GLIBC}", build.host));
    check(&mut cargo, "cargo zigbuild of the library")?;
    Ok(build.target().join(&build.host).join("mobile").join(LIBRARY))
}

/// The folder in a jar in which Java Native Access looks for the libraries of a machine.
fn jna_folder(host: &str) -> Result<&'static str> {
    match host.split_once('-') {
        Some(("x86_64", _)) => Ok("linux-x86-64"),
        Some(("aarch64", _)) => Ok("linux-aarch64"),
        _ => bail!("no jar is made on {host}"),
    }
}

/// The folder of the NDK, if one is named.
fn ndk() -> Result<Option<PathBuf>> {
    let Some(folder) = NDK_VARIABLES.iter().find_map(std::env::var_os) else { return Ok(None) };
    let programs = Path::new(&folder).join("toolchains/llvm/prebuilt/linux-x86_64/bin");
    ensure!(programs.is_dir(), "{} is not the folder of an Android NDK", Path::new(&folder).display());
    Ok(Some(programs))
}

/// Compiles the libraries for Android, and lays out the content of the AAR.
fn android(build: &Build, ndk: &Path, classes: &Path, work: &Path) -> Result<PathBuf> {
    let aar = work.join("aar");
    for (target, folder, prefix) in ANDROID_TARGETS {
        let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
        ensure!(Path::new(&libraries).exists(), "the toolchain lacks a target; run `rustup target add {target}`");
        let mut cargo = build.cargo();
        cargo.args(["rustc", "--locked", "--package", "quotapass-mobile", "--lib", "--crate-type", "cdylib"]);
        cargo.args(["--profile", "mobile", "--target", target]);
        let variable = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        cargo.env(variable, ndk.join(format!("{prefix}{ANDROID}-clang")));
        check(&mut cargo, &format!("cargo rustc for {target}"))?;
        let library = build.target().join(target).join("mobile").join(LIBRARY);
        files::copy(&library, &aar.join("jni").join(folder).join(LIBRARY))?;
    }
    files::zip(build, classes, &aar.join("classes.jar"))?;
    files::write(&aar.join("AndroidManifest.xml"), android_manifest())?;
    // JNA finds classes by their names, so that no optimiser may rename them.
    files::write(
        &aar.join("proguard.txt"),
        "-keep class com.sun.jna.** { *; }\n-keep class org.quotapass.** { *; }\n-dontwarn java.awt.*\n",
    )?;
    files::write(&aar.join("R.txt"), "")?;
    Ok(aar)
}

fn android_manifest() -> String {
    format!(
        "<manifest xmlns:android=\"http://schemas.android.com/apk/res/android\" package=\"org.quotapass\">\n  \
         <uses-sdk android:minSdkVersion=\"{ANDROID}\" />\n</manifest>\n"
    )
}

/// Writes the hashes of a file that Maven compares after a download.
fn hash(file: &Path) -> Result<()> {
    for (program, ending) in [("md5sum", "md5"), ("sha1sum", "sha1")] {
        let line = output(Command::new(program).arg(file))?;
        let hash = line.split_whitespace().next().with_context(|| format!("{program} printed nothing"))?;
        files::write(&with_ending(file, ending), hash)?;
    }
    Ok(())
}

/// The path with another ending after its own.
fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_pom_names_its_coordinates_and_dependencies() {
        let artifact = Artifact { name: "quotapass-android", packaging: "aar", version: "1.2.3" };
        let pom = artifact.pom("2.4.20");
        assert!(pom.contains("<artifactId>quotapass-android</artifactId>\n  <version>1.2.3</version>"));
        assert!(pom.contains("<version>5.17.0</version>\n      <type>aar</type>"));
        assert!(pom.contains("<version>2.4.20</version>"));
        assert!(!Artifact { packaging: "jar", ..artifact }.pom("2.4.20").contains("<type>"));
    }

    #[test]
    fn the_dependency_on_jna_is_the_one_of_the_documentation() {
        let readme = files::read(&mobile::folder_of_sources().join("README.md")).unwrap();
        assert!(readme.contains(&format!("net.java.dev.jna:jna:{JNA}@aar")));
    }

    #[test]
    fn libraries_are_where_jna_looks_for_them() {
        assert_eq!(jna_folder("x86_64-unknown-linux-gnu").unwrap(), "linux-x86-64");
        assert!(jna_folder("riscv64gc-unknown-linux-gnu").is_err());
    }
}
