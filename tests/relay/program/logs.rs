//! Tests of log lines: what an operator must see is a warning, and `--log-format json` writes nothing else.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use quotapass_testkit::proxy::{Answer, Proxy};
use serde_json::Value;

use super::{
    posts::Members,
    process::{Operator, RelayProcess},
    redis::Redis,
};

const JSON: [&str; 2] = ["--log-format", "json"];

/// Returns the lines of standard error, each of which must be an object.
#[track_caller]
fn objects(lines: &str) -> Vec<Value> {
    let object = |line: &str| serde_json::from_str::<Value>(line).ok().filter(Value::is_object);
    lines.lines().map(|line| object(line).unwrap_or_else(|| panic!("not an object: {line}"))).collect()
}

#[test]
fn loss_and_return_and_convictions_are_warnings() {
    let members = Members::new(1);
    let mut redis = Redis::start();
    let is_gone = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&is_gone);
    let proxy = Proxy::start(members.bench.anvil.port(), move |_, _| match gone.load(Ordering::Relaxed) {
        true => Answer::HangUp,
        false => Answer::Pass,
    });
    let operator = Operator::new();
    let text = members.configuration(&proxy.http());
    operator.configure(&format!("[log]\nvalkey = [\"{}\"]\n{text}", redis.address()));
    let relay = operator.start(&[&["--config", "relay.toml", "--log-level", "warn"], &JSON[..]].concat());
    relay.wait_until("it is ready", RelayProcess::is_ready);
    assert_eq!(relay.verdict(&members.post(0, 0, "one")), "accepted");
    assert_eq!(relay.verdict(&members.post(0, 0, "two")), "quota_exceeded");
    relay.wait_until("it says who", |relay| relay.log().contains(&Members::commitment(0)));

    let cause = |relay: &RelayProcess, code: &str| {
        let reasons = relay.get("/readyz").1["reasons"].as_array().cloned().unwrap_or_default();
        let reason = reasons.into_iter().find(|reason| reason["code"] == code)?;
        Some(reason["cause"].as_str().unwrap().to_owned())
    };
    is_gone.store(true, Ordering::Relaxed);
    relay.wait_until("the chain is lost", |relay| cause(relay, "chain_lost").is_some());
    let told = cause(&relay, "chain_lost").unwrap();
    assert!(told.starts_with("the endpoint") && !told.contains("127.0.0.1"), "{told}");
    is_gone.store(false, Ordering::Relaxed);
    relay.wait_until("the chain is back", RelayProcess::is_ready);
    redis.kill();
    relay.wait_until("the log is lost", |relay| cause(relay, "log_failing").is_some());
    redis.restart();
    relay.wait_until("the log is back", RelayProcess::is_ready);

    let told = |part: &str| {
        let lines = objects(&relay.log());
        let line = lines.into_iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains(part)));
        line.map(|line| line["level"].clone())
    };
    for part in [
        "a member exceeded a quota",
        "cannot follow the chain",
        "the chain answers again",
        "the nullifier log cannot record",
        "this trouble is over",
    ] {
        relay.wait_until(part, |_| told(part).is_some());
        assert_eq!(told(part).unwrap(), "WARN", "{part}");
    }
    assert_eq!(relay.stop(), Some(0));
}

#[test]
fn json_lines_are_all_that_a_relay_writes_from_the_first_key_to_the_last_error() {
    let operator = Operator::new();
    // The first start makes keys, which takes a while and is told.
    fs::remove_file(operator.path("data/keys")).unwrap();
    let relay = operator.start(&[&["--members", "1"], &JSON[..]].concat());
    for part in ["Creating development keys", "the relay listens"] {
        relay.wait_until(part, |relay| {
            let is_it = |line: &Value| line["message"].as_str().is_some_and(|text| text.contains(part));
            objects(&relay.log()).iter().any(is_it)
        });
    }
    assert_eq!(relay.stop(), Some(0));

    for (arguments, code, name) in [
        (&["--config", "none.toml"][..], 2, "arguments"),
        (&["--listen", "nowhere"][..], 2, "arguments"),
        (&["--listen", "192.0.2.1:1"][..], 1, "failure"),
    ] {
        let (found, _, error) = operator.run(&[&JSON[..], arguments].concat());
        let last = objects(&error).pop().unwrap();
        assert_eq!((found, &last["level"], &last["code"]), (code, &"ERROR".into(), &name.into()), "{error}");
    }
}
