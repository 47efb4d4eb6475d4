//! A stop under load: what was taken is answered.

use std::{
    io::{BufReader, Write},
    net::TcpStream,
};

use crate::{server::*, world::*};

#[test]
fn all_that_was_taken_is_answered() {
    let mut server = Server::start();
    server.relay.log().shut(true);
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
    // All are with the engine: one batch stands at the gate, and the others in the queue or at the gate too.
    let taken =
        |server: &Server| server.metric("quotapass_queue_seconds_count") + server.metric("quotapass_queue_posts");
    while taken(&server) < HONEST.len() as f64 || server.relay.log().waiting() == 0 {
        std::thread::yield_now();
    }
    let idle = server.connect();
    server.stop();
    while TcpStream::connect(server.address).is_ok() {
        std::thread::yield_now();
    }
    server.relay.log().shut(false);
    for stream in requests {
        let answer = Answer::read(&mut BufReader::new(stream));
        assert_eq!(answer.json()["verdict"], "accepted", "{answer:?}");
    }
    drop(idle);
    server.wait();
    assert_eq!(server.relay.log().inner.len(), HONEST.len());
}
