//! The watch on the age of the chain's newest block, and on the time when scopes stop accepting passes.

use quotapass_protocol::{Horizon, UnixSeconds};

use crate::{Relay, Trouble, TroubleKind, Troubles};

/// The age of the newest block, in seconds, from which on the relay reports when posts will be refused. It reports
/// earlier if half of the time until then has passed.
const AGING_SECONDS: u64 = 3_600;

/// Reports, if the chain's newest block is old, that a scope accepts nothing, or when it will stop accepting.
pub(super) fn watch(relay: &Relay, troubles: &Troubles, now: UnixSeconds) {
    let exposures = relay.policies().iter().map(|entry| entry.history().exposure(now)).max();
    let (aging, stale) = match (relay.horizon(), exposures) {
        (Some(horizon), Some(longest)) => assess(horizon, longest, now),
        _ => (None, None),
    };
    troubles.set(TroubleKind::ChainAging, aging, now);
    troubles.set(TroubleKind::ChainStale, stale, now);
}

/// Returns the troubles of a newest block that will soon be too old, and of one that is too old, for the scope with the
/// longest exposure.
fn assess(horizon: Horizon, exposure: u64, now: UnixSeconds) -> (Option<Trouble>, Option<Trouble>) {
    let (age, until) = (now.since(horizon.head_time), horizon.accepts_until(exposure));
    let trouble = || {
        Trouble::new(
            format!(
                "the newest known block is {age} s old, and members who left after it may have their deposits back {} \
                 s after it; check the endpoint, or set another one in [chain] and restart",
                horizon.exit_delay
            ),
            now,
        )
    };
    if now > until {
        return (None, Some(trouble()));
    }
    let is_aging = age > AGING_SECONDS.min(until.since(horizon.head_time) / 2);
    let aging = is_aging.then(|| Trouble { worse_at: Some(until + 1), ..trouble() });
    (aging, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_grows_old_before_it_is_too_old() {
        let horizon = Horizon { head_time: UnixSeconds(1_000_000), exit_delay: 50_000 };
        let at = |now| {
            let (aging, stale) = assess(horizon, 10_000, UnixSeconds(now));
            (aging.map(|trouble| trouble.worse_at.unwrap().0), stale.is_some())
        };
        assert_eq!(at(1_003_600), (None, false));
        assert_eq!(at(1_003_601), (Some(1_040_001), false));
        assert_eq!(at(1_040_000), (Some(1_040_001), false));
        assert_eq!(at(1_040_001), (None, true));
        // A clock that is behind, and a registry without an exit delay.
        assert_eq!(at(0), (None, false));
        assert!(assess(Horizon { exit_delay: 0, ..horizon }, 10_000, UnixSeconds(1_000_001)).1.is_some());
        let short = Horizon { exit_delay: 10_600, ..horizon };
        assert_eq!(assess(short, 10_000, UnixSeconds(1_000_300)).0, None);
        assert!(assess(short, 10_000, UnixSeconds(1_000_301)).0.is_some());
    }
}
