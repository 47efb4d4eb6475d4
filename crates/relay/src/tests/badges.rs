//! Tests of verdicts on badges.

use std::sync::Arc;

use quotapass_circuits::{
    formats::wire::{BADGE_BYTES, BadgePass},
    membership::Day,
    requirement::Requirement,
    share::Pseudonym,
    signal::{ChatKeyHash, Scope},
};
use quotapass_protocol::{Policy, RequirementMismatch, RootHistory, UnixSeconds, UnlistedScope, Verdict};

use super::world::*;
use crate::{BadgeRequest, ChatKey, MemoryLog, Relay};

const KEY: &[u8] = b"ed25519 key of alice";

fn requirement() -> Requirement {
    policy().requirement_on(TODAY)
}

fn pseudonym(member: usize) -> Pseudonym {
    Pseudonym::new(&world().secrets[member], scope())
}

/// The attack: badges name one room of a pattern after the other, and the relay keeps the pseudonyms of all known secrets in
/// each room for ever.
#[test]
fn in_the_rooms_of_a_pattern_no_pseudonyms_are_kept() {
    let pattern = Policy { name: "rooms/*".into(), ..policy() };
    let relay = relay_with(vec![pattern], RootHistory::starting_at(world().tree.root()));
    let secret = &world().secrets[0];
    assert!(relay.slash(secret.clone(), None, NOW));
    let mut pass = badge_pass(0, KEY, requirement());
    for room in ["rooms/a", "rooms/b", "rooms/c"] {
        pass.pseudonym = Pseudonym::new(secret, Scope::new(&REGISTRY, room));
        let answer = relay.verify_badge(BadgeRequest { scope: room, pass: &pass.to_bytes() }, NOW);
        assert_eq!(answer.verdict, Verdict::SlashedMember { within_grace: true });
        pass.pseudonym = pseudonym(1);
        let answer = relay.verify_badge(BadgeRequest { scope: room, pass: &pass.to_bytes() }, NOW);
        assert_eq!(answer.verdict, Verdict::InvalidProof);
    }
    assert_eq!(relay.slashed().kept(), 0);
}

#[test]
fn a_badge_binds_a_chat_key_and_a_second_key_is_seen() {
    let relay = relay();
    let first = badge_pass(0, KEY, requirement()).to_bytes();
    let second = badge_pass(0, b"another key", requirement()).to_bytes();
    let show = |pass: &[u8]| {
        let answer = relay.verify_badge(badge_request(pass), NOW);
        assert_eq!(answer.verdict, Verdict::Accepted);
        answer.holder.unwrap()
    };
    let holder = show(&first);
    assert_eq!(holder.pseudonym, pseudonym(0));
    assert_eq!((holder.chat_key_hash, holder.chat_key), (ChatKeyHash::new(KEY), ChatKey::First));
    assert_eq!(show(&first).chat_key, ChatKey::Bound);
    let bound = ChatKeyHash::new(KEY);
    assert_eq!(show(&second).chat_key, ChatKey::Second { bound });
    // The first key stays until the caller replaces it.
    assert_eq!(show(&second).chat_key, ChatKey::Second { bound });
    let other = ChatKeyHash::new(b"another key");
    assert_eq!(relay.bind_chat_key(SCOPE, pseudonym(0), other), Ok(Some(bound)));
    assert_eq!(show(&second).chat_key, ChatKey::Bound);
    assert_eq!(show(&first).chat_key, ChatKey::Second { bound: other });
    let stranger = badge_pass(1, KEY, requirement()).to_bytes();
    assert_eq!(show(&stranger).chat_key, ChatKey::First);
}

#[test]
fn a_restriction_names_one_pseudonym_until_it_ends_or_is_lifted() {
    let relay = relay();
    let restricted = badge_pass(0, KEY, requirement()).to_bytes();
    let other = badge_pass(1, KEY, requirement()).to_bytes();
    let at = |pass: &[u8], now| relay.verify_badge(badge_request(pass), now).verdict;
    relay.restrict(SCOPE, pseudonym(0), Some(NOW + 60)).unwrap();
    assert_eq!(at(&restricted, NOW + 60), Verdict::Restricted { until: Some(NOW + 60) });
    assert_eq!(at(&other, NOW), Verdict::Accepted);
    assert_eq!(at(&restricted, NOW + 61), Verdict::Accepted);
    relay.restrict(SCOPE, pseudonym(0), None).unwrap();
    relay.expire(NOW + 61).unwrap();
    assert_eq!(at(&restricted, NOW + 61), Verdict::Restricted { until: None });
    assert_eq!(relay.lift(SCOPE, pseudonym(0)), Ok(true));
    assert_eq!(relay.lift(SCOPE, pseudonym(0)), Ok(false));
    assert_eq!(at(&restricted, NOW + 61), Verdict::Accepted);
    let unlisted = UnlistedScope("elsewhere".into());
    assert_eq!(relay.restrict("elsewhere", pseudonym(0), None), Err(unlisted.into()));
}

#[test]
fn what_a_badge_must_state_and_prove() {
    let relay = relay();
    let verdict = |pass: &BadgePass| relay.verify_badge(badge_request(&pass.to_bytes()), NOW).verdict;
    let good = badge_pass(0, KEY, requirement());
    for stated in [9, 11] {
        let other = badge_pass(0, KEY, Requirement { min_stake: stated, ..requirement() });
        let expected = RequirementMismatch::MinStake { stated, expected: 10 };
        assert_eq!(verdict(&other), expected.into());
    }
    let day = requirement().since_max;
    for stated in [Day(day.0 - 1), Day(day.0 + 1)] {
        let other = badge_pass(0, KEY, Requirement { since_max: stated, ..requirement() });
        let expected = RequirementMismatch::SinceMax { stated, expected: day };
        assert_eq!(verdict(&other), expected.into());
    }
    let unlisted = relay.verify_badge(BadgeRequest { scope: "elsewhere", pass: &good.to_bytes() }, NOW);
    assert_eq!(unlisted.verdict, RequirementMismatch::UnlistedScope.into());

    let mut forged = good.clone();
    forged.pseudonym = pseudonym(1);
    let answer = relay.verify_badge(badge_request(&forged.to_bytes()), NOW);
    assert_eq!((answer.verdict, answer.holder), (Verdict::InvalidProof, None));
    assert_eq!(relay.verify_badge(badge_request(&good.to_bytes()[..BADGE_BYTES - 1]), NOW).verdict.name(), "malformed");
    assert_eq!(relay.verify_badge(badge_request(&honest().pass), NOW).verdict.name(), "malformed");

    let mut unknown = good.clone();
    unknown.root = root(1);
    assert_eq!(verdict(&unknown), Verdict::UnknownRoot);
    relay.advance_root(root(1), NOW - 3601);
    assert_eq!(verdict(&good), Verdict::StaleRoot { superseded_at: NOW - 3601 });
    let empty = relay_with(vec![policy()], RootHistory::new());
    assert_eq!(empty.verify_badge(badge_request(&good.to_bytes()), NOW).verdict, Verdict::UnknownRoot);
    // The forged badge bound nothing.
    let relay = super::world::relay();
    assert_eq!(relay.verify_badge(badge_request(&forged.to_bytes()), NOW).verdict, Verdict::InvalidProof);
    let honest = relay.verify_badge(badge_request(&badge_pass(1, b"mine", requirement()).to_bytes()), NOW);
    assert_eq!(honest.holder.unwrap().chat_key, ChatKey::First);
}

#[test]
fn the_day_of_a_badge_may_differ_by_the_clock_difference_at_midnight() {
    let relay = relay();
    let midnight = UnixSeconds((NOW.0 / 86_400 + 1) * 86_400);
    let (today, tomorrow) = (requirement(), policy().requirement_on(Day(TODAY.0 + 1)));
    let at = |requirement, now| {
        let pass = badge_pass(0, KEY, requirement).to_bytes();
        relay.verify_badge(badge_request(&pass), now).verdict.is_accepted()
    };
    // Twenty seconds past midnight it is tomorrow even by the slowest allowed clock.
    assert!(at(today, midnight - 1) && at(today, midnight + 19));
    assert!(!at(today, midnight + 20));
    assert!(at(tomorrow, midnight) && at(tomorrow, midnight - 20));
    assert!(!at(tomorrow, midnight - 21));
}

#[test]
fn former_requirements_hold_for_badges_too() {
    let relay = relay();
    let pass = badge_pass(0, KEY, requirement()).to_bytes();
    relay.change_policies([Policy { min_stake: 20, ..policy() }], NOW).unwrap();
    assert_eq!(relay.verify_badge(badge_request(&pass), NOW + 3600).verdict, Verdict::Accepted);
    let mismatch = RequirementMismatch::MinStake { stated: 10, expected: 20 };
    for (now, within_grace) in [(NOW + 3601, true), (NOW + 3650, true), (NOW + 3651, false)] {
        let expected = Verdict::RequirementMismatch { mismatch, within_grace };
        assert_eq!(relay.verify_badge(badge_request(&pass), now).verdict, expected);
    }
}

#[test]
fn a_slashed_member_has_no_badge() {
    let relay = relay();
    let pass = badge_pass(0, KEY, requirement()).to_bytes();
    relay.slash(world().secrets[0].clone(), None, NOW);
    assert_eq!(relay.verify_badge(badge_request(&pass), NOW).verdict, Verdict::SlashedMember { within_grace: true });
    let other = badge_pass(1, KEY, requirement()).to_bytes();
    assert_eq!(relay.verify_badge(badge_request(&other), NOW).verdict, Verdict::Accepted);
}

/// Attack: a badge is public, and an attacker who resends one makes the relay compute a pairing each time.
#[test]
fn a_badge_shown_again_costs_no_pairing_and_everything_else_is_checked() {
    let good = badge_pass(0, KEY, requirement()).to_bytes();
    let mut forged = badge_pass(0, KEY, requirement());
    forged.pseudonym = pseudonym(1);
    let at = |relay: &Relay, now| relay.verify_badge(badge_request(&good), now).verdict;
    let shown = || {
        let relay = relay();
        assert_eq!(at(&relay, NOW), Verdict::Accepted);
        assert_eq!(relay.verify_badge(badge_request(&forged.to_bytes()), NOW).verdict, Verdict::InvalidProof);
        assert_eq!(format!("{:?}", relay.verified_badges()), "VerifiedBadges(1)");
        relay
    };
    for _ in 0..3 {
        assert_eq!(at(&shown(), NOW), Verdict::Accepted);
    }
    let relay = shown();
    relay.slash(world().secrets[0].clone(), None, NOW);
    assert_eq!(at(&relay, NOW), Verdict::SlashedMember { within_grace: true });
    let relay = shown();
    relay.restrict(SCOPE, pseudonym(0), None).unwrap();
    assert_eq!(at(&relay, NOW), Verdict::Restricted { until: None });
    let relay = shown();
    relay.advance_root(root(1), NOW);
    assert_eq!(at(&relay, NOW + 3601), Verdict::StaleRoot { superseded_at: NOW });
    let relay = shown();
    relay.change_policies([Policy { min_stake: 20, ..policy() }], NOW).unwrap();
    assert_eq!(at(&relay, NOW + 3601).name(), "requirement_mismatch");
}

/// Attack: after a restart, or at another relay, a restriction or the chat key of a deposit is not known.
#[test]
fn chat_keys_and_restrictions_are_those_of_all_relays_of_a_log_and_outlive_them() {
    let log = Arc::new(MemoryLog::new());
    let relay = || relay_on(log.clone());
    let first = badge_pass(0, KEY, requirement()).to_bytes();
    let second = badge_pass(0, b"another key", requirement()).to_bytes();
    let show = |pass: &[u8]| relay().verify_badge(badge_request(pass), NOW);
    assert_eq!(show(&first).holder.unwrap().chat_key, ChatKey::First);
    assert_eq!(show(&second).holder.unwrap().chat_key, ChatKey::Second { bound: ChatKeyHash::new(KEY) });
    relay().restrict(SCOPE, pseudonym(0), Some(NOW + 60)).unwrap();
    assert_eq!(show(&first).verdict, Verdict::Restricted { until: Some(NOW + 60) });
    assert_eq!(relay().lift(SCOPE, pseudonym(0)), Ok(true));
    assert_eq!(show(&first).holder.unwrap().chat_key, ChatKey::Bound);
}

mod possession {
    use ed25519_dalek::Signer;

    use super::*;
    use crate::{CHALLENGE_SECONDS, Challenger, KeyCheck};
    use quotapass_protocol::{Possession, PossessionError};

    /// Attack: an observer of a badge sends a copy, and counts as its owner.
    #[test]
    fn a_copy_of_a_badge_is_not_enough_where_the_chat_key_is_asked_for() {
        let owner = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        let pass = badge_pass(0, owner.verifying_key().as_bytes(), requirement()).to_bytes();
        let (relay, challenger) = (relay(), Challenger::new([5; 32]));
        let show = |possession, is_required, now| {
            let check = KeyCheck { challenger: challenger.clone(), possession, is_required };
            relay.verify_badge_of(badge_request(&pass), |scope, key| check.check(scope, key, now), now)
        };
        let refused = |error: PossessionError| Verdict::from(error);
        assert_eq!(show(None, true, NOW).verdict, refused(PossessionError::Missing));
        let challenge = challenger.challenge(scope(), NOW);
        let answer = |by: &ed25519_dalek::SigningKey| {
            let signature = by.sign(&challenge.message(scope())).to_bytes();
            Some(Possession { challenge, signature })
        };
        let thief = ed25519_dalek::SigningKey::from_bytes(&[4; 32]);
        assert_eq!(show(answer(&thief), true, NOW).verdict, refused(PossessionError::Signature));
        assert_eq!(show(answer(&thief), false, NOW).verdict, refused(PossessionError::Signature));
        // None of these bound the chat key.
        let holder = show(answer(&owner), true, NOW).holder.unwrap();
        assert_eq!((holder.chat_key, holder.has_chat_key), (ChatKey::First, true));
        let late = NOW + CHALLENGE_SECONDS + 1;
        assert_eq!(show(answer(&owner), true, late).verdict, refused(PossessionError::Expired));
        // If possession is not required, a copy is accepted, without possession.
        assert!(!show(None, false, NOW).holder.unwrap().has_chat_key);
        let verdict = refused(PossessionError::Expired);
        let json = serde_json::to_value(&verdict).unwrap();
        assert_eq!((&json["verdict"], &json["detail"]["possession"]), (&"malformed".into(), &"expired".into()));
    }
}
