//! The programs of the ceremony, which work in one folder.

use std::{
    env, fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use quotapass_registry::alloy_primitives::Bytes;
use quotapass_setup::iden3::Zkey;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The path of snarkjs, which npm installs for the tests.
pub const SNARKJS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snarkjs/node_modules/.bin/snarkjs");
/// The path of snarkjs 0.6.11, which computes another circuit hash.
const FORMER_SNARKJS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snarkjs/node_modules/snarkjs-0.6/build/cli.cjs");
/// The path of the Solidity compiler of the contracts.
const SOLC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contracts/tools/solc");

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    pub fn zkey(&self, name: &str) -> Zkey {
        Zkey::from_bytes(&self.read(name)).unwrap()
    }

    #[track_caller]
    pub fn snarkjs(&self, arguments: &[&str]) {
        self.try_snarkjs(arguments).unwrap();
    }

    /// Runs snarkjs and returns its output, as an error if it fails.
    pub fn try_snarkjs(&self, arguments: &[&str]) -> Result<String, String> {
        self.run(Command::new(SNARKJS).args(arguments), b"")
    }

    /// Makes a first key with a former snarkjs. On newer versions of Node.js it fails after it has written the key.
    pub fn former_snarkjs_setup(&self, r1cs: &str, ptau: &str, key: &str) {
        let mut command = Command::new("node");
        command.args([FORMER_SNARKJS, "groth16", "setup", r1cs, ptau, key]);
        let ended = self.run(&mut command, b"");
        assert!(self.path(key).exists(), "{ended:?}");
    }

    #[track_caller]
    pub fn quotapass(&self, arguments: &[&str], input: &[u8]) {
        self.try_quotapass(arguments, input).unwrap();
    }

    pub fn try_quotapass(&self, arguments: &[&str], input: &[u8]) -> Result<String, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotapass"));
        command.args(arguments).env("QUOTAPASS_DATA_DIR", self.path("data")).env("QUOTAPASS_CONFIG", self.path("none"));
        self.run(&mut command, input)
    }

    /// Runs a script of a ceremony, for which these are the programs `snarkjs` and `curl`.
    pub fn try_script(&self, script: &str, programs: [&str; 2]) -> Result<String, String> {
        let bin = self.path("bin");
        fs::create_dir_all(&bin).unwrap();
        for (name, content) in ["snarkjs", "curl"].into_iter().zip(programs) {
            let path = bin.join(name);
            fs::write(&path, format!("#!/bin/sh\n{content}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap());
        self.run(Command::new("sh").arg(script).env("PATH", path), b"")
    }

    fn run(&self, command: &mut Command, input: &[u8]) -> Result<String, String> {
        let (out, error) = (Stdio::piped(), Stdio::piped());
        let mut child =
            command.current_dir(self.0.path()).stdin(Stdio::piped()).stdout(out).stderr(error).spawn().unwrap();
        // The write fails if the program closes its input without reading it.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, error) = (text(output.stdout), text(output.stderr));
        if output.status.success() { Ok(out) } else { Err(format!("{command:?}\n{out}\n{error}")) }
    }
}

/// Compiles the only contract of a source file, and returns its deployment code.
pub fn compile(folder: &Folder, source: &str) -> Bytes {
    let input = json!({
        "language": "Solidity",
        "sources": { "it.sol": { "content": String::from_utf8(folder.read(source)).unwrap() } },
        "settings": {
            "evmVersion": "cancun",
            "viaIR": true,
            "optimizer": { "enabled": true },
            "outputSelection": { "*": { "*": ["evm.bytecode.object"] } },
        },
    });
    let mut command = Command::new(SOLC);
    let output: Value =
        serde_json::from_str(&folder.run(command.arg("--standard-json"), input.to_string().as_bytes()).unwrap())
            .unwrap();
    assert_eq!(output["errors"], Value::Null, "{output:#}");
    let contracts = output["contracts"]["it.sol"].as_object().unwrap();
    assert_eq!(contracts.len(), 1);
    contracts.values().next().unwrap()["evm"]["bytecode"]["object"].as_str().unwrap().parse().unwrap()
}
