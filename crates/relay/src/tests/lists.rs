//! Tests of posts with records, and of the lists that they are about.

use core::num::NonZeroU32;
use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use quotapass_circuits::{
    formats::recorded::{LIST_BYTES, ListRecords, ListVersion, RecordedPass},
    formats::wire::POST_BYTES,
    moderation::Entry,
    prover::PreparedList,
};
use quotapass_protocol::{
    ListMismatch, LogIdentity, ModerationPolicy, Policy, PolicyList, PolicyTable, RootHistory, UnixSeconds, Verdict,
};
use quotapass_testkit::records::{entries_of_others, prepared_list, record_provers, record_verifiers};

use super::world::*;
use crate::{ListFetcher, LogState, MemoryLog, NoRecordKeys, PolicyChangeError, Relay};

const LOG: LogIdentity = LogIdentity([0xaa; 32]);
const OTHER_LOG: LogIdentity = LogIdentity([0xbb; 32]);
const WINDOW: u32 = 1_800;

/// Returns the usual policy with these lists.
fn listing(lists: &[(LogIdentity, u16)]) -> Policy {
    let lists = lists.iter().map(|(log, limit)| PolicyList { log: *log, limit: *limit }).collect();
    Policy {
        moderation: Some(ModerationPolicy { lists, list_window: WINDOW, ..ModerationPolicy::default() }),
        ..policy()
    }
}

/// Returns a state of a log with one list for the scope.
fn state(log: LogIdentity, size: u64, entries: &[Entry], at: UnixSeconds) -> LogState {
    let root = core::array::from_fn(|place| log.0[place] ^ size.to_be_bytes()[7]);
    LogState { log, size, root, lists: vec![(REGISTRY, SCOPE.into(), entries.into())], at }
}

/// Returns a relay with keys of records, and no lists yet.
fn relay_of(policy: Policy) -> Relay {
    let (small, large) = record_verifiers();
    relay_with(vec![policy], RootHistory::starting_at(world().tree.root())).with_records(small, large)
}

fn mismatch(expected: &[&LogState]) -> Verdict {
    Verdict::ListMismatch(Box::new(ListMismatch { expected: expected.iter().map(|state| state.version()).collect() }))
}

/// Returns the pass with other records.
fn with_lists(sent: &Sent, change: impl FnOnce(&mut Vec<ListRecords>)) -> Sent {
    let pass = RecordedPass::from_bytes(&sent.pass).unwrap();
    let mut lists = pass.lists().to_vec();
    change(&mut lists);
    Sent::new(&sent.message, RecordedPass::new(pass.post, lists).unwrap().to_bytes())
}

/// Returns a relay of one list with small and large segments, and a valid pass that it never gets. Made once.
pub fn recorded_target() -> &'static (Relay, Sent) {
    static TARGET: OnceLock<(Relay, Sent)> = OnceLock::new();
    TARGET.get_or_init(|| {
        let relay = relay_of(listing(&[(LOG, 1_024)]));
        let list = entries_of_others(0..130);
        let first = state(LOG, 10, &list, NOW - 100);
        relay.lists().publish(first.clone());
        (relay, posting(0, 0, MESSAGE).prove_with(&[(first.version(), &list)]))
    })
}

#[test]
fn an_author_who_is_not_listed_posts_and_a_listed_one_does_not() {
    let relay = relay_of(listing(&[(LOG, 1_024)]));
    let mut list = entries_of_others(0..3);
    let first = state(LOG, 10, &list, NOW - 100);
    assert!(relay.lists().publish(first.clone()));
    let honest = posting(0, 0, MESSAGE).prove_with(&[(first.version(), &list)]);
    let before = posting(1, 0, MESSAGE).prove_with(&[(first.version(), &list)]);
    assert_eq!(honest.to(&relay, NOW), Verdict::Accepted);
    assert_eq!(honest.to(&relay, NOW), Verdict::Replay);
    assert_eq!(before.to(&relay, NOW), Verdict::Accepted);
    assert_eq!(relay.record_counts(), (2, 0));

    // A post of member 1 is listed.
    list.push(posting(1, 0, MESSAGE).entry());
    let second = state(LOG, 12, &list, NOW);
    assert!(relay.lists().publish(second.clone()));
    assert!(PreparedList::new(record_provers(), &world().secrets[1], &list).is_err());
    // What is left to it: the proofs of the former version, those of another member, and none.
    let old = posting(1, 1, MESSAGE).prove_with(&[(first.version(), &list[..3])]);
    let as_new = with_lists(&old, |lists| lists[0].version = second.version());
    let other = posting(0, 1, MESSAGE).prove_with(&[(second.version(), &list)]);
    let of_other = RecordedPass::from_bytes(&other.pass).unwrap().lists().to_vec();
    let with_records_of_other = with_lists(&old, |lists| *lists = of_other);
    let without = with_lists(&as_new, |lists| lists[0].proofs.clear());
    for sent in [&as_new, &with_records_of_other, &without] {
        assert_eq!(sent.to(&relay, NOW + u64::from(WINDOW) + 1).name(), "epoch_out_of_range");
        assert_eq!(sent.to(&relay, NOW + 1), Verdict::InvalidProof);
    }
    assert_eq!(relay.record_counts(), (2, 2));
    assert_eq!(recorded(&relay), 2);
    assert_eq!(other.to(&relay, NOW + 1), Verdict::Accepted);
    assert!(relay.slashed().is_empty());
}

#[test]
fn a_version_holds_for_the_window_after_it_was_superseded() {
    let hour = Policy { epoch_seconds: NonZeroU32::new(3_600).unwrap(), ..listing(&[(LOG, 1_024)]) };
    let list = entries_of_others(0..4);
    let (first, second) = (state(LOG, 10, &list[..3], NOW - 100), state(LOG, 20, &list, NOW + 60));
    let sent = posting_for(&hour, hour.epoch_at(NOW), 0, 0, MESSAGE).prove_with(&[(first.version(), &list[..3])]);
    let superseded = NOW + 60;
    for (now, is_accepted) in
        [(NOW, true), (superseded + u64::from(WINDOW), true), (superseded + u64::from(WINDOW) + 1, false)]
    {
        let relay = relay_of(hour.clone());
        relay.lists().publish(first.clone());
        relay.lists().publish(second.clone());
        // Old versions are dropped only when no policy accepts them.
        relay.expire(now).unwrap();
        let expected = if is_accepted { Verdict::Accepted } else { mismatch(&[&second]) };
        assert_eq!(sent.to(&relay, now), expected, "at {now}");
    }
    let relay = relay_of(hour.clone());
    let unread = ListVersion { size: 0, root: [0; 8], ..first.version() };
    let expected = Verdict::ListMismatch(Box::new(ListMismatch { expected: vec![unread] }));
    assert_eq!(sent.to(&relay, NOW), expected);
    let none = posting_for(&hour, hour.epoch_at(NOW), 0, 0, MESSAGE).prove_with(&[(unread, &[])]);
    assert_eq!(none.to(&relay, NOW), expected);
    relay.lists().publish(first.clone());
    assert!(!relay.lists().publish(first.clone()), "nothing changed");
    assert!(!relay.lists().publish(state(LOG, 9, &list, NOW)), "a log does not shrink");
    for (size, root) in [(11, first.version().root), (10, [0; 8])] {
        let unknown = with_lists(&sent, |lists| lists[0].version = ListVersion { size, root, ..lists[0].version });
        assert_eq!(unknown.to(&relay, NOW), mismatch(&[&first]));
    }
    assert_eq!(recorded(&relay), 0);
    assert_eq!(relay.record_counts(), (0, 0));
}

#[test]
fn a_scope_takes_the_kind_of_its_lists_alone() {
    let list = entries_of_others(0..3);
    let first = state(LOG, 10, &list, NOW - 100);
    let with = posting(0, 0, MESSAGE).prove_with(&[(first.version(), &list)]);
    let relay = relay_of(listing(&[(LOG, 1_024)]));
    relay.lists().publish(first.clone());
    assert_eq!(honest().to(&relay, NOW), mismatch(&[&first]));
    let plain = relay_of(policy());
    plain.lists().publish(first.clone());
    assert_eq!(with.to(&plain, NOW), mismatch(&[]));
    assert_eq!(honest().to(&plain, NOW), Verdict::Accepted);
    // The message in its other form has the same share.
    let moved_on = [honest(), &with].map(|sent| sent.to(&relay, NOW).name());
    assert_eq!(moved_on, ["list_mismatch", "accepted"]);
    assert_eq!(with.to(&relay, NOW), Verdict::Replay);
}

#[test]
fn an_empty_list_needs_a_version_and_no_proof() {
    let relay = relay_of(listing(&[(LOG, 1_024)]));
    // The log has a list of another scope, and of this scope in another registry.
    let list: Arc<[Entry]> = entries_of_others(0..3).into();
    let elsewhere = quotapass_circuits::registry_id::RegistryId { chain_id: 1, ..REGISTRY };
    let lists = vec![(REGISTRY, "hall".into(), Arc::clone(&list)), (elsewhere, SCOPE.into(), list)];
    let first = LogState { lists, ..state(LOG, 10, &[], NOW - 100) };
    relay.lists().publish(first.clone());
    let sent = posting(0, 0, MESSAGE).prove_with(&[(first.version(), &[])]);
    assert_eq!(sent.pass.len(), POST_BYTES + 1 + LIST_BYTES);
    let with_proof = posting(0, 0, MESSAGE).prove_with(&[(first.version(), &entries_of_others(0..3))]);
    assert_eq!(with_proof.to(&relay, NOW), Verdict::InvalidProof);
    assert_eq!(sent.to(&relay, NOW), Verdict::Accepted);
    assert_eq!(relay.record_counts(), (0, 0));
}

#[test]
fn two_lists_are_both_asked_for_in_the_order_of_the_policy() {
    let relay = relay_of(listing(&[(LOG, 500), (OTHER_LOG, 16)]));
    let (long, short) = (entries_of_others(0..70), entries_of_others(100..120));
    let (first, second) = (state(LOG, 10, &long, NOW - 100), state(OTHER_LOG, 10, &short, NOW - 100));
    relay.lists().publish(first.clone());
    relay.lists().publish(second.clone());
    // The second list is cut to its newest entries.
    let lists = [(first.version(), prepared_list(2, &long)), (second.version(), prepared_list(2, &short[4..]))];
    let sent = posting(2, 0, MESSAGE).prove_prepared(&lists);
    let swapped = with_lists(&sent, |lists| lists.swap(0, 1));
    let one = with_lists(&sent, |lists| drop(lists.pop()));
    // Attack: a pass that is proved for one list is shown for another.
    let for_other = with_lists(&sent, |lists| {
        let proofs = core::mem::take(&mut lists[0].proofs);
        lists[0].proofs = core::mem::replace(&mut lists[1].proofs, proofs);
    });
    let renamed = with_lists(&sent, |lists| {
        let version = lists[0].version;
        lists[0].version = core::mem::replace(&mut lists[1].version, version);
    });
    for sent in [&swapped, &one, &renamed] {
        assert_eq!(sent.to(&relay, NOW), mismatch(&[&first, &second]));
    }
    assert_eq!(for_other.to(&relay, NOW), Verdict::InvalidProof);
    let whole = posting(2, 0, MESSAGE).prove_with(&[(first.version(), &long), (second.version(), &short)]);
    assert_eq!(whole.to(&relay, NOW), Verdict::InvalidProof, "it has a record too many");
    assert_eq!(sent.to(&relay, NOW), Verdict::Accepted);
    assert_eq!(recorded(&relay), 1);
}

#[test]
fn a_forged_record_among_64_is_found_alone() {
    let relay = relay_of(Policy { limit_cap: cap(8), ..listing(&[(LOG, 1_024)]) });
    let list = entries_of_others(0..5);
    let first = state(LOG, 10, &list, NOW - 100);
    relay.lists().publish(first.clone());
    let mut all = Vec::new();
    for member in 0..8 {
        let lists = [(first.version(), prepared_list(member, &list))];
        for id in 0..8 {
            let posting = Posting { limit_cap: cap(8), ..posting(member, id, &[member as u8, id as u8]) };
            all.push(posting.prove_prepared(&lists));
        }
    }
    let of = |sent: &Sent| RecordedPass::from_bytes(&sent.pass).unwrap().lists().to_vec();
    let neighbour = of(&all[36]);
    all[37] = with_lists(&all[37], |lists| *lists = neighbour);
    let requests: Vec<_> = all.iter().map(|sent| sent.request()).collect();
    let verdicts = relay.verify_posts(&requests, NOW);
    for (place, verdict) in verdicts.iter().enumerate() {
        let expected = if place == 37 { Verdict::InvalidProof } else { Verdict::Accepted };
        assert_eq!(*verdict, expected, "{place}");
    }
    assert_eq!((recorded(&relay), relay.record_counts()), (63, (63, 1)));
    // Its nullifier is remembered, and no other.
    let passes = all.iter().map(|sent| Some(&*sent.pass));
    assert_eq!(relay.failed_records.positions(passes), [37]);
}

#[test]
fn a_double_post_is_caught_only_by_passes_that_are_valid_whole() {
    let relay = relay_of(listing(&[(LOG, 1_024)]));
    let list = entries_of_others(0..3);
    let first = state(LOG, 10, &list, NOW - 100);
    relay.lists().publish(first.clone());
    let prove = |message: &[u8]| posting(0, 0, message).prove_with(&[(first.version(), &list)]);
    let (sent, second) = (prove(MESSAGE), prove(SECOND_MESSAGE));
    let records = RecordedPass::from_bytes(&sent.pass).unwrap().lists().to_vec();
    let forged = with_lists(&second, |lists| *lists = records);
    assert_eq!(sent.to(&relay, NOW), Verdict::Accepted);
    assert_eq!(forged.to(&relay, NOW), Verdict::InvalidProof);
    assert!(relay.slashed().is_empty());
    assert_eq!(second.to(&relay, NOW).name(), "quota_exceeded");
}

#[test]
fn a_replay_is_known_without_its_records() {
    let relay = relay_of(listing(&[(LOG, 1_024)]));
    let list = entries_of_others(0..3);
    let first = state(LOG, 10, &list, NOW - 100);
    relay.lists().publish(first.clone());
    let sent = posting(0, 0, MESSAGE).prove_with(&[(first.version(), &list)]);
    let mut garbage = sent.clone();
    let begin = garbage.pass.len() - 128;
    garbage.pass[begin..].fill(0xff);
    // Before it is known, the point is decoded. The member may send what it likes meanwhile, at its own expense.
    assert_eq!(garbage.to(&relay, NOW).name(), "malformed");
    assert_eq!(relay.failed_records.positions([Some(&*sent.pass)].into_iter()), [0]);
    assert_eq!((recorded(&relay), relay.record_counts()), (0, (0, 0)));
    assert_eq!(sent.to(&relay, NOW), Verdict::Accepted);
    let posts = vec![garbage.request(); 20];
    assert_eq!(relay.verify_posts(&posts, NOW), vec![Verdict::Replay; 20]);
    assert_eq!(relay.record_counts(), (1, 0));
}

#[test]
fn former_policies_and_their_lists_hold_for_the_root_window() {
    let hours = NonZeroU32::new(7_200).unwrap();
    let long = |policy: Policy| Policy { epoch_seconds: hours, ..policy };
    let list = entries_of_others(0..16);
    let first = state(LOG, 10, &list, NOW - 100);
    let [none, all, ten] = [policy(), listing(&[(LOG, 16)]), listing(&[(LOG, 10)])].map(long);
    let epoch = none.epoch_at(NOW);
    let post = |member| posting_for(&none, epoch, member, 0, MESSAGE);
    let plain = post(0).prove();
    let with_all = post(1).prove_with(&[(first.version(), &list)]);
    let with_ten = post(2).prove_with(&[(first.version(), &list[6..])]);
    let relay = relay_of(none.clone());
    relay.lists().publish(first.clone());
    assert_eq!(with_all.to(&relay, NOW), mismatch(&[]));
    relay.change_policies([all], NOW + 10).unwrap();
    let window = u64::from(policy().root_window);
    assert!(epoch.ends() > NOW + 20 + window);
    assert_eq!(plain.to(&relay, NOW + 10), Verdict::Accepted);
    assert_eq!(with_all.to(&relay, NOW + 10), Verdict::Accepted);
    let mut late = post(3).prove();
    assert_eq!(late.to(&relay, NOW + 10 + window), Verdict::Accepted);
    late = post(4).prove();
    assert_eq!(late.to(&relay, NOW + 11 + window), mismatch(&[&first]));

    // Both limits need one record: the proof decides which list it is about.
    let changed = NOW + 20 + window;
    relay.change_policies([ten], changed).unwrap();
    let other = post(5).prove_with(&[(first.version(), &list)]);
    assert_eq!(with_ten.to(&relay, changed), Verdict::Accepted);
    assert_eq!(other.to(&relay, changed), Verdict::Accepted);
    let ended = posting_for(&listing(&[]), epoch, 6, 0, MESSAGE);
    let ended = Posting { epoch, ..ended }.prove_with(&[(first.version(), &list)]);
    let over = changed + window + 1;
    assert_eq!(ended.to(&relay, over).name(), "epoch_out_of_range");
    assert_eq!(relay.record_counts().1, 1, "the record under the policy in force, which is tried first");
}

/// A wallet or relay that follows a change of policy a moment earlier is not punished.
#[test]
fn a_number_of_records_of_the_next_policy_is_not_an_offence_near_the_change() {
    let list = entries_of_others(0..17);
    let first = state(LOG, 10, &list, NOW - 100);
    let sent = posting(0, 0, MESSAGE).prove_with(&[(first.version(), &list)]);
    for (from, expected) in [(NOW + 50, mismatch(&[&first])), (NOW + 51, Verdict::InvalidProof)] {
        let next = quotapass_protocol::DatedPolicy { policy: listing(&[(LOG, 17)]), version: 2, from };
        let relay = relay_of(listing(&[(LOG, 16)]));
        relay.change_policies([listing(&[(LOG, 16)]).into(), next], NOW).unwrap();
        relay.lists().publish(first.clone());
        assert_eq!(sent.to(&relay, NOW), expected);
    }
}

#[test]
fn lists_without_keys_are_an_error_of_configuration() {
    let missing = NoRecordKeys { scope: SCOPE.into() };
    let roots = || RootHistory::starting_at(world().tree.root());
    let relay = relay_with(vec![policy()], roots());
    assert_eq!(relay.check_record_keys(), Ok(()));
    let changed = relay.change_policies([listing(&[(LOG, 1)])], NOW);
    assert_eq!(changed, Err(PolicyChangeError::Keys(missing.clone())));
    assert_eq!(relay.policies().get(SCOPE).unwrap().history().current(NOW), &policy().into());
    relay.change_policies([listing(&[])], NOW).unwrap();

    let (posts, badges) = world().verifiers();
    let table = PolicyTable::new(REGISTRY, [listing(&[(LOG, 1)])]).unwrap();
    let relay = Relay::new(posts, badges, table, roots(), Arc::new(MemoryLog::new()));
    assert_eq!(relay.check_record_keys(), Err(missing.clone()));
    // Whatever the program does, no post passes.
    let first = state(LOG, 10, &entries_of_others(0..3), NOW - 100);
    relay.lists().publish(first.clone());
    let sent = posting(0, 0, MESSAGE).prove_with(&[(first.version(), &entries_of_others(0..3))]);
    assert_eq!(sent.to(&relay, NOW), Verdict::InvalidProof);
    let context = crate::RelayContext::new(Arc::new(crate::SettableClock::at(NOW)));
    let error = crate::Engine::start(Arc::new(relay), context, &crate::EngineSettings::default()).err().unwrap();
    assert_eq!(error.to_string(), missing.to_string());
}

/// As posts, reports would fill the log: their epoch does not end, and each nullifier has a scope. Reports that are sent as
/// reports are tested in `moderation`.
#[test]
fn a_pass_of_a_report_is_no_post() {
    let relay = relay_of(listing(&[(LOG, 1_024)]));
    let list = entries_of_others(0..3);
    let first = state(LOG, 10, &list, NOW - 100);
    relay.lists().publish(first.clone());
    let reported = posting(0, 0, MESSAGE).entry().nullifier;
    let reports = listing(&[(LOG, 1_024)]).for_report(reported);
    let report = Posting {
        scope: reports.name.clone(),
        requirement: reports.requirement_on(TODAY),
        ..posting_for(&reports, reports.epoch_at(NOW), 1, 0, &reported.to_be_bytes())
    };
    let (plain, report) = (report.prove(), report.prove_with(&[(first.version(), &list)]));
    assert_eq!(plain.to(&relay, NOW), mismatch(&[&first]));
    assert_eq!(report.to(&relay, NOW).name(), "requirement_mismatch");
    // Attack: another message under the one id of the scope, which would give away the member's secret.
    let other = Sent { message: b"another message".to_vec(), ..report };
    assert_eq!(other.to(&relay, NOW).name(), "malformed");
    assert_eq!(recorded(&relay), 0);
}

/// A fetcher that publishes a state, and counts its calls.
struct Fetcher {
    relay: Arc<Relay>,
    state: LogState,
    calls: Arc<AtomicUsize>,
}

impl ListFetcher for Fetcher {
    fn fetch(&self, log: LogIdentity) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        assert_eq!(log, self.state.log);
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (relay, state) = (Arc::clone(&self.relay), self.state.clone());
        Box::pin(async move {
            relay.lists().publish(state);
        })
    }
}

#[test]
fn a_version_that_is_unknown_yet_is_fetched_once() {
    let relay = Arc::new(relay_of(listing(&[(LOG, 1_024)])));
    let list = entries_of_others(0..3);
    let (first, second) = (state(LOG, 10, &list[..2], NOW - 100), state(LOG, 20, &list, NOW));
    relay.lists().publish(first.clone());
    let calls = Arc::new(AtomicUsize::new(0));
    let fetcher = Fetcher { relay: Arc::clone(&relay), state: second.clone(), calls: Arc::clone(&calls) };
    relay.lists().set_fetcher(Arc::new(fetcher));
    let known = posting(0, 0, MESSAGE).prove_with(&[(first.version(), &list[..2])]);
    let sent = posting(1, 0, MESSAGE).prove_with(&[(second.version(), &list)]);
    let invented = with_lists(&sent, |lists| lists[0].version.size = 1_000);
    let of_other_log = with_lists(&sent, |lists| lists[0].version.log = OTHER_LOG.to_short_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let fetch = |passes: &[&[u8]]| {
        runtime.block_on(relay.lists().fetch_for(passes.iter().copied()));
        calls.load(Ordering::Relaxed)
    };
    assert_eq!(fetch(&[&known.pass, &of_other_log.pass, &honest().pass, b"", &sent.pass[..300]]), 0);
    assert_eq!(sent.to(&relay, NOW), mismatch(&[&first]));
    assert_eq!(fetch(&[&sent.pass, &invented.pass]), 1);
    assert_eq!(sent.to(&relay, NOW), Verdict::Accepted);
    assert_eq!(fetch(&[&sent.pass, &invented.pass]), 1, "there was an attempt a moment ago");
    assert_eq!(invented.to(&relay, NOW), mismatch(&[&second]));
}
