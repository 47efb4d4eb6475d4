//! What `status` says of the ledger is what `post` does, and messages that cannot be sent cost no message id.

use std::{fs, path::PathBuf};

use quotapass_testkit::{anvil::Anvil, process::now};
use serde_json::{Value, json};

use crate::world::{Device, WALLETS, configure, deploy, stay_within_a_day};

/// Returns the only ledger of a device.
fn ledger_file(device: &Device) -> PathBuf {
    let files = fs::read_dir(device.path("data/ledgers")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|end| end == "ledger")).unwrap()
}

fn status(device: &Device) -> Value {
    device.run(&["status", "--json"]).json()
}

/// Asserts that `post` is refused with this code, and that `status` says the same before.
#[track_caller]
fn agree(device: &Device, state: &str, reason: Option<&str>, code: i32) {
    let told = status(device);
    assert_eq!((&told["ledger"]["state"], &told["amount"]), (&state.into(), &"1000000000000000000".into()), "{told}");
    assert_eq!(told["quotas"][0]["refused"]["reason"], json!(reason), "{told}");
    let text = device.run(&["status"]).succeeds().out.clone();
    assert!(text.contains("deposit     1 DEV"), "{text}");
    let refused = device.run(&["post", "--scope", "lobby", "hi", "--json"]).failure(code);
    assert!(text.contains(refused["message"].as_str().unwrap()), "{text}\n{refused}");
    if let Some(until) = told["quotas"][0]["refused"]["until"].as_u64() {
        assert!(until > now().0, "{told}");
    }
}

#[test]
fn status_says_what_post_does_in_every_state_of_the_ledger() {
    stay_within_a_day();
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let mut device = Device::new(WALLETS[0]);
    configure(&device, &anvil, &registry);
    let words = device.run(&["identity", "new", "--json"]).json()["mnemonic"].as_str().unwrap().to_owned();
    assert_eq!(status(&device)["ledger"], Value::Null);
    device.run(&["deposit", "--tier", "0", "--yes"]).succeeds();
    let told = status(&device);
    assert_eq!((&told["ledger"]["state"], &told["quotas"][0]["left"]), (&"ready".into(), &3.into()));
    assert_eq!(told["quotas"][0]["refused"], Value::Null);
    device.run(&["post", "--scope", "lobby", "one"]).succeeds();
    let file = ledger_file(&device);
    let backup = fs::read(&file).unwrap();
    device.run(&["post", "--scope", "lobby", "two"]).succeeds();
    device.run(&["post", "--scope", "lobby", "three"]).succeeds();
    agree(&device, "ready", Some("quota_used"), 5);

    // A backup that was copied back, before and after the first post notices it.
    fs::write(&file, backup).unwrap();
    agree(&device, "ready", Some("may_be_stale"), 5);
    agree(&device, "ready", Some("may_be_stale"), 5);

    // A device with another share of the ids, and a share without ids below the limit.
    device.run_with(&["identity", "restore", "twin", "--device", "2/2"], words.as_bytes()).succeeds();
    device.set("QUOTAPASS_IDENTITY", "twin");
    agree(&device, "other_share", None, 1);
    device.run_with(&["identity", "restore", "last", "--device", "9/9"], words.as_bytes()).succeeds();
    device.set("QUOTAPASS_IDENTITY", "last");
    device.run(&["ledger", "new"]).fails(1, "--set-aside moves it away first");
    device.run(&["ledger", "new", "--set-aside"]).succeeds();
    agree(&device, "ready", Some("nothing_for_device"), 5);
    device.unset("QUOTAPASS_IDENTITY");

    // A damaged ledger: the deposit is shown, and one verb makes another ledger.
    fs::write(&file, b"nothing of the kind").unwrap();
    agree(&device, "damaged", None, 1);
    let made = device.run(&["ledger", "new", "--set-aside", "--json"]).json();
    assert_eq!(fs::read(made["former"].as_str().unwrap()).unwrap(), b"nothing of the kind");
    assert_eq!(made["scopes"][0]["posting_begins"], status(&device)["quotas"][0]["refused"]["until"]);
    agree(&device, "ready", Some("may_be_stale"), 5);

    // No ledger: the verb creates it, and so does a post.
    fs::remove_file(&file).unwrap();
    let told = status(&device);
    assert_eq!((&told["ledger"]["state"], &told["quotas"][0]["left"]), (&"missing".into(), &0.into()));
    assert_eq!(told["quotas"][0]["refused"]["reason"], "may_be_stale");
    device.run(&["ledger", "new"]).succeeds();
    agree(&device, "ready", Some("may_be_stale"), 5);
}

#[test]
fn a_message_that_cannot_be_sent_costs_no_id() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let mut device = Device::new(WALLETS[0]);
    configure(&device, &anvil, &registry);
    device.run(&["identity", "new"]).succeeds();
    device.run(&["deposit", "--tier", "0", "--yes"]).succeeds();
    let post = ["post", "--scope", "lobby"];
    let long = vec![b'x'; 65_537];
    fs::write(device.path("long"), &long).unwrap();
    fs::write(device.path("empty"), "").unwrap();
    let with_file = |name| [&post[..], &["--file", name]].concat();
    device.run_with(&post, b"").fails(2, "the message is empty");
    device.run(&[&post[..], &[""]].concat()).fails(2, "the message is empty");
    device.run(&with_file("empty")).fails(2, "the message is empty");
    device.run_with(&post, &long).fails(2, "more than the 65536 bytes");
    device.run(&with_file("long")).fails(2, "more than the 65536 bytes");
    let told = status(&device);
    assert_eq!((&told["quotas"][0]["used"], &told["quotas"][0]["left"]), (&0.into(), &3.into()));

    device.run_with(&post, &long[1..]).succeeds();
    device.set("QUOTAPASS_MAX_MESSAGE_BYTES", "65537");
    device.run(&with_file("long")).succeeds();
    device.set("QUOTAPASS_MAX_MESSAGE_BYTES", "2");
    device.run(&[&post[..], &["abc"]].concat()).fails(2, "more than the 2 bytes");
}
