//! User errors, each with an error message that helps.

use std::fs;

use quotapass_testkit::{anvil::Anvil, process::now};

use crate::world::{Device, WALLETS, configure, deploy};

#[test]
fn every_wrong_turn_is_answered_by_a_sentence_that_helps() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let mut device = Device::new(WALLETS[1]);
    configure(&device, &anvil, &registry);
    device.run(&["identity", "new"]).succeeds();

    // Money.
    device.run(&["deposit", "--tier", "9", "--yes"]).fails(2, "has no tier 9; it has 0 to 2");
    device
        .run(&["deposit", "--tier", "0", "--yes"])
        .fails(3, "holds 0 DEV and the deposit takes 1 DEV and a fee of 0.01 DEV");
    device.set("QUOTAPASS_WALLET_KEY", WALLETS[0]);
    device.run(&["deposit", "--tier", "2", "--yes"]).fails(3, "the deposit takes 5000000 DEV and a fee");
    device.run(&["deposit", "--tier", "0"]).fails(2, "pass --yes to confirm");
    let poor = "0x0000000000000000000000000000000000000000000000000000000000000001";
    device.set("QUOTAPASS_WALLET_KEY", poor);
    device.run(&["registry", "deploy", "--dev-token", "--tier", "1:1:1", "--yes"]).fails(3, "coin");
    device.set("QUOTAPASS_WALLET_KEY", "0x12");
    device.run(&["deposit", "--tier", "0", "--yes"]).fails(2, "64 hexadecimal digits");
    device.unset("QUOTAPASS_WALLET_KEY");
    device.run(&["deposit", "--tier", "0", "--yes"]).fails(2, "no wallet is set: name an encrypted keystore");

    // Not a member.
    device.run(&["post", "--scope", "lobby", "hi"]).fails(3, "is not a member of this registry yet");
    device.set("QUOTAPASS_WALLET_KEY", WALLETS[0]);
    device.run(&["exit", "--yes"]).fails(3, "is not a member of this registry yet");
    device.run(&["exit", "--index", "7", "--yes"]).fails(3, "no member was ever added at index 7");
    assert_eq!(device.run(&["status", "--json"]).json()["index"], serde_json::Value::Null);

    // An approval in a separate transaction works like a permit.
    device.run(&["deposit", "--tier", "0", "--approve", "--yes"]).succeeds();

    // Scopes, passphrases, files.
    device.run(&["post", "--scope", "attic", "hi"]).fails(2, "no scope `attic` is configured");
    device.set("QUOTAPASS_PASSPHRASE", "battery staple");
    device.run(&["post", "--scope", "lobby", "hi"]).fails(1, "the passphrase is wrong");
    device.unset("QUOTAPASS_PASSPHRASE");
    device
        .run(&["post", "--scope", "lobby", "hi"])
        .fails(2, "set QUOTAPASS_PASSPHRASE, or name a file with --passphrase-file");
    let passphrase = device.path("passphrase");
    fs::write(&passphrase, "correct horse\n").unwrap();
    device.set("QUOTAPASS_PASSPHRASE_FILE", passphrase.to_str().unwrap());
    device.run(&["post", "--scope", "lobby", "--file", "nowhere"]).fails(1, "cannot read the message from nowhere");
    device.run(&["post", "--scope", "lobby", "hi", "--identity", "other"]).fails(1, "there is no identity `other`");
    device.run(&["verify", "nowhere"]).fails(1, "cannot read nowhere");
    fs::write(device.path("empty"), "{}").unwrap();
    device.run(&["verify", "empty"]).fails(1, "holds no posts");

    // The chain.
    device.run(&["sync", "--rpc-url", "http://127.0.0.1:1"]).fails(4, "check the address and that the node runs");
    device.run(&["sync", "--rpc-url", "gopher://x"]).fails(2, "is not the address of an endpoint");
    device.run(&["sync", "--chain-id", "1"]).fails(4, "not on the expected chain 1");
    let nobody = "0x00000000000000000000000000000000000000aa";
    device.run(&["sync", "--registry", nobody]).fails(3, "there is no contract at");
    device
        .run(&["sync", "--registry", "0x12"])
        .fails(2, "`registry` is `0x12`, from flag --registry, which is not valid");
    let info = device.run(&["registry", "info", "--json"]).json();
    let token = info["info"]["token"]["address"].as_str().unwrap();
    device.run(&["sync", "--registry", token]).fails(3, "address is that of a registry");

    // Development keys stay on test chains.
    device.set("QUOTAPASS_TEST_CHAINS", "5");
    device.run(&["post", "--scope", "lobby", "hi"]).fails(1, "development keys");
    device.run(&["registry", "deploy", "--dev-token", "--tier", "1:1:1", "--yes"]).fails(1, "`test_chains`");
    device.unset("QUOTAPASS_TEST_CHAINS");
    // If ceremony keys are trusted, development keys are never used instead.
    device.set("QUOTAPASS_TRUSTED_KEYS", "12");
    device.run(&["post", "--scope", "lobby", "hi"]).fails(2, "`12`, which is not the id of a key");
    device.set("QUOTAPASS_TRUSTED_KEYS", &"0".repeat(64));
    device.run(&["post", "--scope", "lobby", "hi"]).fails(1, "none is installed for the circuit `post`");
    device.run(&["registry", "deploy", "--dev-token", "--tier", "1:1:1", "--yes"]).fails(1, "quotapass keys install");
    device.run(&["deposit", "--tier", "0", "--account", "1", "--yes"]).fails(1, "quotapass keys install");
    device.unset("QUOTAPASS_TRUSTED_KEYS");

    // A damaged copy is neither used nor replaced.
    device.run(&["sync"]).succeeds();
    let folder = fs::read_dir(device.path("data/registries")).unwrap().next().unwrap().unwrap().path();
    let copy = folder.join("members.redb");
    fs::write(&copy, b"nothing of the kind").unwrap();
    device.run(&["sync"]).fails(1, "is not a copy of a registry");
    assert_eq!(fs::read(&copy).unwrap(), b"nothing of the kind");
    device.set("QUOTAPASS_FIRST_BLOCK", "1000000");
    device.run(&["sync", "--from-scratch"]).fails(2, "`first_block` is later than its deposit");
    device.unset("QUOTAPASS_FIRST_BLOCK");
    device.run(&["sync"]).succeeds();
    device.run(&["sync", "--from-scratch"]).succeeds();
    device.run(&["post", "--scope", "lobby", "hi"]).succeeds();
}
