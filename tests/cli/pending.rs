//! Runs that end while their transaction is on its way, and what the next run makes of it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use quotapass_testkit::{
    anvil::Anvil,
    process::{now, until},
    proxy::{Answer, Proxy},
};
use serde_json::{Value, json};

use crate::world::{Device, WALLETS, depositor, nonce};

/// A run of the program that has not ended.
struct Running {
    child: Child,
    error: BufReader<std::process::ChildStderr>,
    /// The lines of the error output so far.
    told: String,
}

impl Running {
    /// Starts the program, and waits until a line of its error output contains these words.
    fn until_it_says(device: &Device, arguments: &[&str], words: &str) -> Self {
        let mut command = device.command(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let error = BufReader::new(child.stderr.take().unwrap());
        let mut running = Self { child, error, told: String::new() };
        while !running.told.contains(words) {
            assert!(running.error.read_line(&mut running.told).unwrap() > 0, "ended without {words}: {}", running.told);
        }
        running
    }

    /// Presses Ctrl-C. Returns all of the error output.
    fn interrupt(mut self) -> String {
        let sent = Command::new("kill").args(["-s", "INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.error.read_to_string(&mut self.told).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(130), "{}", self.told);
        self.told
    }

    /// Waits for the end of a run that succeeds. Returns the JSON object that it printed.
    fn json(mut self) -> Value {
        self.error.read_to_string(&mut self.told).unwrap();
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", self.told);
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The words between which a run names its transaction.
fn transaction(told: &str) -> &str {
    told.split_once("Sent transaction ").unwrap().1.split(';').next().unwrap()
}

#[test]
fn ctrl_c_names_the_transaction_and_the_next_run_finds_it() {
    let anvil = Anvil::start(now());
    let device = depositor(&anvil);
    anvil.stop_mining();
    let deposit = ["deposit", "--tier", "0", "--yes", "--json"];
    let told = Running::until_it_says(&device, &deposit, "Sent transaction").interrupt();
    let hash = transaction(&told);
    assert!(told.contains(&format!("Transaction {hash} may still be mined")), "{told}");
    let pending = device.run(&["status", "--json"]).json()["pending"].clone();
    assert_eq!(pending.as_array().unwrap().len(), 1);
    assert_eq!(
        [&pending[0]["what"], &pending[0]["state"], &pending[0]["transaction"]],
        [&json!("deposit"), &json!("waiting"), &json!(hash)]
    );
    let shown = device.run(&["status"]);
    assert!(shown.succeeds().out.contains(&format!("transaction {hash}, in no block yet")), "{}", shown.out);

    // The next run waits for the same transaction, and the one after that knows the member.
    let next = Running::until_it_says(&device, &deposit, "was sent by an earlier run");
    anvil.mine(1);
    let found = next.json();
    assert_eq!((&found["index"], &found["transaction"], &found["resumed"]), (&json!(0), &json!(hash), &json!(true)));
    device.run(&deposit).fails(3, "is already a member (0)");
    let status = device.run(&["status", "--json"]).json();
    assert_eq!((&status["index"], &status["pending"]), (&json!(0), &json!([])));
    let info = device.run(&["registry", "info", "--json"]).json();
    assert_eq!((&info["info"]["member_count"], &status["record"]["status"]), (&json!(1), &json!("active")));
}

#[test]
fn a_deposit_that_was_mined_meanwhile_is_found() {
    let anvil = Anvil::start(now());
    let device = depositor(&anvil);
    anvil.stop_mining();
    let deposit = ["deposit", "--tier", "1", "--yes", "--json"];
    // Killed without a word.
    let mut killed = Running::until_it_says(&device, &deposit, "Sent transaction");
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    anvil.mine(1);
    assert_eq!(device.run(&["status", "--json"]).json()["pending"][0]["state"], "included");
    let found = device.run(&deposit).json();
    assert_eq!((&found["index"], &found["tier"], &found["resumed"]), (&json!(0), &json!(1), &json!(true)));
    assert_eq!(found["transaction"], transaction(&killed.told));

    // A call that was sent is not sent again.
    let before = nonce(&anvil);
    let exit = ["exit", "--yes", "--json"];
    let told = Running::until_it_says(&device, &exit, "Sent transaction").interrupt();
    anvil.mine(1);
    assert_eq!(device.run(&exit).json()["transaction"], transaction(&told));
    assert_eq!(nonce(&anvil), before + 1);
}

#[test]
fn a_deposit_that_never_arrived_is_sent_by_the_next_run() {
    let anvil = Anvil::start(now());
    let device = depositor(&anvil);
    let proxy = Proxy::start(anvil.port(), |method, _| match method {
        "eth_sendRawTransaction" => Answer::HangUp,
        _ => Answer::Pass,
    });
    device.run(&["deposit", "--tier", "0", "--yes", "--rpc-url", &proxy.http()]).fails(4, "is unknown");
    let pending = device.run(&["status", "--json"]).json()["pending"].clone();
    assert_eq!([&pending[0]["what"], &pending[0]["state"]], [&json!("deposit"), &json!("unknown")]);
    let deposited = device.run(&["deposit", "--tier", "0", "--yes", "--json"]).json();
    assert_eq!((&deposited["index"], &deposited["resumed"]), (&json!(0), &json!(false)));
    assert_eq!(device.run(&["status", "--json"]).json()["pending"], json!([]));
}

#[test]
fn a_run_waits_for_confirmations() {
    let anvil = Anvil::start(now());
    let device = depositor(&anvil);
    let deposit = ["deposit", "--tier", "0", "--yes", "--json", "--confirmations", "3"];
    let mut running = Running::until_it_says(&device, &deposit, "with 1 of 3 confirmations");
    thread::sleep(Duration::from_millis(500));
    assert!(running.child.try_wait().unwrap().is_none());
    anvil.mine(2);
    until("the run ends", || running.child.try_wait().unwrap().is_some());
    assert_eq!(running.json()["index"], 0);
    device.run(&["sync", "--confirmations", "0"]).fails(2, "`confirmations` is `0`");
}

fn deployment(url: &str) -> Vec<&str> {
    let terms = ["--dev-token", "--tier", "1:1:3", "--exit-delay", "2h"];
    [&["registry", "deploy", "--rpc-url", url][..], &terms[..], &["--yes", "--json"][..]].concat()
}

#[test]
fn a_deployment_goes_on_where_it_was_interrupted() {
    let anvil = Anvil::start(now());
    let device = Device::new(WALLETS[0]);
    // Token and mint are in blocks when the verifier is refused.
    let sent = AtomicU32::new(0);
    let proxy = Proxy::start(anvil.port(), move |method, _| match method {
        "eth_sendRawTransaction" if sent.fetch_add(1, Ordering::SeqCst) == 2 => Answer::Error(-32000, "not today"),
        _ => Answer::Pass,
    });
    device.run(&deployment(&proxy.http())).fails(3, "not today");
    assert_eq!(nonce(&anvil), 2);

    // The next run ends while the verifier is on its way.
    let url = anvil.http();
    anvil.stop_mining();
    let told = Running::until_it_says(&device, &deployment(&url), "Sent transaction").interrupt();
    assert!(told.contains("Continuing the deployment that was interrupted."), "{told}");
    anvil.mine(1);
    anvil.rpc("evm_setAutomine", json!([true]));
    let deployed = device.run(&deployment(&url)).json();
    assert_eq!(nonce(&anvil), 4);

    // It is complete, so the next one is another.
    let other = device.run(&deployment(&url)).json();
    assert_ne!(other["registry"], deployed["registry"]);
    assert_eq!(nonce(&anvil), 8);
}

#[test]
fn a_deployment_with_other_terms_uses_no_contract_of_the_interrupted_one() {
    let anvil = Anvil::start(now());
    let device = Device::new(WALLETS[0]);
    let sent = AtomicU32::new(0);
    let proxy = Proxy::start(anvil.port(), move |method, _| match method {
        "eth_sendRawTransaction" if sent.fetch_add(1, Ordering::SeqCst) == 1 => Answer::Error(-32000, "not today"),
        _ => Answer::Pass,
    });
    device.run(&deployment(&proxy.http())).fails(3, "not today");
    let url = anvil.http();
    let mut other = deployment(&url);
    other.extend(["--tier", "2:2:3"]);
    let deployed = device.run(&other);
    assert!(deployed.succeeds().error.contains("An interrupted deployment with other terms is given up"));
    assert_eq!(nonce(&anvil), 1 + 4);
}
