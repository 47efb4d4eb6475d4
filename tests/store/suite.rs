//! The suite for every store.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use quotapass_protocol::{Evidence, LogError, UnixSeconds};
use quotapass_relay::{
    Conviction, Entry, Outcome, PersonaRecord, RelayStore, Restriction, Settlement, WorkerId, log::Fields,
};

use crate::{Fixture, inputs::*};
pub use crate::{
    model::any_sequence_gives_what_the_model_gives,
    moderation::{
        a_record_changes_only_from_the_value_that_was_read, changes_of_a_batch_are_made_in_order,
        events_of_many_relays_have_no_gap_and_no_double, long_ranges_are_read_whole,
        of_many_threads_one_makes_each_change, records_are_read_in_the_order_of_their_keys,
        records_whose_time_is_over_are_dropped, statistics_count_no_record_of_moderation,
    },
};

pub const THREADS: u64 = 8;

/// Runs something on `THREADS` handles at the same time.
pub fn at_once<T: Send>(store: &dyn Fixture, run: impl Fn(u64, &dyn RelayStore) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|index| {
                let (log, run, barrier): (Arc<dyn RelayStore>, _, _) = (store.handle(), &run, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    run(index, &*log)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

pub fn first_replay_and_conflict_are_told_apart(store: &dyn Fixture) {
    let log = store.handle();
    let (first, other) = (entry(1, 7, 1), entry(1, 7, 2));
    assert_eq!(log.lookup(&first.epoch, first.nullifier), Ok(None));
    assert_eq!(log.record(&first), Ok(Outcome::New));
    assert_eq!(log.record(&first), Ok(Outcome::Replay));
    // The first share stays, whatever comes later.
    for log in [&log, &store.handle()] {
        assert_eq!(log.record(&other), Ok(Outcome::Conflict(first.share)));
        assert_eq!(log.lookup(&first.epoch, first.nullifier), Ok(Some(first.share.into())));
    }
    let keys = [(first.epoch, nullifier(8)), (first.epoch, first.nullifier), (log_epoch(2), first.nullifier)];
    assert_eq!(log.lookup_all(&keys), [Ok(None), Ok(Some(first.share.into())), Ok(None)]);
    assert!(log.lookup_all(&[]).is_empty() && log.record_all(&[]).is_empty());
}

pub fn order_holds_within_a_batch(store: &dyn Fixture) {
    let log = store.handle();
    let (first, other, third) = (entry(1, 7, 1), entry(1, 7, 2), entry(1, 8, 1));
    let outcomes = log.record_all(&[first.clone(), other.clone(), third.clone(), first.clone(), other, third]);
    let conflict = Ok(Outcome::Conflict(first.share));
    let expected =
        [Ok(Outcome::New), conflict.clone(), Ok(Outcome::New), Ok(Outcome::Replay), conflict, Ok(Outcome::Replay)];
    assert_eq!(outcomes, expected);
}

pub fn epochs_and_scopes_are_kept_apart(store: &dyn Fixture) {
    use quotapass_relay::LogEpoch;
    let log = store.handle();
    let epochs = [log_epoch(0), log_epoch(1), LogEpoch::new(scope("another room"), epoch(0))];
    for (x, epoch) in (0..).zip(epochs) {
        assert_eq!(log.record(&Entry { epoch, ..entry(0, 7, x) }), Ok(Outcome::New));
    }
    for (x, epoch) in (0..).zip(epochs) {
        assert_eq!(log.lookup(&epoch, nullifier(7)), Ok(Some(share(x).into())));
    }
}

pub fn of_many_threads_exactly_one_is_new(store: &dyn Fixture) {
    const ROUNDS: u64 = 20;
    for distinct in [false, true] {
        let of = |round| if distinct { round } else { ROUNDS + round };
        let outcomes = at_once(store, |thread, log| {
            let x = if distinct { thread } else { 0 };
            (0..ROUNDS).map(|round| (x, log.record(&entry(0, of(round), x)).unwrap())).collect::<Vec<_>>()
        });
        for round in 0..ROUNDS as usize {
            let of_round: Vec<_> = outcomes.iter().map(|outcomes| outcomes[round]).collect();
            let new: Vec<_> = of_round.iter().filter(|(_, outcome)| *outcome == Outcome::New).collect();
            let [(winner, _)] = new[..] else { panic!("{} threads were first", new.len()) };
            for (_, outcome) in of_round.iter().filter(|(_, outcome)| *outcome != Outcome::New) {
                assert!(*outcome == if distinct { Outcome::Conflict(share(*winner)) } else { Outcome::Replay });
            }
        }
    }
}

/// Fields of a later program return unchanged, with any tags.
pub fn optional_fields_return_as_they_were_recorded(store: &dyn Fixture) {
    let log = store.handle();
    let mut fields = Fields::new();
    for tag in [0, 1, 127, 255] {
        fields.set(tag, vec![tag; usize::from(tag)]).unwrap();
    }
    let with = Entry { fields: fields.clone(), ..entry(1, 7, 1) };
    assert_eq!(log.record(&with), Ok(Outcome::New));
    assert_eq!(log.record(&entry(1, 7, 1)), Ok(Outcome::Replay));
    assert_eq!(log.record(&entry(1, 8, 1)), Ok(Outcome::New));
    let mut convicted = conviction(0, 1);
    convicted.fields = fields.clone();
    assert_eq!(log.convict(&convicted), Ok(true));
    for log in [&log, &store.handle()] {
        let kept = log.lookup(&with.epoch, with.nullifier).unwrap().unwrap();
        assert_eq!((kept.share, &kept.fields), (with.share, &fields));
        assert_eq!(log.lookup(&with.epoch, nullifier(8)).unwrap().unwrap().fields, Fields::new());
        assert_eq!(log.convictions(0).unwrap(), [convicted.clone()]);
    }
}

/// A batch behaves as single calls: the first evidence against each member is kept, and an invalid one affects no
/// other.
pub fn evidence_of_a_batch_is_kept_at_once(store: &dyn Fixture) {
    let log = store.handle();
    assert_eq!(log.convict_all(&[]), []);
    let replay = conviction(9, 1);
    let replay = Conviction::new(Evidence { second: replay.evidence.recorded, ..replay.evidence }, UnixSeconds(0));
    let batch = [conviction(0, 1), conviction(1, 1), conviction(0, 5), replay, conviction(2, 1)];
    let expected = [Ok(true), Ok(true), Ok(false), Err(LogError::Damaged), Ok(true)];
    assert_eq!(log.convict_all(&batch), expected);
    assert_eq!(store.handle().convict_all(&batch[..2]), [Ok(false), Ok(false)]);
    assert_eq!(store.handle().convictions(0).unwrap(), [0, 1, 2].map(|member| conviction(member, 1)));
}

/// Each handle records all nullifiers, in batches and in a different order. One half of each double post comes from the
/// even handles, the other half from the odd ones.
pub fn batches_that_overlap_record_each_once_and_catch_each_double_post_once(store: &dyn Fixture) {
    const NULLIFIERS: u64 = 512;
    const BATCH: usize = 32;
    let outcomes = at_once(store, |thread, log| {
        let x = thread % 2;
        let entries: Vec<_> = (0..NULLIFIERS).map(|i| (i * (2 * thread + 1) + thread) % NULLIFIERS).collect();
        let entries: Vec<_> = entries.into_iter().map(|of| entry(0, of, x)).collect();
        let batches = entries.chunks(BATCH).flat_map(|batch| log.record_all(batch));
        entries.iter().cloned().zip(batches.map(Result::unwrap)).collect::<Vec<_>>()
    });
    for of in 0..NULLIFIERS {
        let of_this: Vec<_> = outcomes.iter().flatten().filter(|(entry, _)| entry.nullifier == nullifier(of)).collect();
        let mut new = of_this.iter().filter(|(_, outcome)| *outcome == Outcome::New);
        let (winner, _) = new.next().unwrap();
        assert!(new.next().is_none());
        for (entry, outcome) in &of_this {
            match outcome {
                Outcome::New => {}
                Outcome::Replay => assert_eq!(entry.share, winner.share),
                Outcome::Conflict(recorded) => {
                    assert_eq!(*recorded, winner.share);
                    assert_ne!(entry.share, winner.share);
                }
            }
        }
        let conflicts = of_this.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Conflict(_)));
        assert_eq!(conflicts.count() as u64, THREADS / 2);
    }
}

pub fn epochs_expire_as_a_whole_and_stay_expired(store: &dyn Fixture) {
    let (log, other) = (store.handle(), store.handle());
    let (old, young) = (entry(0, 7, 1), entry(9, 7, 1));
    assert_eq!(log.record_all(&[old.clone(), young.clone()]), [Ok(Outcome::New), Ok(Outcome::New)]);
    log.expire(old.epoch.keep_until() - 1).unwrap();
    assert_eq!(log.record(&old), Ok(Outcome::Replay));
    log.expire(old.epoch.keep_until()).unwrap();
    // A clock that goes back, here or elsewhere, does not open the epoch again.
    log.expire(UnixSeconds(10)).unwrap();
    other.expire(UnixSeconds(10)).unwrap();
    for log in [log, other, store.handle()] {
        assert_eq!(log.record(&old), Err(LogError::Expired));
        assert_eq!(log.lookup(&old.epoch, old.nullifier), Err(LogError::Expired));
        assert_eq!(log.record_all(&[old.clone(), young.clone()]), [Err(LogError::Expired), Ok(Outcome::Replay)]);
        assert_eq!(log.lookup_all(&[(old.epoch, old.nullifier)]), [Err(LogError::Expired)]);
    }
}

/// Epochs that a wrong clock closed can be reopened, and no recorded nullifier can be recorded once more.
pub fn what_was_closed_ahead_is_opened_and_forgets_nothing(store: &dyn Fixture) {
    let (log, other) = (store.handle(), store.handle());
    let (used, unused) = (entry(0, 7, 1), entry(30, 7, 1));
    assert_eq!(log.record(&used), Ok(Outcome::New));
    log.expire(unused.epoch.keep_until()).unwrap();
    assert_eq!(log.record(&unused), Err(LogError::Expired));
    assert_eq!(log.statistics().unwrap().closed_until, unused.epoch.keep_until());
    let until = other.reopen(used.epoch.keep_until() - 600).unwrap();
    assert!(until < unused.epoch.keep_until());
    assert_eq!(log.statistics().unwrap().closed_until, until);
    // All handles learn of it with their next call.
    for log in [&log, &other, &store.handle()] {
        assert_eq!(log.convictions(0), Ok(Vec::new()));
        assert!(matches!(log.record(&used), Err(LogError::Expired) | Ok(Outcome::Replay)));
    }
    assert_eq!(log.record(&unused), Ok(Outcome::New));
    assert_eq!(other.record(&unused), Ok(Outcome::Replay));
    // `reopen` opens closed epochs, and closes none.
    assert_eq!(log.reopen(unused.epoch.keep_until()), Ok(until));
}

pub fn evidence_is_kept_once_and_in_order(store: &dyn Fixture) {
    let log = store.handle();
    assert_eq!(log.convictions(0), Ok(Vec::new()));
    assert_eq!(log.convict(&conviction(0, 1)), Ok(true));
    assert_eq!(log.convict(&conviction(1, 1)), Ok(true));
    assert_eq!(log.convict(&conviction(0, 5)), Ok(false));
    let other = store.handle();
    assert_eq!(other.convict(&conviction(2, 1)), Ok(true));
    let all: Vec<_> = (0..3).map(|member| conviction(member, 1)).collect();
    for log in [&log, &other] {
        for from in 0..5 {
            assert_eq!(log.convictions(from).unwrap(), all[all.len().min(from as usize)..]);
        }
        assert_eq!(log.convictions(u64::MAX), Ok(Vec::new()));
    }
    // Evidence is kept after its epoch is dropped.
    log.expire(log_epoch(0).keep_until()).unwrap();
    assert_eq!(other.convictions(0).unwrap(), all);
    // Two shares of one message are not evidence.
    let replay = conviction(3, 1);
    let evidence = Evidence { second: replay.evidence.recorded, ..replay.evidence };
    let replay = Conviction::new(evidence, UnixSeconds(0));
    assert_eq!(log.convict(&replay), Err(LogError::Damaged));
}

pub fn of_many_threads_one_convicts(store: &dyn Fixture) {
    const MEMBERS: u64 = 10;
    let firsts = at_once(store, |thread, log| {
        (0..MEMBERS).filter(|member| log.convict(&conviction(*member, thread)).unwrap()).count() as u64
    });
    assert_eq!(firsts.into_iter().sum::<u64>(), MEMBERS);
    let kept = store.handle().convictions(0).unwrap();
    let mut members: Vec<_> = kept.iter().map(|evidence| evidence.secret().unwrap().commitment()).collect();
    members.sort_unstable_by_key(|commitment| commitment.to_be_bytes());
    members.dedup();
    assert_eq!((members.len() as u64, kept.len() as u64), (MEMBERS, MEMBERS));
}

pub fn a_case_is_one_workers_at_a_time_until_it_is_settled(store: &dyn Fixture) {
    let commitment = secret(0).commitment();
    let worker = |index: u64| WorkerId(format!("relay {index}"));
    let taken = at_once(store, |thread, log| {
        log.cases().claim(commitment, &worker(thread), UnixSeconds(100), UnixSeconds(110)).unwrap()
    });
    let holders: Vec<_> = (0..).zip(taken).filter(|(_, taken)| *taken).map(|(index, _)| index).collect();
    let [holder] = holders[..] else { panic!("{holders:?} hold it") };
    let (log, stranger) = (store.handle(), worker(99));
    assert_eq!(log.cases().claim(commitment, &stranger, UnixSeconds(109), UnixSeconds(120)), Ok(false));
    assert_eq!(log.cases().claim(commitment, &worker(holder), UnixSeconds(109), UnixSeconds(120)), Ok(true));
    assert_eq!(log.cases().claim(commitment, &stranger, UnixSeconds(119), UnixSeconds(130)), Ok(false));
    assert_eq!(log.cases().claim(commitment, &stranger, UnixSeconds(120), UnixSeconds(130)), Ok(true));
    assert_eq!(log.cases().settlement(commitment), Ok(None));
    let slashed = Settlement::Slashed { transaction: "0xab".into(), block: 7, reward: "500".into() };
    log.cases().settle(commitment, &slashed).unwrap();
    store.handle().cases().settle(commitment, &Settlement::Gone).unwrap();
    assert_eq!(store.handle().cases().settlement(commitment), Ok(Some(slashed)));
    assert_eq!(log.cases().claim(commitment, &stranger, UnixSeconds(500), UnixSeconds(510)), Ok(false));
    // A case that no worker claimed can be settled, too.
    assert_eq!(log.cases().settlement(secret(1).commitment()), Ok(None));
    log.cases().settle(secret(1).commitment(), &Settlement::NoMember).unwrap();
    assert_eq!(log.cases().settlement(secret(1).commitment()), Ok(Some(Settlement::NoMember)));
}

pub fn statistics_count_what_is_there(store: &dyn Fixture) {
    let log = store.handle();
    let entries: Vec<_> = (0..100).map(|of| entry(of % 2 * 9, of, 0)).collect();
    assert!(log.record_all(&entries).iter().all(Result::is_ok) && log.record_all(&entries).iter().all(Result::is_ok));
    log.convict(&conviction(0, 1)).unwrap();
    let statistics = log.statistics().unwrap();
    // A server also counts keys of others.
    assert!(statistics.nullifiers >= 100 && statistics.epochs.is_none_or(|epochs| epochs == 2), "{statistics:?}");
    assert_eq!(statistics.convictions, 1);
    assert_ne!(statistics.bytes, Some(0));
}

/// A pseudonym has one chat key, for any order of relays and any concurrent calls.
pub fn of_many_threads_one_binds_a_chat_key(store: &dyn Fixture) {
    const PERSONAS: u64 = 10;
    let bound = at_once(store, |thread, log| {
        (0..PERSONAS).map(|number| log.badges().bind_first(persona(number), &key(thread)).unwrap()).collect::<Vec<_>>()
    });
    for number in 0..PERSONAS {
        let kept = store.handle().badges().persona(persona(number)).unwrap().bound.unwrap();
        let of_this: Vec<_> = bound.iter().map(|bound| bound[number as usize].clone()).collect();
        let firsts: Vec<_> =
            (0..).zip(&of_this).filter(|(_, bound)| bound.is_none()).map(|(thread, _)| thread).collect();
        assert_eq!(firsts.len(), 1);
        assert_eq!(kept, key(firsts[0]));
        assert!(of_this.into_iter().flatten().all(|bound| bound == kept));
    }
}

pub fn chat_keys_and_restrictions_are_shared_and_last(store: &dyn Fixture) {
    let (log, other) = (store.handle(), store.handle());
    let nothing = PersonaRecord::default();
    assert_eq!(log.badges().persona(persona(1)), Ok(nothing.clone()));
    assert_eq!(log.badges().bind_first(persona(1), &key(1)), Ok(None));
    assert_eq!(other.badges().bind_first(persona(1), &key(2)), Ok(Some(key(1))));
    assert_eq!(other.badges().rebind(persona(1), &key(2)), Ok(Some(key(1))));
    assert_eq!(other.badges().rebind(persona(2), &key(3)), Ok(None));
    let mut fields = Fields::new();
    fields.set(200, b"of a later program".to_vec()).unwrap();
    let endless = Restriction { fields: fields.clone(), ..Restriction::new(None) };
    log.badges().restrict(persona(1), &endless).unwrap();
    log.badges().restrict(persona(3), &Restriction::new(Some(UnixSeconds(5)))).unwrap();
    log.badges().restrict(persona(3), &Restriction::new(Some(UnixSeconds(7_000)))).unwrap();
    for log in [&log, &other, &store.handle()] {
        let expected = PersonaRecord { bound: Some(key(2)), restriction: Some(endless.clone()) };
        assert_eq!(log.badges().persona(persona(1)), Ok(expected));
        assert_eq!(log.badges().persona(persona(2)).unwrap(), PersonaRecord { bound: Some(key(3)), restriction: None });
        let until = log.badges().persona(persona(3)).unwrap().restriction.unwrap().until;
        assert_eq!(until, Some(UnixSeconds(7_000)));
    }
    assert_eq!(log.badges().lift(persona(1)), Ok(true));
    assert_eq!(other.badges().lift(persona(1)), Ok(false));
    assert_eq!(other.badges().persona(persona(1)).unwrap().restriction, None);
    // A restriction can follow one that was lifted.
    other.badges().restrict(persona(1), &Restriction::new(Some(UnixSeconds(6_000)))).unwrap();
    assert_eq!(log.badges().persona(persona(1)).unwrap().restriction, Some(Restriction::new(Some(UnixSeconds(6_000)))));
    assert_eq!(log.badges().lift(persona(9)), Ok(false));
}

/// A restriction is in force up to its last second, and is dropped after it; chat keys stay.
pub fn restrictions_that_are_over_are_dropped(store: &dyn Fixture) {
    let log = store.handle();
    for number in 0..20 {
        log.badges().bind_first(persona(number), &key(number)).unwrap();
        log.badges().restrict(persona(number), &Restriction::new(Some(UnixSeconds(1_000 + number)))).unwrap();
    }
    log.badges().restrict(persona(20), &Restriction::new(None)).unwrap();
    // By the time of their first end, pseudonym 3 has a later end, and pseudonym 4 has none.
    log.badges().restrict(persona(3), &Restriction::new(Some(UnixSeconds(2_000)))).unwrap();
    log.badges().restrict(persona(4), &Restriction::new(None)).unwrap();
    log.expire(UnixSeconds(1_010)).unwrap();
    let restricted = |log: &dyn RelayStore| -> Vec<u64> {
        (0..=20).filter(|number| log.badges().persona(persona(*number)).unwrap().restriction.is_some()).collect()
    };
    let mut expected = vec![3, 4];
    expected.extend(10..=20);
    assert_eq!(restricted(&*log), expected);
    store.handle().expire(UnixSeconds(3_000)).unwrap();
    assert_eq!(restricted(&*log), [4, 20]);
    // Attack: a clock that was ahead has closed epochs, and would end restrictions that are in force by the correct
    // clock.
    log.badges().restrict(persona(5), &Restriction::new(Some(UnixSeconds(2_500)))).unwrap();
    log.expire(UnixSeconds(2_500)).unwrap();
    assert_eq!(restricted(&*log), [4, 5, 20]);
    log.expire(UnixSeconds(2_501)).unwrap();
    assert_eq!(restricted(&*log), [4, 20]);
    assert!((0..20).all(|number| log.badges().persona(persona(number)).unwrap().bound == Some(key(number))));
}
