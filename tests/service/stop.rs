//! A stop under load: every accepted request is answered.

use std::{
    io::{BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use quotapass_relay::http::HttpSettings;

use crate::{server::*, world::*};

#[test]
fn all_that_was_taken_is_answered() {
    let mut server = Server::start();
    server.log.shut(true);
    let requests: Vec<_> = HONEST
        .iter()
        .map(|post| {
            let body = post.json().to_string();
            let mut stream = server.connect();
            let headers = [("content-type", "application/json")];
            stream.write_all(&request("POST", "/v1/verify", &headers, body.as_bytes())).unwrap();
            stream
        })
        .collect();
    // The engine has all requests: one batch waits at the gate, and the others are in the queue or at the gate, too.
    let taken = |server: &Server| {
        server.metric("quotapass_queue_seconds_count") + server.metric("quotapass_unproven_queue_posts")
    };
    while taken(&server) < HONEST.len() as f64 || server.log.waiting() == 0 {
        std::thread::yield_now();
    }
    let idle = server.connect();
    server.stop();
    while TcpStream::connect(server.address).is_ok() {
        std::thread::yield_now();
    }
    server.log.shut(false);
    for stream in requests {
        let answer = Answer::read(&mut BufReader::new(stream));
        assert_eq!(answer.json()["verdict"], "accepted", "{answer:?}");
    }
    drop(idle);
    server.wait();
    assert_eq!(server.log.inner.len(), HONEST.len());
}

#[test]
fn readiness_goes_before_the_listener() {
    let drained = HttpSettings { drain_delay: Duration::from_secs(3_600), ..HttpSettings::default() };
    let mut server = Server::with(drained);
    assert_eq!(server.get("/readyz").status, 200);
    server.stop();
    while server.get("/readyz").status == 200 {
        std::thread::yield_now();
    }
    // A load balancer that has not checked yet still sends requests: nothing is lost.
    assert_eq!(server.get("/readyz").json()["reasons"][0]["code"], "stopping");
    assert_eq!(names(&server.verify(&HONEST[..2])), ["accepted"; 2]);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn an_engine_that_is_stuck_is_told_from_one_with_nothing_to_do() {
    let server = Server::start();
    let idle = server.engine.progress();
    assert!(!server.engine.progress().is_stuck_since(&idle));
    server.log.shut(true);
    let body = HONEST[0].json().to_string();
    let mut stream = server.connect();
    stream.write_all(&request("POST", "/v1/verify", &[("content-type", "application/json")], body.as_bytes())).unwrap();
    while server.log.waiting() == 0 {
        std::thread::yield_now();
    }
    // A post waits at the gate, and no batch is finished.
    let before = server.engine.progress();
    assert!(server.engine.progress().is_stuck_since(&before));
    server.log.shut(false);
    assert_eq!(Answer::read(&mut BufReader::new(stream)).json()["verdict"], "accepted");
    assert!(!server.engine.progress().is_stuck_since(&before));
}
