//! Server-sent events.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use quotapass_protocol::UnixSeconds;
use quotapass_relay::{RelayEvent, http::HttpSettings};
use serde_json::{Value, json};

use crate::{server::*, world::*};

struct Listener(BufReader<TcpStream>);

#[derive(Debug, Default)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Listener {
    fn start(server: &Server, last: Option<&str>) -> Self {
        let mut stream = server.connect();
        let headers: Vec<_> = last.map(|id| ("last-event-id", id)).into_iter().collect();
        stream.write_all(&request("GET", "/v1/events", &headers, &[])).unwrap();
        let mut reader = BufReader::new(stream);
        let head = Answer::read_head(&mut reader);
        assert_eq!((head.status, head.headers["content-type"].as_str()), (200, "text/event-stream"));
        Self(reader)
    }

    /// Returns the next line of the stream.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.0.read_line(&mut line).unwrap() > 0).then(|| line.trim_end().to_owned())
    }

    /// Returns the next event, and skips comments; `None` if the stream ended.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = id.into(),
                Some(("event", name)) => event.name = name.into(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if line.is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }
}

fn reloaded(server: &Server, at: u64) {
    server.engine.context().events.publish(RelayEvent::Reloaded { at: UnixSeconds(at) });
}

#[test]
fn listeners_hear_what_happens_and_what_they_missed() {
    let server = Server::start();
    let mut listener = Listener::start(&server, None);
    reloaded(&server, 1);
    let root = world().tree.root();
    server.engine.context().events.publish(RelayEvent::RootChanged { root, since: UnixSeconds(7), members: 8 });
    let first = listener.next().unwrap();
    assert_eq!((first.name.as_str(), &first.data), ("reloaded", &json!({ "at": 1 })));
    let second = listener.next().unwrap();
    assert_eq!(
        (second.name.as_str(), &second.data),
        ("root_changed", &json!({ "root": root, "since": 7, "members": 8 }))
    );
    drop(listener);

    reloaded(&server, 2);
    let mut back = Listener::start(&server, Some(&second.id));
    assert_eq!(back.next().unwrap().data, json!({ "at": 2 }));
    reloaded(&server, 3);
    assert_eq!(back.next().unwrap().data, json!({ "at": 3 }));
    // An id of another run of the relay: all known events follow `missed`, because others may be lost.
    let mut old = Listener::start(&server, Some("1-5"));
    assert_eq!(old.next().unwrap().name, "missed");
    assert_eq!(old.next().unwrap().data, json!({ "at": 1 }));
    server.ask("GET", "/v1/events", &[("last-event-id", "yesterday")], &[]).error(400);
}

#[test]
fn a_double_post_is_told_once() {
    let server = Server::start();
    let mut listener = Listener::start(&server, None);
    assert_eq!(names(&server.verify(&HALVES.clone())), ["accepted", "quota_exceeded"]);
    let event = listener.next().unwrap();
    assert_eq!(event.name, "convicted");
    assert_eq!(event.data, json!({ "commitment": world().secrets[0].commitment(), "at": NOW }));
    reloaded(&server, 1);
    assert_eq!(listener.next().unwrap().name, "reloaded");
}

#[test]
fn listeners_are_bounded_hear_that_it_is_quiet_and_are_let_go() {
    let settings = HttpSettings { max_listeners: 2, keep_alive: Duration::from_millis(50), ..HttpSettings::default() };
    let mut server = Server::with(settings);
    let mut listeners: Vec<_> = (0..2).map(|_| Listener::start(&server, None)).collect();
    server.get("/v1/events").error(503);
    let comments = (0..).map(|_| listeners[0].line().unwrap()).filter(|line| line.starts_with(':'));
    assert_eq!(comments.take(3).count(), 3);
    drop(listeners.pop());
    // A listener that left is noticed when the relay next writes to it.
    while server.get("/readyz").status == 200 && server.metric("quotapass_http_listeners") > 1.0 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut listener = Listener::start(&server, None);
    server.stop();
    assert!(listener.next().is_none());
    server.wait();
}

#[test]
fn a_listener_that_falls_behind_is_told() {
    let server = Server::start();
    let mut listener = Listener::start(&server, None);
    // More events at once than the queue of a listener holds.
    (0..100_000).for_each(|at| reloaded(&server, at));
    let events = std::iter::from_fn(|| listener.next());
    let (mut told, mut last) = (false, 0);
    for event in events {
        told |= event.name == "missed";
        last = event.data["at"].as_u64().unwrap_or(last);
        if last == 99_999 {
            break;
        }
    }
    assert!(told);
}
