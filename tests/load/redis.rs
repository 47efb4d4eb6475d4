//! The server that keeps the nullifiers is killed and comes back.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::stage::{Stage, free_address};

/// A server that writes every command to its disk before it answers.
struct Redis {
    folder: TempDir,
    address: SocketAddr,
    process: Option<Child>,
}

impl Redis {
    fn start() -> Self {
        let mut redis = Self { folder: tempfile::tempdir().unwrap(), address: free_address(), process: None };
        redis.resume();
        redis
    }

    fn resume(&mut self) {
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string(), "--dir"])
            .arg(self.folder.path())
            .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
            .args(["--maxmemory-policy", "noeviction"])
            .stdout(Stdio::null())
            .spawn()
            .expect("install redis-server");
        self.process = Some(process);
        while TcpStream::connect(self.address).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn a_redis_that_is_killed_and_comes_back_loses_nothing() {
    let mut redis = Redis::start();
    let mut stage = Stage::new(&["--valkey", &format!("redis://{}", redis.address)]);
    stage.start();
    let load = stage.patient_load(&["--log-may-lose-answers"]);
    for pause in [900, 600] {
        thread::sleep(Duration::from_millis(pause));
        redis.kill();
        thread::sleep(Duration::from_millis(500));
        redis.resume();
    }
    load.wait().checked();
    let second = stage.resend(&["--log-may-lose-answers"]).checked();
    assert_eq!(second.count("accepted"), 0, "{}", second.report);
}
