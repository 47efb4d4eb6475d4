//! `cargo xtask api`: the public interfaces of the libraries, one item a line, in docs/api.
//!
//! A reviewer sees in the difference of a list what a change means for users of the library.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{cargo_command, check, target},
    root,
};

/// The libraries, without the prefix of their names.
const LIBRARIES: [&str; 9] = ["bn254", "circuits", "log", "protocol", "registry", "relay", "setup", "text", "wallet"];

/// Writes the lists, or fails if `only_check` is true and a list differs.
pub fn run(only_check: bool) -> Result<()> {
    let documentation = document()?;
    let mut stale = Vec::new();
    for library in LIBRARIES {
        let list = list(&documentation.join(format!("quotapass_{library}.json")))?;
        let name = format!("docs/api/quotapass-{library}.txt");
        let file = root().join(&name);
        if !only_check {
            fs::write(&file, list).with_context(|| format!("cannot write {name}"))?;
            continue;
        }
        // A list that is missing differs in each line.
        let known = fs::read_to_string(&file).unwrap_or_default();
        if known != list {
            print_difference(&known, &list);
            stale.push(name);
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!(
        "not up to date: {}; run `cargo xtask api`, and commit the lists with the change. A line that is gone (-) can \
         break programs: mark the entry in CHANGELOG.md with **Breaking**",
        stale.join(", ")
    )
}

/// Writes the libraries' documentation as JSON, with all features, and returns its folder.
fn document() -> Result<PathBuf> {
    // A separate target folder: many build scripts run again when RUSTC_BOOTSTRAP changes, and what depends on them is
    // then compiled again.
    let folder = target().join("api");
    let mut cargo = cargo_command();
    cargo.args(["doc", "--locked", "--no-deps", "--lib", "--all-features"]);
    for library in LIBRARIES {
        cargo.args(["--package", &format!("quotapass-{library}")]);
    }
    cargo
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json");
    check(&mut cargo, "cargo doc")?;
    Ok(folder.join("doc"))
}

/// Returns the list of a library's JSON, made by the program `api` of this crate, which is compiled only for this
/// purpose.
fn list(json: &Path) -> Result<String> {
    let mut api = cargo_command();
    api.args(["run", "--quiet", "--package", "xtask", "--features", "api", "--bin", "api", "--"]).arg(json);
    let output = api.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot list {}: {}", json.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Prints the lines that only one of two lists has.
fn print_difference(known: &str, found: &str) {
    let [known, found] = [known, found].map(|list| list.lines().collect::<BTreeSet<_>>());
    for line in known.difference(&found) {
        println!("-{line}");
    }
    for line in found.difference(&known) {
        println!("+{line}");
    }
}
