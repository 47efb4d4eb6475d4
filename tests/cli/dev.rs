//! `quotapass dev`: everything that an app under development needs, and the URLs that examples name.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use quotapass_registry::{
    RegistryContract, RegistryReader,
    alloy_primitives::{Address, U256, address},
    rpc::{JsonRpcNode, RpcSettings},
};
use quotapass_testkit::{anvil, process::until};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::Device;

/// The example whose lines run against the default addresses.
const EXAMPLE: &str = include_str!("../../bindings/web/examples/first-proof/first-proof.mjs");
/// A wallet that has nothing: its private key is 1.
const POOR: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";
const POOR_ACCOUNT: Address = address!("7E5F4552091A69125d5DfCb7b8C2659029395Bdf");

/// A running `quotapass dev` on free ports, which is killed when this is dropped.
struct Dev {
    process: Child,
    told: Value,
}

impl Dev {
    fn start(device: &Device) -> Self {
        let program = anvil::program();
        let arguments = ["dev", "--json", "--listen", "127.0.0.1:0", "--rpc-port", "0", "--anvil"];
        let mut command = device.command(&[&arguments[..], &[program.to_str().unwrap()]].concat());
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, told: serde_json::from_str(&line).unwrap() }
    }

    fn told(&self, name: &str) -> &str {
        self.told[name].as_str().unwrap()
    }

    fn registry(&self) -> RegistryContract<JsonRpcNode> {
        let node = JsonRpcNode::connect(self.told("rpc_url"), RpcSettings::default()).unwrap();
        RegistryContract::connect(node, self.told("registry").parse().unwrap()).unwrap()
    }

    fn signal(&mut self, name: &str) -> ExitStatus {
        assert!(Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status().unwrap().success());
        self.process.wait().unwrap()
    }

    fn is_chain_there(&self) -> bool {
        TcpStream::connect(self.told("rpc_url").strip_prefix("http://").unwrap()).is_ok()
    }

    /// Sends a request of a page of another origin.
    fn ask(&self, request: &str, headers: &str, body: &str) -> Answer {
        ask(self.told("url").strip_prefix("http://").unwrap(), request, headers, body)
    }

    fn give(&self, body: &str) -> Answer {
        self.ask("POST /dev/faucet", "content-type: application/json\r\n", body)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    /// Whether pages of every origin may read it.
    fn is_open(&self) -> bool {
        self.head.to_ascii_lowercase().contains("access-control-allow-origin: *\r\n")
    }
}

fn ask(host: &str, request: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(host).unwrap();
    let host =
        if headers.to_ascii_lowercase().contains("host: ") { String::new() } else { format!("host: {host}\r\n") };
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\n{host}origin: http://app.example\r\n{headers}content-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).unwrap();
    let end = whole.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(whole[..end + 2].to_vec()).unwrap();
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: whole[end + 4..].to_vec() }
}

fn has_files(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_some()
}

#[test]
fn an_app_gets_all_that_it_needs_and_a_stop_leaves_nothing() {
    let mut device = Device::new(POOR);
    let temporary = device.path("temporary");
    fs::create_dir(&temporary).unwrap();
    device.set("TMPDIR", temporary.to_str().unwrap());
    let mut dev = Dev::start(&device);
    assert!(has_files(&temporary));

    // The example names the registry, which has the same address on every start.
    assert!(EXAMPLE.contains(&format!("address: \"{}\"", dev.told("registry"))), "{}", dev.told);
    assert_eq!((&dev.told["chain_id"], &dev.told["development"]), (&json!(31_337), &json!(true)));

    // What a page of another origin reads.
    let described = dev.ask("GET /dev", "", "");
    assert_eq!((described.json(), described.is_open()), (dev.told.clone(), true));
    let keys = dev.ask("GET /dev/keys", "", "");
    assert_eq!((keys.json(), keys.is_open()), (dev.told["keys"].clone(), true));
    for (circuit, file) in keys.json().as_object().unwrap() {
        let path = file["url"].as_str().unwrap().strip_prefix(dev.told("url")).unwrap();
        let key = dev.ask(&format!("GET {path}"), "", "");
        assert!(key.is_open());
        assert_eq!(hex::encode(Sha256::digest(&key.body)), file["sha256"], "{circuit}");
        let out = device.path(circuit);
        let exported =
            device.run(&["keys", "export-app", "--development", circuit, "--out", out.to_str().unwrap(), "--json"]);
        assert_eq!(exported.json()["id"], file["id"]);
        assert_eq!(fs::read(out).unwrap(), key.body, "{circuit}");
    }
    let policy = dev.ask("GET /v1/policy", "", "").json();
    let stated: Address = serde_json::from_value(policy["registry"]["address"].clone()).unwrap();
    assert_eq!(stated.to_string(), dev.told("registry"));
    assert_eq!((&policy["scopes"][0]["name"], &policy["development_keys"]), (&json!("lobby"), &json!(true)));

    // The faucet, each time it is asked.
    let asked = json!({ "address": POOR_ACCOUNT }).to_string();
    let asks = "access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n";
    let preflight = dev.ask("OPTIONS /dev/faucet", asks, "");
    assert_eq!((preflight.status, preflight.is_open()), (200, true));
    let unit = U256::from(10).pow(U256::from(18));
    for gifts in 1..3_u64 {
        let given = dev.give(&asked);
        assert_eq!((given.status, given.is_open()), (200, true), "{}", given.json());
        assert_eq!((&given.json()["coins"], &given.json()["tokens"]), (&json!(10), &json!(1_000)));
        let registry = dev.registry();
        assert_eq!(registry.balance_of(POOR_ACCOUNT).unwrap(), U256::from(1_000 * gifts) * unit);
        // The wallet has not paid for gas yet.
        assert_eq!(registry.node().native_balance(POOR_ACCOUNT).unwrap(), U256::from(10 * gifts) * unit);
    }
    let long = "x".repeat(2_000);
    for (body, status) in [("{}", 422), ("{\"address\":\"0x12\"}", 422), ("[", 400), (long.as_str(), 413)] {
        let refused = dev.give(body);
        assert_eq!(refused.status, status, "{body}");
        assert!(refused.json()["hint"].as_str().unwrap().contains("0x"), "{}", refused.json());
    }
    // Attack: DNS rebinding. The browser takes this server for the one of the attacker's page.
    assert_eq!(dev.ask("GET /dev", "host: evil.example\r\n", "").status, 421);

    // A deposit and a post, by the program.
    fs::remove_file(device.path("config.toml")).unwrap();
    let (rpc_url, url, registry) = (dev.told("rpc_url"), dev.told("url"), dev.told("registry"));
    device.run(&["config", "init", "--rpc-url", rpc_url, "--registry", registry]).succeeds();
    device.run(&["config", "add-scope", "--from", url]).succeeds();
    let words = device.run(&["identity", "new", "--json"]).json()["mnemonic"].as_str().unwrap().to_owned();
    device.run(&["deposit", "--tier", "1", "--yes"]).succeeds();
    let sent = device.run(&["post", "--scope", "lobby", "hello", "--to", url, "--json"]);
    assert_eq!(sent.json()["answer"]["verdict"], "accepted");

    // Attack: two devices use one message id. The relay slashes with a wallet of its own. An epoch may end in between.
    let twin = Device::new(POOR);
    fs::copy(device.path("config.toml"), twin.path("config.toml")).unwrap();
    twin.run_with(&["identity", "restore"], words.as_bytes()).succeeds();
    until("the spammer is slashed", || {
        for (spammer, message) in [(&device, "buy"), (&twin, "sell")] {
            spammer.run(&["post", "--scope", "lobby", message, "--to", url, "--trust-ledger"]);
        }
        device.run(&["status", "--json"]).json()["record"]["status"] == "slashed"
    });

    // The relay stops, then its chain; the files of the relay are gone.
    assert!(dev.is_chain_there());
    assert!(dev.signal("INT").success());
    assert!(!dev.is_chain_there());
    assert!(!has_files(&temporary));
}

#[test]
fn the_chain_ends_even_if_the_program_is_killed() {
    let mut dev = Dev::start(&Device::new(POOR));
    assert!(!dev.signal("KILL").success());
    until("anvil ends", || !dev.is_chain_there());
}

#[test]
fn what_is_missing_or_taken_is_named_with_a_remedy() {
    let device = Device::new(POOR);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, port) = (taken.local_addr().unwrap().to_string(), taken.local_addr().unwrap().port().to_string());
    device.run(&["dev", "--listen", &address]).fails(1, "choose another port with --listen");
    let elsewhere = ["dev", "--listen", "127.0.0.1:0", "--rpc-port"];
    let run = |more: &[&str]| device.run(&[&elsewhere[..], more].concat());
    run(&[&port]).fails(1, "choose another port with --rpc-port");
    run(&["0", "--anvil", "/no/anvil"]).fails(1, "install Foundry");
    run(&["0", "--anvil", "false"]).fails(1, "install anvil anew");
    // A program that is no chain.
    run(&["0", "--anvil", "true"]).fails(1, "anvil ended before it answered");
    run(&["0", "--registry", "0x5FbDB2315678afecb367f032d93F642f64180aa3"]).fails(2, "leave out --registry");
    assert!(!device.path("data/relays").exists());
}

#[test]
fn a_development_key_is_exported_only_if_it_is_named() {
    let device = Device::new(POOR);
    device.run(&["keys", "export-app", "--out", "key"]).fails(2, "KEY");
    device
        .run(&["keys", "export-app", "a.zkey", "--development", "post", "--out", "key"])
        .fails(2, "cannot be used with");
    device
        .run(&["keys", "export-app", "--development", "door", "--out", "key"])
        .fails(2, "the circuits are post, badge, slash");
    let exported = device.run(&["keys", "export-app", "--development", "slash", "--out", "key"]);
    assert!(exported.succeeds().out.contains("INSECURE"), "{}", exported.out);
    device.run(&["keys", "export-app", "--development", "slash", "--out", "key"]).fails(1, "cannot write");
}
