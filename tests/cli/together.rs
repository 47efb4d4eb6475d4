//! Several subcommands of one depositor at the same time.

use std::{
    io::{BufRead, BufReader},
    thread,
};

use quotapass_testkit::{anvil::Anvil, process::now};

use crate::world::{Device, WALLETS, configure, deploy};

/// Reads lines until one contains these words.
fn read_until(output: &mut impl BufRead, words: &str) {
    let found = output.lines().any(|line| line.unwrap().contains(words));
    assert!(found, "the output ended without `{words}`");
}

#[test]
fn watch_post_and_verify_share_the_copy() {
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let device = Device::new(WALLETS[0]);
    configure(&device, &anvil, &registry);
    device.run(&["identity", "new"]).succeeds();
    device.run(&["deposit", "--tier", "1", "--yes"]).succeeds();
    device.run(&["post", "--scope", "lobby", "hello", "--out", "hello.json"]).succeeds();

    let mut watch = device.spawn(&["watch", "--interval", "1", "--json"]);
    let mut told = BufReader::new(watch.stdout.take().unwrap());
    read_until(&mut told, "synced");
    thread::scope(|scope| {
        let verify = || device.run(&["verify", "hello.json"]);
        let verifying = [scope.spawn(verify), scope.spawn(verify), scope.spawn(verify)];
        device.run(&["post", "--scope", "lobby", "again"]).succeeds();
        for verified in verifying {
            verified.join().unwrap().succeeds();
        }
    });
    // A deposit that another subcommand has read first is news for the watcher, too.
    device.run(&["deposit", "--tier", "0", "--account", "1", "--yes"]).succeeds();
    device.run(&["sync"]).succeeds();
    read_until(&mut told, "member_added");
    watch.kill().unwrap();
    watch.wait().unwrap();
}
