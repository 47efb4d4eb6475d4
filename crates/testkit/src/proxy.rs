//! A server between client and anvil, which counts requests and answers as the test specifies.

use std::{
    io::{BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::anvil::{post, read_body};

/// Treatment of one call.
pub enum Answer {
    /// Pass it on.
    Pass,
    /// Pass it on, and change the result.
    Change(fn(Value) -> Value),
    /// Pass it on, and change the whole answer.
    Rewrite(fn(Value) -> Value),
    /// Answer with a result.
    Result(Value),
    /// Answer with an error.
    Error(i64, &'static str),
    /// Answer the whole request with an HTTP status, additional headers and a body.
    Http(u16, &'static str, &'static str),
    /// Pass it on, and close the connection before the answer.
    PassAndHangUp,
    /// Close the connection.
    HangUp,
    /// Do not answer.
    Silence,
}

/// A running proxy. It ends with the process.
pub struct Proxy {
    port: u16,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    calls: AtomicU64,
    received: AtomicU64,
}

impl Proxy {
    /// Starts one. The handler sees the method and parameters of every call.
    pub fn start(target: u16, handler: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(target, None, handler)
    }

    /// Starts one that answers batches with an HTTP status and a body, and passes on everything else.
    pub fn without_batches(target: u16, status: u16, body: &'static str) -> Self {
        Self::start_with(target, Some((status, body)), |_, _| Answer::Pass)
    }

    fn start_with(
        target: u16,
        batches: Option<(u16, &'static str)>,
        handler: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let (handler, counted) = (Arc::new(handler), Arc::clone(&counts));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, counts) = (Arc::clone(&handler), Arc::clone(&counted));
                thread::spawn(move || serve(&stream, target, batches, &*handler, &counts));
            }
        });
        Self { port, counts }
    }

    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Number of HTTP requests so far.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// Number of JSON-RPC calls so far; a batch has several.
    pub fn calls(&self) -> u64 {
        self.counts.calls.load(Ordering::Relaxed)
    }

    /// Number of bytes that the client received in bodies.
    pub fn received(&self) -> u64 {
        self.counts.received.load(Ordering::Relaxed)
    }
}

fn serve(
    stream: &TcpStream,
    target: u16,
    batches: Option<(u16, &'static str)>,
    handler: &dyn Fn(&str, &Value) -> Answer,
    counts: &Counts,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((_, body)) = read_body(&mut reader) {
        counts.requests.fetch_add(1, Ordering::Relaxed);
        let request: Value = serde_json::from_slice(&body).unwrap();
        let calls = request.as_array().cloned().unwrap_or_else(|| vec![request.clone()]);
        counts.calls.fetch_add(calls.len() as u64, Ordering::Relaxed);
        let answers: Vec<_> =
            calls.iter().map(|call| handler(call["method"].as_str().unwrap(), &call["params"])).collect();
        let (status, headers, content) = if let (Some((status, body)), true) = (batches, request.is_array()) {
            (status, "", body.into())
        } else if answers.iter().all(|answer| matches!(answer, Answer::Pass)) {
            (200, "", post(target, &body))
        } else {
            match one_by_one(&calls, answers, target) {
                Ok(results) if request.is_array() => (200, "", serde_json::to_vec(&results).unwrap()),
                Ok(results) => (200, "", serde_json::to_vec(&results[0]).unwrap()),
                Err(Some((status, headers, content))) => (status, headers, content.into()),
                Err(None) => return,
            }
        };
        counts.received.fetch_add(content.len() as u64, Ordering::Relaxed);
        let head = format!(
            "HTTP/1.1 {status} Some\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
            content.len()
        );
        if (&mut &*stream).write_all(&[head.as_bytes(), &content].concat()).is_err() {
            return;
        }
    }
}

/// Answers calls. An error is either one answer to all of them, or no answer.
fn one_by_one(
    calls: &[Value],
    answers: Vec<Answer>,
    target: u16,
) -> Result<Vec<Value>, Option<(u16, &'static str, &'static str)>> {
    let pass =
        |call: &Value| -> Value { serde_json::from_slice(&post(target, &serde_json::to_vec(call).unwrap())).unwrap() };
    let mut results = Vec::new();
    for (call, answer) in calls.iter().zip(answers) {
        let id = &call["id"];
        results.push(match answer {
            Answer::Pass => pass(call),
            Answer::Change(change) => {
                let mut answer = pass(call);
                answer["result"] = change(answer["result"].take());
                answer
            }
            Answer::Rewrite(rewrite) => rewrite(pass(call)),
            Answer::Result(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Answer::Error(code, message) => {
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
            }
            Answer::Http(status, headers, body) => return Err(Some((status, headers, body))),
            Answer::PassAndHangUp => {
                pass(call);
                return Err(None);
            }
            Answer::HangUp => return Err(None),
            Answer::Silence => {
                thread::sleep(Duration::from_secs(30));
                return Err(None);
            }
        });
    }
    Ok(results)
}
