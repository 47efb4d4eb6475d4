//! A whole membership from deposit to withdrawal, as in docs/depositors.md.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use quotapass_testkit::{anvil::Anvil, process::now};

use crate::world::{Device, WALLETS, configure, deploy, stay_within_a_day};

#[test]
fn deposit_post_overspend_slash_leave_and_withdraw() {
    stay_within_a_day();
    let anvil = Anvil::start(now());
    let registry = deploy(&anvil);
    let alice = Device::new(WALLETS[0]);
    configure(&alice, &anvil, &registry);

    // An identity, a deposit, a copy of the registry.
    let made = alice.run(&["identity", "new", "--json"]).json();
    let words = made["mnemonic"].as_str().unwrap().to_owned();
    alice.run(&["post", "--scope", "lobby", "hi"]).fails(3, "not a member of this registry yet: `quotapass deposit");
    let deposited = alice.run(&["deposit", "--tier", "0", "--yes", "--json"]).json();
    assert_eq!(deposited["index"], 0);
    alice.run(&["deposit", "--tier", "0", "--yes"]).fails(3, "is already a member");
    let second = alice.run(&["deposit", "--tier", "1", "--account", "1", "--yes", "--json"]).json();
    assert_eq!(second["index"], 1);
    assert_eq!(alice.run(&["sync", "--json"]).json()["members"], 2);
    // The name of an index file belongs to a member, so others can neither read nor list it.
    let folder = fs::read_dir(alice.path("data/registries")).unwrap().next().unwrap().unwrap().path();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let indices = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let indices: Vec<_> = indices.filter(|path| path.extension().is_some_and(|end| end == "index")).collect();
    assert_eq!((mode(&folder), indices.len()), (0o700, 2));
    assert!(indices.iter().all(|path| mode(path) == 0o600));

    // Posts within quota are accepted, and none beyond it.
    let first = alice.path("first.json");
    let name = first.to_str().unwrap();
    alice.run(&["post", "--scope", "lobby", "hello", "--out", name]).succeeds();
    alice.run(&["post", "--scope", "lobby", "hello", "--out", name]).fails(1, "already exists; no message id was used");
    let posted = alice.run_with(&["post", "--scope", "lobby", "--json"], b"\xff\x00 bytes").json();
    assert_eq!(posted["left"], 1);
    // The policy's hash, and the members who meet it: both accounts.
    let policy = alice.run(&["policy", "--scope", "lobby", "--json"]).json();
    assert_eq!(posted["policy_hash"], policy["policies"][0]["in_force"]["hash"]);
    let crowd = serde_json::json!({ "members": 2, "is_exact": true });
    assert_eq!(posted["anonymity"], crowd);
    let third = alice.run(&["post", "--scope", "lobby", "three"]);
    assert!(third.succeeds().error.contains("Warning: 2 members meet what `lobby` asks for"), "{}", third.error);
    alice.run(&["post", "--scope", "lobby", "four"]).fails(5, "next epoch begins");
    let status = alice.run(&["status", "--json"]).json();
    assert_eq!((&status["quotas"][0]["used"], &status["quotas"][0]["left"]), (&3.into(), &0.into()));
    assert_eq!(status["anonymity"][0]["crowd"], crowd);
    alice.run(&["verify", name]).succeeds();
    alice.run(&["verify", name, name]).fails(6, "1 not accepted");

    // The same identity on a second device without its own share: its ledger has no earlier message.
    let mut twin = Device::new(WALLETS[1]);
    configure(&twin, &anvil, &registry);
    twin.run_with(&["identity", "restore"], words.as_bytes()).succeeds();
    twin.run(&["post", "--scope", "lobby", "buy"]).fails(5, "--trust-ledger");
    let spam = twin.path("spam.json");
    let spam = spam.to_str().unwrap();
    twin.run(&["post", "--scope", "lobby", "buy", "--trust-ledger", "--out", spam]).succeeds();

    // Both posts together reveal the secret.
    let bob = Device::new(WALLETS[2]);
    configure(&bob, &anvil, &registry);
    let evidence = bob.path("evidence.json");
    let evidence = evidence.to_str().unwrap();
    let judged = bob.run(&["verify", name, spam, "--evidence", evidence, "--json"]);
    judged.fails(6, "1 not accepted");
    assert!(judged.out.contains("\"quota_exceeded\""), "{}", judged.out);
    let slashed = bob.run(&["slash", "--evidence", evidence, "--yes", "--json"]).json();
    assert_eq!((&slashed["index"], &slashed["reward"]), (&0.into(), &"250000000000000000".into()));
    bob.run(&["slash", "--evidence", evidence, "--yes"]).fails(3, "is gone");
    assert_eq!(alice.run(&["status", "--json"]).json()["record"]["status"], "slashed");
    twin.unset("QUOTAPASS_WALLET_KEY");
    twin.run(&["post", "--scope", "lobby", "more", "--trust-ledger"]).fails(3, "was slashed");

    // The other account shows a badge, exits, waits and withdraws.
    let badge = alice.path("badge");
    let badge = badge.to_str().unwrap();
    alice.run(&["badge", "--account", "1", "--scope", "lobby", "--chat-key", "00ff", "--out", badge]).succeeds();
    bob.run(&["verify", "--badge", badge, "--scope", "lobby"]).succeeds();
    alice.run(&["exit", "--account", "1", "--yes"]).succeeds();
    alice.run(&["exit", "--account", "1", "--yes"]).fails(3, "already requested");
    alice.run(&["withdraw", "--account", "1", "--yes"]).fails(3, "can withdraw from");
    bob.run(&["withdraw", "--index", "1", "--yes"]).fails(3, "can withdraw from");
    anvil.advance(2 * 3_600);
    bob.run(&["withdraw", "--index", "1", "--yes"]).fails(3, "did not make the deposit");
    let paid = alice.run(&["withdraw", "--account", "1", "--yes", "--json"]).json();
    assert_eq!(paid["amount"], "10000000000000000000");
    alice.run(&["post", "--account", "1", "--scope", "lobby", "gone"]).fails(3, "has withdrawn its deposit");
    let followed = alice.run(&["watch", "--once"]);
    assert!(followed.error.contains("2 members"), "{}", followed.error);
}
