//! A service on a separate port, and clients that send exactly the given bytes.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use quotapass_relay::{
    Engine, EngineSettings, LatestTree, Relay, RelayContext, SettableClock,
    http::{HttpService, HttpSettings},
};
use quotapass_testkit::process::until;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Runtime,
    sync::oneshot,
    task::JoinHandle,
};

use crate::world::*;

pub struct Server {
    pub address: SocketAddr,
    pub relay: Arc<Relay>,
    pub log: Arc<Gated>,
    pub engine: Engine,
    pub clock: Arc<SettableClock>,
    pub service: HttpService,
    pub runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(HttpSettings::default())
    }

    pub fn with(settings: HttpSettings) -> Self {
        Self::of(settings, relay)
    }

    /// Starts the service of a relay on a log.
    pub fn of(settings: HttpSettings, relay: impl FnOnce(Arc<Gated>) -> Arc<Relay>) -> Self {
        let runtime = Runtime::new().unwrap();
        let (log, clock) = (Arc::new(Gated::default()), Arc::new(SettableClock::at(NOW)));
        let relay = relay(log.clone());
        let context = RelayContext::new(clock.clone());
        let engine = Engine::start(relay.clone(), context, &EngineSettings::default()).unwrap();
        let members = LatestTree::new(world().tree.clone());
        let service = HttpService::new(engine.clone(), members, settings);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = service.clone();
        let served = runtime.spawn(async move { serving.serve(listener, async { drop(stopped.await) }).await });
        Self { address, relay, log, engine, clock, service, runtime, stop: Some(stop), served: Some(served) }
    }

    /// Waits until a condition holds, with a timeout that is long enough for a busy machine.
    #[track_caller]
    pub fn until(&self, holds: impl Fn() -> bool) {
        until("the condition does not hold", holds);
    }

    /// Tells the service to stop.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the service has ended.
    pub fn wait(&mut self) {
        self.runtime.block_on(self.served.take().unwrap()).unwrap();
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        // Long enough for any machine: a test that reaches this timeout has failed.
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream
    }

    /// Connects to the service from a given address; all addresses of 127.0.0.0/8 belong to this host.
    pub fn connect_from(&self, from: [u8; 4]) -> TcpStream {
        self.connect_to(from, self.address)
    }

    /// Connects from a given address to another listener.
    pub fn connect_to(&self, from: [u8; 4], to: SocketAddr) -> TcpStream {
        let connect = async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((from, 0).into()).unwrap();
            socket.connect(to).await.unwrap().into_std().unwrap()
        };
        let stream = self.runtime.block_on(connect);
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream
    }

    /// Sends a request on a new connection from a given address, and reads the answer.
    pub fn ask_from(
        &self,
        address: [u8; 4],
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut stream = self.connect_from(address);
        stream.write_all(&request(method, path, headers, body)).unwrap();
        Answer::read(&mut BufReader::new(stream))
    }

    /// Sends bytes on a new connection, and reads the answer.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        Answer::read(&mut BufReader::new(stream))
    }

    /// Sends a request on a new connection, and reads the answer.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send(&request(method, path, headers, body))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], &[])
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Sends posts in one request, and returns the bodies of their verdicts.
    pub fn verify(&self, posts: &[Sent]) -> Vec<Value> {
        let posts: Vec<Value> = posts.iter().map(Sent::json).collect();
        let answer = self.post_json("/v1/verify", &serde_json::json!({ "posts": posts }));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["verdicts"].as_array().unwrap().clone()
    }

    /// Returns the value of a metric.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }
}

pub fn names(verdicts: &[Value]) -> Vec<&str> {
    verdicts.iter().map(|verdict| verdict["verdict"].as_str().unwrap()).collect()
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        head += &format!("content-length: {}\r\n", body.len());
    }
    [(head + "\r\n").as_bytes(), body].concat()
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer with a length.
    pub fn read(reader: &mut impl BufRead) -> Self {
        let mut answer = Self::read_head(reader);
        answer.body = vec![0; answer.headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut answer.body).unwrap();
        answer
    }

    pub fn read_head(reader: &mut impl BufRead) -> Self {
        let line = |reader: &mut dyn BufRead| {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line(reader);
        let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("no status in `{first}`")).parse().unwrap();
        let mut headers = HashMap::new();
        loop {
            let line = line(reader);
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        Self { status, headers, body: Vec::new() }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks the status of an error answer, and returns its error.
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert!(!body["hint"].as_str().unwrap().is_empty());
        body["error"].as_str().unwrap().to_owned()
    }
}

/// Reads until the other end closes the connection; a reset counts as an end, too.
pub fn read_to_end(mut stream: TcpStream) -> Vec<u8> {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return all,
            Ok(length) => all.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the connection stayed open"),
            Err(_) => return all,
        }
    }
}
