//! The records of moderation in every store, and the events that follow from them.

use std::{collections::BTreeSet, sync::Arc};

use quotapass_circuits::{moderation::Entry as PostEntry, signal::Epoch};
use quotapass_protocol::{
    LogError, PolicyTable, RootHistory,
    moderation::{EventKind, ModerationEvent},
};
use quotapass_relay::{Relay, RelayStore, SPREAD, Swap, moderation::Struck};
use quotapass_testkit::world::{NOW, SCOPE, policy, world};

use crate::{
    Fixture, REGISTRY,
    inputs::*,
    suite::{self, at_once},
};

fn record(name: &str) -> Vec<u8> {
    [b"x", name.as_bytes()].concat()
}

/// A key that a cluster spreads over its servers, as the keys of posts are.
fn spread(of: u64) -> Vec<u8> {
    [&[SPREAD][..], &scattered(of).nullifier.to_be_bytes()].concat()
}

fn change(key: &[u8], expected: Option<&str>, new: Option<&str>) -> Swap {
    let bytes = |value: &str| value.as_bytes().to_vec();
    Swap { key: key.into(), expected: expected.map(bytes), new: new.map(bytes), keep_until: None }
}

pub fn a_record_changes_only_from_the_value_that_was_read(store: &dyn Fixture) {
    let (log, other) = (store.handle(), store.handle());
    for key in [record("key"), spread(1)] {
        let (log, other) = (log.moderation(), other.moderation());
        assert_eq!(log.read(&key), Ok(None));
        assert_eq!(log.swap(&change(&key, Some("a"), Some("b"))), Ok(false));
        assert_eq!(log.swap(&change(&key, None, Some("a"))), Ok(true));
        assert_eq!(other.swap(&change(&key, None, Some("a"))), Ok(false), "the same value of another caller");
        assert_eq!(other.read(&key), Ok(Some(b"a".to_vec())));
        assert_eq!(other.swap(&change(&key, Some("b"), Some("c"))), Ok(false));
        assert_eq!(other.swap(&change(&key, Some("a"), Some(""))), Ok(true));
        // An empty value is not the same as none.
        assert_eq!(log.read(&key), Ok(Some(Vec::new())));
        assert_eq!(log.swap(&change(&key, None, Some("d"))), Ok(false));
        assert_eq!(log.swap(&change(&key, Some("a"), None)), Ok(false));
        assert_eq!(log.swap(&change(&key, Some(""), None)), Ok(true));
        assert_eq!(other.read(&key), Ok(None));
        assert_eq!(other.swap(&change(&key, None, None)), Ok(true));
    }
    // Bytes of all values, in keys and values.
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(70_000).collect();
    let key = [b"x", &bytes[..256]].concat();
    assert_eq!(log.moderation().swap(&Swap::create(key.clone(), bytes.clone(), None)), Ok(true));
    assert_eq!(other.moderation().read_all(&[record("none"), key]), [Ok(None), Ok(Some(bytes))]);
}

pub fn changes_of_a_batch_are_made_in_order(store: &dyn Fixture) {
    let log = store.handle();
    let (one, two) = (record("one"), spread(2));
    let batch = [
        change(&one, None, Some("a")),
        change(&two, None, Some("a")),
        change(&one, None, Some("b")),
        change(&one, Some("a"), Some("c")),
        change(&two, Some("a"), None),
        change(&one, Some("a"), Some("d")),
        change(&two, None, Some("e")),
    ];
    let expected = [true, true, false, true, true, false, true].map(Ok);
    assert_eq!(log.moderation().swap_all(&batch), expected);
    let found = store.handle().moderation().read_all(&[one, two]);
    assert_eq!(found, [Ok(Some(b"c".to_vec())), Ok(Some(b"e".to_vec()))]);
    assert!(log.moderation().swap_all(&[]).is_empty() && log.moderation().read_all(&[]).is_empty());
}

/// A counter that each thread raises is raised as often as threads raised it.
pub fn of_many_threads_one_makes_each_change(store: &dyn Fixture) {
    const RAISES: u64 = 10;
    for key in [record("counter"), spread(3)] {
        let won = at_once(store, |_, log| {
            let mut won = Vec::new();
            while won.len() < RAISES as usize {
                let known = log.moderation().read(&key).unwrap();
                let number = known.as_deref().map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
                let new = Some((number + 1).to_be_bytes().to_vec());
                let raise = Swap { key: key.clone(), expected: known, new, keep_until: None };
                if log.moderation().swap(&raise).unwrap() {
                    won.push(number + 1);
                }
            }
            won
        });
        let mut all: Vec<u64> = won.into_iter().flatten().collect();
        all.sort_unstable();
        assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
        assert_eq!(store.handle().moderation().read(&key), Ok(Some((all.len() as u64).to_be_bytes().to_vec())));
    }
}

pub fn records_are_read_in_the_order_of_their_keys(store: &dyn Fixture) {
    let log = store.handle();
    let log = log.moderation();
    let names = ["ab", "a", "b", "a\u{7f}", "aa", "a\0"];
    for name in names {
        assert_eq!(log.swap(&Swap::create(record(name), name.into(), None)), Ok(true));
    }
    let high = [b"xa".to_vec(), vec![0xff, 0xff]].concat();
    assert_eq!(log.swap(&Swap::create(high.clone(), b"high".to_vec(), None)), Ok(true));
    let scan = |prefix: &str, after: Option<&[u8]>, limit| {
        let found = log.scan(&record(prefix), after, limit).unwrap();
        found.into_iter().map(|(key, value)| (key[1..].to_vec(), value)).collect::<Vec<_>>()
    };
    let pair = |name: &str| (name.as_bytes().to_vec(), name.as_bytes().to_vec());
    let of_a =
        [pair("a"), pair("a\0"), pair("aa"), pair("ab"), pair("a\u{7f}"), (high[1..].to_vec(), b"high".to_vec())];
    assert_eq!(scan("a", None, 100), of_a);
    assert_eq!(scan("a", None, 2), of_a[..2]);
    assert_eq!(scan("a", Some(&record("a\0")), 2), of_a[2..4]);
    assert_eq!(scan("a", Some(&record("aaa")), 100), of_a[3..]);
    assert_eq!(scan("a", Some(&high), 100), []);
    assert_eq!(scan("a", Some(&record("b")), 100), []);
    assert_eq!(scan("a", Some(&record("")), 1), of_a[..1]);
    assert_eq!(scan("b", None, 100), [pair("b")]);
    assert_eq!(scan("c", None, 100), []);
    assert_eq!(scan("a", None, 0), []);
    assert_eq!(log.swap(&Swap::remove(record("aa"), b"aa".to_vec())), Ok(true));
    assert_eq!(scan("aa", None, 100), []);
    // Keys without an order.
    for prefix in [&b""[..], &spread(1)[..1]] {
        assert!(matches!(log.scan(prefix, None, 1), Err(LogError::Unfit(_))));
    }
}

/// More records than a server returns at once.
pub fn long_ranges_are_read_whole(store: &dyn Fixture) {
    const RECORDS: u64 = 2_500;
    let log = store.handle();
    let key = |number: u64| [&b"y"[..], &number.to_be_bytes()].concat();
    let swaps: Vec<_> = (0..RECORDS).map(|number| Swap::create(key(number), Vec::new(), None)).collect();
    for part in swaps.chunks(500) {
        assert!(log.moderation().swap_all(part).into_iter().all(|swapped| swapped == Ok(true)));
    }
    let found = log.moderation().scan(b"y", None, usize::MAX).unwrap();
    assert_eq!(found.len() as u64, RECORDS);
    assert!(found.into_iter().zip(0..).all(|((found, _), number)| found == key(number)));
}

pub fn records_whose_time_is_over_are_dropped(store: &dyn Fixture) {
    let (log, other) = (store.handle(), store.handle());
    let end = log_epoch(0).keep_until();
    for (number, tables) in [record("until"), spread(4)].into_iter().enumerate() {
        let create = |key: &[u8], until| {
            let swap = Swap { keep_until: until, ..change(key, None, Some("a")) };
            assert_eq!(log.moderation().swap(&swap), Ok(true));
        };
        // The last byte decides about the server.
        let name = |tag: u8| [&tables[..1], &[tag], &tables[1..]].concat();
        let (early, late, lasting, moved) = (name(1), name(2), name(3), name(4));
        create(&early, Some(end));
        create(&late, Some(end + 1));
        create(&lasting, None);
        create(&moved, Some(end));
        let longer = Swap { keep_until: Some(end + 1), ..change(&moved, Some("a"), Some("b")) };
        assert_eq!(other.moderation().swap(&longer), Ok(true));
        let is_there = |key: &Vec<u8>| other.moderation().read(key).unwrap().is_some();
        log.expire(end - 1).unwrap();
        assert!(is_there(&early), "{number}");
        log.expire(end).unwrap();
        assert!(!is_there(&early) && is_there(&late) && is_there(&lasting) && is_there(&moved), "{number}");
        log.expire(end + 1).unwrap();
        assert!(!is_there(&late) && is_there(&lasting) && !is_there(&moved), "{number}");
        // A record that was dropped can be created again.
        create(&early, Some(end + 9));
        assert!(is_there(&early));
        log.expire(end).unwrap();
        assert!(is_there(&early), "a former end does not count");
        if tables[0] != SPREAD {
            let keys: Vec<_> =
                other.moderation().scan(b"x", None, 9).unwrap().into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, [early, lasting]);
        }
    }
}

/// What is written for moderation is no nullifier.
pub fn statistics_count_no_record_of_moderation(store: &dyn Fixture) {
    let log = store.handle();
    let before = log.statistics().unwrap().nullifiers;
    let swaps: Vec<_> =
        (0..300).map(|of| Swap::create(spread(of), vec![0; 9], Some(log_epoch(0).keep_until()))).collect();
    assert!(log.moderation().swap_all(&swaps).into_iter().all(|swapped| swapped == Ok(true)));
    assert_eq!(log.moderation().swap(&change(&record("a"), None, Some("a"))), Ok(true));
    assert_eq!(log.statistics().unwrap().nullifiers, before);
}

/// A relay without members, which needs none for the strikes of a log.
fn relay(log: Arc<dyn RelayStore>) -> Relay {
    let (posts, badges) = world().verifiers();
    let roots = RootHistory::starting_at(world().tree.root());
    Relay::new(posts, badges, PolicyTable::new(REGISTRY, [policy()]).unwrap(), roots, log)
}

fn struck(of: u64) -> Struck {
    let entry = scattered(of);
    let entry = PostEntry { x: share(of).x, y: share(of).y, nullifier: entry.nullifier };
    let epoch = Epoch::at(policy().epoch_seconds, NOW);
    Struck { id: format!("strike-{of}"), scope: SCOPE.into(), epoch, entry, pass: vec![1], at: NOW }
}

fn all_events(relay: &Relay) -> Vec<ModerationEvent> {
    let mut events = Vec::new();
    loop {
        let since = events.last().map_or(0, |event: &ModerationEvent| event.number);
        let page = relay.moderation().events(since, 7).unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// Relays tell of strikes at the same time, some of them of the same ones. Each is one event, and no number is missing.
pub fn events_of_many_relays_have_no_gap_and_no_double(store: &dyn Fixture) {
    const OWN: u64 = 6;
    const SHARED: u64 = 3;
    let relays: Vec<Relay> = (0..suite::THREADS).map(|_| relay(store.handle())).collect();
    let told = at_once(store, |thread, _| {
        let relay = &relays[thread as usize];
        for number in 0..OWN.max(SHARED) {
            if number < SHARED {
                relay.moderation().struck(&struck(number), NOW + thread).unwrap();
            }
            relay.moderation().struck(&struck(1_000 * (thread + 1) + number), NOW).unwrap();
        }
        relay.moderation().lifted(&struck(1_000 * (thread + 1)), NOW).unwrap();
        OWN
    });
    let relay = relay(store.handle());
    relay.moderation().tend(NOW).unwrap();
    let events = all_events(&relay);
    let own: u64 = told.iter().sum();
    assert_eq!(events.len() as u64, own + SHARED + told.len() as u64);
    let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    let of_kind = |kind| {
        let of_kind = events.iter().filter(|event| event.kind == kind);
        of_kind.map(|event| event.strike.clone().unwrap()).collect::<Vec<_>>()
    };
    let strikes = of_kind(EventKind::Struck);
    assert_eq!(strikes.iter().collect::<BTreeSet<_>>().len(), strikes.len(), "a strike was told twice");
    assert_eq!(of_kind(EventKind::Lifted).len(), told.len());
    // Nothing is left to be done.
    assert_eq!(store.handle().moderation().scan(b"o", None, 9), Ok(Vec::new()));
}
