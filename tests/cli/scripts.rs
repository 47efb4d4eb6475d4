//! What scripts rely on: one JSON object a line, stable codes, one form of amounts and commitments.

use quotapass_testkit::{anvil::Anvil, process::now};

use crate::world::{Device, WALLETS, configure, deploy};

const NOBODY: &str = "0x00000000000000000000000000000000000000aa";

/// Asserts that a run with `--json` fails with this code and these words, and prints nothing else.
#[track_caller]
fn fails(device: &Device, code: i32, name: &str, words: &str, arguments: &[&str]) {
    let answer = device.run(&[arguments, &["--json"]].concat());
    let error = answer.failure(code);
    assert_eq!(error["code"], name);
    assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    assert!(answer.out.is_empty(), "{}", answer.out);
}

#[test]
fn every_error_is_one_object_with_a_stable_code() {
    let mut device = Device::new(WALLETS[0]);
    // What the parser of arguments finds.
    let parsed: [(&str, &[&str]); 5] = [
        ("--tier <TIER>", &["deposit"]),
        ("unexpected argument '--teir'", &["deposit", "--teir", "0"]),
        ("invalid value 'x' for '--index <INDEX>'", &["exit", "--index", "x"]),
        ("unrecognized subcommand 'depsoit'", &["depsoit"]),
        ("the device number 3 is above the count 2", &["identity", "new", "--device", "3/2"]),
    ];
    // Values that the verbs read themselves, and settings.
    let read: [(&str, &[&str]); 6] = [
        ("`rpc_url` is not set", &["registry", "info", "--registry", NOBODY]),
        ("`registry` is `0x12`, from flag --registry", &["sync", "--registry", "0x12"]),
        ("from flag --rpc-timeout", &["sync", "--registry", NOBODY, "--rpc-timeout", "soon"]),
        ("no scope is configured", &["badge", "--scope", "attic", "--chat-key", "00"]),
        ("`a/b` is not a valid identity name", &["identity", "new", "a/b"]),
        ("does not support --rpc-url", &["relay", "--rpc-url", "http://x"]),
    ];
    for (words, arguments) in parsed.iter().chain(&read) {
        fails(&device, 2, "arguments", words, arguments);
    }
    device.set("QUOTAPASS_CHAIN_ID", "five");
    fails(&device, 2, "arguments", "QUOTAPASS_CHAIN_ID", &["sync", "--registry", NOBODY, "--rpc-url", "http://x"]);
    device.unset("QUOTAPASS_CHAIN_ID");
    fails(&device, 1, "failure", "cannot read nowhere", &["verify", "nowhere"]);
    let down = ["sync", "--registry", NOBODY, "--rpc-url", "http://127.0.0.1:1"];
    fails(&device, 4, "endpoint", "check the address and that the node runs", &down);
    // Without the flag, errors are sentences, and help is never an error.
    device.run(&["deposit"]).fails(2, "Usage:");
    device.run(&["verify", "nowhere"]).fails(1, "error: cannot read nowhere");
    assert!(device.run(&["--json", "--help"]).succeeds().out.contains("Exit codes:"));
    // The flag counts only where it is one.
    device.run(&["post", "--scope", "attic", "--", "--json"]).fails(2, "error: no scope is configured");
}

#[test]
fn verbs_print_one_object_a_line() {
    let device = Device::new(WALLETS[0]);
    let count = |arguments: &[&str]| {
        let answer = device.run(&[arguments, &["--json"]].concat());
        answer.succeeds().notes();
        answer.objects().len()
    };
    assert_eq!(count(&["identity", "new"]), 1);
    for one in [&["identity", "list"][..], &["config", "show"], &["completions", "bash"], &["man"]] {
        assert_eq!(count(one), 1, "{one:?}");
    }
    assert_eq!((count(&["circuit", "info"]), count(&["keys", "show"])), (6, 6));
    assert_eq!(count(&["circuit", "export", "--out", "circuits"]), 30);
}

#[test]
fn amounts_and_commitments_have_one_form() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let device = Device::new(WALLETS[0]);
    configure(&device, &anvil, &registry);
    device.run(&["identity", "new"]).succeeds();
    let shown = device.run(&["identity", "show", "--json"]).json();
    let deposited = device.run(&["deposit", "--tier", "1", "--yes", "--json"]).json();
    let info = device.run(&["registry", "info", "--json"]).json()["info"].clone();
    let status = device.run(&["status", "--json"]).json();
    for commitment in [&deposited["commitment"], &status["commitment"], &status["record"]["commitment"]] {
        assert_eq!(*commitment, shown["commitment"]);
    }
    for amount in [&deposited["amount"], &status["amount"], &info["tiers"][1]["amount"], &info["total_owed"]] {
        assert_eq!(amount, "10000000000000000000");
    }
    for fee in [&deposited["fee"], &info["fee"]] {
        assert_eq!(fee, "10000000000000000");
    }
    // The contract's refusals and the program's own have the same code.
    fails(&device, 3, "refused", "is already a member", &["deposit", "--tier", "1", "--yes"]);
    fails(&device, 3, "refused", "no member was ever added at index 7", &["exit", "--index", "7", "--yes"]);
    // One object for each post, then the error.
    device.run(&["post", "--scope", "lobby", "hello", "--out", "hello.json"]).succeeds();
    let judged = device.run(&["verify", "hello.json", "hello.json", "--json"]);
    assert_eq!(judged.failure(6)["code"], "not_accepted");
    let verdicts: Vec<_> = judged.objects().iter().map(|verdict| verdict["verdict"].clone()).collect();
    assert_eq!(verdicts, ["accepted", "replay"]);
    let watched = device.run(&["watch", "--once", "--json"]).json();
    assert_eq!((&watched["event"], &watched["members"]), (&"synced".into(), &1.into()));
}
