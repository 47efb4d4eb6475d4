//! A relay that can be killed, and a load on it.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Arguments of the load. All tests use the same load, so that they share its passes.
pub const LOAD: [&str; 10] =
    ["--rate", "60", "--duration", "3s", "--replays", "50%", "--forgeries", "5%", "--conflicts", "4%"];

/// Returns a command of the program, with the keys and passes that all tests share.
pub fn quotapass() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quotapass"));
    command.env("QUOTAPASS_DATA_DIR", data_folder());
    command
}

pub fn data_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("load")
}

/// Returns an address without a listener.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// The result of a run of the load.
pub struct Answer {
    pub succeeded: bool,
    pub report: Value,
}

impl Answer {
    /// Returns the number of posts with this verdict.
    pub fn count(&self, verdict: &str) -> u64 {
        self.report["verdicts"][verdict].as_u64().unwrap_or(0)
    }

    /// Checks that the run succeeded and no verdict was wrong.
    #[track_caller]
    pub fn checked(self) -> Self {
        assert!(self.succeeded && self.report["wrong_count"] == 0, "{}", self.report);
        self
    }
}

/// A running load.
pub struct Running(Child);

impl Running {
    pub fn wait(self) -> Answer {
        let output = self.0.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let report = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
        Answer { succeeded: output.status.success(), report: report.expect("the load writes a report") }
    }
}

/// A relay on the registry of the load, with its files and the journal of its answers.
pub struct Stage {
    folder: TempDir,
    pub address: SocketAddr,
    relay: Option<Child>,
}

impl Stage {
    /// Prepares the relay; `arguments` set its log.
    pub fn new(arguments: &[&str]) -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap(), address: free_address(), relay: None };
        let prepared = quotapass()
            .args(["bench", "relay", "--prepare"])
            .arg(stage.folder.path().join("relay"))
            .args(["--listen", &stage.address.to_string()])
            .args(LOAD)
            .args(arguments)
            .status()
            .unwrap();
        assert!(prepared.success());
        stage
    }

    /// Starts the relay and waits until it listens.
    pub fn start(&mut self) {
        let errors = File::options().create(true).append(true).open(self.folder.path().join("relay.log")).unwrap();
        // Without this trap, a write beyond the file size limit would kill the relay; with it, the write fails.
        let mut relay = Command::new("sh");
        relay.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_quotapass"), "relay", "--json"]);
        let folder = self.folder.path().join("relay");
        relay.arg("--config").arg(folder.join("relay.toml")).arg("--data-dir").arg(folder.join("data"));
        relay.stdout(Stdio::piped()).stderr(errors);
        let mut relay = relay.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(relay.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(&self.address.to_string()), "the relay did not start: {line}{}", self.log());
        self.relay = Some(relay);
    }

    /// Returns the relay's standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("relay.log")).unwrap()
    }

    /// Returns the id of the relay's process.
    pub fn process(&self) -> u32 {
        self.relay.as_ref().unwrap().id()
    }

    /// Kills the relay as `kill -9` does.
    pub fn kill(&mut self) {
        let mut relay = self.relay.take().unwrap();
        relay.kill().unwrap();
        relay.wait().unwrap();
    }

    /// Starts a load.
    pub fn load(&self, arguments: &[&str]) -> Running {
        let mut command = quotapass();
        command.args(["bench", "relay", "--json", "--url", &format!("http://{}", self.address)]);
        Running(command.args(arguments).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Starts the load of all tests with a journal; posts without a verdict are sent again.
    pub fn patient_load(&self, arguments: &[&str]) -> Running {
        let journal = self.journal();
        self.load(&[&LOAD[..], &["--retry", "120s", "--timeout", "10s", "--journal", &journal], arguments].concat())
    }

    /// Sends every post of the journal once more: the relay must know the accepted ones.
    pub fn resend(&self, arguments: &[&str]) -> Answer {
        self.load(&[&["--journal", &self.journal(), "--resend", "--retry", "60s"], arguments].concat()).wait()
    }

    fn journal(&self) -> String {
        self.folder.path().join("journal").display().to_string()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.relay.is_some() {
            self.kill();
        }
    }
}
