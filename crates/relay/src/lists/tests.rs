//! Tests of the sums of versions.

use std::sync::Arc;

use quotapass_protocol::{LogIdentity, ModerationPolicy, PolicyList};
use quotapass_testkit::{
    records::{entries_of_others, record_verifiers},
    world::{NOW, REGISTRY, SCOPE, policy},
};

use super::*;

const LOG: LogIdentity = LogIdentity([1; 32]);

fn lists() -> Lists {
    let (small, large) = record_verifiers();
    Lists::with_verifiers(small, large)
}

fn listing(limit: u16) -> Policy {
    let lists = vec![PolicyList { log: LOG, limit }];
    Policy { moderation: Some(ModerationPolicy { lists, ..ModerationPolicy::default() }), ..policy() }
}

fn state(size: u64, entries: &[Entry], at: UnixSeconds) -> LogState {
    LogState { log: LOG, size, root: [2; 32], lists: vec![(REGISTRY, SCOPE.into(), entries.into())], at }
}

/// Returns the sums of the version in force under a limit.
fn sums(lists: &Lists, limit: u16) -> Vec<*const ()> {
    let version = lists.in_force()[0].version;
    let logs = lists.logs.read();
    let list = logs[&LOG].accepted(&version, NOW, 0).unwrap().get(REGISTRY, SCOPE).unwrap();
    let sums = lists.sums_of(list, limit.into()).unwrap();
    sums.iter()
        .map(|sum| match sum {
            sums::SumOfSegment::Small(sum) => Arc::as_ptr(sum).cast(),
            sums::SumOfSegment::Large(sum) => Arc::as_ptr(sum).cast(),
        })
        .collect()
}

fn kept(lists: &Lists) -> usize {
    lists.verifiers.as_ref().unwrap().kept()
}

#[test]
fn a_new_version_sums_only_the_segments_that_changed() {
    let lists = lists();
    let all = entries_of_others(0..151);
    lists.publish(state(1, &all[..150], NOW));
    assert_eq!(kept(&lists), 0, "nothing was asked for yet");
    let before = sums(&lists, 1_024);
    assert_eq!((before.len(), kept(&lists)), (3, 3));
    // A limit above the length takes the same entries.
    assert_eq!(sums(&lists, 1_000), before);
    // Other lists of the log change: this one is the same.
    let mut second = state(2, &all[..150], NOW + 1);
    second.lists.push((REGISTRY, "hall".into(), all[..5].into()));
    lists.publish(second);
    assert_eq!((sums(&lists, 1_024), kept(&lists)), (before.clone(), 3));
    // One entry more changes the last segment, and is summed before the version is in force.
    lists.publish(state(3, &all, NOW + 2));
    assert_eq!(kept(&lists), 4);
    let after = sums(&lists, 1_024);
    assert_eq!((&after[..2], kept(&lists)), (&before[..2], 4));
    assert_ne!(after[2], before[2]);
    // Another limit takes other entries.
    assert_eq!(sums(&lists, 16).len(), 1);
    assert_eq!(kept(&lists), 5);
}

#[test]
fn what_no_policy_accepts_is_dropped_with_its_sums() {
    let (lists, window) = (lists(), u64::from(ModerationPolicy::default().list_window));
    let all = entries_of_others(0..3);
    let table = PolicyTable::new(REGISTRY, [listing(1_024)]).unwrap();
    for (size, at) in [(1, NOW), (2, NOW + 600), (3, NOW + 1_200)] {
        lists.publish(state(size, &all[..size as usize], at));
        sums(&lists, 1_024);
    }
    lists.prune(&table, NOW + 600 + window);
    assert_eq!(kept(&lists), 3);
    lists.prune(&table, NOW + 601 + window);
    assert_eq!(kept(&lists), 2);
    lists.prune(&table, NOW + 1_000_000);
    assert_eq!((kept(&lists), lists.in_force().len()), (1, 1));
}

/// A relay follows a log before a policy names it. The log does not publish its version again when one does.
#[test]
fn a_log_that_no_policy_names_yet_keeps_its_version() {
    let (lists, all) = (lists(), entries_of_others(0..3));
    let version = state(1, &all, NOW);
    assert!(lists.publish(version.clone()));
    lists.prune(&PolicyTable::new(REGISTRY, [policy()]).unwrap(), NOW + 1_000_000);
    assert!(!lists.publish(version.clone()), "it is in force");
    assert_eq!(lists.expected(&listing(1_024)), [version.version()]);
    assert_eq!(sums(&lists, 1_024).len(), 1);
}

#[test]
fn ways_are_equal_if_they_take_the_same_entries() {
    let all = entries_of_others(0..20);
    let way = |entries: &[Entry], limit| {
        let lists = lists();
        lists.publish(state(1, entries, NOW));
        let logs = lists.logs.read();
        let version = logs[&LOG].current();
        let list = logs[&LOG].accepted(&version, NOW, 0).unwrap().get(REGISTRY, SCOPE).unwrap();
        Way(vec![ListOfPolicy { list: Arc::clone(list), limit }])
    };
    assert_eq!(way(&all, 1_024), way(&all, 20));
    assert_eq!(way(&all, 10), way(&all[5..], 10));
    assert_ne!(way(&all, 10), way(&all, 11));
    assert_ne!(way(&all, 10), way(&all[..19], 10));
    assert_ne!(way(&all, 10), Way(Vec::new()));
}
