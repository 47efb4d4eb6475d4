//! Malicious clients, while honest members post.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};

use crate::stage::{LOAD, Stage};

/// Number of connections of a malicious client.
const CONNECTIONS: usize = 40;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Connects from another address of this machine, if it has more than one.
async fn connect(relay: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    if cfg!(target_os = "linux") {
        socket.bind((Ipv4Addr::new(127, 0, 0, 9), 0).into()).unwrap();
    }
    socket.connect(relay).await.ok()
}

/// Runs the load of all tests, with a disturbance until it is over.
fn load_beside(disturb: impl FnOnce(SocketAddr, Arc<AtomicBool>) -> thread::JoinHandle<()>) {
    let mut stage = Stage::new(&[]);
    stage.start();
    let over = Arc::new(AtomicBool::new(false));
    let disturbing = disturb(stage.address, Arc::clone(&over));
    let answer = stage.load(&[&LOAD[..], &["--retry", "120s"]].concat()).wait();
    over.store(true, Ordering::Relaxed);
    disturbing.join().unwrap();
    let answer = answer.checked();
    assert!(answer.count("accepted") > 0, "{}", answer.report);
    assert_eq!(answer.report["undecided"], 0);
}

#[test]
fn slow_clients_do_not_hold_up_the_others() {
    load_beside(|relay, over| {
        thread::spawn(move || {
            runtime().block_on(async {
                let slow = (0..CONNECTIONS).map(|number| tokio::spawn(dawdle(relay, number, Arc::clone(&over))));
                for slow in slow.collect::<Vec<_>>() {
                    slow.await.unwrap();
                }
            });
        })
    });
}

/// Sends a byte now and then, of the head or of the body; or sends a thousand requests, and never reads the answers.
async fn dawdle(relay: SocketAddr, number: usize, over: Arc<AtomicBool>) {
    let head = "POST /v1/verify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let (at_once, slowly) = match number % 3 {
        0 => (String::new(), format!("{head}x-slow: {}", "x".repeat(1_000))),
        1 => (format!("{head}content-length: 10000\r\n\r\n"), " ".repeat(1_000)),
        _ => ("GET /v1/policy HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000), String::new()),
    };
    while !over.load(Ordering::Relaxed) {
        let Some(mut stream) = connect(relay).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        // The relay may close the connection at any time.
        let _ = timeout(Duration::from_secs(1), stream.write_all(at_once.as_bytes())).await;
        for byte in slowly.bytes() {
            if over.load(Ordering::Relaxed) || stream.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn garbage_does_not_harm_the_others() {
    let answered = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&answered);
    load_beside(|relay, over| {
        thread::spawn(move || {
            runtime().block_on(async {
                let flood =
                    (0..8).map(|seed| tokio::spawn(flood(relay, seed, Arc::clone(&over), Arc::clone(&counted))));
                for flood in flood.collect::<Vec<_>>() {
                    flood.await.unwrap();
                }
            });
        })
    });
    assert!(answered.load(Ordering::Relaxed) > 0);
}

async fn flood(relay: SocketAddr, seed: u64, over: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let mut rng = StdRng::seed_from_u64(seed);
    while !over.load(Ordering::Relaxed) {
        let Some(mut stream) = connect(relay).await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.write_all(&garbage(&mut rng)).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        // Not every input gets an answer, but no answer may be an internal error of the relay.
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        if let Some(status) = answer.get(9..12) {
            let status = std::str::from_utf8(status).unwrap();
            assert!(status.starts_with('2') || status.starts_with('4') || status == "503", "{status}");
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Returns invalid requests, requests without valid posts, and posts without valid passes.
fn garbage(rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; rng.gen_range(1..2_000)];
    rng.fill_bytes(&mut bytes);
    let (kind, body) = match rng.gen_range(0..6) {
        0 => return bytes,
        1 => ("application/octet-stream", bytes),
        2 => ("application/octet-stream", frame(rng)),
        3 => ("application/json", bytes),
        4 => ("application/json", vec![b'['; 100_000]),
        _ => ("application/json", br#"{"posts":[{"scope":"bench","message":"x","pass":"AAAA"}]}"#.to_vec()),
    };
    let path = ["/v1/verify", "/v1/badges", "/v1/nowhere", "/"][rng.gen_range(0..4)];
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// Returns a post whose pass is random after its first two bytes, in half the cases with a wrong message length.
fn frame(rng: &mut StdRng) -> Vec<u8> {
    let mut pass = [0; 246];
    rng.fill_bytes(&mut pass);
    pass[..2].copy_from_slice(&[1, 1]);
    let length: u32 = if rng.gen_ratio(1, 2) { 1 } else { u32::MAX };
    [&b"\x05bench"[..], &length.to_be_bytes(), b"x", &pass].concat()
}
