//! Tests of policy changes.

use core::num::NonZeroU32;

use proptest::prelude::*;
use quotapass_circuits::{membership::Day, requirement::Requirement, signal::Epoch};
use quotapass_protocol::{
    DatedPolicy, Gossip, Policy, PolicyError, PolicyHistory, PolicyTable, RequirementMismatch, RootHistory,
    StatedTerms, UnixSeconds, UnlistedVerdict, Verdict,
};

use super::world::*;
use crate::LogEpoch;

const MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();
const HOUR: NonZeroU32 = NonZeroU32::new(3600).unwrap();

fn minutes() -> Policy {
    Policy { epoch_seconds: MINUTE, ..policy() }
}

fn dated(policy: Policy, version: u32, from: UnixSeconds) -> DatedPolicy {
    DatedPolicy { policy, version, from }
}

fn any_root(_: u32) -> Result<(), Verdict> {
    Ok(())
}

/// Returns the values that a post of this policy and epoch states.
fn stated(policy: &Policy, epoch: Epoch) -> StatedTerms {
    StatedTerms { epoch, requirement: policy.requirement(epoch), limit_cap: policy.limit_cap }
}

/// Judges at `now` a post that is made for a policy at that moment.
fn says(history: &PolicyHistory, policy: &Policy, now: UnixSeconds) -> Result<(), Verdict> {
    history.check_post(&stated(policy, policy.epoch_at(now)), now, any_root)
}

#[test]
fn a_longer_clock_difference_does_not_open_epochs_of_the_former_length() {
    let hours = Policy { epoch_seconds: HOUR, max_clock_skew: 600, ..policy() };
    let relay = relay_with(vec![minutes()], RootHistory::starting_at(world().tree.root()));
    let now = NOW + 30;
    relay.change_policies([hours.clone()], now).unwrap();
    // One post for each epoch within the new clock difference. Each accepted epoch allows five posts.
    let around = now.0 / 60 - 10..=now.0 / 60 + 10;
    let verdicts: Vec<Verdict> = around
        .map(|number| posting_for(&minutes(), Epoch::new(MINUTE, number), 0, 0, MESSAGE).prove().to(&relay, now))
        .collect();
    assert_eq!(verdicts.len(), 21);
    assert_eq!(verdicts.iter().filter(|verdict| verdict.is_accepted()).count(), 1);
    assert_eq!(verdicts.iter().filter(|verdict| verdict.name() == "epoch_out_of_range").count(), 20);
    let of_hour = posting_for(&hours, hours.epoch_at(now), 0, 0, MESSAGE).prove();
    assert_eq!(of_hour.to(&relay, now), Verdict::Accepted);
    // Five posts of one minute and five of one hour: the sum of both policies, and no more.
    assert_eq!(recorded(&relay), 2);
}

#[test]
fn a_root_is_judged_by_the_window_of_the_policy_that_accepts_the_rest() {
    let short = Policy { root_window: 60, epoch_seconds: HOUR, ..policy() };
    let relay = relay();
    relay.change_policies([short.clone()], NOW).unwrap();
    relay.advance_root(root(1), NOW);
    let (old, new) = (honest(), posting_for(&short, short.epoch_at(NOW), 1, 0, MESSAGE).prove());
    assert_eq!(old.to(&relay, NOW + 61), Verdict::Accepted);
    assert_eq!(new.to(&relay, NOW + 60), Verdict::Accepted);
    assert_eq!(new.to(&relay, NOW + 61), Verdict::StaleRoot { superseded_at: NOW });
}

#[test]
fn the_verdict_that_helps_most_is_said() {
    let hours = Policy { epoch_seconds: HOUR, min_stake: 20, ..policy() };
    let history = PolicyHistory::new([dated(minutes(), 1, UnixSeconds(0)), dated(hours.clone(), 2, NOW)]).unwrap();
    let judge = |terms: &StatedTerms| history.check_post(terms, NOW, |_| Err(Verdict::UnknownRoot)).unwrap_err();
    let minute = minutes().epoch_at(NOW);
    assert_eq!(judge(&stated(&minutes(), minute)), Verdict::UnknownRoot);
    let late = Epoch::new(MINUTE, minute.number() + 2);
    assert_eq!(judge(&stated(&minutes(), late)), Verdict::EpochOutOfRange { epoch: late, now: NOW });
    // For a policy that no longer holds, or never did, only the mismatch helps.
    let expected = RequirementMismatch::EpochSeconds { stated: 600, expected: 3600 };
    assert_eq!(judge(&stated(&policy(), Epoch::new(policy().epoch_seconds, 1))), expected.into());
    let other = Policy { min_stake: 21, ..hours.clone() };
    let expected = RequirementMismatch::MinStake { stated: 21, expected: 20 };
    assert_eq!(judge(&stated(&other, other.epoch_at(NOW))), expected.into());
}

#[test]
fn a_policy_holds_from_its_time_and_for_its_own_window_after_it() {
    let (old, new) = (policy(), Policy { min_stake: 20, root_window: 60, ..policy() });
    let file = [dated(old.clone(), 1, UnixSeconds(0)), dated(new.clone(), 2, NOW)];
    let history = PolicyHistory::new(file.clone()).unwrap();
    let mut reloaded = PolicyHistory::new([file[0].clone()]).unwrap();
    reloaded.change(file.clone(), NOW - 100).unwrap();
    let mut late = PolicyHistory::new([file[0].clone()]).unwrap();
    late.change(file.clone(), NOW + 1000).unwrap();
    // A start, a reload before the change, and a reload after it have the same result.
    for history in [history, reloaded, late] {
        assert_eq!((history.current(NOW - 1), history.current(NOW)), (&file[0], &file[1]));
        assert!(says(&history, &new, NOW - 1).is_err() && says(&history, &new, NOW).is_ok());
        assert!(says(&history, &old, NOW + 3600).is_ok() && says(&history, &old, NOW + 3601).is_err());
    }
}

#[test]
fn a_reload_without_times_changes_at_once_and_drops_what_was_to_come() {
    let policies: Vec<Policy> = (1..=3).map(|min_stake| Policy { min_stake, ..policy() }).collect();
    let mut history =
        PolicyHistory::new([dated(policies[0].clone(), 1, UnixSeconds(0)), dated(policies[1].clone(), 2, NOW)])
            .unwrap();
    history.change([policies[2].clone()], NOW - 50).unwrap();
    assert_eq!(history.current(NOW + 10).policy, policies[2]);
    assert!(says(&history, &policies[1], NOW + 10).is_err());
    assert!(says(&history, &policies[0], NOW + 3550).is_ok() && says(&history, &policies[0], NOW + 3551).is_err());
    // The same list again moves no end.
    history.change([policies[2].clone()], NOW + 3000).unwrap();
    assert!(says(&history, &policies[0], NOW + 3550).is_ok() && says(&history, &policies[0], NOW + 3551).is_err());
}

#[test]
fn a_longer_window_does_not_revive_a_policy() {
    let short = Policy { root_window: 60, ..policy() };
    let next = Policy { min_stake: 20, ..short.clone() };
    let mut history = PolicyHistory::new([short.clone()]).unwrap();
    history.change([next.clone()], NOW).unwrap();
    assert!(says(&history, &short, NOW + 60).is_ok() && says(&history, &short, NOW + 61).is_err());
    history.change([Policy { root_window: 86_400, ..next }], NOW + 200).unwrap();
    assert!(says(&history, &short, NOW + 200).is_err());
}

#[test]
fn a_forwarder_is_not_blamed_around_a_change() {
    let (old, new) = (policy(), Policy { min_stake: 20, root_window: 60, ..policy() });
    let unknown = Policy { min_stake: 30, ..policy() };
    let history = PolicyHistory::new([dated(old.clone(), 1, UnixSeconds(0)), dated(new.clone(), 2, NOW)]).unwrap();
    let gossip =
        |policy: &Policy, now| says(&history, policy, now).map_or_else(|verdict| verdict.gossip(), |()| Gossip::Accept);
    // One clock difference of 20 s plus 30 s.
    assert_eq!(
        [NOW - 51, NOW - 50, NOW - 1, NOW].map(|now| gossip(&new, now)),
        [Gossip::Reject, Gossip::Ignore, Gossip::Ignore, Gossip::Accept]
    );
    assert_eq!(
        [3600, 3601, 3650, 3651].map(|after| gossip(&old, NOW + after)),
        [Gossip::Accept, Gossip::Ignore, Gossip::Ignore, Gossip::Reject]
    );
    // Values that no policy ever had identify the sender, and no clock difference explains them.
    assert_eq!(gossip(&unknown, NOW), Gossip::Reject);
}

#[test]
fn a_scope_that_was_dropped_is_ignored_for_the_grace_time() {
    let mut table = PolicyTable::new(REGISTRY, [policy()]).unwrap();
    table.change(Vec::<Policy>::new(), NOW).unwrap();
    let gossip = |table: &PolicyTable, name, now| table.unlisted_verdict(name, now).gossip();
    assert_eq!(gossip(&table, SCOPE, NOW + 50), Gossip::Ignore);
    assert_eq!(gossip(&table, SCOPE, NOW + 51), Gossip::Reject);
    assert_eq!(gossip(&table, "elsewhere", NOW), Gossip::Reject);
    assert_eq!(table.with_unlisted(UnlistedVerdict::Ignore).unlisted_verdict("elsewhere", NOW).name(), "overloaded");
}

#[test]
fn times_and_versions_ascend_together() {
    let error = |list: Vec<DatedPolicy>| PolicyHistory::new(list).unwrap_err();
    assert_eq!(error(Vec::new()), PolicyError::NoPolicy);
    let equal = vec![dated(policy(), 1, UnixSeconds(5)), dated(policy(), 2, UnixSeconds(5))];
    assert_eq!(error(equal), PolicyError::Duplicate(SCOPE.into()));
    let falling = vec![dated(policy(), 1, UnixSeconds(9)), dated(policy(), 1, UnixSeconds(5))];
    assert_eq!(error(falling), PolicyError::Version { name: SCOPE.into(), earlier: 1, later: 1 });
    let other = Policy { name: "attic".into(), ..policy() };
    let expected = PolicyError::OtherScope { expected: SCOPE.into(), found: "attic".into() };
    assert_eq!(error(vec![dated(policy(), 1, UnixSeconds(0)), dated(other, 2, UnixSeconds(5))]), expected);
}

prop_compose! {
    fn some_policy()(
        seconds in 1..5_000u32, skew in 0..5_000u32, root_window in 0..5_000u32, limit_cap in 1..9u16, min_stake in 0..3u32
    ) -> Policy {
        let epoch_seconds = NonZeroU32::new(seconds).unwrap();
        Policy { epoch_seconds, max_clock_skew: skew.min(seconds), root_window, limit_cap: cap(limit_cap), min_stake, ..policy() }
    }
}

proptest! {
    /// After any changes and at any time, a log still keeps the nullifiers of every accepted epoch.
    #[test]
    fn no_epoch_is_accepted_that_a_log_may_have_dropped(
        policies in prop::collection::vec((some_policy(), 0..20_000u64), 1..5), after in 0..30_000u64, which: prop::sample::Index,
        off in -4..=4i64,
    ) {
        let mut history = PolicyHistory::new([policies[0].0.clone()]).unwrap();
        for (policy, at) in &policies[1..] {
            history.change([policy.clone()], NOW + *at).unwrap();
        }
        let (now, made_for) = (NOW + after, &which.get(&policies).0);
        let number = made_for.epoch_at(now).number().saturating_add_signed(off);
        let epoch = Epoch::new(made_for.epoch_seconds, number);
        if history.check_post(&stated(made_for, epoch), now, any_root).is_ok() {
            prop_assert!(now < LogEpoch::new(scope(), epoch).keep_until());
            // One policy accepts it whole.
            prop_assert!(history.holding(now).any(|policy| policy.epoch_seconds == made_for.epoch_seconds
                && policy.limit_cap == made_for.limit_cap && policy.is_in_range(epoch, now)));
        }
    }

    /// A policy that ended never holds again, whatever changes follow. Each new policy has a different stake.
    #[test]
    fn what_has_ended_stays_ended(
        changes in prop::collection::vec((0..5_000u64, 0..3_000u32, -4_000..4_000i64, any::<bool>(), 0..3usize), 1..12)
    ) {
        let policy_of = |number: u32, root_window| Policy { min_stake: number, root_window, ..policy() };
        let mut listed = vec![dated(policy_of(0, 1_000), 1, UnixSeconds(0))];
        let mut history = PolicyHistory::new(listed.clone()).unwrap();
        let (mut now, mut number) = (NOW, 0);
        let (mut held, mut ended) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for (pause, root_window, shift, has_time, kept) in changes {
            for _ in 0..8 {
                now = now + pause / 8;
                let holds: std::collections::BTreeSet<u32> = history.holding(now).map(|policy| policy.min_stake).collect();
                prop_assert!(holds.is_disjoint(&ended), "{:?} of {:?} at {}", holds, ended, now.since(NOW));
                ended.extend(held.difference(&holds).copied());
                held.extend(holds);
            }
            number += 1;
            let from = if has_time { UnixSeconds(now.0.saturating_add_signed(shift)) } else { UnixSeconds(0) };
            let version = number + 1;
            // Former policies may stay listed before it, with their own times.
            let mut next: Vec<DatedPolicy> = listed.iter().filter(|other| other.from < from).cloned().collect();
            next.drain(..next.len().saturating_sub(kept));
            next.push(dated(policy_of(number, root_window), version, from));
            listed = next;
            history.change(listed.clone(), now).unwrap();
        }
    }

    /// Neighbours with the same list and an allowed clock difference never blame each other.
    #[test]
    fn relays_with_one_list_do_not_blame_each_other(
        first in some_policy(), second in some_policy(), passed in 0..12_000u64, skew in -4_000..4_000i64,
    ) {
        let (second, at) = (Policy { min_stake: 7, ..second }, NOW + 6_000);
        let history = PolicyHistory::new([dated(first.clone(), 1, UnixSeconds(0)), dated(second.clone(), 2, at)]).unwrap();
        for policy in [&first, &second] {
            let now = NOW + passed;
            let skew = skew.clamp(-i64::from(policy.max_clock_skew), policy.max_clock_skew.into());
            let post = stated(policy, policy.epoch_at(now));
            if history.check_post(&post, now, any_root).is_ok()
                && let Err(verdict) = history.check_post(&post, UnixSeconds(now.0.saturating_add_signed(skew)), any_root)
            {
                prop_assert_eq!(verdict.gossip(), Gossip::Ignore);
            }
        }
    }
}

#[test]
fn a_badge_is_accepted_by_one_policy_whole() {
    let midnight = UnixSeconds((NOW.0 / 86_400 + 1) * 86_400);
    let wide = Policy { min_stake: 20, epoch_seconds: HOUR, max_clock_skew: 3_600, ..policy() };
    let history =
        PolicyHistory::new([dated(policy(), 1, UnixSeconds(0)), dated(wide.clone(), 2, midnight - 1)]).unwrap();
    let tomorrow = Day::at(midnight);
    let says = |requirement: Requirement, now| history.check_badge(&requirement, now, any_root).is_ok();
    // The day of the former policy is judged by its own 20 s, whatever the policy in force allows.
    assert!(says(wide.requirement_on(Day(tomorrow.0 - 1)), midnight + 3_599));
    assert!(says(policy().requirement_on(Day(tomorrow.0 - 1)), midnight + 19));
    assert!(!says(policy().requirement_on(Day(tomorrow.0 - 1)), midnight + 20));
    let refused = history.check_badge(&policy().requirement_on(tomorrow), midnight, |_| Err(Verdict::UnknownRoot));
    assert_eq!(refused, Err(Verdict::UnknownRoot));
}
