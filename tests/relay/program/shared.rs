//! Two relays over one server.

use quotapass::registry::alloy_primitives::hex;

use super::{
    posts::Members,
    process::{Operator, RelayProcess},
    redis::Redis,
};

#[test]
fn two_relays_catch_a_spammer_between_them_and_slash_once() {
    let members = Members::new(4);
    let mut redis = Redis::start();
    let operators = [1, 2].map(|number: u8| {
        let mut operator = Operator::new();
        // Accounts that anvil has ether for, other than the depositor's.
        operator.set("QUOTAPASS_WALLET_KEY", &hex::encode([number + 1; 32]));
        let text = members.configuration(&members.bench.anvil.http());
        operator.configure(&format!("[log]\nvalkey = [\"{}\"]\n{text}", redis.address()));
        operator
    });
    let relays = operators.each_ref().map(Operator::start_configured);
    let [one, two] = &relays;
    relays.iter().for_each(|relay| relay.wait_until("it is ready", RelayProcess::is_ready));

    // What one relay has accepted is a replay at the other.
    let hello = members.post(0, 0, "hello");
    assert_eq!(one.verdict(&hello), "accepted");
    assert_eq!(two.verdict(&hello), "replay");
    // The halves of a double post go to different relays.
    assert_eq!(one.verdict(&members.post(1, 0, "buy my coin")), "accepted");
    assert_eq!(two.verdict(&members.post(1, 0, "buy my other coin")), "quota_exceeded");
    // Both refuse at once whatever else the spammer says.
    for (relay, id) in [(one, 1), (two, 2)] {
        assert_eq!(relay.verdict(&members.post(1, id, "buy")), "slashed_member");
    }
    let spammer = Members::commitment(1);
    let settlements = [one, two].map(|relay| relay.settlement(&spammer));
    assert_eq!(settlements[0], settlements[1]);
    assert_eq!(settlements[0]["outcome"], "slashed");
    assert_eq!(members.slashes(), 1);

    // The server goes and comes back: nothing is accepted meanwhile, and nothing is forgotten.
    redis.kill();
    let (early, late) = (members.post(2, 0, "nobody hears me"), members.post(3, 0, "somebody does"));
    assert_eq!(one.verdict(&early), "overloaded");
    one.wait_until("it says so", |relay| !relay.is_ready());
    redis.restart();
    relays.iter().for_each(|relay| relay.wait_until("it is ready again", RelayProcess::is_ready));
    assert_eq!(two.verdict(&hello), "replay");
    assert_eq!(one.verdict(&early), "accepted");
    assert_eq!(two.verdict(&late), "accepted");
    assert_eq!(two.verdict(&members.post(1, 3, "buy")), "slashed_member");
    assert_eq!(members.slashes(), 1);
    for relay in relays {
        assert_eq!(relay.stop(), Some(0));
    }
}
