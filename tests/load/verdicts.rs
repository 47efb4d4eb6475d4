//! The load generator itself: it sends the expected posts, and notices wrong verdicts.

use std::process::Stdio;

use serde_json::Value;

use crate::stage::{LOAD, Stage, quotapass};

#[test]
fn a_load_on_a_relay_of_its_own_comes_out_right_and_again() {
    let load = || -> Value {
        let mut command = quotapass();
        let output = command.args(["bench", "relay", "--json"]).args(LOAD).stderr(Stdio::inherit()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    };
    let (first, second) = (load(), load());
    let count = |report: &Value, verdict: &str| report["verdicts"][verdict].as_u64().unwrap_or(0);
    let sum: u64 = first["verdicts"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(sum, 180, "{first}");
    for verdict in ["replay", "quota_exceeded", "invalid_proof"] {
        assert!(count(&first, verdict) > 0, "{verdict}: {first}");
        assert_eq!(count(&first, verdict), count(&second, verdict), "{verdict}");
    }
    for name in ["p50", "p99", "p999", "max"] {
        assert!(first["latency_ms"][name].as_f64().unwrap() > 0.0, "{name}: {first}");
    }
}

#[test]
fn verdicts_that_do_not_fit_are_told() {
    let mut stage = Stage::new(&[]);
    stage.start();
    stage.load(&LOAD).wait().checked();
    // Without a journal, this load does not know the one before, and everything is a replay.
    let second = stage.load(&LOAD).wait();
    assert!(!second.succeeded);
    let wrong = second.report["wrong"][0].as_str().unwrap();
    assert!(wrong.contains("replay but never accepted"), "{wrong}");
}
