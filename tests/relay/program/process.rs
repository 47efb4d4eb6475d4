//! A running relay process, and requests to it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use quotapass_testkit::anvil::read_body;
use serde_json::Value;
use tempfile::TempDir;

/// The timeout of all waits, long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Returns the folder of the development keys, which all tests share because making them is slow.
pub fn keys() -> PathBuf {
    let keys = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-keys");
    fs::create_dir_all(&keys).unwrap();
    keys
}

/// An operator's folder.
pub struct Operator {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Operator {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        std::os::unix::fs::symlink(keys(), folder.path().join("data/keys")).unwrap();
        let data = folder.path().join("data").display().to_string();
        Self { folder, environment: vec![("QUOTAPASS_DATA_DIR".into(), data)] }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    /// Writes the configuration.
    pub fn configure(&self, text: &str) {
        fs::write(self.path("relay.toml"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotapass"));
        command.args(["relay", "--json"]).args(arguments).env_clear().envs(self.environment.iter().cloned());
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program until it ends. Returns its exit code, its output and its error output.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Starts a relay on a free port, and waits until it listens.
    pub fn start(&self, arguments: &[&str]) -> RelayProcess {
        self.start_at("127.0.0.1:0", arguments)
    }

    /// Starts a relay with the configuration on a port.
    pub fn start_on(&self, port: u16) -> RelayProcess {
        self.start_at(&format!("127.0.0.1:{port}"), &["--config", "relay.toml"])
    }

    fn start_at(&self, address: &str, arguments: &[&str]) -> RelayProcess {
        let mut child = self.command(&["--listen", address]).args(arguments).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (error, kept) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&lines));
        thread::spawn(move || error.lines().map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line)));
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        if output.read_line(&mut line).unwrap() == 0 {
            child.wait().unwrap();
            panic!("the relay ended before it listened:\n{}", lines.lock().unwrap().join("\n"));
        }
        let start: Value = serde_json::from_str(&line).unwrap();
        let port = start["address"].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
        RelayProcess { child, port, lines, start }
    }

    /// Starts a relay with the configuration.
    pub fn start_configured(&self) -> RelayProcess {
        self.start(&["--config", "relay.toml"])
    }
}

/// A running relay, killed when dropped.
pub struct RelayProcess {
    child: Child,
    port: u16,
    lines: Arc<Mutex<Vec<String>>>,
    /// The line that it wrote when it began to listen.
    pub start: Value,
}

impl RelayProcess {
    /// Kills it, like `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends `TERM`, and returns its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }

    /// Sends one request. Returns status and body.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n"
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let (first, body) = read_body(&mut BufReader::new(&stream)).unwrap();
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "")
    }

    /// Returns the verdict on a post.
    pub fn verdict(&self, post: &str) -> String {
        let (status, answer) = self.ask("POST", "/v1/verify", post);
        assert_eq!(status, 200, "{answer}");
        answer["verdict"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Returns whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.get("/readyz").0 == 200
    }

    /// Returns the log lines so far.
    pub fn log(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits until a condition holds.
    #[track_caller]
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}:\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the case of a convicted member is closed, and returns its settlement.
    pub fn settlement(&self, commitment: &str) -> Value {
        let case = || {
            let (_, answer) = self.get("/v1/slashed");
            let members = answer["members"].as_array().cloned().unwrap_or_default();
            members.into_iter().find(|member| member["commitment"] == commitment)
        };
        self.wait_until("the case is closed", |_| case().is_some_and(|case| !case["settlement"].is_null()));
        case().unwrap()["settlement"].clone()
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
