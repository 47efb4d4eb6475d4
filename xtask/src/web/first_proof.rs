//! The first proof: the example of README.md, unchanged, from `npm install` to `accepted`, against `quotapass dev`.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::package;
use crate::{npm, process::target};

/// Runs the example with the package as it is built, and with the program that `cargo test` or `cargo build` has built.
pub(super) fn run() -> Result<()> {
    let example = package().join("examples/first-proof");
    let modules = example.join("node_modules");
    if modules.exists() {
        // npm copied the package into it, which may have been built again since.
        fs::remove_dir_all(&modules).with_context(|| format!("cannot remove {}", modules.display()))?;
    }
    npm::install(&example)?;
    let _dev = Dev::start(&example)?;
    let output =
        Command::new("npm").args(["--silent", "start"]).current_dir(&example).stderr(Stdio::inherit()).output();
    let output = output.context("cannot run npm")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && said.contains("verdict: 'accepted'"),
        "the first proof was not accepted ({}):\n{said}",
        output.status
    );
    Ok(())
}

/// A running `quotapass dev` at the usual addresses, which the example names. Killed when this is dropped; anvil then ends
/// too.
struct Dev(Child);

impl Dev {
    /// Starts it as `npm run dev` does, with the programs of the example's packages. Waits until it listens.
    fn start(example: &Path) -> Result<Self> {
        let program = target().join("debug").join(format!("quotapass{}", env::consts::EXE_SUFFIX));
        ensure!(program.exists(), "{} is missing; run `cargo build`", program.display());
        let programs: Vec<PathBuf> = [example.join("node_modules/.bin")]
            .into_iter()
            .chain(env::var_os("PATH").iter().flat_map(env::split_paths))
            .collect();
        let mut command = Command::new(&program);
        command.args(["dev", "--json"]).current_dir(example).env("PATH", env::join_paths(programs)?);
        // The tests of the demo keep development keys there.
        command.env("QUOTAPASS_DATA_DIR", target().join("tmp/demo")).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut dev = Self(command.spawn().with_context(|| format!("cannot run {}", program.display()))?);
        let mut line = String::new();
        let output = dev.0.stdout.take().context("it has no standard output")?;
        BufReader::new(output).read_line(&mut line).context("cannot read the output of `quotapass dev`")?;
        ensure!(!line.is_empty(), "`quotapass dev` ended, for the reason above");
        Ok(dev)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
