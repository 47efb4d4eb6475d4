//! A relay as a sender meets it: its policies are copied, and posts are sent to it.

use std::{
    cell::Cell,
    fs,
    io::{BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use quotapass_testkit::{
    anvil::{Anvil, read_body},
    process::now,
};
use serde_json::json;

use crate::world::{Device, Relay, WALLETS, deploy};

/// What happens to one `POST` between a sender and its relay.
enum Mishap {
    /// The relay receives it, and its answer is lost.
    Lost,
    /// The relay does not receive it; the sender gets this status and body.
    Answer(u16, &'static str),
}

/// Passes on requests to a relay, one after another; the first `POST` requests meet with these mishaps. Returns the
/// address.
fn bad_line(relay: &Relay, mishaps: Vec<Mishap>) -> String {
    let target = relay.url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut mishaps = mishaps.into_iter();
        for mut stream in listener.incoming().flatten() {
            let Some((first, body)) = read_body(&mut BufReader::new(&stream)) else { continue };
            let mishap = if first.starts_with("POST") { mishaps.next() } else { None };
            let answer = match &mishap {
                Some(Mishap::Answer(status, answer)) => (format!("HTTP/1.1 {status} -"), answer.as_bytes().to_vec()),
                _ => pass_on(&target, &first, &body),
            };
            if !matches!(mishap, Some(Mishap::Lost)) {
                stream.write_all(&message(&answer.0, &answer.1)).unwrap();
            }
        }
    });
    address
}

fn pass_on(target: &str, first: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(target).unwrap();
    stream.write_all(&message(first, body)).unwrap();
    read_body(&mut BufReader::new(&stream)).unwrap()
}

fn message(first: &str, body: &[u8]) -> Vec<u8> {
    let (first, length) = (first.trim(), body.len());
    let head = format!(
        "{first}\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A section of a scope whose epochs are short enough for the exit delay of the registry.
fn scope(name: &str, limit_cap: u16) -> String {
    format!(
        "[[scopes]]\nname = \"{name}\"\nepoch_seconds = 600\nlimit_cap = {limit_cap}\nmin_stake = 1\n\
         min_age_days = 0\nroot_window = 600\nmax_clock_skew = 60\n"
    )
}

/// Returns a device with a new configuration for a registry.
fn device(anvil: &Anvil, registry: &str) -> Device {
    let device = Device::new(WALLETS[0]);
    fs::remove_file(device.path("config.toml")).unwrap();
    device.run(&["config", "init", "--rpc-url", &anvil.http(), "--registry", registry]).succeeds();
    device
}

#[test]
fn policies_are_copied_from_a_relay() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let operators = [Device::new(WALLETS[1]), Device::new(WALLETS[2])];
    let one = operators[0].start_relay(&anvil, &registry, &scope("lobby", 10));
    let other = operators[1].start_relay(&anvil, &registry, &(scope("lobby", 11) + &scope("attic", 2)));
    let mut device = device(&anvil, &registry);
    let file = device.path("config.toml");
    let add = |from: &Relay, more: &[&str]| {
        device.run(&[&["config", "add-scope", "--json", "--from", &from.url][..], more].concat())
    };

    // The example of the new file gives way.
    let copied = add(&one, &[]).json();
    assert_eq!((&copied["replaced"], &copied["added"]), (&json!(["lobby"]), &json!([])));
    assert_eq!((copied["key"].as_str(), copied["relay"].as_str()), (Some(&*one.key), Some(&*one.url)));
    device.run(&["policy", "--relay", &one.url, "--key", &one.key]).succeeds();
    let before = fs::read(&file).unwrap();
    assert_eq!(add(&one, &["--key", &one.key]).json()["unchanged"], json!(["lobby"]));

    // Another policy is not taken by accident.
    assert_eq!(add(&other, &[]).failure(8)["code"], "policy_mismatch");
    let wrong = add(&other, &["--key", &one.key]);
    assert!(wrong.failure(1)["message"].as_str().unwrap().contains("which is not a key given with --key"));
    let missing = add(&other, &["--scope", "cellar"]);
    assert!(missing.failure(2)["message"].as_str().unwrap().contains("no scope `cellar`; it has attic, lobby"));
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(add(&other, &["--scope", "attic"]).json()["added"], json!(["attic"]));
    let copied = add(&other, &["--replace"]).json();
    assert_eq!((&copied["replaced"], &copied["unchanged"]), (&json!(["lobby"]), &json!(["attic"])));
    device.run(&["policy", "--relay", &other.url]).succeeds();
    let shown = device.run(&["config", "show", "--json"]).json();
    let scopes: Vec<_> = shown["scopes"].as_array().unwrap().iter().map(|scope| scope["limit_cap"].clone()).collect();
    assert_eq!(
        (scopes, &shown["settings"]["registry"]["value"]),
        (vec![2.into(), 11.into()], &registry.clone().into())
    );

    // A device whose settings come from the environment.
    fs::remove_file(&file).unwrap();
    device.set("QUOTAPASS_CHAIN_ID", "31337");
    device.set("QUOTAPASS_REGISTRY", &registry);
    let text = device.run(&["config", "add-scope", "--from", &one.url]).succeeds().out.clone();
    assert!(text.starts_with("added scope `lobby`: 10 messages in 600 s"), "{text}");
    device.run(&["config", "add-scope", "--from", &anvil.http()]).fails(4, "/v1/policy");
}

#[test]
fn a_post_is_sent_and_sent_again_only_as_it_is() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let operators = [Device::new(WALLETS[1]), Device::new(WALLETS[2])];
    let relay = operators[0].start_relay(&anvil, &registry, &scope("lobby", 10));
    let stricter = operators[1].start_relay(&anvil, &registry, &scope("lobby", 9));
    let device = device(&anvil, &registry);
    device.run(&["config", "add-scope", "--from", &relay.url]).succeeds();
    device.run(&["identity", "new"]).succeeds();
    device.run(&["deposit", "--tier", "1", "--yes"]).succeeds();
    // The same message would keep its message id, and be a replay.
    let count = Cell::new(0);
    let post = |to: &str, more: &[&str]| {
        count.set(count.get() + 1);
        let message = format!("hello {}", count.get());
        device.run(&[&["post", "--scope", "lobby", "--json", &message, "--to", to][..], more].concat())
    };

    // No message id is used if the relay is away, is none, or has another policy.
    assert_eq!(post("http://127.0.0.1:1", &[]).failure(4)["code"], "endpoint");
    post(&anvil.http(), &[]).failure(4);
    assert_eq!(post(&stricter.url, &[]).failure(8)["code"], "policy_mismatch");
    post("relay.example", &[]).failure(2);
    let sent = post(&relay.url, &[]).json();
    assert_eq!((&sent["answer"]["verdict"], &sent["left"]), (&"accepted".into(), &9.into()));
    let text = device.run(&["post", "--scope", "lobby", "ho", "--to", &relay.url, "--out", "ho.json"]);
    assert_eq!(text.succeeds().out, "accepted\n");
    assert!(device.path("ho.json").exists());
    let again = device.run(&["post", "--scope", "lobby", "ho", "--to", &relay.url, "--json"]);
    assert_eq!(again.failure(6)["message"], "replay");
    assert_eq!((&again.objects()[0]["is_again"], &again.objects()[0]["left"]), (&true.into(), &8.into()));

    // The same post again: after the relay learnt of its members, and after a lost answer.
    let late = bad_line(&relay, vec![Mishap::Answer(200, r#"{"verdict":"unknown_root"}"#), Mishap::Answer(503, "{}")]);
    let sent = post(&late, &[]);
    assert_eq!(sent.json()["answer"]["verdict"], "accepted");
    let notes: Vec<_> = sent.notes().iter().map(|note| note["message"].as_str().unwrap().to_owned()).collect();
    assert!(notes.iter().any(|note| note.contains("answers unknown_root; sending the same post again")), "{notes:?}");
    let lost = bad_line(&relay, vec![Mishap::Lost]);
    assert_eq!(post(&lost, &[]).json()["answer"]["verdict"], "replay");

    // What is not accepted, or has no answer, is an error; the post is printed nevertheless.
    let stale = bad_line(&relay, vec![Mishap::Answer(200, r#"{"verdict":"unknown_root"}"#)]);
    let refused = post(&stale, &["--wait", "0"]);
    assert_eq!(refused.failure(6)["message"], "unknown_root");
    assert_eq!(refused.objects()[0]["answer"]["verdict"], "unknown_root");
    let gone = bad_line(&relay, vec![Mishap::Lost]);
    let unknown = post(&gone, &["--wait", "0"]);
    assert!(unknown.failure(4)["message"].as_str().unwrap().contains("send it again as it is"));
    assert!(unknown.objects()[0]["post"]["pass"].is_string() && unknown.objects()[0]["answer"].is_null());
}
