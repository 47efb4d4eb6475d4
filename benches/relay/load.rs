//! A real relay under load: `quotapass bench relay`, which starts one in a process of its own.

use std::{
    env,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

/// Where the relay keeps nullifiers.
#[derive(Clone, Copy)]
pub enum Backend<'a> {
    Embedded,
    Redis(&'a Redis),
}

/// Enough that a post does not wait for an answer to another: a loop with too few is no open one.
pub const LATENCY_CONNECTIONS: u32 = 256;

/// Latencies in milliseconds at some rate.
pub struct Latency {
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// The program with the passes that were made before, on whatever these arguments say.
fn bench(arguments: &[String]) -> Value {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load");
    let output = Command::new(env!("CARGO_BIN_EXE_quotapass"))
        .args(["bench", "relay", "--json", "--replays", "0", "--forgeries", "0", "--conflicts", "0"])
        .args(arguments)
        .env("QUOTAPASS_DATA_DIR", data)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {text}");
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Posts that were accepted for good a second, with all connections busy.
pub fn highest_rate(backend: Backend<'_>, posts: u32) -> f64 {
    let mut arguments = vec!["--max".to_owned(), "--posts".into(), posts.to_string()];
    if let Backend::Redis(redis) = backend {
        redis.clear();
        arguments.extend(["--valkey".to_owned(), redis.url()]);
    }
    let answer = bench(&arguments);
    assert_eq!(answer["verdicts"]["accepted"], posts, "{answer}");
    answer["accepted_per_second"].as_f64().unwrap()
}

/// Latencies of posts that come one by one at a rate, with the embedded store.
pub fn latency(rate: f64, posts: u32) -> Latency {
    let (rate_text, connections) = (rate.to_string(), LATENCY_CONNECTIONS.to_string());
    let arguments = ["--rate", &rate_text, "--posts", &posts.to_string(), "--connections", &connections];
    let answer = bench(&arguments.map(Into::into));
    assert_eq!(answer["verdicts"]["accepted"], posts, "{answer}");
    let latency = |name: &str| answer["latency_ms"][name].as_f64().unwrap();
    Latency { rate, p50: latency("p50"), p99: latency("p99"), p999: latency("p999"), max: latency("max") }
}

/// A redis or valkey server that writes every command to its disk before it answers.
pub struct Redis {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    /// None if there is no such server on the path.
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let start = |program: &str| {
            Command::new(program)
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
                .arg(folder.path())
                .args(["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"])
                .stdout(Stdio::null())
                .spawn()
                .ok()
        };
        let process = start("valkey-server").or_else(|| start("redis-server"))?;
        let redis = Self { process, port, _folder: folder };
        while !redis.answers("PING") {
            thread::sleep(Duration::from_millis(20));
        }
        Some(redis)
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Forgets all nullifiers, so that the same posts are new again.
    fn clear(&self) {
        assert!(self.answers("FLUSHALL"));
    }

    /// Sends a command without arguments; whether the answer is a plain one.
    fn answers(&self, command: &str) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut answer = [0];
        stream.write_all(format!("{command}\r\n").as_bytes()).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == *b"+"
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
