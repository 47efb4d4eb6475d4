//! Tests of verdicts on posts, row by row of the protocol's table.

use core::num::NonZeroU32;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use quotapass_circuits::{
    formats::wire::{DecodeErrorKind, POST_BYTES, PostHead, PostPass},
    membership::Day,
    proof::{PROOF_BYTES, ProofError},
    requirement::Requirement,
    share::Nullifier,
};
use quotapass_protocol::{
    Horizon, LogError, Malformed, Overload, Policy, PolicyError, PolicyTable, RequirementMismatch, RootHistory,
    UnixSeconds, Verdict,
};

use super::world::*;
use crate::{
    BadgeBook, Conviction, Entry, LogEpoch, LogStatistics, MemoryLog, ModerationStore, NullifierLog, Outcome,
    PostRequest, Recorded, RelayStore, SlashClaims, Verification,
};

fn mismatch(mismatch: RequirementMismatch) -> Verdict {
    mismatch.into()
}

#[test]
fn an_honest_post_is_accepted_once_and_then_a_replay() {
    let relay = relay();
    assert_eq!(honest().to(&relay, NOW), Verdict::Accepted);
    assert_eq!(honest().to(&relay, NOW), Verdict::Replay);
    // The same share is a replay with any proof: it was proved before.
    let mut again = honest().clone();
    let other = posting(0, 0, MESSAGE);
    again.pass = PostPass { proof: posting(1, 1, MESSAGE).pass().proof, ..other.pass() }.to_bytes().to_vec();
    assert_eq!(again.to(&relay, NOW), Verdict::Replay);
    assert_eq!(recorded(&relay), 1);
    assert!(relay.slashed().is_empty());
}

#[test]
fn every_message_id_below_the_cap_is_accepted() {
    let relay = relay();
    let sent: Vec<_> = (0..5).map(|id| posting(1, id, &[id as u8]).prove()).collect();
    let requests: Vec<_> = sent.iter().map(|sent| sent.request()).collect();
    assert!(relay.verify_posts(&requests, NOW).iter().all(Verdict::is_accepted));
    assert_eq!(recorded(&relay), 5);
    assert_eq!(relay.verify_posts(&[], NOW), []);
}

#[test]
fn epoch_edges_are_exact_to_the_second() {
    let (begins, ends) = (epoch().begins(), epoch().ends());
    assert_eq!((begins, ends), (NOW, NOW + 600));
    for (now, in_range) in [
        (begins - 21, false),
        (begins - 20, true),
        (begins, true),
        (ends, true),
        (ends + 19, true),
        (ends + 20, false),
        (UnixSeconds(0), false),
        (UnixSeconds::MAX, false),
    ] {
        let expected = if in_range { Verdict::Accepted } else { Verdict::EpochOutOfRange { epoch: epoch(), now } };
        assert_eq!(honest().to(&relay(), now), expected, "at {now}");
    }
}

#[test]
fn requirements_must_be_equal_neither_lower_nor_higher() {
    let Requirement { min_stake, since_max } = policy().requirement(epoch());
    assert_eq!((min_stake, since_max), (10, Day(TODAY.0 - 7)));
    let base = posting(0, 0, MESSAGE);
    let relay = relay();
    let stating =
        |min_stake, since_max: Day| Posting { requirement: Requirement { min_stake, since_max }, ..base.clone() };
    for stated in [9, 11] {
        let expected = mismatch(RequirementMismatch::MinStake { stated, expected: 10 });
        assert_eq!(stating(stated, since_max).prove().to(&relay, NOW), expected);
    }
    for stated in [Day(since_max.0 - 1), Day(since_max.0 + 1)] {
        let expected = mismatch(RequirementMismatch::SinceMax { stated, expected: since_max });
        assert_eq!(stating(min_stake, stated).prove().to(&relay, NOW), expected);
    }
    for stated in [4, 6] {
        let expected = mismatch(RequirementMismatch::LimitCap { stated, expected: 5 });
        assert_eq!(Posting { limit_cap: cap(stated), ..base.clone() }.prove().to(&relay, NOW), expected);
    }
    let hour = Policy { epoch_seconds: NonZeroU32::new(3600).unwrap(), ..policy() };
    let expected = mismatch(RequirementMismatch::EpochSeconds { stated: 3600, expected: 600 });
    assert_eq!(posting_for(&hour, hour.epoch_at(NOW), 0, 0, MESSAGE).prove().to(&relay, NOW), expected);

    let elsewhere = PostRequest { scope: "elsewhere", ..honest().request() };
    assert_eq!(relay.verify_post(elsewhere, NOW), mismatch(RequirementMismatch::UnlistedScope));
    assert_eq!(recorded(&relay), 0);
}

#[test]
fn since_max_is_of_the_day_on_which_the_epoch_begins() {
    let young = Policy { min_age_days: u16::MAX, ..policy() };
    assert_eq!(young.requirement(epoch()).since_max, Day(0));
    // An epoch that begins before midnight keeps its day after midnight.
    let midnight = UnixSeconds((NOW.0 / 86_400 + 1) * 86_400);
    let odd = Policy { epoch_seconds: NonZeroU32::new(7000).unwrap(), ..policy() };
    let across = odd.epoch_at(midnight);
    assert!(across.begins() < midnight && across.ends() > midnight);
    assert_eq!(odd.requirement(across).since_max, Day(TODAY.0 - 7));
    assert_eq!(odd.requirement(odd.epoch_at(across.ends())).since_max, Day(TODAY.0 + 1 - 7));
}

#[test]
fn after_a_change_of_policy_the_former_values_hold_for_the_window() {
    let stricter =
        Policy { min_stake: 20, limit_cap: cap(3), epoch_seconds: NonZeroU32::new(7200).unwrap(), ..policy() };
    let wide = Policy { epoch_seconds: NonZeroU32::new(7200).unwrap(), ..policy() };
    let epoch = wide.epoch_at(NOW);
    assert!(epoch.ends() > NOW + 3602);
    let old = posting_for(&wide, epoch, 0, 0, MESSAGE).prove();
    let new = posting_for(&stricter, epoch, 1, 0, MESSAGE).prove();
    let mixed = Posting { limit_cap: cap(3), ..posting_for(&wide, epoch, 2, 0, MESSAGE) }.prove();
    let at = |sent: &Sent, now: UnixSeconds| {
        let roots = RootHistory::starting_at(world().tree.root());
        let relay = relay_with(vec![wide.clone()], roots);
        if now < NOW {
            return sent.to(&relay, now);
        }
        relay.change_policies([stricter.clone()], NOW).unwrap();
        sent.to(&relay, now)
    };
    let too_high = mismatch(RequirementMismatch::MinStake { stated: 20, expected: 10 });
    let too_low = mismatch(RequirementMismatch::MinStake { stated: 10, expected: 20 });
    assert_eq!(at(&old, NOW - 1), Verdict::Accepted);
    assert_eq!(at(&new, NOW - 1), too_high);
    assert_eq!(at(&old, NOW), Verdict::Accepted);
    assert_eq!(at(&new, NOW), Verdict::Accepted);
    assert_eq!(at(&old, NOW + 3600), Verdict::Accepted);
    let ended = RequirementMismatch::MinStake { stated: 10, expected: 20 };
    assert_eq!(at(&old, NOW + 3601), Verdict::RequirementMismatch { mismatch: ended, within_grace: true });
    assert_eq!(at(&new, NOW + 3601), Verdict::Accepted);
    // A mix of values from both policies would identify the sender: no policy ever had it.
    assert_eq!(at(&mixed, NOW), too_low);
}

#[test]
fn policies_that_cannot_be_change_nothing() {
    let relay = relay();
    let check = |policies: Vec<Policy>, error: PolicyError| {
        assert_eq!(PolicyTable::new(REGISTRY, policies.clone()).err(), Some(error.clone()));
        assert_eq!(relay.change_policies(policies, NOW), Err(error.into()));
    };
    check(vec![Policy { name: String::new(), ..policy() }], PolicyError::NoName);
    check(vec![Policy { name: "x".repeat(256), ..policy() }], PolicyError::LongName(256));
    let skewed = Policy { max_clock_skew: 601, ..policy() };
    check(vec![skewed], PolicyError::SkewAboveEpoch { name: SCOPE.into(), skew: 601, epoch: 600 });
    check(vec![Policy { min_stake: 99, ..policy() }, policy()], PolicyError::Duplicate(SCOPE.into()));
    assert_eq!(relay.policies().get(SCOPE).unwrap().history().current(NOW), &policy().into());
    assert_eq!(honest().to(&relay, NOW), Verdict::Accepted);
    relay.change_policies(Vec::<Policy>::new(), NOW).unwrap();
    assert!(relay.policies().get(SCOPE).is_err());
}

#[test]
fn a_policy_reads_back_from_json_and_refuses_what_it_does_not_know() {
    let text = serde_json::to_string(&policy()).unwrap();
    assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy());
    let zero = text.replace("\"limit_cap\":5", "\"limit_cap\":0");
    assert!(zero != text && serde_json::from_str::<Policy>(&zero).is_err());
    assert!(serde_json::from_str::<Policy>(&text.replace("min_stake", "minimum_stake")).is_err());
}

#[test]
fn a_root_is_unknown_accepted_stale_by_time_since_superseded() {
    let empty = relay_with(vec![policy()], RootHistory::new());
    assert_eq!(honest().to(&empty, NOW), Verdict::UnknownRoot);
    let behind = relay_with(vec![policy()], RootHistory::starting_at(root(1)));
    assert_eq!(honest().to(&behind, NOW), Verdict::UnknownRoot);
    behind.advance_root(world().tree.root(), NOW - 1_000_000);
    assert_eq!(honest().to(&behind, NOW), Verdict::Accepted);

    for (superseded_at, stale) in [(NOW - 3600, false), (NOW - 3601, true)] {
        let relay = relay();
        relay.advance_root(root(1), superseded_at);
        let expected = if stale { Verdict::StaleRoot { superseded_at } } else { Verdict::Accepted };
        assert_eq!(honest().to(&relay, NOW), expected);
        relay.reorganise_roots(1, [(root(2), NOW)]);
        let once_more = if stale { Verdict::Accepted } else { Verdict::Replay };
        assert_eq!(honest().to(&relay, NOW), once_more);
        relay.reorganise_roots(2, [(root(3), NOW)]);
        assert_eq!(honest().to(&relay, NOW), Verdict::UnknownRoot);
    }
}

#[test]
fn a_forged_proof_changes_nothing() {
    let relay = relay();
    let mut pass = posting(0, 0, MESSAGE).pass();
    pass.proof = posting(1, 1, MESSAGE).pass().proof;
    let forged = Sent::new(MESSAGE, pass.to_bytes().to_vec());
    assert_eq!(forged.to(&relay, NOW), Verdict::InvalidProof);
    let misattributed = Sent { message: b"another text".into(), ..honest().clone() };
    assert_eq!(misattributed.to(&relay, NOW), Verdict::InvalidProof);
    assert_eq!(recorded(&relay), 0);
    assert_eq!(honest().to(&relay, NOW), Verdict::Accepted);
}

#[test]
fn a_copied_nullifier_with_an_invented_share_convicts_nobody() {
    for accepted_before in [true, false] {
        let relay = relay();
        if accepted_before {
            assert_eq!(honest().to(&relay, NOW), Verdict::Accepted);
        }
        // Nullifier and proof of the victim, y and message of the attacker.
        let victim = PostPass::from_bytes(&honest().pass).unwrap();
        let own = posting(1, 0, b"framed").pass();
        for pass in [PostPass { y: own.y, ..victim.clone() }, PostPass { nullifier: victim.nullifier, ..own.clone() }] {
            let framed = Sent::new(b"framed", pass.to_bytes().to_vec());
            assert_eq!(framed.to(&relay, NOW), Verdict::InvalidProof);
            // The victim's own message with an invented y is also not a replay.
            let framed = Sent::new(MESSAGE, pass.to_bytes().to_vec());
            assert_eq!(framed.to(&relay, NOW), Verdict::InvalidProof);
        }
        assert!(relay.slashed().is_empty());
        let expected = if accepted_before { Verdict::Replay } else { Verdict::Accepted };
        assert_eq!(honest().to(&relay, NOW), expected);
    }
}

#[test]
fn malformed_says_what_and_where() {
    let relay = relay();
    for (pass, kind, offset) in [
        (&honest().pass[..100], DecodeErrorKind::Truncated, None),
        (&[], DecodeErrorKind::Truncated, Some(0)),
        (&[2; POST_BYTES], DecodeErrorKind::UnknownVersion(2), Some(0)),
        (&[1, 2], DecodeErrorKind::UnexpectedKind(2), Some(1)),
        (&[&honest().pass[..], &[0]].concat(), DecodeErrorKind::TrailingBytes, Some(POST_BYTES)),
    ] {
        let verdict = relay.verify_post(PostRequest { pass, ..honest().request() }, NOW);
        let Verdict::Malformed(Malformed::Pass(error)) = verdict else { panic!("{verdict:?}") };
        assert_eq!(error.kind, kind);
        assert!(offset.is_none_or(|offset| error.offset == offset), "{error}");
    }
}

/// Returns a pass whose points are on no curve: its other values are judged before a point is decoded.
fn without_points(sent: &Sent) -> Sent {
    let mut broken = sent.clone();
    broken.pass[POST_BYTES - PROOF_BYTES..].fill(0);
    assert!(PostPass::from_bytes(&broken.pass).is_err() && PostHead::from_bytes(&broken.pass).is_ok());
    broken
}

/// Attack: passes that no relay can accept, sent to make it decode points.
#[test]
fn points_are_decoded_only_where_nothing_else_decides() {
    let relay = relay();
    let broken = without_points(honest());
    let malformed = |verdict: Verdict| {
        let Verdict::Malformed(Malformed::Pass(error)) = verdict else { panic!("{verdict:?}") };
        assert_eq!((error.offset, error.kind), (POST_BYTES - PROOF_BYTES, ProofError::Flags.into()));
    };
    malformed(broken.to(&relay, NOW));
    assert_eq!(recorded(&relay), 0);

    let unlisted = PostRequest { scope: "elsewhere", ..broken.request() };
    assert_eq!(relay.verify_post(unlisted, NOW), mismatch(RequirementMismatch::UnlistedScope));
    let late = NOW + 10_000;
    assert_eq!(broken.to(&relay, late), Verdict::EpochOutOfRange { epoch: epoch(), now: late });
    let other_cap = without_points(&Posting { limit_cap: cap(4), ..posting(0, 0, MESSAGE) }.prove());
    let expected = mismatch(RequirementMismatch::LimitCap { stated: 4, expected: 5 });
    assert_eq!(other_cap.to(&relay, NOW), expected);
    let behind = relay_with(vec![policy()], RootHistory::starting_at(root(1)));
    assert_eq!(broken.to(&behind, NOW), Verdict::UnknownRoot);

    assert_eq!(honest().to(&relay, NOW), Verdict::Accepted);
    assert_eq!(broken.to(&relay, NOW), Verdict::Replay);
    // Another share of the nullifier is not a replay, so its points are decoded.
    malformed(without_points(second()).to(&relay, NOW));
    assert!(relay.slashed().is_empty());
    assert_eq!(second().to(&relay, NOW).name(), "quota_exceeded");
    assert_eq!(broken.to(&relay, NOW).name(), "slashed_member");
    assert_eq!(recorded(&relay), 1);
}

/// A log that fails on demand.
#[derive(Default)]
struct Failing {
    inner: MemoryLog,
    on_lookup: bool,
    on_record: bool,
    on_convict: AtomicBool,
}

fn down() -> LogError {
    LogError::Unavailable("connection refused".into())
}

impl NullifierLog for Failing {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        if self.on_record { Err(down()) } else { self.inner.record(entry) }
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        if self.on_lookup { Err(down()) } else { self.inner.lookup(epoch, nullifier) }
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        if self.on_convict.load(Ordering::Relaxed) { Err(down()) } else { self.inner.convict(conviction) }
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        if self.on_lookup { Err(down()) } else { self.inner.convictions(from) }
    }

    fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        self.inner.expire(now)
    }

    fn reopen(&self, now: UnixSeconds) -> Result<UnixSeconds, LogError> {
        self.inner.reopen(now)
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        self.inner.statistics()
    }
}

impl RelayStore for Failing {
    fn cases(&self) -> &dyn SlashClaims {
        &self.inner
    }

    fn badges(&self) -> &dyn BadgeBook {
        &self.inner
    }

    fn moderation(&self) -> &dyn ModerationStore {
        &self.inner
    }
}

#[test]
fn a_failing_log_means_overloaded_and_nothing_recorded() {
    for (on_lookup, on_record) in [(true, false), (false, true)] {
        let relay = relay_on(Arc::new(Failing { on_lookup, on_record, ..Failing::default() }));
        assert_eq!(honest().to(&relay, NOW), Verdict::Overloaded(Overload::Log(down())));
        assert_eq!(recorded(&relay), 0);
    }
}

#[test]
fn nothing_follows_from_evidence_that_cannot_be_kept() {
    let log = Arc::new(Failing { on_convict: true.into(), ..Failing::default() });
    let relay = relay_on(log.clone());
    assert_eq!(honest().to(&relay, NOW), Verdict::Accepted);
    assert_eq!(second().to(&relay, NOW), Verdict::Overloaded(Overload::Log(down())));
    assert!(relay.slashed().is_empty());
    // The next attempt yields the evidence again.
    log.on_convict.store(false, Ordering::Relaxed);
    assert_eq!(second().to(&relay, NOW).name(), "quota_exceeded");
}

#[test]
fn a_log_that_answers_too_little_never_means_accepted() {
    struct Silent(MemoryLog);

    impl NullifierLog for Silent {
        fn record(&self, _: &Entry) -> Result<Outcome, LogError> {
            Err(down())
        }
        fn record_all(&self, _: &[Entry]) -> Vec<Result<Outcome, LogError>> {
            Vec::new()
        }
        fn lookup(&self, _: &LogEpoch, _: Nullifier) -> Result<Option<Recorded>, LogError> {
            Ok(None)
        }
        fn convict(&self, _: &Conviction) -> Result<bool, LogError> {
            Err(down())
        }
        fn convictions(&self, _: u64) -> Result<Vec<Conviction>, LogError> {
            Ok(Vec::new())
        }
        fn expire(&self, _: UnixSeconds) -> Result<(), LogError> {
            Ok(())
        }
        fn reopen(&self, _: UnixSeconds) -> Result<UnixSeconds, LogError> {
            Err(down())
        }

        fn statistics(&self) -> Result<LogStatistics, LogError> {
            Err(down())
        }
    }

    impl RelayStore for Silent {
        fn cases(&self) -> &dyn SlashClaims {
            &self.0
        }

        fn badges(&self) -> &dyn BadgeBook {
            &self.0
        }

        fn moderation(&self) -> &dyn ModerationStore {
            &self.0
        }
    }

    let relay = relay_on(Arc::new(Silent(MemoryLog::new())));
    assert_eq!(honest().to(&relay, NOW).name(), "overloaded");
}

#[test]
fn an_expired_epoch_stays_closed_when_the_clock_goes_back() {
    let relay = relay();
    assert_eq!(honest().to(&relay, NOW), Verdict::Accepted);
    relay.expire(NOW + 1199).unwrap();
    assert_eq!(recorded(&relay), 1);
    relay.expire(NOW + 1200).unwrap();
    assert_eq!(recorded(&relay), 0);
    assert_eq!(honest().to(&relay, NOW), Verdict::EpochOutOfRange { epoch: epoch(), now: NOW });
}

#[test]
fn a_batch_says_of_each_what_it_would_say_alone() {
    let other = posting(3, 2, b"third member").prove();
    let forged = Sent { message: b"forged".into(), ..other.clone() };
    let garbage = Sent::new(MESSAGE, vec![7; 40]);
    let pointless = without_points(&posting(2, 1, MESSAGE).prove());
    let strict = Posting { limit_cap: cap(1), ..posting(4, 0, MESSAGE) }.prove();
    let sent = [&forged, honest(), &garbage, &other, &pointless, honest(), &strict, &other, &forged];
    let requests: Vec<_> = sent.iter().map(|sent| sent.request()).collect();
    for how in [Verification::Together, Verification::Each] {
        let relay = relay();
        let names: Vec<_> = relay.verify_posts_by(how, &requests, NOW).iter().map(Verdict::name).collect();
        assert_eq!(
            names,
            [
                "invalid_proof",
                "accepted",
                "malformed",
                "accepted",
                "malformed",
                "replay",
                "requirement_mismatch",
                "replay",
                "invalid_proof"
            ]
        );
        assert_eq!(recorded(&relay), 2);
    }
}

/// Attack: a relay that is cut off from its chain, or that always gets the same old block, keeps its root current. A
/// member who left after that block may have the deposit back, and would post with nothing at stake.
#[test]
fn nothing_is_accepted_when_members_may_have_left_unseen() {
    const DAY: u32 = 86_400;
    let (relay, exposure) = (relay(), policy().exposure());
    assert_eq!(exposure, 600 + 3_600 + 20 + 3_600);
    let badge = badge_pass(1, b"key", policy().requirement_on(TODAY)).to_bytes();
    let until = |head_time| Horizon { head_time, exit_delay: DAY }.accepts_until(exposure);
    // The newest block has the maximum age, or is one second older.
    let head_time = NOW + exposure - u64::from(DAY);
    assert_eq!(until(head_time), NOW);
    relay.see(Horizon { head_time: head_time - 1, exit_delay: DAY });
    assert_eq!(honest().to(&relay, NOW), Verdict::UnknownRoot);
    assert_eq!(relay.verify_badge(badge_request(&badge), NOW).verdict, Verdict::UnknownRoot);
    relay.see(Horizon { head_time, exit_delay: DAY });
    assert_eq!(honest().to(&relay, NOW), Verdict::Accepted);
    assert_eq!(relay.verify_badge(badge_request(&badge), NOW).verdict, Verdict::Accepted);
    assert_eq!(honest().to(&relay, NOW + 1), Verdict::UnknownRoot);
    // A registry with an unknown exit delay.
    relay.see(Horizon { head_time: NOW - 1, exit_delay: 0 });
    assert_eq!(honest().to(&relay, NOW), Verdict::UnknownRoot);
    // While a former policy with longer epochs holds, its exposure counts.
    relay.see(Horizon { head_time, exit_delay: DAY });
    let shorter = Policy { epoch_seconds: NonZeroU32::new(60).unwrap(), ..policy() };
    relay.change_policies([shorter], NOW).unwrap();
    assert_eq!(relay.policies().get(SCOPE).unwrap().history().exposure(NOW), exposure);
}

#[test]
fn a_report_has_no_other_message_than_the_reported_nullifier() {
    let moderated = Policy { moderation: Some(quotapass_protocol::ModerationPolicy::default()), ..policy() };
    let relay = relay_with(vec![moderated.clone()], RootHistory::starting_at(world().tree.root()));
    let nullifier = posting(0, 0, MESSAGE).pass().nullifier;
    let policy = moderated.for_report(nullifier);
    let base = posting_for(&policy, policy.epoch_at(NOW), 1, 0, &nullifier.to_be_bytes());
    let report = Posting { requirement: policy.requirement_at(NOW), ..base }.prove();
    let sent = |message| relay.verify_post(PostRequest { scope: &policy.name, message, pass: &report.pass }, NOW);
    // A second message under the one message id of this scope would give away the reporter's secret.
    assert_eq!(sent(MESSAGE).name(), "malformed");
    // With the right message it is no post either: a report comes with its body, by another way.
    assert_eq!(sent(&nullifier.to_be_bytes()).name(), "requirement_mismatch");
    assert_eq!(recorded(&relay), 0);
}
