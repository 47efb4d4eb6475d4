//! Tests of `quotapass relay resync`.

use quotapass_testkit::bench::{SMALL, join};
use serde_json::{Value, json};

use super::{
    posts::Members,
    process::{Operator, RelayProcess},
};

#[test]
fn a_relay_follows_another_branch_after_a_resync() {
    let members = Members::new(1);
    let anvil = &members.bench.anvil;
    let operator = Operator::new();
    let text = members.configuration(&anvil.http());
    operator.configure(&text.replace("poll_seconds", "max_reorg_depth = 4\npoll_seconds"));
    let relay = operator.start_configured();
    relay.wait_until("it is ready", RelayProcess::is_ready);
    let chain = |relay: &RelayProcess| relay.get("/v1/summary").1["chain"]["synced"].as_u64();
    let members_of = |relay: &RelayProcess| relay.get("/v1/summary").1["members"].as_u64();
    join(&members.bench, 1, 1, SMALL);
    anvil.mine(17);
    let head = anvil.rpc("eth_blockNumber", json!([]));
    let head = u64::from_str_radix(&head.as_str().unwrap()[2..], 16).unwrap();
    relay.wait_until("it has read the deposit", |relay| chain(relay) == Some(head));
    assert_eq!(members_of(&relay), Some(2));

    // The deposit and all later blocks are replaced.
    anvil.reorganise(20);
    let reason = |relay: &RelayProcess| {
        let (status, answer) = relay.get("/readyz");
        let reasons = answer["reasons"].as_array().cloned().unwrap_or_default();
        reasons.into_iter().find(|reason| reason["code"] == "chain_reorganised").filter(|_| status == 503)
    };
    relay.wait_until("it says so", |relay| reason(relay).is_some());
    let cause = reason(&relay).unwrap()["cause"].as_str().unwrap().to_owned();
    assert!(cause.contains("deeper than 4 blocks") && cause.contains("`quotapass relay resync`"), "{cause}");

    let resync = || operator.run(&["--config", "relay.toml", "resync"]);
    let (code, _, error) = resync();
    assert!(code == 1 && error.contains("in use"), "{code}: {error}");
    assert_eq!(relay.stop(), Some(0));
    let (code, out, error) = resync();
    let moved: Value = serde_json::from_str(&out).unwrap_or(Value::Null);
    assert!(code == 0 && moved["moved_to"].as_str().unwrap_or_default().ends_with("members.old"), "{out}{error}");
    let relay = operator.start_configured();
    relay.wait_until("it is ready again", RelayProcess::is_ready);
    assert_eq!(members_of(&relay), Some(1));
    assert_eq!(relay.stop(), Some(0));
    // Without a copy there is nothing to move.
    assert_eq!((resync().0, resync().1.contains("\"moved_to\":null")), (0, true));
}
