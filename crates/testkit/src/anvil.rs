//! A development chain for a test: foundry's anvil on a separate port, killed when dropped.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use quotapass_protocol::UnixSeconds;
use serde_json::{Value, json};

/// A running anvil.
pub struct Anvil {
    process: Child,
    port: u16,
    ipc: Option<tempfile::TempDir>,
}

impl Anvil {
    /// Starts one whose first block has this timestamp. Every transaction immediately makes a block.
    pub fn start(timestamp: UnixSeconds) -> Self {
        Self::with(timestamp, &[])
    }

    /// Starts one with additional arguments.
    pub fn with(timestamp: UnixSeconds, arguments: &[&str]) -> Self {
        let mut process = Command::new(program())
            .args(["--port", "0", "--timestamp", &timestamp.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start anvil ({error}); `cargo xtask test` installs it"));
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "anvil ended before it listened");
            if let Some((_, port)) = line.trim().split_once("Listening on 127.0.0.1:") {
                break port.parse().unwrap();
            }
        };
        // anvil logs every call, and stops if its output is not read.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { process, port, ipc: None }
    }

    /// Starts one that also listens on an IPC socket.
    pub fn with_ipc(timestamp: UnixSeconds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("anvil.ipc");
        let mut anvil = Self::with(timestamp, &["--ipc", socket.to_str().unwrap()]);
        anvil.ipc = Some(folder);
        anvil
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The path of the IPC socket.
    pub fn ipc(&self) -> PathBuf {
        self.ipc.as_ref().unwrap().path().join("anvil.ipc")
    }

    /// Sends one request, which must succeed.
    pub fn rpc(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer: Value = serde_json::from_slice(&post(self.port, &serde_json::to_vec(&request).unwrap())).unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Gives an account ether.
    pub fn fund(&self, account: impl core::fmt::Display) {
        self.rpc("anvil_setBalance", json!([account.to_string(), "0x56bc75e2d63100000"]));
    }

    /// Moves the clock forward, and makes a block that shows it.
    pub fn advance(&self, seconds: u64) {
        self.rpc("evm_increaseTime", json!([seconds]));
        self.mine(1);
    }

    /// Makes empty blocks.
    pub fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", json!([format!("{blocks:#x}")]));
    }

    /// Stops making a block for every transaction.
    pub fn stop_mining(&self) {
        self.rpc("evm_setAutomine", json!([false]));
    }

    /// Saves the state, for [`revert`](Self::revert).
    pub fn snapshot(&self) -> Value {
        self.rpc("evm_snapshot", json!([]))
    }

    /// Returns to a saved state; later blocks are removed.
    pub fn revert(&self, snapshot: &Value) {
        assert_eq!(self.rpc("evm_revert", json!([snapshot])), Value::Bool(true));
    }

    /// Replaces the latest blocks by as many empty ones.
    pub fn reorganise(&self, depth: u64) {
        self.rpc("anvil_reorg", json!([depth, []]));
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a request to a server on this machine, and returns the body of its answer.
pub fn post(port: u16, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    read_body(&mut BufReader::new(stream)).unwrap().1
}

/// Reads the first line and the body of an HTTP message; `None` if the connection is closed.
pub fn read_body(stream: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    if stream.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((first, body))
}

/// Path of the anvil that npm installed, or else the one that the user installed.
pub fn program() -> PathBuf {
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
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules/@foundry-rs");
    let program = packages.join(format!("anvil-{system}-{processor}/bin/anvil{EXE_SUFFIX}"));
    if program.exists() { program } else { PathBuf::from("anvil") }
}
