//! A chain, and devices with separate folders that run the program on it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use quotapass_testkit::{anvil::Anvil, process::now};
use serde_json::Value;
use tempfile::TempDir;

/// Private keys of accounts that have ether on anvil.
pub const WALLETS: [&str; 3] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
];

/// Waits if the day is about to end, because a test must run within one day.
pub fn stay_within_a_day() {
    const DAY: u64 = 86_400;
    let left = DAY - now().0 % DAY;
    if left < 240 {
        thread::sleep(Duration::from_secs(left + 1));
    }
}

/// The output of a run of the program, and its exit code.
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub error: String,
}

impl Answer {
    /// Returns the last JSON object of the output.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.error);
        serde_json::from_str(self.out.lines().last().unwrap()).unwrap()
    }

    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.error);
        self
    }

    /// Returns the JSON objects of the output, one a line.
    #[track_caller]
    pub fn objects(&self) -> Vec<Value> {
        objects(&self.out)
    }

    /// Returns the JSON objects of the error output, one a line.
    #[track_caller]
    pub fn notes(&self) -> Vec<Value> {
        objects(&self.error)
    }

    /// Returns the error object of a run with `--json` that failed with this code. Standard error has only objects.
    #[track_caller]
    pub fn failure(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.error);
        let last = self.notes().pop().unwrap();
        assert_eq!((&last["level"], &last["exit_code"]), (&"ERROR".into(), &code.into()), "{}", self.error);
        last
    }

    /// Asserts that the run failed with this code, and that its error contains these words.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &str) -> &Self {
        assert!(self.code == code && self.error.contains(words), "code {}:\n{}\n{}", self.code, self.out, self.error);
        self
    }
}

#[track_caller]
fn objects(lines: &str) -> Vec<Value> {
    let object = |line| serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
    lines.lines().map(|line| object(line).unwrap_or_else(|| panic!("not an object: {line}"))).collect()
}

/// A device: folders, settings and a wallet.
pub struct Device {
    folder: TempDir,
    pub environment: Vec<(String, String)>,
}

impl Device {
    pub fn new(wallet: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("data")).unwrap();
        // All devices share the development keys, which take a while to make.
        let keys = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-keys");
        fs::create_dir_all(&keys).unwrap();
        std::os::unix::fs::symlink(&keys, folder.path().join("data/keys")).unwrap();
        fs::write(folder.path().join("config.toml"), "").unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let environment = [
            ("QUOTAPASS_CONFIG", path("config.toml")),
            ("QUOTAPASS_DATA_DIR", path("data")),
            ("QUOTAPASS_STATE_DIR", path("state")),
            ("QUOTAPASS_PASSPHRASE", "correct horse".into()),
            ("QUOTAPASS_WALLET_KEY", wallet.into()),
        ];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { folder, environment }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.environment.push((name.into(), value.into()));
    }

    pub fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    /// Runs the program without a terminal.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, b"")
    }

    /// Returns the program with these arguments, and the folders and settings of the device.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotapass"));
        command.args(arguments).env_clear().envs(self.environment.iter().cloned()).current_dir(self.folder.path());
        command
    }

    /// Starts the program with pipes for its input and outputs.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs the program with this standard input.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Answer {
        let mut child = self.spawn(arguments);
        // The write fails if the program closes its input without reading it.
        let _ = child.stdin.take().unwrap().write_all(input);
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Answer {
            code: status.code().unwrap(),
            out: String::from_utf8(stdout).unwrap(),
            error: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Starts a relay of a registry with these sections `[[scopes]]`, and waits until it listens.
    pub fn start_relay(&self, anvil: &Anvil, registry: &str, scopes: &str) -> Relay {
        let text = format!(
            "[chain]\nrpc_url = \"{}\"\nchain_id = 31337\nregistry = \"{registry}\"\npoll_seconds = 1\n{scopes}",
            anvil.http()
        );
        fs::write(self.path("relay.toml"), text).unwrap();
        let mut command = self.command(&["relay", "--json", "--config", "relay.toml", "--listen", "127.0.0.1:0"]);
        let log = File::create(self.path("relay.log")).unwrap();
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let start: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("no relay:\n{}", fs::read_to_string(self.path("relay.log")).unwrap()));
        Relay { process, url: start["url"].as_str().unwrap().into(), key: start["policy_key"].as_str().unwrap().into() }
    }
}

/// A running relay, killed when dropped.
pub struct Relay {
    process: Child,
    pub url: String,
    /// The key that signs its policies.
    pub key: String,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes a configuration with a registry on a chain, and one scope `lobby`.
pub fn configure(device: &Device, anvil: &Anvil, registry: &str) {
    let text = format!(
        "rpc_url = \"{}\"\nchain_id = 31337\nregistry = \"{registry}\"\n\
         [[scopes]]\nname = \"lobby\"\nepoch_seconds = 86400\nlimit_cap = 3\nmin_stake = 1\nmin_age_days = 0\n\
         root_window = 3600\nmax_clock_skew = 60\n",
        anvil.http()
    );
    fs::write(device.path("config.toml"), text).unwrap();
}

/// Number of transactions of the first wallet.
pub fn nonce(anvil: &Anvil) -> u64 {
    let first = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    let nonce = anvil.rpc("eth_getTransactionCount", serde_json::json!([first, "latest"]));
    u64::from_str_radix(&nonce.as_str().unwrap()[2..], 16).unwrap()
}

/// Deploys a registry from the first wallet, and returns its address.
pub fn deploy(anvil: &Anvil) -> String {
    let device = Device::new(WALLETS[0]);
    let deployed = device
        .run(&[
            "registry",
            "deploy",
            "--rpc-url",
            &anvil.http(),
            "--dev-token",
            "--tier",
            "1:1:3",
            "--tier",
            "10:10:100",
            "--tier",
            "5000000:11:12",
            "--exit-delay",
            "2h",
            "--yes",
            "--json",
        ])
        .json();
    deployed["registry"].as_str().unwrap().to_owned()
}

/// Returns a device with an identity and the first wallet, configured for a new registry.
pub fn depositor(anvil: &Anvil) -> Device {
    let registry = deploy(anvil);
    let device = Device::new(WALLETS[0]);
    configure(&device, anvil, &registry);
    device.run(&["identity", "new"]).succeeds();
    device
}
