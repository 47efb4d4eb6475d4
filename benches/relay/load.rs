//! A real relay under load: `quotapass bench relay` starts one in a separate process.

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

use crate::Extent;

/// Store of the nullifiers.
#[derive(Clone, Copy)]
pub enum Backend<'a> {
    Embedded,
    Redis(&'a Redis),
}

/// Enough connections that no post waits for the answer to another: with too few the loop would not be open.
pub const LATENCY_CONNECTIONS: u32 = 256;

/// Posts sent in addition to honest posts.
pub struct Attack {
    pub name: &'static str,
    pub arguments: &'static [&'static str],
    /// Goal until every post is decided, as a share of the posts accepted a second without the attack.
    pub goal: Option<f64>,
    /// Goal until the last honest post is decided, as the same share.
    pub goal_while_honest: Option<f64>,
}

/// Latencies in milliseconds at a given rate.
pub struct Latency {
    /// Rate of honest posts, a second.
    pub rate: f64,
    /// Number of honest posts that were not accepted.
    pub lost: u64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// Posts accepted for good a second.
#[derive(Clone, Copy, Default)]
pub struct Rate {
    /// Until every post was decided, forgeries included.
    pub overall: f64,
    /// Until the last honest post was decided.
    pub while_honest: f64,
}

/// Runs the program with these arguments, with the passes of earlier runs, on the given number of cores.
fn bench(arguments: &[String], cores: Option<usize>) -> Value {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("load");
    let program = env!("CARGO_BIN_EXE_quotapass");
    let mut command = match cores {
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &format!("0-{}", cores - 1), program]);
            command
        }
        None => Command::new(program),
    };
    let output = command
        .args(["bench", "relay", "--json", "--replays", "0"])
        .args(arguments)
        .env("QUOTAPASS_DATA_DIR", data)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // Every verdict was checked.
    assert!(output.status.success(), "{arguments:?}: {text}");
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Returns the posts accepted a second, with all connections busy. Posts that are `overloaded` are sent again, so every
/// post is decided in the end: the time for the forgeries counts.
fn highest(attack: &[&str], extent: &Extent, more: &[String], cores: Option<usize>) -> Rate {
    let (posts, warm_up) = (extent.posts.to_string(), extent.warm_up.to_string());
    let mut arguments: Vec<String> =
        ["--max", "--retry", "5m", "--posts", &posts, "--warm-up", &warm_up].map(Into::into).to_vec();
    for share in ["--forgeries", "--conflicts"] {
        if !attack.contains(&share) {
            arguments.extend([share.to_owned(), "0".into()]);
        }
    }
    arguments.extend(attack.iter().map(ToString::to_string));
    arguments.extend_from_slice(more);
    let answer = bench(&arguments, cores);
    assert_eq!(answer["undecided"], 0, "{answer}");
    assert!(!attack.is_empty() || answer["verdicts"]["accepted"] == extent.posts + extent.warm_up, "{answer}");
    let rate = |name: &str| answer[name].as_f64().unwrap();
    Rate { overall: rate("accepted_per_second"), while_honest: rate("accepted_per_honest_second") }
}

/// Returns the rate without attack, with a given log.
pub fn highest_rate(backend: Backend<'_>, extent: &Extent) -> f64 {
    match backend {
        Backend::Embedded => highest(&[], extent, &[], None),
        Backend::Redis(redis) => {
            redis.clear();
            highest(&[], extent, &["--valkey".to_owned(), redis.url()], None)
        }
    }
    .overall
}

/// Returns the rate without attack, with the embedded store, on `cores` cores; none if the system cannot bind a process
/// to cores.
pub fn rate_on_cores(extent: &Extent, cores: usize) -> Option<f64> {
    let can_bind = Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok();
    can_bind.then(|| highest(&[], extent, &[], Some(cores)).overall)
}

/// Returns the rate under an attack, with the embedded store.
pub fn rate_under(attack: &[&str], extent: &Extent) -> Rate {
    highest(attack, extent, &[], None)
}

/// Returns the latencies of honest posts, one a request at a given rate, with the embedded store. Under attack the same
/// number of forgeries is sent too, 64 a request.
pub fn latency(rate: f64, extent: &Extent, is_attacked: bool) -> Latency {
    let (share, factor) = if is_attacked { ("50%", 2) } else { ("0", 1) };
    let arguments = [
        ["--rate", &(rate * f64::from(factor)).to_string()],
        ["--posts", &(extent.posts * factor).to_string()],
        ["--warm-up", &extent.warm_up.to_string()],
        ["--connections", &LATENCY_CONNECTIONS.to_string()],
        ["--forgeries", share],
        ["--forgeries-per-request", "64"],
        ["--conflicts", "0"],
    ];
    let answer = bench(&arguments.concat().iter().map(ToString::to_string).collect::<Vec<_>>(), None);
    let count = |value: &Value| value.as_u64().unwrap();
    let lost = count(&answer["honest_posts"]) - count(&answer["verdicts"]["accepted"]);
    let latency = |name: &str| answer["latency_ms"][name].as_f64().unwrap();
    Latency { rate, lost, p50: latency("p50"), p99: latency("p99"), p999: latency("p999"), max: latency("max") }
}

/// A redis or valkey server that writes every command to its disk before it answers.
pub struct Redis {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    /// Starts the server; returns none if no such program is on the path.
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

    /// Deletes all nullifiers, so that the same posts are new again.
    fn clear(&self) {
        assert!(self.answers("FLUSHALL"));
    }

    /// Sends a command without arguments; returns whether the answer is a simple string.
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
