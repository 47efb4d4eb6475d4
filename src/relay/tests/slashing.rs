//! Double posts, and what becomes of the member.

use std::{
    collections::HashSet,
    sync::{Arc, Barrier},
    thread,
};

use quotapass_circuits::{
    formats::wire::PostPass,
    share::{Nullifier, Share, recover},
};

use super::world::*;
use crate::relay::{
    Entry, Evidence, LogEpoch, LogError, LogStatistics, MemoryLog, NullifierLog, Outcome, Overload, QuotaExceeded,
    RootHistory, Settlement, SlashClaims, Verdict, WorkerId,
};

fn exceeded(verdict: Verdict) -> QuotaExceeded {
    match verdict {
        Verdict::QuotaExceeded(exceeded) => *exceeded,
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn two_messages_under_one_id_give_the_secret_away() {
    let relay = relay();
    assert_eq!(honest().to(&relay, NOW), Verdict::Accepted);
    let exceeded = exceeded(second().to(&relay, NOW));
    assert_eq!(exceeded.secret, world().secrets[0]);
    assert_eq!(exceeded.commitment(), world().secrets[0].commitment());
    let evidence = &exceeded.evidence;
    let pass = PostPass::from_bytes(&second().pass).unwrap();
    assert_eq!((evidence.scope, evidence.epoch, evidence.nullifier), (scope(), epoch(), pass.nullifier));
    assert_eq!(evidence.second, pass.public(scope(), &second().message).unwrap().share);
    assert_eq!(recover(&evidence.recorded, &evidence.second), Ok(exceeded.secret));

    assert!(relay.slashed().contains(world().secrets[0].commitment()));
    assert_eq!(relay.log().len(), 1);
}

#[test]
fn both_halves_in_one_batch() {
    let relay = relay();
    let third = posting(0, 1, b"and another id").prove();
    let stranger = posting(1, 0, MESSAGE).prove();
    let sent = [honest(), second(), &third, &stranger, second()];
    let requests: Vec<_> = sent.iter().map(|sent| sent.request()).collect();
    let names: Vec<_> = relay.verify_posts(&requests, NOW).iter().map(Verdict::name).collect();
    assert_eq!(names, ["accepted", "quota_exceeded", "slashed_member", "accepted", "slashed_member"]);
}

#[test]
fn a_slashed_member_is_refused_in_every_epoch_whatever_the_root() {
    let relay = relay();
    assert!(relay.slash(world().secrets[0].clone(), None));
    assert!(!relay.slash(world().secrets[0].clone(), None));
    // Its root is superseded, and within the window.
    relay.advance_root(root(1), NOW);
    assert_eq!(honest().to(&relay, NOW), Verdict::SlashedMember);
    for id in 1..5 {
        assert_eq!(posting(0, id, MESSAGE).prove().to(&relay, NOW), Verdict::SlashedMember);
    }
    let next = policy().epoch_at(NOW + 600);
    let later = posting_for(&policy(), next, 0, 0, MESSAGE).prove();
    assert_eq!(later.to(&relay, NOW + 600), Verdict::SlashedMember);
    assert_eq!(posting(1, 0, MESSAGE).prove().to(&relay, NOW), Verdict::Accepted);
    assert_eq!(relay.log().len(), 1);

    // Forgotten only after its roots are stale.
    let now = NOW + 3600 + 600;
    assert!(relay.forget_slashed(world().secrets[0].commitment()));
    let late = posting_for(&policy(), policy().epoch_at(now), 0, 0, MESSAGE).prove();
    assert_eq!(late.to(&relay, now), Verdict::StaleRoot { superseded_at: NOW });
}

#[test]
fn ids_of_a_former_higher_cap_are_refused_too() {
    let relay = relay();
    let lower = crate::relay::Policy { limit_cap: cap(2), ..policy() };
    relay.change_policies([lower], NOW).unwrap();
    relay.slash(world().secrets[0].clone(), None);
    assert_eq!(posting(0, 4, MESSAGE).prove().to(&relay, NOW), Verdict::SlashedMember);
}

#[test]
fn of_many_threads_one_accepts_and_one_convicts() {
    const THREADS: usize = 8;
    let relay = relay();
    let barrier = Barrier::new(THREADS);
    let verdicts: Vec<Verdict> = thread::scope(|scope| {
        let run = |index: usize| {
            let (relay, barrier) = (&relay, &barrier);
            move || {
                barrier.wait();
                let sent = if index.is_multiple_of(2) { honest() } else { second() };
                sent.to(relay, NOW)
            }
        };
        let (_, _) = (honest(), second());
        let threads: Vec<_> = (0..THREADS).map(|index| scope.spawn(run(index))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |name| verdicts.iter().filter(|verdict| verdict.name() == name).count();
    assert_eq!(count("accepted") + count("slashed_member") + count("replay") + count("quota_exceeded"), THREADS);
    assert_eq!(count("quota_exceeded"), 1);
    // The one who was first may learn that the member was slashed before it could answer.
    assert!(count("accepted") <= 1);
    assert_eq!(relay.log().len(), 1);
}

/// A log that claims a conflict with a share nobody proved.
struct Lying(Share);

impl NullifierLog for Lying {
    fn record(&self, _: &Entry) -> Result<Outcome, LogError> {
        Ok(Outcome::Conflict(self.0))
    }

    fn lookup(&self, _: &LogEpoch, _: Nullifier) -> Result<Option<Share>, LogError> {
        Ok(Some(self.0))
    }

    fn convict(&self, _: &Evidence) -> Result<bool, LogError> {
        Ok(true)
    }

    fn convictions(&self, _: u64) -> Result<Vec<Evidence>, LogError> {
        Ok(Vec::new())
    }

    fn expire(&self, _: u64) -> Result<(), LogError> {
        Ok(())
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        Ok(LogStatistics::default())
    }
}

#[test]
fn a_damaged_log_convicts_nobody() {
    let share = |sent: &Sent| {
        let pass = PostPass::from_bytes(&sent.pass).unwrap();
        pass.public(scope(), &sent.message).unwrap().share
    };
    let invented = Share { x: share(second()).x, y: share(honest()).y };
    let relay = relay_with(vec![policy()], RootHistory::starting_at(world().tree.root()), Lying(invented));
    assert_eq!(honest().to(&relay, NOW), Verdict::Overloaded(Overload::Log(LogError::Damaged)));
    assert!(relay.slashed().is_empty());
}

#[test]
fn a_quota_is_per_epoch_and_nullifiers_do_not_repeat() {
    let relay = relay();
    let mut nullifiers = HashSet::new();
    for epochs in 0..3u64 {
        let now = NOW + 600 * epochs;
        let epoch = policy().epoch_at(now);
        let pass = posting_for(&policy(), epoch, 5, 0, MESSAGE).pass();
        assert!(nullifiers.insert(pass.nullifier));
        let sent = Sent { message: MESSAGE.into(), pass: pass.to_bytes().to_vec() };
        assert_eq!(sent.to(&relay, now), Verdict::Accepted);
    }
}

#[test]
fn relays_that_share_a_log_catch_halves_sent_to_different_ones() {
    let log = Arc::new(MemoryLog::new());
    let relay = || {
        let roots = RootHistory::starting_at(world().tree.root());
        relay_with(vec![policy()], roots, Arc::clone(&log))
    };
    let (first, other) = (relay(), relay());
    assert_eq!(honest().to(&first, NOW), Verdict::Accepted);
    assert_eq!(honest().to(&other, NOW), Verdict::Replay);
    assert_eq!(exceeded(second().to(&other, NOW)).secret, world().secrets[0]);
    // The first learns of it with its next post, and so does one that starts later.
    let next = posting(0, 1, MESSAGE).prove();
    assert_eq!(next.to(&first, NOW), Verdict::SlashedMember);
    assert_eq!(next.to(&relay(), NOW), Verdict::SlashedMember);
}

#[test]
fn imported_evidence_counts_like_our_own() {
    let relay = relay();
    let evidence = evidence();
    assert_eq!(evidence.secret_below(cap(1)), Some(world().secrets[0].clone()));
    assert_eq!(relay.import(&evidence), Ok(true));
    assert_eq!(relay.import(&evidence), Ok(false));
    assert_eq!(posting(0, 3, MESSAGE).prove().to(&relay, NOW), Verdict::SlashedMember);
    // Shares of another nullifier are of no secret that counts; two shares of one message are no evidence at all.
    let other = Evidence {
        nullifier: PostPass::from_bytes(&posting(1, 0, MESSAGE).prove().pass).unwrap().nullifier,
        ..evidence
    };
    assert_eq!(other.secret_below(cap(5)), None);
    let replay = Evidence { second: other.recorded, ..other };
    assert_eq!(relay.import(&replay), Err(LogError::Damaged));
}

#[test]
fn one_worker_at_a_time_has_a_case_until_it_is_settled() {
    let log = MemoryLog::new();
    let commitment = world().secrets[0].commitment();
    let [one, two] = ["one", "two"].map(|name| WorkerId(name.into()));
    let settlement = Settlement::Gone;
    assert_eq!(log.claim(commitment, &one, 100, 110), Ok(true));
    assert_eq!(log.claim(commitment, &two, 109, 120), Ok(false));
    assert_eq!(log.claim(commitment, &one, 109, 120), Ok(true));
    assert_eq!(log.claim(commitment, &two, 120, 130), Ok(true));
    assert_eq!(log.settlement(commitment), Ok(None));
    log.settle(commitment, &settlement).unwrap();
    log.settle(commitment, &Settlement::NoMember).unwrap();
    assert_eq!(log.settlement(commitment), Ok(Some(settlement)));
    assert_eq!(log.claim(commitment, &two, 500, 510), Ok(false));
}
