//! Tests of a relay that keeps running while its configuration and its chain change.

use std::{
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use quotapass_testkit::proxy::{Answer, Proxy};

use super::{
    posts::{Members, daily, toml_of},
    process::{Operator, RelayProcess},
};

#[test]
fn policies_change_and_the_chain_goes_and_comes_back() {
    let members = Members::new(3);
    let is_gone = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&is_gone);
    let proxy = Proxy::start(members.bench.anvil.port(), move |_, _| match gone.load(Ordering::Relaxed) {
        true => Answer::HangUp,
        false => Answer::Pass,
    });
    let operator = Operator::new();
    let text = members.configuration(&proxy.http()) + "\n[admin]\naddress = \"unix:admin.sock\"\nalone = false\n";
    operator.configure(&text);
    let relay = operator.start_configured();
    let socket = operator.path("admin.sock");
    UnixStream::connect(&socket).unwrap();
    relay.wait_until("it is ready", |relay| relay.is_ready());
    assert_eq!(relay.verdict(&members.post(0, 0, "hello")), "accepted");

    // The policy is not valid: the previous one stays in force.
    let lower = daily().limit_cap.get() - 1;
    let of = |limit| toml_of(&quotapass_protocol::Policy { limit_cap: limit, ..daily() });
    let changed = text.replace(&toml_of(&daily()), &of(lower.try_into().unwrap()));
    operator.configure(&changed.replace("max_clock_skew = 20", "max_clock_skew = 100000"));
    relay.signal("HUP");
    relay.wait_until("the reload is refused", |relay| relay.log().contains("longer than its epoch"));
    let cap = |policy: serde_json::Value| policy["scopes"][0]["limit_cap"].as_u64();
    assert_eq!(cap(relay.get("/v1/policy").1), Some(u64::from(lower) + 1));
    // A change that needs a restart is refused, also together with one that does not.
    operator.configure(&changed.replace("poll_seconds = 1", "poll_seconds = 2"));
    relay.signal("HUP");
    relay.wait_until("the reload is refused", |relay| relay.log().contains("[chain] has changed"));
    // A value that would make every connection panic is refused.
    operator.configure(&changed.replace("[limits]", "[limits]\nheader_timeout_seconds = 9223372036854775807"));
    relay.signal("HUP");
    relay.wait_until("the reload is refused", |relay| relay.log().contains("`header_timeout_seconds`: invalid value"));
    assert_eq!(relay.get("/healthz").0, 200);
    operator.configure(&format!("{changed}[logging]\nlevel = \"debug\"\n"));
    relay.signal("HUP");
    relay.wait_until("the policy holds", |relay| cap(relay.get("/v1/policy").1) == Some(lower.into()));
    relay.wait_until("the change is logged", |relay| relay.log().contains("scope `room` is changed"));
    relay.wait_until("it says so", |relay| relay.log().contains("`level` in [logging] is changed"));
    // A policy with a later start is announced, and nothing changes before it.
    let coming =
        of(7.try_into().unwrap()).replace("[[scopes]]", "[[scopes]]\nversion = 2\nfrom = 2099-01-01T00:00:00Z");
    operator.configure(&format!("{changed}{coming}"));
    relay.signal("HUP");
    let next = |relay: &RelayProcess| relay.get("/v1/policy").1["scopes"][0]["next_from"].as_u64();
    relay.wait_until("the next policy is announced", |relay| next(relay) == Some(4_070_908_800));
    assert_eq!(cap(relay.get("/v1/policy").1), Some(lower.into()));
    operator.configure(&text.replace(&toml_of(&daily()), &coming));
    relay.signal("HUP");
    relay.wait_until("the reload is refused", |relay| relay.log().contains("list the previous policy too"));
    let (code, _, error) = operator.run(&["--config", "relay.toml", "check", "--offline"]);
    assert!(code == 2 && error.contains("list the previous policy too"), "{error}");
    // Posts that were proved for the former policy are still accepted for a while.
    assert_eq!(relay.verdict(&members.post(0, 1, "hello again")), "accepted");

    is_gone.store(true, Ordering::Relaxed);
    relay.wait_until("it says that the chain is gone", |relay| !relay.is_ready());
    let (status, answer) = relay.get("/readyz");
    assert!(status == 503 && answer.to_string().contains("chain_lost"), "{answer}");
    assert_eq!(relay.verdict(&members.post(1, 0, "still here")), "accepted");
    assert_eq!(relay.get("/healthz").0, 200);
    // A start without the chain serves the known roots.
    relay.kill();
    assert!(socket.exists() && UnixStream::connect(&socket).is_err());
    operator.configure(&text);
    let relay = operator.start_configured();
    UnixStream::connect(&socket).unwrap();
    assert_eq!(relay.verdict(&members.post(1, 1, "and again")), "accepted");
    is_gone.store(false, Ordering::Relaxed);
    relay.wait_until("it is ready again", |relay| relay.is_ready());
    assert_eq!(relay.stop(), Some(0));
    assert!(!socket.exists());
}
