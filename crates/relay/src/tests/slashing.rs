//! Tests of double posts, and of the consequences for the member.

use core::num::NonZeroU16;
use std::{
    collections::HashSet,
    sync::{
        Arc, Barrier, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use quotapass_circuits::{
    formats::wire::PostPass,
    identity::IdentityCommitment,
    share::{Line, Nullifier, Share, recover},
    signal::ExternalNullifier,
};
use quotapass_protocol::{
    Evidence, Gossip, LogError, Overload, Policy, QuotaExceeded, RootHistory, UnixSeconds, Verdict,
};

use super::world::*;
use crate::{
    BadgeBook, ConvictedMember, Conviction, Entry, LogEpoch, LogStatistics, MemoryLog, MessageLimits, ModerationStore,
    NullifierLog, Outcome, Recorded, Relay, RelayStore, Settlement, SlashClaims, WorkerId,
};

const fn slashed(within_grace: bool) -> Verdict {
    Verdict::SlashedMember { within_grace }
}

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
    assert_eq!(recorded(&relay), 1);
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

/// The attack: forged passes name one room of a pattern after the other. The relay must not compute all nullifiers of the
/// members whose secret is known, in each room, before it has seen a proof.
#[test]
fn in_the_rooms_of_a_pattern_known_secrets_are_tested_against_the_post() {
    let pattern = Policy { name: "rooms/*".into(), ..policy() };
    let begun = || relay_with(vec![pattern.clone()], RootHistory::starting_at(world().tree.root()));
    let sent = |room: &str, member, id, message: &[u8]| {
        Posting { scope: format!("rooms/{room}"), ..posting_for(&pattern, epoch(), member, id, message) }.prove()
    };
    let relay = begun();
    assert!(relay.slash(world().secrets[0].clone(), None, NOW));
    for room in ["a", "b", "c"] {
        let forged = Sent { message: b"forged".into(), ..sent(room, 1, 0, MESSAGE) };
        assert_eq!(forged.to(&relay, NOW), Verdict::InvalidProof);
    }
    assert_eq!(sent("a", 0, 0, MESSAGE).to(&relay, NOW), slashed(true));
    assert_eq!(sent("a", 1, 0, MESSAGE).to(&relay, NOW), Verdict::Accepted);
    assert_eq!((recorded(&relay), relay.slashed().kept()), (1, 0));
    // A double post in one room is known in all others, also within the batch.
    let (relay, batch) = (begun(), [("a", 0, MESSAGE), ("a", 0, SECOND_MESSAGE), ("b", 1, MESSAGE)]);
    let batch = batch.map(|(room, id, message)| sent(room, 0, id, message));
    let requests = batch.each_ref().map(Sent::request);
    let names: Vec<_> = relay.verify_posts(&requests, NOW).iter().map(Verdict::name).collect();
    assert_eq!(names, ["accepted", "quota_exceeded", "slashed_member"]);
}

#[test]
fn a_slashed_member_is_refused_in_every_epoch_whatever_the_root() {
    let relay = relay();
    assert!(relay.slash(world().secrets[0].clone(), None, NOW));
    assert!(!relay.slash(world().secrets[0].clone(), None, NOW));
    // Its root is superseded, but within the window.
    relay.advance_root(root(1), NOW);
    assert_eq!(honest().to(&relay, NOW), slashed(true));
    for id in 1..5 {
        assert_eq!(posting(0, id, MESSAGE).prove().to(&relay, NOW), slashed(true));
    }
    let next = policy().epoch_at(NOW + 600);
    let later = posting_for(&policy(), next, 0, 0, MESSAGE).prove();
    assert_eq!(later.to(&relay, NOW + 600), slashed(false));
    assert_eq!(posting(1, 0, MESSAGE).prove().to(&relay, NOW), Verdict::Accepted);
    assert_eq!(recorded(&relay), 1);

    // The member is forgotten only after its roots are stale.
    let now = NOW + 3600 + 600;
    assert!(relay.forget_slashed(world().secrets[0].commitment()));
    let late = posting_for(&policy(), policy().epoch_at(now), 0, 0, MESSAGE).prove();
    assert_eq!(late.to(&relay, now), Verdict::StaleRoot { superseded_at: NOW });
}

#[test]
fn ids_of_a_former_higher_cap_are_refused_too() {
    let relay = relay();
    let lower = quotapass_protocol::Policy { limit_cap: cap(2), ..policy() };
    relay.change_policies([lower], NOW).unwrap();
    relay.slash(world().secrets[0].clone(), None, NOW);
    assert_eq!(posting(0, 4, MESSAGE).prove().to(&relay, NOW), slashed(true));
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
    // The first thread may learn that the member was slashed before it can answer.
    assert!(count("accepted") <= 1);
    assert_eq!(recorded(&relay), 1);
}

/// A log that claims a conflict with a share that was never proved.
struct Lying(Share, MemoryLog);

impl NullifierLog for Lying {
    fn record(&self, _: &Entry) -> Result<Outcome, LogError> {
        Ok(Outcome::Conflict(self.0))
    }

    fn lookup(&self, _: &LogEpoch, _: Nullifier) -> Result<Option<Recorded>, LogError> {
        Ok(Some(self.0.into()))
    }

    fn convict(&self, _: &Conviction) -> Result<bool, LogError> {
        Ok(true)
    }

    fn convictions(&self, _: u64) -> Result<Vec<Conviction>, LogError> {
        Ok(Vec::new())
    }

    fn expire(&self, _: UnixSeconds) -> Result<(), LogError> {
        Ok(())
    }

    fn reopen(&self, _: UnixSeconds) -> Result<UnixSeconds, LogError> {
        Ok(UnixSeconds(0))
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        Ok(LogStatistics::default())
    }
}

impl RelayStore for Lying {
    fn cases(&self) -> &dyn SlashClaims {
        &self.1
    }

    fn badges(&self) -> &dyn BadgeBook {
        &self.1
    }

    fn moderation(&self) -> &dyn ModerationStore {
        &self.1
    }
}

#[test]
fn a_damaged_log_convicts_nobody() {
    let share = |sent: &Sent| {
        let pass = PostPass::from_bytes(&sent.pass).unwrap();
        pass.public(scope(), &sent.message).unwrap().share
    };
    let invented = Share { x: share(second()).x, y: share(honest()).y };
    let relay = relay_on(Arc::new(Lying(invented, MemoryLog::new())));
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
        let sent = Sent::new(MESSAGE, pass.to_bytes().to_vec());
        assert_eq!(sent.to(&relay, now), Verdict::Accepted);
    }
}

#[test]
fn relays_that_share_a_log_catch_halves_sent_to_different_ones() {
    let log = Arc::new(MemoryLog::new());
    let relay = || relay_on(log.clone());
    let (first, other) = (relay(), relay());
    assert_eq!(honest().to(&first, NOW), Verdict::Accepted);
    assert_eq!(honest().to(&other, NOW), Verdict::Replay);
    assert_eq!(exceeded(second().to(&other, NOW)).secret, world().secrets[0]);
    // The first relay learns of it with its next post; so does a relay that starts later.
    let next = posting(0, 1, MESSAGE).prove();
    assert_eq!(next.to(&first, NOW), slashed(true));
    assert_eq!(next.to(&relay(), NOW), slashed(true));
}

#[test]
fn a_conviction_that_two_threads_read_is_listed_once() {
    let convicted = relay().convicted;
    let member = |number: usize| ConvictedMember {
        commitment: world().secrets[number].commitment(),
        scope: scope(),
        epoch: epoch(),
        settlement: None,
    };
    let position = convicted.position();
    convicted.add(position, [member(0)]);
    // The last thread read one more conviction than the others.
    convicted.add(position, [member(0), member(1)]);
    convicted.add(position, [member(0)]);
    assert_eq!(convicted.page(0, 9), (vec![member(0), member(1)], 2));
}

#[test]
fn imported_evidence_counts_like_our_own() {
    let relay = relay();
    let evidence = evidence(&REGISTRY, &world().secrets[0]);
    assert_eq!(evidence.secret_below(cap(1)), Some(world().secrets[0].clone()));
    assert_eq!(relay.import(&evidence, NOW), Ok(true));
    assert_eq!(relay.import(&evidence, NOW), Ok(false));
    assert_eq!(posting(0, 3, MESSAGE).prove().to(&relay, NOW), slashed(true));
    // Shares that do not match the nullifier give no valid secret; two shares of one message are no evidence.
    let other = Evidence {
        nullifier: PostPass::from_bytes(&posting(1, 0, MESSAGE).prove().pass).unwrap().nullifier,
        ..evidence
    };
    assert_eq!(other.secret_below(cap(5)), None);
    let replay = Evidence { second: other.recorded, ..other };
    assert_eq!(relay.import(&replay, NOW), Err(LogError::Damaged));
}

#[test]
fn one_worker_at_a_time_has_a_case_until_it_is_settled() {
    let log = MemoryLog::new();
    let commitment = world().secrets[0].commitment();
    let [one, two] = ["one", "two"].map(|name| WorkerId(name.into()));
    let settlement = Settlement::Gone;
    let claim = |worker, now, until| log.claim(commitment, worker, UnixSeconds(now), UnixSeconds(until));
    assert_eq!(claim(&one, 100, 110), Ok(true));
    assert_eq!(claim(&two, 109, 120), Ok(false));
    assert_eq!(claim(&one, 109, 120), Ok(true));
    assert_eq!(claim(&two, 120, 130), Ok(true));
    assert_eq!(log.settlement(commitment), Ok(None));
    log.settle(commitment, &settlement).unwrap();
    log.settle(commitment, &Settlement::NoMember).unwrap();
    assert_eq!(log.settlement(commitment), Ok(Some(settlement)));
    assert_eq!(claim(&two, 500, 510), Ok(false));
}

fn names(relay: &Relay, sent: &[&Sent], now: UnixSeconds) -> Vec<&'static str> {
    let requests: Vec<_> = sent.iter().map(|sent| sent.request()).collect();
    relay.verify_posts(&requests, now).iter().map(Verdict::name).collect()
}

#[test]
fn what_a_member_sent_before_it_was_caught_stands_in_a_batch_too() {
    let earlier = posting(0, 1, b"an id before").prove();
    let later = posting(0, 2, b"an id after").prove();
    let sent = [&earlier, honest(), second(), &later];
    assert_eq!(names(&relay(), &sent, NOW), ["accepted", "accepted", "quota_exceeded", "slashed_member"]);
    let alone = relay();
    let one_by_one: Vec<_> = sent.iter().map(|sent| sent.to(&alone, NOW).name()).collect();
    assert_eq!(names(&relay(), &sent, NOW), one_by_one);
}

/// A log in memory that counts writes of evidence, can refuse them, and can lose them to a successor.
#[derive(Default)]
struct Counting {
    inner: MemoryLog,
    writes: AtomicUsize,
    fails: AtomicBool,
    /// The server that took over, once the first one is lost.
    successor: OnceLock<Arc<MemoryLog>>,
}

impl NullifierLog for Counting {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        self.inner.record(entry)
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        self.inner.lookup(epoch, nullifier)
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        self.convict_all(core::slice::from_ref(conviction)).pop().unwrap()
    }

    fn convict_all(&self, convictions: &[Conviction]) -> Vec<Result<bool, LogError>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) {
            return vec![Err(LogError::Unavailable("disk full".into())); convictions.len()];
        }
        self.inner.convict_all(convictions)
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        self.successor.get().map_or(&self.inner, |successor| successor).convictions(from)
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

impl RelayStore for Counting {
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

/// Attack: many members double post at once, and each makes the batch wait for a separate write.
#[test]
fn the_evidence_of_a_batch_is_one_write() {
    let log = Arc::new(Counting::default());
    let relay = relay_on(log.clone());
    let posts: Vec<_> =
        (0..4).flat_map(|member| [b"first", b"other"].map(|text| posting(member, 0, text).prove())).collect();
    let verdicts = names(&relay, &posts.iter().collect::<Vec<_>>(), NOW);
    assert_eq!(verdicts, ["accepted", "quota_exceeded"].repeat(4));
    assert_eq!(log.writes.load(Ordering::Relaxed), 1);
    assert_eq!(log.convictions(0).unwrap().len(), 4);
}

/// A server that takes over lacks the last conviction, and the next one takes its position in the list.
#[test]
fn convictions_in_the_place_of_lost_ones_are_learned() {
    let (log, successor) = (Arc::new(Counting::default()), Arc::new(MemoryLog::default()));
    let double = |member| [b"first", b"other"].map(|text| posting(member, 0, text).prove());
    let (relay, other) = (relay_on(log.clone()), relay_on(successor.clone()));
    names(&relay, &double(0).each_ref(), NOW);
    let later = [posting(0, 1, MESSAGE).prove(), posting(1, 1, MESSAGE).prove(), posting(2, 1, MESSAGE).prove()];
    assert_eq!(names(&relay, &later.each_ref(), NOW), ["slashed_member", "accepted", "accepted"]);
    log.successor.set(successor).unwrap();
    let later = [posting(0, 2, MESSAGE).prove(), posting(1, 2, MESSAGE).prove(), posting(2, 2, MESSAGE).prove()];
    // The successor's list is shorter than what the relay has read, then as long, then longer.
    assert_eq!(names(&relay, &later.each_ref(), NOW), ["slashed_member", "accepted", "accepted"]);
    names(&other, &double(1).each_ref(), NOW);
    assert_eq!(names(&relay, &later.each_ref(), NOW), ["slashed_member", "slashed_member", "replay"]);
    names(&other, &double(2).each_ref(), NOW);
    assert_eq!(names(&relay, &later.each_ref(), NOW), ["slashed_member"; 3]);
    let all = [0, 1, 2].map(|member| world().secrets[member].commitment());
    assert_eq!(relay.convicted.page(0, 10).0.iter().map(|member| member.commitment).collect::<Vec<_>>(), all);
}

#[test]
fn nothing_follows_from_evidence_that_was_not_kept() {
    let log = Arc::new(Counting::default());
    let relay = relay_on(log.clone());
    log.fails.store(true, Ordering::Relaxed);
    let later = posting(0, 1, b"an id after").prove();
    assert_eq!(names(&relay, &[honest(), second(), &later], NOW), ["accepted", "overloaded", "accepted"]);
    assert!(relay.slashed().is_empty());
    log.fails.store(false, Ordering::Relaxed);
    assert_eq!(exceeded(second().to(&relay, NOW)).secret, world().secrets[0]);
}

/// Attack: one deposit posts one message at one relay and another at a second. Each forwards its accepted message, and
/// each is honest. If the other's verdict were `reject`, one deposit would set any two of them against each other.
#[test]
fn two_messages_at_two_relays_set_no_relay_against_the_other() {
    let (first, other) = (relay(), relay());
    assert_eq!(honest().to(&first, NOW), Verdict::Accepted);
    assert_eq!(second().to(&other, NOW), Verdict::Accepted);
    // Each forwards its own message to the other, a little later.
    let grace = u64::from(policy().max_clock_skew) + 30;
    let third = posting(0, 1, b"a third message").prove();
    for (relay, forwarded) in [(&first, second()), (&other, honest())] {
        let verdict = forwarded.to(relay, NOW + 2);
        assert_eq!((verdict.name(), verdict.gossip()), ("quota_exceeded", Gossip::Ignore));
        // A relay without the evidence still accepts more posts of the member, and forwards them.
        assert_eq!(third.to(relay, NOW + 1 + grace).gossip(), Gossip::Ignore);
        // After that all relays have the evidence.
        assert_eq!(third.to(relay, NOW + 2 + grace), slashed(false));
        assert_eq!(slashed(false).gossip(), Gossip::Reject);
    }
}

#[test]
fn grace_begins_with_the_first_evidence_of_any_relay_and_a_fast_clock_does_not_prolong_it() {
    let log = Arc::new(MemoryLog::new());
    let relay = || relay_on(log.clone());
    assert_eq!(honest().to(&relay(), NOW - 15), Verdict::Accepted);
    assert_eq!(second().to(&relay(), NOW - 15).name(), "quota_exceeded");
    let next = posting(0, 1, MESSAGE).prove();
    assert_eq!(next.to(&relay(), NOW + 34), slashed(true));
    assert_eq!(next.to(&relay(), NOW + 35), slashed(false));

    let log = Arc::new(MemoryLog::new());
    let relay = relay_on(log.clone());
    log.convict(&Conviction::new(evidence(&REGISTRY, &world().secrets[0]), NOW + 86_400)).unwrap();
    assert_eq!(next.to(&relay, NOW), slashed(true));
    assert_eq!(next.to(&relay, NOW + 50), slashed(false));
}

#[test]
fn a_limit_that_the_registry_knows_bounds_what_is_computed() {
    /// A source that always returns three, and counts its calls.
    #[derive(Default)]
    struct Three(AtomicUsize);

    impl MessageLimits for Three {
        fn message_limit(&self, _: IdentityCommitment) -> Option<NonZeroU16> {
            self.0.fetch_add(1, Ordering::Relaxed);
            NonZeroU16::new(3)
        }
    }

    for (limit_cap, asked) in [(1_023, 0), (1_024, 1)] {
        let policy = Policy { limit_cap: cap(limit_cap), ..policy() };
        let relay = relay_with(vec![policy.clone()], RootHistory::starting_at(world().tree.root()));
        let limits = Arc::new(Three::default());
        relay.set_message_limits(Arc::clone(&limits) as _);
        let post = |id, message| posting_for(&policy, epoch(), 0, id, message).prove();
        let names = names(&relay, &[&post(0, b"one"), &post(0, b"two"), &post(2, b"three")], NOW);
        assert_eq!(names, ["accepted", "quota_exceeded", "slashed_member"]);
        assert_eq!(limits.0.load(Ordering::Relaxed), asked);
        let line = Line::new(&world().secrets[0], ExternalNullifier::new(scope(), epoch()), 3);
        let log_epoch = LogEpoch::new(scope(), epoch());
        let is_refused = relay.slashed().has_nullifier(&log_epoch, policy.limit_cap, line.nullifier());
        assert_eq!(is_refused, asked == 0, "the member cannot post beyond its own limit");
    }
}
