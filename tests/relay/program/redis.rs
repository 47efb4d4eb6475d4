//! A Redis server for one test.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use quotapass_testkit::certificates::Certificates;
use tempfile::TempDir;

/// A server with persistent storage; killed when dropped.
pub struct Redis {
    process: Child,
    port: u16,
    folder: TempDir,
    certificates: Option<Certificates>,
}

impl Redis {
    pub fn start() -> Self {
        // The port was free a moment ago, and the system does not reuse it soon.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        Self { process: serve(port, &folder, &[]), port, folder, certificates: None }
    }

    /// Starts a server that accepts only TLS, from clients with a certificate of its authority and the password.
    pub fn start_private(certificates: Certificates, password: &str) -> Self {
        let mut redis = Self::start();
        redis.kill();
        let path = |name| certificates.path(name).display().to_string();
        let (authority, certificate, key) = (path("ca.pem"), path("server.pem"), path("server.key"));
        let port = redis.port.to_string();
        let tls = ["--port", "0", "--tls-port", &port, "--tls-auth-clients", "yes", "--tls-ca-cert-file", &authority];
        let own = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--requirepass", password];
        redis.process = serve(redis.port, &redis.folder, &[&tls[..], &own].concat());
        redis.certificates = Some(certificates);
        redis
    }

    /// Sends a command to a [private](Self::start_private) server, and returns the answer.
    pub fn say(&self, password: &str, command: &[&str]) -> String {
        let certificates = self.certificates.as_ref().unwrap();
        let mut client = Command::new("redis-cli");
        client.args(["-p", &self.port.to_string(), "--tls", "--no-auth-warning", "-a", password, "--cacert"]);
        client.arg(certificates.path("ca.pem")).arg("--cert").arg(certificates.path("client.pem")).arg("--key");
        let output = client.arg(certificates.path("client.key")).args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it, like `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a command whose answer is `OK`.
    pub fn tell(&self, command: &str) {
        assert_eq!(self.ask(command), "+OK\r\n");
    }

    /// Returns the number of keys.
    pub fn keys(&self) -> u64 {
        self.ask("DBSIZE").trim().strip_prefix(':').unwrap().parse().unwrap()
    }

    /// Sends a command, and returns the first line of the answer.
    fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    }

    /// Starts it again, with its stored data.
    pub fn restart(&mut self) {
        self.process = serve(self.port, &self.folder, &[]);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(port: u16, folder: &TempDir, more: &[&str]) -> Child {
    let program = ["redis-server", "valkey-server"].into_iter().find_map(|program| {
        Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(more)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .ok()
    });
    let process =
        program.expect("neither redis-server nor valkey-server is installed (`apt-get install redis-server`)");
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    process
}
