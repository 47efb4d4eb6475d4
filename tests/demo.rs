//! The demo as a user runs it.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

use serde_json::Value;

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quotapass"))
        .arg("demo")
        .args(arguments)
        .env("QUOTAPASS_DATA_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/demo"))
        .output()
        .unwrap()
}

fn steps(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns a step without the fields that differ between runs.
fn repeatable(step: &Value) -> Value {
    let mut step = step.clone();
    step.as_object_mut().unwrap().retain(|key, _| !key.contains("_ms") && key != "seconds");
    step
}

#[test]
fn tells_the_whole_story_and_repeats_it() {
    let first = steps(&demo(&["--json", "--members", "5", "--seed", "7"]));
    let names: Vec<_> = first.iter().map(|step| step["step"].as_str().unwrap()).collect();
    let expected = [
        "keys",
        "deploy",
        "deposit",
        "sync",
        "post",
        "replay",
        "requirement_mismatch",
        "malformed",
        "invalid_proof",
        "invalid_proof",
        "unknown_root",
        "epoch_out_of_range",
        "accepted",
        "stale_root",
        "report",
        "strike",
        "struck",
        "invalid_proof",
        "appeal",
        "delete",
        "quota_exceeded",
        "slash",
        "slashed_member",
        "badge",
        "exit",
        "withdraw",
        "stale_root",
        "summary",
    ];
    assert_eq!(names, expected);
    let summary = first.last().unwrap();
    let figure = |name: &str| summary[name].as_u64().unwrap();
    // Accepted posts: four at first, one on an older root, four in the room with moderation, and five by the spammer
    // within quota.
    assert_eq!((figure("members"), figure("accepted"), figure("replay")), (5, 14, 1));
    let step = |name: &str| first.iter().find(|step| step["step"] == name).unwrap();
    assert_eq!((&step("report")["state"], &step("delete")["state"]), (&"held".into(), &"deleted".into()));
    assert_eq!(step("struck")["reason"], "harassment");
    assert_eq!(step("strike")["strike"], step("appeal")["strike"]);
    assert_eq!((figure("quota_exceeded"), figure("slashed"), figure("withdrawn")), (1, 1, 1));
    assert_eq!(figure("reward_units"), 5);
    assert!(summary["prove_ms_median"].as_f64().unwrap() > 0.0);
    assert!(summary["verify_ms_median"].as_f64().unwrap() > 0.0);

    let again = steps(&demo(&["--json", "--members", "5", "--seed", "7"]));
    let [first, again] = [first, again].map(|steps| steps.iter().map(repeatable).collect::<Vec<_>>());
    assert_eq!(first, again);
    let other = steps(&demo(&["--json", "--members", "4", "--seed", "8"]));
    let root = |steps: &[Value]| steps.iter().find(|step| step["step"] == "sync").unwrap()["root"].clone();
    assert_ne!(root(&first), root(&other));
}

#[test]
fn prints_sentences_and_a_table() {
    let output = demo(&["--members", "4"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in
        ["INSECURE", "quota_exceeded (ignore)", "strike the post", "is paid back", "posts accepted", "proving, median"]
    {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
}

#[test]
fn a_size_out_of_range_is_refused_with_the_range() {
    for members in ["3", "2001", "many"] {
        let output = demo(&["--members", members]);
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("--members"), "{message}");
    }
}
