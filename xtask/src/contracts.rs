//! Builds, tests and measures the contracts with the tools that npm brings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::npm;

/// The contracts whose artifacts are committed: source file below contracts/src and name.
const PUBLISHED: [(&str, &str); 3] =
    [("Registry.sol", "Registry"), ("SlashVerifier.sol", "SlashVerifier"), ("DevToken.sol", "DevToken")];

/// Tests whose measurements are the gas snapshot; forge writes it below contracts/snapshots.
const GAS_TESTS: &str = "test/gas/*.t.sol";

#[derive(Subcommand)]
pub enum Task {
    /// Compile, and write the artifacts that cargo builds from
    Build,
    /// Compile, and fail if an artifact is not what would be written
    Check,
    /// Check the artifacts and the gas snapshot, and run all of forge's tests
    Test,
    /// Measure gas and write the snapshot
    Gas,
}

pub fn run(task: &Task) -> Result<()> {
    let contracts = crate::root().join("contracts");
    let forge = Forge::install(contracts)?;
    match task {
        Task::Build => forge.artifacts(false),
        Task::Check => forge.artifacts(true),
        Task::Test => {
            forge.run(&["fmt", "--check"], &[])?;
            forge.artifacts(true)?;
            forge.run(&["test", "--no-match-path", GAS_TESTS], &[])?;
            forge.gas(true)
        }
        Task::Gas => forge.gas(false),
    }
}

struct Forge {
    contracts: PathBuf,
    program: PathBuf,
}

impl Forge {
    fn install(contracts: PathBuf) -> Result<Self> {
        npm::install(&contracts)?;
        let mut program = contracts.join(platform_program());
        if !program.exists() {
            // npm has no forge for this machine; one that the user installed will do.
            program = PathBuf::from("forge");
        }
        Ok(Self { contracts, program })
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
        let status = Command::new(&self.program)
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(&self.contracts)
            .status()
            .with_context(|| {
                format!("cannot run {}; install Foundry 1.7 or newer (https://getfoundry.sh)", self.program.display())
            })?;
        if !status.success() {
            bail!("forge {} failed", arguments.join(" "));
        }
        Ok(())
    }

    fn artifacts(&self, check: bool) -> Result<()> {
        self.run(&["build", "--quiet", "src"], &[])?;
        let folder = self.contracts.join("artifacts");
        fs::create_dir_all(&folder)?;
        for (source, name) in PUBLISHED {
            let compiled = read_json(&self.contracts.join("out").join(source).join(format!("{name}.json")))?;
            let content = artifact(name, &compiled)?;
            let file = folder.join(format!("{name}.json"));
            if !check {
                fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
            } else if fs::read_to_string(&file).unwrap_or_default() != content {
                bail!("{} does not match the sources; run `cargo xtask contracts build`", file.display());
            }
        }
        Ok(())
    }

    fn gas(&self, check: bool) -> Result<()> {
        let check = if check { "true" } else { "false" };
        self.run(&["test", "--isolate", "--match-path", GAS_TESTS], &[("FORGE_SNAPSHOT_CHECK", check)])
            .context("gas tests failed; if a figure changed on purpose, run `cargo xtask contracts gas`")
    }
}

/// Where npm's package of forge for this machine, if there is one, puts it.
fn platform_program() -> PathBuf {
    use std::env::consts::{ARCH, EXE_SUFFIX, OS};
    let system = match OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let processor = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    PathBuf::from(format!("node_modules/@foundry-rs/forge-{system}-{processor}/bin/forge{EXE_SUFFIX}"))
}

/// What is committed of a compiled contract: enough to bind, deploy and compile it again.
fn artifact(name: &str, compiled: &Value) -> Result<String> {
    let pick = |pointer: &str| compiled.pointer(pointer).cloned().with_context(|| format!("{name} lacks {pointer}"));
    let artifact = json!({
        "contractName": name,
        "compiler": pick("/metadata/compiler/version")?,
        "settings": {
            "evmVersion": pick("/metadata/settings/evmVersion")?,
            "optimizer": pick("/metadata/settings/optimizer")?,
            "viaIR": pick("/metadata/settings/viaIR")?,
        },
        "abi": pick("/abi")?,
        "bytecode": { "object": pick("/bytecode/object")? },
    });
    Ok(format!("{artifact:#}\n"))
}

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}
