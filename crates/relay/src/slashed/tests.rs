//! Tests of the known secrets and their nullifiers.

use core::{
    num::{NonZeroU16, NonZeroU32},
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};
use std::thread;

use quotapass_circuits::{
    registry_id::RegistryId,
    share::Line,
    signal::{Epoch, Scope},
};
use quotapass_protocol::UnixSeconds;

use super::{offenders::on_all_cores, *};

fn scope() -> Scope {
    Scope::new(&REGISTRY, "room")
}

const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [1; 20] };

fn secret(number: u8) -> IdentitySecret {
    let mut bytes = [0; 32];
    bytes[31] = number;
    IdentitySecret::from_be_bytes(&bytes).unwrap()
}

fn cap(cap: u16) -> NonZeroU16 {
    NonZeroU16::new(cap).unwrap()
}

fn epoch(number: u64) -> LogEpoch {
    LogEpoch::new(Scope::new(&REGISTRY, "room"), Epoch::new(NonZeroU32::new(60).unwrap(), number))
}

fn nullifier(secret: &IdentitySecret, epoch: &LogEpoch, id: u16) -> Nullifier {
    Line::new(secret, epoch.external_nullifier(), id).nullifier()
}

#[test]
fn all_ids_below_cap_and_limit_are_known_in_every_epoch() {
    let slashed = SlashedMembers::new();
    let knows = |number, at: u64, below, id| {
        let epoch = epoch(at);
        slashed.has_nullifier(&epoch, cap(below), nullifier(&secret(number), &epoch, id))
    };
    assert!(!knows(1, 1, 5, 0));
    assert!(slashed.insert(secret(1), None, UnixSeconds(0)));
    assert!(!slashed.insert(secret(1), None, UnixSeconds(0)));
    assert!((0..5).all(|id| knows(1, 1, 5, id) && knows(1, 2, 5, id)));
    assert!(!knows(1, 1, 5, 5) && !knows(2, 1, 5, 0));
    // A raised cap and a new member are computed on the next query.
    assert!(knows(1, 1, 7, 6) && !knows(1, 1, 5, 6));
    assert!(slashed.insert(secret(2), Some(cap(2)), UnixSeconds(0)));
    assert!(knows(2, 1, 5, 1) && !knows(2, 1, 5, 2));
    assert!(knows(1, 1, 9, 8) && !knows(2, 1, 9, 2));
}

#[test]
fn epochs_expire_and_come_back_if_asked_for() {
    let slashed = SlashedMembers::new();
    slashed.insert(secret(1), None, UnixSeconds(0));
    let (old, young) = (epoch(1), epoch(9));
    for epoch in [old, young] {
        assert!(slashed.has_nullifier(&epoch, cap(3), nullifier(&secret(1), &epoch, 2)));
    }
    slashed.expire(old.keep_until());
    assert_eq!(slashed.state.read().nullifiers.len(), 1);
    assert!(slashed.has_nullifier(&old, cap(3), nullifier(&secret(1), &old, 2)));
}

#[test]
fn whoever_is_forgotten_leaves_the_others_known() {
    let slashed = SlashedMembers::new();
    let scope = Scope::new(&REGISTRY, "room");
    let pseudonym = |number| Pseudonym::new(&secret(number), scope);
    for number in [1, 2] {
        slashed.insert(secret(number), None, UnixSeconds(0));
        assert!(slashed.has_pseudonym(scope, pseudonym(number)));
        assert!(slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(number), &epoch(1), 0)));
    }
    assert!(slashed.forget(secret(1).commitment()));
    assert!(!slashed.forget(secret(1).commitment()));
    assert!(!slashed.contains(secret(1).commitment()) && slashed.contains(secret(2).commitment()));
    slashed.insert(secret(3), None, UnixSeconds(0));
    for number in [2, 3] {
        assert!(slashed.has_pseudonym(scope, pseudonym(number)));
        assert!(slashed.has_nullifier(&epoch(2), cap(3), nullifier(&secret(number), &epoch(2), 0)));
        assert!(slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(number), &epoch(1), 0)));
    }
    assert!(!slashed.has_pseudonym(scope, pseudonym(1)));
    assert!(!slashed.has_nullifier(&epoch(2), cap(3), nullifier(&secret(1), &epoch(2), 0)));
}

#[test]
fn a_member_is_refused_from_the_moment_it_is_known_whatever_others_do() {
    const THREADS: u8 = 4;
    let (slashed, done) = (SlashedMembers::new(), AtomicBool::new(false));
    thread::scope(|threads| {
        let insert = |thread: u8| {
            let slashed = &slashed;
            threads.spawn(move || {
                for number in (1..200).filter(|number| number % THREADS == thread) {
                    let (secret, epoch) = (secret(number), epoch(u64::from(number % 3)));
                    slashed.insert(secret.clone(), NonZeroU16::new(u16::from(number % 3)), UnixSeconds(0));
                    assert!(slashed.has_nullifier(&epoch, cap(3), nullifier(&secret, &epoch, 0)), "{number}");
                    assert!(slashed.has_pseudonym(scope(), Pseudonym::new(&secret, scope())), "{number}");
                    if number % 5 == 0 {
                        slashed.forget(secret.commitment());
                    }
                }
            })
        };
        let inserters: Vec<_> = (0..THREADS).map(insert).collect();
        // Meanwhile epochs expire and are queried again.
        let expiring = threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                slashed.expire(epoch(1).keep_until());
                thread::yield_now();
            }
        });
        inserters.into_iter().for_each(|inserter| inserter.join().unwrap());
        done.store(true, Ordering::Relaxed);
        expiring.join().unwrap();
    });
    for number in (1..200).filter(|number| number % 5 != 0) {
        for epoch in (0..3).map(epoch) {
            assert!(slashed.has_nullifier(&epoch, cap(3), nullifier(&secret(number), &epoch, 0)), "{number}");
        }
    }
}

/// Attack: a member with 65,535 messages an epoch is caught, and every thread waits while they are computed.
#[test]
fn those_who_miss_nothing_wait_for_nobody_who_computes() {
    let slashed = SlashedMembers::new();
    slashed.insert(secret(1), None, UnixSeconds(0));
    let known =
        |slashed: &SlashedMembers| slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(1), &epoch(1), 2));
    assert!(known(&slashed));
    let computing = slashed.computing.lock();
    // Checks, convictions and everything else continue meanwhile.
    assert!(known(&slashed));
    assert!(!slashed.insert(secret(1), None, UnixSeconds(0)) && slashed.contains(secret(1).commitment()));
    slashed.expire(UnixSeconds(0));
    // A check with missing nullifiers waits, and then gets them.
    slashed.insert(secret(2), None, UnixSeconds(0));
    thread::scope(|threads| {
        let waiting = threads.spawn(|| slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(2), &epoch(1), 2)));
        drop(computing);
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn a_large_cap_is_computed_on_many_threads_alike() {
    let compute = |ids: Range<u16>| ids.map(u32::from).collect::<Vec<_>>();
    for ids in [0..u16::MAX, 0..4_096, 7..4_200, 65_000..65_535] {
        assert_eq!(on_all_cores(ids.clone(), compute), compute(ids));
    }
    let slashed = SlashedMembers::new();
    slashed.insert(secret(1), None, UnixSeconds(0));
    let knows = |id| slashed.has_nullifier(&epoch(1), cap(5_000), nullifier(&secret(1), &epoch(1), id));
    assert!(knows(0) && knows(4_095) && knows(4_096) && knows(4_999) && !knows(5_000));
}

/// Attack: a slashed secret is deposited again for a greater limit, and posts with the new message ids.
#[test]
fn a_greater_limit_of_a_new_deposit_counts_and_a_lower_one_does_not() {
    let slashed = SlashedMembers::new();
    let (commitment, epoch) = (secret(1).commitment(), epoch(1));
    let knows = |id| slashed.has_nullifier(&epoch, cap(9), nullifier(&secret(1), &epoch, id));
    slashed.learn_limit(commitment, cap(9));
    assert!(slashed.is_empty() && !knows(0));
    slashed.insert(secret(1), Some(cap(2)), UnixSeconds(7));
    assert!(knows(1) && !knows(2));
    slashed.learn_limit(commitment, cap(4));
    assert!(knows(1) && knows(3) && !knows(4));
    slashed.learn_limit(commitment, cap(1));
    assert!(knows(3));
    let offender = slashed.refused([(epoch, cap(9))]).offender(&(epoch, cap(9)), nullifier(&secret(1), &epoch, 3));
    assert_eq!(offender.unwrap().since, UnixSeconds(7));
    assert_eq!(slashed.len(), 1);
    assert!(slashed.forget(commitment) && slashed.is_empty());
}

/// Attack: a convicted member, whose own limit is not known, deposits its commitment again for a lower limit, and
/// continues to post with the other message ids of its first deposit.
#[test]
fn a_deposit_for_a_lower_limit_frees_no_message_ids() {
    let slashed = SlashedMembers::new();
    slashed.insert(secret(1), None, UnixSeconds(0));
    let commitment = secret(1).commitment();
    let knows = |at, id| slashed.has_nullifier(&epoch(at), cap(9), nullifier(&secret(1), &epoch(at), id));
    slashed.learn_limit(commitment, cap(2));
    assert!(knows(1, 1) && knows(1, 8));
    // The greatest limit of all deposits bounds the ids, at least by the deposits that were reported meanwhile.
    slashed.learn_limit(commitment, cap(6));
    slashed.bound_limit(commitment, cap(4));
    assert!(knows(2, 5) && !knows(2, 6));
    slashed.bound_limit(commitment, cap(3));
    assert!(knows(3, 5) && !knows(3, 6));
    slashed.bound_limit(commitment, cap(8));
    assert!(knows(3, 7) && !knows(3, 8));
}

#[test]
fn the_first_evidence_counts_and_its_grace_ends() {
    let slashed = SlashedMembers::new();
    slashed.insert(secret(1), None, UnixSeconds(100));
    slashed.insert(secret(1), None, UnixSeconds(90));
    slashed.insert(secret(1), None, UnixSeconds(95));
    let offender = slashed.pseudonym_offender(scope(), Pseudonym::new(&secret(1), scope())).unwrap();
    assert_eq!(offender.since, UnixSeconds(90));
    assert!(offender.is_within(50, UnixSeconds(139)) && !offender.is_within(50, UnixSeconds(140)));
}

#[test]
fn epochs_to_come_are_computed_for_scopes_in_use() {
    let slashed = SlashedMembers::new();
    slashed.insert(secret(1), None, UnixSeconds(0));
    let quota = |number| (epoch(number), cap(3));
    slashed.prepare([(quota(1), quota(2))]);
    assert!(slashed.state.read().nullifiers.is_empty(), "no post was checked in this epoch");
    assert!(!slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(2), &epoch(1), 0)));
    slashed.prepare([(quota(1), quota(2))]);
    assert!(slashed.state.read().is_complete(&quota(2), 1));
}

#[test]
fn secrets_are_not_printed() {
    let slashed = SlashedMembers::new();
    slashed.insert(secret(1), None, UnixSeconds(0));
    assert_eq!(format!("{slashed:?}"), "SlashedMembers(1)");
}
