//! Tests of evidence that is exported from one relay's log and imported into another's.

use std::fs;

use super::{posts::Members, process::Operator};

#[test]
fn what_one_relay_found_another_refuses() {
    let members = Members::new(2);
    let operators = [Operator::new(), Operator::new()];
    let start = |operator: &Operator| {
        operator.configure(&members.configuration(&members.bench.anvil.http()));
        let relay = operator.start_configured();
        relay.wait_until("it is ready", |relay| relay.is_ready());
        relay
    };
    let [first, second] = operators.each_ref().map(start);
    assert_eq!(first.verdict(&members.post(0, 0, "one")), "accepted");
    assert_eq!(first.verdict(&members.post(0, 0, "two")), "quota_exceeded");
    // No relay has a wallet: the relay logs how to slash by hand.
    first.wait_until("it says so", |relay| relay.log().contains("quotapass slash --evidence"));
    assert_eq!(members.slashes(), 0);

    let exported = operators[0].path("evidence").display().to_string();
    let export = ["--config", "relay.toml", "evidence", "export", &exported];
    let (code, _, error) = operators[0].run(&export);
    assert!(code == 1 && error.contains("is in use"), "{error}");
    assert_eq!((first.stop(), second.stop()), (Some(0), Some(0)));
    let (code, out, error) = operators[0].run(&export);
    assert!(code == 0 && out.contains(&Members::commitment(0)), "{error}");
    let file = format!("{exported}/{}.json", Members::commitment(0));
    let import = |file: &str| operators[1].run(&["--config", "relay.toml", "evidence", "import", file]);
    let (code, out, error) = import(&file);
    assert!(code == 0 && out.contains("\"new\":true"), "{error}");
    assert!(import(&file).1.contains("\"new\":false"));

    // Shares with another nullifier are refused.
    let text = fs::read_to_string(&file).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let nullifier = record["nullifier"].as_str().unwrap();
    let swapped: String = nullifier.chars().rev().take(8).collect();
    let made_up = operators[1].path("made-up.json");
    fs::write(&made_up, text.replace(&nullifier[nullifier.len() - 8..], &swapped)).unwrap();
    let (code, _, error) = import(made_up.to_str().unwrap());
    assert!(code == 1 && error.contains("do not belong to the nullifier"), "{error}");

    let second = start(&operators[1]);
    assert_eq!(second.verdict(&members.post(0, 1, "three")), "slashed_member");
    assert_eq!(second.verdict(&members.post(1, 0, "honest")), "accepted");
    assert_eq!(second.stop(), Some(0));
}
