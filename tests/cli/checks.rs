//! Checks before a deposit sends money.

use std::fs;

use quotapass_testkit::{
    anvil::Anvil,
    process::now,
    proxy::{Answer, Proxy},
};

use crate::world::{depositor, nonce};

#[test]
fn a_deposit_is_compared_with_the_scopes_and_the_clock() {
    let anvil = Anvil::start(now());
    let device = depositor(&anvil);
    let path = device.path("config.toml");
    let config = fs::read_to_string(&path).unwrap();
    let strict = config.replace("min_stake = 1", "min_stake = 10").replace("min_age_days = 0", "min_age_days = 2");
    fs::write(&path, strict).unwrap();
    anvil.advance(3_600);
    let told = device.run(&["deposit", "--tier", "0", "--yes"]).succeeds().error.clone();
    for words in [
        "`lobby` asks for a stake of 10, and this tier has 1: messages there will be refused; tier 1 has it",
        "asks for deposits that are 2 days old",
        "behind the newest block, so messages would be refused; set the clock",
        "relays refuse this registry for `lobby`: its members can withdraw after 2h",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }

    let (without, _) = config.split_once("[[scopes]]").unwrap();
    fs::write(&path, without).unwrap();
    let told = device.run(&["deposit", "--tier", "0", "--account", "1", "--yes"]).succeeds().error.clone();
    assert!(told.contains("no scope is configured"), "{told}");
}

#[test]
fn a_deposit_without_a_usable_ledger_sends_nothing() {
    let anvil = Anvil::start(now());
    let mut device = depositor(&anvil);
    let before = nonce(&anvil);
    let deposit = ["deposit", "--tier", "0", "--approve", "--yes"];

    // A folder that cannot be created.
    let state = device.path("state");
    device.set("QUOTAPASS_STATE_DIR", device.path("config.toml").join("state").to_str().unwrap());
    device.run(&deposit).fails(1, "cannot lock");
    device.set("QUOTAPASS_STATE_DIR", state.to_str().unwrap());
    fs::remove_dir_all(device.path("data/registries")).unwrap();
    fs::write(device.path("data/registries"), b"").unwrap();
    device.run(&deposit).fails(1, "cannot create");
    fs::remove_file(device.path("data/registries")).unwrap();

    // A ledger that cannot be read.
    let proxy = Proxy::start(anvil.port(), |method, _| match method {
        "eth_sendRawTransaction" => Answer::Error(-32000, "not today"),
        _ => Answer::Pass,
    });
    device.run(&[&deposit[..], &["--rpc-url", &proxy.http()]].concat()).fails(3, "not today");
    let files = fs::read_dir(device.path("data/ledgers")).unwrap().map(|file| file.unwrap().path());
    let ledger = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "ledger")).unwrap();
    let content = fs::read(&ledger).unwrap();
    fs::write(&ledger, b"nothing of the kind").unwrap();
    device.run(&deposit).fails(1, "cannot be read");
    assert_eq!(nonce(&anvil), before);

    fs::write(&ledger, content).unwrap();
    device.run(&deposit).succeeds();
    assert_eq!(nonce(&anvil), before + 2);
}
