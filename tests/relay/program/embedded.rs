//! The relay that needs nothing.

use std::fs;

use serde_json::Value;

use super::{posts::stay_within_a_day, process::Operator};

#[test]
fn one_command_posts_a_kill_and_a_slash() {
    stay_within_a_day();
    let operator = Operator::new();
    let relay = operator.start(&["--members", "3"]);
    assert!(relay.is_ready());
    let files: Vec<String> = serde_json::from_value(relay.start["posts"].clone()).unwrap();
    let [hello, spam, more] = &files[..] else { panic!("{files:?}") };
    let read = |path: &String| fs::read_to_string(path).unwrap();
    let (first_hello, first_spam) = (read(hello), read(spam));
    assert_eq!(relay.verdict(&first_hello), "accepted");
    assert_eq!(relay.verdict(&first_spam), "accepted");
    relay.kill();

    // Whatever was accepted is known to the next run, and a new run makes new posts of the same messages.
    let relay = operator.start(&["--members", "3"]);
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

    // Log and chain agree about it after another start.
    let relay = operator.start(&["--members", "3"]);
    assert_eq!(relay.settlement(&commitment), settlement);
    assert_eq!(relay.stop(), Some(0));
    let listed: Value = serde_json::from_str(operator.run(&["evidence", "list"]).1.lines().next().unwrap()).unwrap();
    assert_eq!((&listed["commitment"], &listed["settlement"]), (&commitment.into(), &settlement));
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
