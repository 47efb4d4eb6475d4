//! The project's own tasks: `cargo xtask help` lists them.

mod aarch64;
mod api;
mod backends;
mod bench;
mod contracts;
mod debian;
mod folders;
mod marks;
mod mobile;
mod names;
mod npm;
mod poseidon;
mod process;
mod prose;
mod reference;
mod registry_abi;
mod release;
mod suites;
mod web;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, generates and tests everything that cargo alone does not")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write the generated sources and tables of documents, or check that they are up to date
    Generate {
        /// Write nothing; fail if a file differs
        #[arg(long)]
        check: bool,
    },
    /// List the public interfaces of the libraries in docs/api, or check that the lists are up to date
    Api {
        /// Write nothing; fail if a list differs
        #[arg(long)]
        check: bool,
    },
    /// Reject phrases that this project's documents, comments and messages do not use
    Prose,
    /// Run every suite: Rust, the contracts under forge, the exports under snarkjs, the bindings
    Test {
        /// Run only the tests of the circuits, on aarch64 under qemu; takes long
        #[arg(long)]
        aarch64: bool,
        /// Run only the tests in which reference code of others, in Go, reads a log
        #[arg(long, conflicts_with = "aarch64")]
        reference: bool,
    },
    /// Measure beside the crate `rln`, and write docs/benchmarks.md and its plots
    Bench(bench::Arguments),
    /// Build, check, test or measure the contracts
    #[command(subcommand)]
    Contracts(contracts::Task),
    /// Write or test the bindings for Kotlin, Swift and Python
    #[command(subcommand)]
    Mobile(mobile::Task),
    /// Make the packages of a release: npm, wheel, maven, swift, crates, deb, archive, container, sbom
    Release(release::Arguments),
    /// Build, test or measure the npm package in bindings/web
    #[command(subcommand)]
    Web(web::Task),
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Generate { check } => generate(check),
        Task::Api { check } => api::run(check),
        Task::Prose => prose::check(),
        Task::Test { aarch64: true, .. } => aarch64::test(),
        Task::Test { reference: true, .. } => reference::test(),
        Task::Test { aarch64: false, reference: false } => suites::run(),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Contracts(task) => contracts::run(&task),
        Task::Mobile(task) => mobile::run(&task),
        Task::Release(arguments) => release::run(&arguments),
        Task::Web(task) => web::run(&task),
    }
}

/// Returns the repository's root, the folder above this crate.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository").to_path_buf()
}

fn generate(check: bool) -> Result<()> {
    let lists = poseidon::generated_files().into_iter().chain(names::generated_files()?);
    for (path, content) in lists.chain([registry_abi::generated_file()?]) {
        write_or_check(&root().join(path), &content, check, "cargo xtask generate")?;
    }
    Ok(())
}

/// Writes a generated file, or fails if it is not up to date.
fn write_or_check(file: &Path, content: &str, check: bool, task: &str) -> Result<()> {
    let name = file.display();
    if !check {
        return fs::write(file, content).with_context(|| format!("cannot write {name}"));
    }
    let found = fs::read_to_string(file).with_context(|| format!("cannot read {name}; run `{task}`"))?;
    ensure!(found == content, "{name} is not up to date; run `{task}`");
    Ok(())
}
