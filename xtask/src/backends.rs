//! The suites of the arithmetic and the circuits, with the backends that `cargo test` alone does not choose.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use quotapass_bn254::backend::{Backend, VARIABLE};

use crate::{
    process::{cargo_command, messages},
    root,
};

/// Folders of the packages whose suites run with each backend.
const PACKAGES: [&str; 2] = ["crates/bn254", "circuits"];
/// Beginning of the line that a test of vector code prints if the processor lacks the instructions.
const NOT_RUN: &str = "vectors not available: ";

/// Runs the suites with each available backend but the best, with which `cargo test --workspace` has run before. Returns
/// a line for each test that did not run because the processor lacks its instructions.
pub fn test() -> Result<BTreeSet<String>> {
    let suites = suites()?;
    let mut not_run = BTreeSet::new();
    for backend in Backend::ALL.iter().filter(|backend| **backend != Backend::best()) {
        if backend.is_available() {
            for suite in &suites {
                suite.run(*backend, &mut not_run)?;
            }
        } else {
            not_run.insert(format!("{NOT_RUN}no suite ran with the backend `{}`", backend.name()));
        }
    }
    Ok(not_run)
}

/// A program with tests.
struct Suite {
    program: PathBuf,
    /// The folder of its package, in which it runs.
    folder: PathBuf,
}

/// Returns the programs that `cargo test --workspace` runs for the packages. Selecting the packages alone would compile
/// their dependencies again with other features.
fn suites() -> Result<Vec<Suite>> {
    let messages = messages(cargo_command().args(["test", "--workspace", "--no-run"]))?;
    let folders = PACKAGES.map(|folder| root().join(folder));
    let mut suites = Vec::new();
    for message in messages {
        let manifest = message["manifest_path"].as_str().map(PathBuf::from);
        let folder = manifest.as_deref().and_then(|manifest| manifest.parent());
        if let (Some(folder), Some(program), Some(true)) =
            (folder, message["executable"].as_str(), message["profile"]["test"].as_bool())
            && folders.iter().any(|tested| tested == folder)
        {
            suites.push(Suite { program: program.into(), folder: folder.to_owned() });
        }
    }
    ensure!(!suites.is_empty(), "cargo built no tests for {}", PACKAGES.join(" and "));
    Ok(suites)
}

impl Suite {
    /// Runs the tests with a backend, and adds the lines of the tests that did not run.
    fn run(&self, backend: Backend, not_run: &mut BTreeSet<String>) -> Result<()> {
        let name = format!("{} with the backend `{}`", self.program.display(), backend.name());
        println!("-- {name}");
        let mut tests = Command::new(&self.program);
        tests.current_dir(&self.folder).env(VARIABLE, backend.name()).stderr(Stdio::piped());
        let mut tests = tests.spawn().with_context(|| format!("cannot run {name}"))?;
        for line in BufReader::new(tests.stderr.take().context("no standard error")?).lines() {
            let line = line?;
            eprintln!("{line}");
            if line.starts_with(NOT_RUN) {
                not_run.insert(line);
            }
        }
        ensure!(tests.wait()?.success(), "{name} failed");
        Ok(())
    }
}
