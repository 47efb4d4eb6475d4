//! Real servers, on separate ports.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use quotapass_relay::{LogChoice, ValkeyLog, ValkeyLogError, ValkeySettings};
use quotapass_testkit::process::until;
use redis::{Value, cmd};
use tempfile::TempDir;

use crate::REGISTRY;

/// Timeout that is longer than any server needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Arguments that make a server keep its data.
pub const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A running server. Dropping it ends the server.
pub struct Server {
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Server {
    /// Starts a server that keeps its data.
    pub fn durable() -> Self {
        Self::start(&DURABLE)
    }

    /// Starts a server with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(|argument| (*argument).into()).collect();
        let mut server = Self { port: 0, folder, arguments, process: None };
        // Another program may take the port before the server does.
        for _ in 0..20 {
            server.port = free_port();
            server.spawn();
            if server.answers() {
                return server;
            }
        }
        panic!("the server does not start");
    }

    /// Starts a sentinel that watches a server under a name, and starts a failover after half a second.
    pub fn sentinel(name: &str, watched: &Self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The sentinel writes to its file, and requires it at its start.
        let file = folder.path().join("sentinel.conf");
        let port = watched.port;
        let settings = format!(
            "sentinel monitor {name} 127.0.0.1 {port} 1\nsentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 2000\n"
        );
        fs::write(&file, settings).unwrap();
        let arguments = vec![file.to_str().unwrap().into(), "--sentinel".into()];
        let mut server = Self { port: 0, folder, arguments, process: None };
        for _ in 0..20 {
            server.port = free_port();
            let port = ["--port".into(), server.port.to_string(), "--bind".into(), "127.0.0.1".into()];
            server.process = Some(run(&[&server.arguments[..], &port].concat(), server.folder.path()));
            if server.answers() {
                return server;
            }
        }
        panic!("the sentinel does not start");
    }

    fn spawn(&mut self) {
        let mut arguments = vec!["--port".into(), self.port.to_string(), "--bind".into(), "127.0.0.1".into()];
        arguments.extend(["--save", "", "--daemonize", "no"].map(String::from));
        arguments.extend(self.arguments.iter().cloned());
        self.process = Some(run(&arguments, self.folder.path()));
    }

    /// Waits until the server answers; returns false if its process ends before.
    fn answers(&mut self) -> bool {
        let begin = Instant::now();
        loop {
            if self.process.as_mut().is_none_or(|process| process.try_wait().unwrap().is_some()) {
                return false;
            }
            if let Ok(mut client) = self.try_client() {
                // A server that requires a password answers with an error; a server that loads its file is not ready
                // yet.
                match cmd("PING").query::<Value>(&mut client) {
                    Err(error) if error.code() == Some("LOADING") => {}
                    _ => return true,
                }
            }
            assert!(begin.elapsed() < PATIENCE, "the server does not answer");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn try_client(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(self.address())?.get_connection()
    }

    /// Sends a command.
    pub fn ask(&self, command: &[&str]) -> Value {
        self.try_ask(command).unwrap()
    }

    /// Sends a command that the server may refuse.
    pub fn try_ask(&self, command: &[&str]) -> redis::RedisResult<Value> {
        cmd(command[0]).arg(&command[1..]).query(&mut self.try_client()?)
    }

    /// Kills the server without a warning.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Removes its files while it is stopped.
    pub fn empty(&mut self) {
        self.folder = tempfile::tempdir().unwrap();
    }

    /// Restarts the server with its port and its files.
    pub fn restart(&mut self) {
        self.kill();
        let begin = Instant::now();
        loop {
            self.spawn();
            if self.answers() {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "the server does not start again");
        }
    }

    /// Sends a signal to the process: `-STOP` suspends it, so that connections stay and nothing is answered; `-CONT`
    /// resumes it.
    pub fn signal(&self, signal: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }

    /// Connects to the log on this server.
    pub fn log(&self) -> ValkeyLog {
        connect(&settings(&[self.address()])).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Starts the program of a server.
fn run(arguments: &[String], folder: &Path) -> Child {
    let start = |program: &str| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn()
    };
    let started = match start("valkey-server") {
        Err(error) if error.kind() == ErrorKind::NotFound => start("redis-server"),
        started => started,
    };
    let missing = "neither valkey-server nor redis-server is in the PATH: apt-get install valkey-server (or redis-server \
                   7.0), and run the tests again";
    started.unwrap_or_else(|error| panic!("{missing} ({error})"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Returns settings with a timeout that is long enough for a busy machine.
pub fn settings(addresses: &[String]) -> ValkeySettings {
    let mut settings = ValkeySettings::new(addresses.iter().cloned());
    settings.timeout = Duration::from_secs(20);
    settings
}

pub fn connect(settings: &ValkeySettings) -> Result<ValkeyLog, ValkeyLogError> {
    ValkeyLog::connect(&REGISTRY, settings, LogChoice::First)
}

/// A cluster of three servers, each with a third of the slots and no replica.
pub struct Cluster(pub Vec<Server>);

impl Cluster {
    pub fn start() -> Self {
        let servers: Vec<_> = (0..3)
            .map(|_| {
                let bus = free_port().to_string();
                let mut arguments = vec!["--cluster-enabled", "yes", "--cluster-port", &bus];
                arguments.extend(["--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"]);
                arguments.extend(DURABLE);
                (Server::start(&arguments), bus)
            })
            .collect();
        let ranges = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for ((server, _), (first, last)) in servers.iter().zip(ranges) {
            server.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
            for (other, bus) in &servers {
                server.ask(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), bus]);
            }
        }
        let cluster = Self(servers.into_iter().map(|(server, _)| server).collect());
        until("the cluster does not form", || cluster.0.iter().all(|server| cluster.is_whole(server)));
        cluster
    }

    /// Returns whether a server knows all three servers, and all slots are assigned.
    pub fn is_whole(&self, server: &Server) -> bool {
        let Value::Array(slots) = server.ask(&["CLUSTER", "SLOTS"]) else { return false };
        let info: String = redis::from_redis_value(server.ask(&["CLUSTER", "INFO"])).unwrap();
        slots.len() == 3 && info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
    }

    pub fn addresses(&self) -> Vec<String> {
        self.0.iter().map(Server::address).collect()
    }

    pub fn log(&self) -> ValkeyLog {
        connect(&settings(&self.addresses())).unwrap()
    }
}

/// A port that forwards to a server, and breaks connections on request.
pub struct Wire {
    pub port: u16,
    cut: Arc<AtomicU64>,
}

impl Wire {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, cut) = (listener.local_addr().unwrap().port(), Arc::<AtomicU64>::default());
        let cutting = Arc::clone(&cut);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let cut = Arc::clone(&cutting);
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || io::copy(&mut from_client, &mut to_server));
                thread::spawn(move || answers(&server, &client, &cut));
            }
        });
        Self { port, cut }
    }

    /// Breaks this number of connections, each at the server's next answer: the server executes the command, but the
    /// answer is lost.
    pub fn lose_answers(&self, count: u64) {
        self.cut.store(count, SeqCst);
    }

    /// Returns the number of connections that are still to be broken.
    pub fn to_lose(&self) -> u64 {
        self.cut.load(SeqCst)
    }
}

/// Forwards the server's answers.
fn answers(mut server: &TcpStream, mut client: &TcpStream, cut: &AtomicU64) {
    let mut bytes = [0; 65536];
    while let Ok(read @ 1..) = server.read(&mut bytes) {
        let is_cut = cut.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        if is_cut || client.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
