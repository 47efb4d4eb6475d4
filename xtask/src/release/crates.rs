//! The libraries, as `cargo publish` would send them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{Made, build::Build, consumers, files};
use crate::{
    process::{check, output},
    root,
};

/// The libraries without the prefix of their names, each after those on which it depends. This is the order of
/// publication.
const LIBRARIES: [&str; 9] = ["bn254", "circuits", "setup", "text", "protocol", "registry", "wallet", "relay", "load"];
/// Files that each package has.
const FILES: [&str; 5] = ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"];

/// Packs the libraries. The test compiles them from their packages, all at once, so that cargo does not do it here.
pub fn make(build: &Build, out: &Path) -> Result<Made> {
    let mut cargo = build.cargo();
    // A checkout with changes is named at the end of the report, and `cargo publish` refuses it.
    cargo.args(["package", "--locked", "--no-verify", "--allow-dirty"]);
    for library in LIBRARIES {
        cargo.args(["--package", &format!("quotapass-{library}")]);
    }
    check(&mut cargo, "cargo package")?;
    let mut made = Made::default();
    for library in LIBRARIES {
        let file = format!("{}.crate", folder(build, library));
        let package = out.join(&file);
        files::copy(&build.target().join("package").join(&file), &package)?;
        made.paths.push(package);
    }
    Ok(made)
}

/// Unpacks the packages, and compiles and runs a program that takes the libraries from them and from nowhere else.
pub fn test(build: &Build, made: &Made, clean: &Path) -> Result<Vec<PathBuf>> {
    let packages = clean.join("packages");
    for package in &made.paths {
        files::untar(package, &packages)?;
    }
    for library in LIBRARIES {
        for file in FILES {
            let path = packages.join(folder(build, library)).join(file);
            ensure!(path.is_file(), "the package of quotapass-{library} lacks {file}");
        }
    }
    let project = clean.join("project");
    files::write(&project.join("Cargo.toml"), manifest(build))?;
    files::copy(&consumers().join("crates/main.rs"), &project.join("src/main.rs"))?;
    // The dependencies that this version is tested with. cargo removes those that the program does not have.
    files::copy(&root().join("Cargo.lock"), &project.join("Cargo.lock"))?;
    let mut cargo = build.cargo();
    cargo.args(["run", "--quiet"]).current_dir(&project).env("CARGO_TARGET_DIR", build.target().join("consumer"));
    check(&mut cargo, "the program with the libraries")?;
    let mut locked = build.cargo();
    locked.args(["tree", "--locked", "--depth", "1", "--prefix", "none"]).current_dir(&project);
    let tree = output(&mut locked)?;
    for library in LIBRARIES {
        let line = tree.lines().find(|line| line.starts_with(&format!("quotapass-{library} ")));
        let line = line.with_context(|| format!("the program does not depend on quotapass-{library}"))?;
        ensure!(line.contains(&*packages.to_string_lossy()), "quotapass-{library} is not from its package: {line}");
    }
    Ok(vec![packages])
}

/// The folder in a library's package, which is the name of the package too.
fn folder(build: &Build, library: &str) -> String {
    format!("quotapass-{library}-{}", build.version)
}

/// The manifest of the program: it depends on this version, and each library comes from its package.
fn manifest(build: &Build) -> String {
    let mut manifest = String::from(
        "[package]\nname = \"consumer\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[workspace]\n\n\
         [dependencies]\n",
    );
    for library in LIBRARIES {
        manifest += &format!("quotapass-{library} = \"={}\"\n", build.version);
    }
    manifest += "\n[patch.crates-io]\n";
    for library in LIBRARIES {
        manifest += &format!("quotapass-{library} = {{ path = \"../packages/{}\" }}\n", folder(build, library));
    }
    manifest
}
