//! Tests of the relay without external services.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use serde_json::Value;

use super::{
    posts::stay_within_a_day,
    process::{Operator, RelayProcess},
};

#[test]
fn one_command_posts_a_kill_and_a_slash() {
    stay_within_a_day();
    let operator = Operator::new();
    let relay = operator.start(&["--members", "3"]);
    assert!(relay.is_ready());
    let policy_key = relay.start["policy_key"].clone();
    compare_policies(&operator, &relay);
    let files: Vec<String> = serde_json::from_value(relay.start["posts"].clone()).unwrap();
    let [hello, spam, more] = &files[..] else { panic!("{files:?}") };
    let read = |path: &String| fs::read_to_string(path).unwrap();
    let (first_hello, first_spam) = (read(hello), read(spam));
    assert_eq!(relay.verdict(&first_hello), "accepted");
    assert_eq!(relay.verdict(&first_spam), "accepted");
    relay.kill();

    // The next run knows all accepted posts, and a new run makes new posts of the same messages.
    let relay = operator.start(&["--members", "3"]);
    assert_eq!(relay.start["policy_key"], policy_key);
    for known in [&first_hello, &first_spam, &read(hello)] {
        assert_eq!(relay.verdict(known), "replay");
    }
    assert_eq!(relay.verdict(&read(spam)), "accepted");
    let (_, exceeded) = relay.ask("POST", "/v1/verify", &read(more));
    assert_eq!(exceeded["verdict"], "quota_exceeded", "{exceeded}");
    let commitment = exceeded["detail"]["commitment"].as_str().unwrap().to_owned();
    let settlement = relay.settlement(&commitment);
    assert_eq!(settlement["outcome"], "slashed");
    assert_eq!(relay.stop(), Some(0));

    // Log and chain agree about the slash after a restart.
    let relay = operator.start(&["--members", "3"]);
    assert_eq!(relay.settlement(&commitment), settlement);
    assert_eq!(relay.stop(), Some(0));
    let listed: Value = serde_json::from_str(operator.run(&["evidence", "list"]).1.lines().next().unwrap()).unwrap();
    assert_eq!((&listed["commitment"], &listed["settlement"]), (&commitment.into(), &settlement));
}

/// The posts to try have no records, so that a relay whose room takes a list has none, and starts nevertheless.
#[test]
fn a_room_with_a_list_has_no_posts_to_try() {
    stay_within_a_day();
    let operator = Operator::new();
    let relay = operator.start(&["--members", "2"]);
    let files: Vec<String> = serde_json::from_value(relay.start["posts"].clone()).unwrap();
    let hello = fs::read_to_string(&files[0]).unwrap();
    assert_eq!(relay.stop(), Some(0));
    let configuration = operator.path("data/relay/relay.toml");
    let mut text = fs::read_to_string(&configuration).unwrap();
    text += &format!("\n[scopes.moderation]\nlists = [{{ log = \"{}\", limit = 16 }}]\n", "1".repeat(64));
    fs::write(&configuration, text).unwrap();
    let relay = operator.start(&["--members", "2"]);
    assert_eq!(relay.start["posts"], serde_json::json!([]));
    assert_eq!(relay.verdict(&hello), "list_mismatch");
    assert_eq!(relay.stop(), Some(0));
}

/// A member's wallet compares the relay's policy with its own configuration, with pins, and with the relay's key.
fn compare_policies(operator: &Operator, relay: &RelayProcess) {
    let (start, configuration) = (&relay.start, operator.path("wallet.toml"));
    let registry = start["registry"].as_str().unwrap();
    let relay_file = fs::read_to_string(operator.path("data/relay/relay.toml")).unwrap();
    let scope = &relay_file[relay_file.find("[[scopes]]").unwrap()..];
    fs::write(&configuration, format!("chain_id = 31337\nregistry = \"{registry}\"\n{scope}")).unwrap();
    let wallet = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotapass"));
        command.env_clear().args(["policy", "--json", "--config", configuration.to_str().unwrap()]).args(arguments);
        let output = command.output().unwrap();
        let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), serde_json::from_str::<Value>(&out).unwrap_or(Value::Null), error)
    };
    let (url, key) = (start["url"].as_str().unwrap(), start["policy_key"].as_str().unwrap());
    let (code, answer, error) = wallet(&["--relay", url, "--relay", url, "--key", key]);
    assert_eq!((code, &answer["relays"][1]["key"]), (0, &key.into()), "{error}");
    let hash = answer["policies"][0]["in_force"]["hash"].as_str().unwrap().to_owned();
    assert_eq!(relay.get("/v1/policy").1["scopes"][0]["policy_hash"], hash);
    assert_eq!(wallet(&["--scope", "lobby", "--pin", &hash]).0, 0);
    let other = "0".repeat(64);
    let (code, _, error) = wallet(&["--scope", "lobby", "--pin", &other]);
    assert!(code == 8 && error.contains("which is not pinned"), "{code}: {error}");
    let stranger = "quotapass-relay+00000000+AAAA";
    assert_eq!(wallet(&["--relay", url, "--key", stranger]).0, 2);

    // A different stake, which a relay could show only to this member.
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, text.replace("min_stake = 1", "min_stake = 2")).unwrap();
    let (code, _, error) = wallet(&["--relay", url, "--key", key]);
    assert!(code == 8 && error.contains("different policies for `lobby`"), "{code}: {error}");

    let folder = fs::read_dir(operator.path("data/relays")).unwrap().next().unwrap().unwrap().path();
    let file = folder.join("policy.key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!relay.log().contains(fs::read_to_string(file).unwrap().trim()));
    assert!(relay.log().contains(key));
}

#[test]
fn a_log_that_is_gone_is_not_replaced() {
    let operator = Operator::new();
    assert_eq!(operator.start(&["--members", "1"]).stop(), Some(0));
    let relays = operator.path("data/relays");
    let log = fs::read_dir(&relays).unwrap().next().unwrap().unwrap().path().join("nullifiers");
    fs::rename(&log, operator.path("elsewhere")).unwrap();
    let (code, _, error) = operator.run(&["--listen", "127.0.0.1:0"]);
    assert!(code == 1 && error.contains("is gone") && error.contains("--new-log"), "{code}: {error}");
    assert!(!log.exists());
    fs::rename(operator.path("elsewhere"), &log).unwrap();
    assert_eq!(operator.start(&[]).stop(), Some(0));
}
