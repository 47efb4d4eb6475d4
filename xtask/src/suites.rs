//! `cargo xtask test`: every suite of the project.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use quotapass_bn254::backend::VARIABLE;

use crate::{
    backends, bench, contracts, mobile, npm,
    process::{cargo, check, target},
    prose, root, web,
};

/// Runs all suites in turn and stops at the first that fails. Prints how long each suite took, also when one fails, and
/// which tests did not run because the processor lacks their instructions.
pub fn run() -> Result<()> {
    ensure!(env::var_os(VARIABLE).is_none(), "unset {VARIABLE}: the suites run with each backend");
    let mut clock = Clock::default();
    let result = run_all(&mut clock);
    clock.print();
    for line in result? {
        println!("{line}");
    }
    println!("\n== all suites passed");
    Ok(())
}

/// Runs all suites. Returns a line for each test that did not run.
fn run_all(clock: &mut Clock) -> Result<BTreeSet<String>> {
    clock.announce("prose");
    prose::check()?;
    clock.announce("npm packages");
    // The Rust tests need npm packages: anvil and the Solidity compiler (among the contracts' tools), the driver of a
    // browser, and snarkjs.
    for packages in ["contracts", "tests/page", "tests/snarkjs"] {
        npm::install(&root().join(packages))?;
    }
    clock.announce("Rust");
    cargo(["test", "--workspace"])?;
    clock.announce("other backends");
    let not_run = backends::test()?;
    clock.announce("benchmarks, once each");
    for name in bench::NAMES.into_iter().chain([bench::RECORD, bench::PHONE]) {
        cargo(["test", "--workspace", "--bench", name, "--", "--short"])?;
    }
    cargo(["test", "--workspace", "--bench", "bn254", "--", "--short"])?;
    cargo(["test", "--workspace", "--bench", "chain", "--", "--test"])?;
    cargo(["test", "--workspace", "--bench", "relay", "--", "--test"])?;
    clock.announce("contracts");
    contracts::run(&contracts::Task::Test)?;
    clock.announce("snarkjs");
    snarkjs()?;
    clock.announce("Kotlin, Swift and Python");
    mobile::test()?;
    clock.announce("web");
    let native = web::prepare()?;
    web::test(&native)?;
    clock.announce("first proof");
    // The Rust suite has built the program, and the web suite the package.
    web::first_proof()?;
    clock.announce("bundles");
    web::test_bundles(&native, false)?;
    Ok(not_run)
}

/// How long each suite took.
#[derive(Default)]
struct Clock {
    ended: Vec<(&'static str, Duration)>,
    running: Option<(&'static str, Instant)>,
}

impl Clock {
    /// Ends the suite before, and prints the name of the next one.
    fn announce(&mut self, suite: &'static str) {
        self.end();
        self.running = Some((suite, Instant::now()));
        println!("\n== {suite}");
    }

    fn end(&mut self) {
        self.ended.extend(self.running.take().map(|(suite, begun)| (suite, begun.elapsed())));
    }

    /// Ends the last suite, and prints the table.
    fn print(&mut self) {
        self.end();
        println!("\n{:<28} {:>7}", "suite", "seconds");
        for (suite, took) in &self.ended {
            println!("{suite:<28} {:>7}", took.as_secs());
        }
    }
}

/// Exports the circuits and checks them with snarkjs.
fn snarkjs() -> Result<()> {
    let tests = root().join("tests/snarkjs");
    // The tests above have built the program. Building it separately would compile everything again with other
    // features.
    let target = target();
    let program = target.join("debug").join(format!("quotapass{}", env::consts::EXE_SUFFIX));
    let work = target.join("snarkjs");
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let (export, info) = (work.join("export"), work.join("info.json"));
    let quotapass = |arguments: &[&OsStr]| {
        let mut command = Command::new(&program);
        command.arg("circuit").args(arguments).env("QUOTAPASS_DATA_DIR", &work);
        command
    };
    let mut exporting = quotapass(&["export".as_ref(), "--out".as_ref(), export.as_os_str()]);
    check(exporting.stdout(Stdio::null()), "quotapass circuit export")?;
    let mut informing = quotapass(&["info".as_ref(), "--json".as_ref()]);
    check(informing.stdout(create(&info)?), "quotapass circuit info")?;
    let mut node = Command::new("node");
    node.arg("--test").current_dir(&tests).env("EXPORT", &export).env("INFO", &info);
    check(&mut node, "node --test in tests/snarkjs")
}

fn create(path: &Path) -> Result<fs::File> {
    fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))
}
