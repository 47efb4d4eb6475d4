//! Attackers that take shared resources: connections, memory of bodies, places of listeners. All are shared by source.

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use quotapass_relay::http::HttpSettings;

use crate::{server::*, world::*};

const HONEST_CLIENT: [u8; 4] = [127, 77, 0, 1];
const JSON: (&str, &str) = ("content-type", "application/json");

/// Returns addresses of different networks.
fn attacker(number: u8) -> [u8; 4] {
    [127, number, 0, 1]
}

fn verdict(server: &Server, post: &Sent) -> String {
    let answer = server.ask_from(HONEST_CLIENT, "POST", "/v1/verify", &[JSON], post.json().to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["verdict"].as_str().unwrap().to_owned()
}

fn is_closed(mut stream: &TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0) | Err(_))
}

#[test]
fn silent_connections_of_many_addresses_keep_nobody_out() {
    let server = Server::with(HttpSettings {
        max_connections: 32,
        max_connections_per_source: 8,
        header_timeout: Duration::from_secs(600),
        ..HttpSettings::default()
    });
    // Alternately, a connection is silent, or never ends its head.
    let open = |number: u8, count: usize| -> Vec<_> {
        let connect = |place: usize| {
            let mut stream = server.connect_from(attacker(number));
            stream.write_all(if place.is_multiple_of(2) { b"" } else { b"GET / HTTP/1.1\r\nhost:" }).unwrap();
            stream
        };
        (0..count).map(connect).collect()
    };
    // An honest client that connected before, and keeps its connection.
    let mut honest = server.connect_from(HONEST_CLIENT);
    let question = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    honest.write_all(question).unwrap();
    let mut honest = BufReader::new(honest);
    assert_eq!(Answer::read(&mut honest).status, 200);
    let held: Vec<_> = (1..=4).flat_map(|number| open(number, if number == 4 { 7 } else { 8 })).collect();
    for post in &HONEST[..2] {
        assert_eq!(server.ask_from([127, 78, 0, 1], "GET", "/healthz", &[], &[]).status, 200);
        assert_eq!(verdict(&server, post), "accepted");
    }
    // The honest client's connection was not closed to make room.
    honest.get_mut().write_all(question).unwrap();
    assert_eq!(Answer::read(&mut honest).status, 200);
    assert!(server.metric("quotapass_http_evicted_connections_total") >= 1.0);
    assert_eq!(server.metric("quotapass_http_refused_connections_total"), 0.0);
    // One address gets its share and no more.
    let ninth = open(3, 9).pop().unwrap();
    Answer::read(&mut BufReader::new(ninth)).error(429);
    drop(held);
}

/// Sends a request whose body is as large as allowed and never ends.
fn slow_body(server: &Server, number: u8, length: usize) -> TcpStream {
    let mut stream = server.connect_from(attacker(number));
    let head = format!(
        "POST /v1/verify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; length - 1]).unwrap();
    stream
}

#[test]
fn slow_bodies_of_two_addresses_refuse_nobody() {
    let server = Server::with(HttpSettings {
        max_body: 16_384,
        max_body_memory: 65_536,
        max_body_memory_per_source: 32_768,
        body_timeout: Duration::from_secs(600),
        min_body_rate: 0,
        ..HttpSettings::default()
    });
    let held: Vec<_> = [1, 1, 2, 2].map(|number| slow_body(&server, number, 16_384)).into();
    while server.metric("quotapass_http_body_bytes") < 65_532.0 {
        std::thread::yield_now();
    }
    assert_eq!(verdict(&server, &HONEST[2]), "accepted");
    assert_eq!(server.metric("quotapass_http_evicted_bodies_total"), 1.0);
    // The client whose body was dropped gets an answer.
    let given_up = held.iter().find(|stream| {
        stream.set_nonblocking(true).unwrap();
        let is_told = stream.peek(&mut [0]).is_ok();
        stream.set_nonblocking(false).unwrap();
        is_told
    });
    let error = Answer::read(&mut BufReader::new(given_up.unwrap())).error(503);
    assert!(error.contains("gave the memory of this body to another source"), "{error}");
    // A source gets its share and no more.
    let _third = slow_body(&server, 3, 16_384);
    while server.metric("quotapass_http_body_bytes") < 65_532.0 {
        std::thread::yield_now();
    }
    let _fourth = slow_body(&server, 3, 16_384);
    let fifth = slow_body(&server, 3, 16_384);
    Answer::read(&mut BufReader::new(fifth)).error(429);
    assert_eq!(verdict(&server, &HONEST[3]), "accepted");
}

#[test]
fn a_body_that_drips_is_given_up() {
    let server = Server::with(HttpSettings { body_timeout: Duration::from_secs(600), ..HttpSettings::default() });
    let mut stream = server.connect();
    let head =
        "POST /v1/verify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let dripping = stream.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        while (&dripping).write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let error = Answer::read(&mut BufReader::new(&stream)).error(408);
    assert!(error.contains("less than 500 bytes per second"), "{error}");
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    drip.join().unwrap();
}

#[test]
fn listeners_of_one_source_do_not_take_all_places() {
    let settings = HttpSettings { max_listeners: 4, max_listeners_per_source: 3, ..HttpSettings::default() };
    let server = Server::with(settings);
    let listen = |from: [u8; 4]| {
        let mut stream = server.connect_from(from);
        stream.write_all(&request("GET", "/v1/events", &[], &[])).unwrap();
        let mut reader = BufReader::new(stream);
        (Answer::read_head(&mut reader).status, reader)
    };
    let mut held: Vec<_> = [1, 1, 1, 2].map(|number| listen(attacker(number))).into();
    assert!(held.iter().all(|(status, _)| *status == 200));
    assert_eq!(listen(attacker(1)).0, 429);
    let (status, _newcomer) = listen(HONEST_CLIENT);
    assert_eq!(status, 200);
    // The oldest listener of the source with the most listeners ends.
    let mut rest = Vec::new();
    held[0].1.read_to_end(&mut rest).unwrap();
    // Now no source has more than the newcomer would have.
    let (status, _second) = listen(HONEST_CLIENT);
    assert_eq!(status, 503);
    assert_eq!(server.metric("quotapass_http_evicted_listeners_total"), 1.0);
}

#[test]
fn listeners_and_bodies_give_way_to_connections() {
    let server = Server::with(HttpSettings {
        max_connections: 8,
        max_connections_per_source: 8,
        body_timeout: Duration::from_secs(600),
        min_body_rate: 0,
        ..HttpSettings::default()
    });
    let bodies: Vec<_> = (0..4).map(|_| slow_body(&server, 1, 1_000)).collect();
    let mut listeners: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = server.connect_from(attacker(1));
            stream.write_all(&request("GET", "/v1/events", &[], &[])).unwrap();
            stream
        })
        .collect();
    while server.metric("quotapass_http_listeners") < 3.0 || server.metric("quotapass_http_body_bytes") < 3_996.0 {
        std::thread::yield_now();
    }
    listeners.push(server.connect_from(attacker(2)));
    assert_eq!(server.ask_from(HONEST_CLIENT, "GET", "/healthz", &[], &[]).status, 200);
    // The silent connection was closed first, then one of the waiting ones.
    assert!(is_closed(&listeners[3]));
    let _held = server.connect_from(attacker(3));
    let busy = server.connect_from(HONEST_CLIENT);
    assert_eq!(verdict(&server, &HONEST[4]), "accepted");
    drop((bodies, busy));
}

/// Sends a complete request with one post, whose body is filled up to a length.
fn posting(mut stream: TcpStream, headers: &[(&str, &str)], post: &Sent, length: usize) -> TcpStream {
    let body = format!("{:length$}", post.json().to_string());
    stream.write_all(&request("POST", "/v1/verify", &[&[JSON], headers].concat(), body.as_bytes())).unwrap();
    stream
}

/// Attack: forgeries wait long for their verdicts, and each holds a connection for that time.
#[test]
fn posts_that_wait_for_verdicts_do_not_take_all_connections() {
    let few = HttpSettings { max_connections: 32, max_connections_per_source: 8, ..HttpSettings::default() };
    let proxy = HttpSettings { trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()], ..few.clone() };
    for (settings, is_proxied) in [(few, false), (proxy, true)] {
        let server = Server::with(settings);
        server.log.shut(true);
        let network = |number: usize| [127, 1 + number as u8 / 8, 0, 1];
        let named = |address: [u8; 4]| address.map(|byte| byte.to_string()).join(".");
        let connect = |address| if is_proxied { server.connect() } else { server.connect_from(address) };
        let send = |number| {
            let header = [("x-forwarded-for", &*named(network(number)))];
            posting(connect(network(number)), if is_proxied { &header } else { &[] }, &forged(), 0)
        };
        let mut held: Vec<_> = (0..32).map(send).collect();
        let ask = |method, path, body: &[u8]| {
            let mut stream = connect(HONEST_CLIENT);
            let headers = [JSON, ("x-forwarded-for", &*named(HONEST_CLIENT))];
            stream.write_all(&request(method, path, &headers, body)).unwrap();
            stream
        };
        let answer = |stream| Answer::read(&mut BufReader::new(stream));
        server.until(|| answer(ask("GET", "/healthz", &[])).status == 200);
        // The honest client's post gets the place of one that has waited for long.
        let body = HONEST[0].json().to_string();
        std::thread::sleep(Duration::from_secs(1));
        let honest = ask("POST", "/v1/verify", body.as_bytes());
        let mut told = Vec::new();
        let expected = "the relay gave the place of this request to another source";
        for _ in 0..1_000 {
            held.retain(|stream| {
                stream.set_nonblocking(true).unwrap();
                let is_answered = stream.peek(&mut [0]).is_ok();
                stream.set_nonblocking(false).unwrap();
                if is_answered {
                    // A connection whose request was not read yet is closed without an answer.
                    let bytes = read_to_end(stream.try_clone().unwrap());
                    told.extend((!bytes.is_empty()).then(|| Answer::read(&mut &bytes[..]).error(503)));
                }
                !is_answered
            });
            if told.iter().any(|error| error == expected) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(told.iter().any(|error| error == expected), "{told:?}");
        server.log.shut(false);
        assert_eq!(answer(honest).json()["verdict"], "accepted");
    }
}

/// Attack: the same with large bodies, which hold memory.
#[test]
fn posts_that_wait_for_verdicts_do_not_take_all_memory() {
    let server = Server::with(HttpSettings {
        max_body: 16_384,
        max_body_memory: 65_536,
        max_body_memory_per_source: 32_768,
        ..HttpSettings::default()
    });
    server.log.shut(true);
    let held: Vec<_> =
        [1, 1, 2, 2].map(|number| posting(server.connect_from(attacker(number)), &[], &forged(), 16_384)).into();
    server.until(|| server.metric("quotapass_http_body_bytes") >= 65_536.0);
    let body = HONEST[0].json().to_string();
    std::thread::scope(|scope| {
        let honest = scope.spawn(|| {
            loop {
                let answer = server.ask_from(HONEST_CLIENT, "POST", "/v1/verify", &[JSON], body.as_bytes());
                if answer.status != 503 {
                    return answer;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let began = std::time::Instant::now();
        while server.metric("quotapass_http_evicted_bodies_total") < 1.0 && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let evicted = server.metric("quotapass_http_evicted_bodies_total");
        server.log.shut(false);
        assert_eq!(honest.join().unwrap().json()["verdict"], "accepted");
        assert_eq!(evicted, 1.0);
    });
    let errors: Vec<_> = held
        .into_iter()
        .map(|stream| Answer::read(&mut BufReader::new(stream)))
        .filter(|answer| answer.status != 200)
        .map(|answer| answer.error(503))
        .collect();
    assert_eq!(errors, ["the relay gave the memory of this request to another source"]);
}

/// Attack: forgeries that find no place in the queue are sent again at once, as fast as the relay can refuse them.
#[test]
fn a_refusal_for_a_full_queue_takes_a_while() {
    let server = Server::with(HttpSettings { max_connections: 256, ..HttpSettings::default() });
    server.log.shut(true);
    let posts = vec![forged().json(); HttpSettings::default().max_posts];
    let body = serde_json::json!({ "posts": posts }).to_string();
    let begun = std::time::Instant::now();
    let mut held: Vec<_> = (0..32)
        .map(|_| {
            let mut stream = server.connect_from(attacker(1));
            stream.write_all(&request("POST", "/v1/verify", &[JSON], body.as_bytes())).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    let refused = loop {
        match held.iter().position(|stream| stream.peek(&mut [0]).is_ok()) {
            Some(place) => break held.swap_remove(place),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    assert!(begun.elapsed() >= Duration::from_millis(100));
    refused.set_nonblocking(false).unwrap();
    let answer = Answer::read(&mut BufReader::new(refused)).json();
    assert_eq!(answer["verdicts"][0]["verdict"], "overloaded");
    server.log.shut(false);
}
