//! Tests of the engine with real proofs: answers, refusals, and the order of sources. No test depends on timing.

use core::num::NonZeroUsize;
use std::{
    collections::HashSet,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use quotapass_circuits::{
    formats::wire::{DecodeErrorKind, PostPass, decode_text},
    share::Nullifier,
};
use quotapass_protocol::{LogError, Malformed, Overload, UnixSeconds, Verdict};

use super::world::*;
use crate::{
    BadgeBook, Conviction, Engine, EngineSettings, Entry, LogEpoch, LogStatistics, MemoryLog, ModerationStore,
    NullifierLog, Outcome, OwnedBadge, OwnedPost, Recorded, RelayContext, RelayEvent, RelayStore, SettableClock,
    Settlement, SlashClaims, Source, TroubleKind,
};

fn settings() -> EngineSettings {
    EngineSettings {
        workers: NonZeroUsize::new(2).unwrap(),
        max_batch: NonZeroUsize::new(8).unwrap(),
        max_delay: Duration::from_millis(1),
        ..EngineSettings::default()
    }
}

fn engine_of<S: RelayStore + Default + 'static>(settings: &EngineSettings) -> (Engine, Arc<S>) {
    let (log, context) = (Arc::new(S::default()), RelayContext::new(Arc::new(SettableClock::at(NOW))));
    (Engine::start(Arc::new(relay_on(log.clone())), context, settings).unwrap(), log)
}

fn owned(sent: &Sent) -> OwnedPost {
    OwnedPost {
        scope: SCOPE.into(),
        message: Bytes::from(sent.message.clone()),
        pass: Ok(Bytes::from(sent.pass.clone())),
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn names(verdicts: &[Verdict]) -> Vec<&'static str> {
    verdicts.iter().map(Verdict::name).collect()
}

fn source(name: &str) -> Source {
    Source::name(name)
}

/// Returns distinct honest posts of members 1 to 7.
fn honest_posts() -> &'static [Sent] {
    static POSTS: std::sync::OnceLock<Vec<Sent>> = std::sync::OnceLock::new();
    POSTS.get_or_init(|| (1..8).map(|member| posting(member, 0, &[b'0' + member as u8]).prove()).collect())
}

/// Returns a post with the proof of another message.
fn forged(number: usize) -> Sent {
    Sent { message: format!("forged {number}").into_bytes(), ..honest().clone() }
}

/// A log in memory whose lookups wait until a gate is open, and which records the requested nullifiers.
#[derive(Default)]
struct Gated {
    inner: MemoryLog,
    is_shut: Mutex<bool>,
    changed: Condvar,
    /// The nullifiers of each batch that reached the gate.
    batches: Mutex<Vec<Vec<Nullifier>>>,
    panics: AtomicBool,
}

impl Gated {
    fn shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.changed.notify_all();
    }

    /// Waits until this many batches have reached the gate.
    fn wait_for(&self, batches: usize) {
        let count = || self.batches.lock().unwrap().len();
        while count() < batches {
            thread::yield_now();
        }
    }
}

impl NullifierLog for Gated {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        assert!(!self.panics.swap(false, Ordering::Relaxed), "told to");
        self.inner.record(entry)
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        self.inner.lookup(epoch, nullifier)
    }

    fn lookup_all(&self, nullifiers: &[(LogEpoch, Nullifier)]) -> Vec<Result<Option<Recorded>, LogError>> {
        self.batches.lock().unwrap().push(nullifiers.iter().map(|(_, nullifier)| *nullifier).collect());
        let mut is_shut = self.is_shut.lock().unwrap();
        while *is_shut {
            is_shut = self.changed.wait(is_shut).unwrap();
        }
        drop(is_shut);
        self.inner.lookup_all(nullifiers)
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        self.inner.convict(conviction)
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        self.inner.convictions(from)
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

impl RelayStore for Gated {
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
fn a_submission_is_answered_in_order_as_if_each_had_come_alone() {
    let (engine, log) = engine_of::<MemoryLog>(&settings());
    let mut sent: Vec<Sent> = honest_posts().to_vec();
    sent.extend((0..3).map(forged));
    sent.extend([honest().clone(), second().clone(), honest_posts()[0].clone(), honest().clone()]);
    sent.push(Sent::new(MESSAGE, vec![7; 40]));
    let alone = super::world::relay();
    let expected: Vec<_> = sent.iter().map(|sent| sent.to(&alone, NOW)).collect();
    // The submission needs two batches, so a part of it waits.
    let verdicts = wait(engine.submit(source("a"), sent.iter().map(owned).collect()));
    assert_eq!(verdicts, expected);
    assert_eq!(log.len(), 8);
    let counted = engine.metrics().verdicts();
    assert_eq!(counted.iter().sum::<u64>(), sent.len() as u64);
    assert_eq!((counted[0], counted[2], counted[9], counted[10]), (8, 1, 3, 1));
    assert_eq!(wait(engine.submit(source("a"), Vec::new())), []);
}

#[test]
fn a_pass_that_is_no_text_is_malformed_and_a_badge_is_answered_with_its_holder() {
    let (engine, _) = engine_of::<MemoryLog>(&settings());
    let error = decode_text("!").unwrap_err();
    let unreadable = OwnedPost { pass: Err(error.into()), ..owned(honest()) };
    let verdicts = wait(engine.submit(source("a"), vec![unreadable, owned(honest())]));
    let not_base64 = |verdict: &Verdict| matches!(verdict, Verdict::Malformed(Malformed::Pass(error)) if error.kind == DecodeErrorKind::NotBase64);
    assert!(not_base64(&verdicts[0]) && verdicts[1].is_accepted(), "{verdicts:?}");

    let pass = badge_pass(0, b"key", policy().requirement_on(TODAY)).to_bytes();
    let badge = |pass| OwnedBadge { scope: SCOPE.into(), pass, key_check: None };
    let answer = wait(engine.submit_badge(source("a"), badge(Ok(pass.into()))));
    assert!(answer.verdict.is_accepted() && answer.holder.is_some());
    let answer = wait(engine.submit_badge(source("a"), badge(Err(error.into()))));
    assert!(not_base64(&answer.verdict) && answer.holder.is_none());
}

#[test]
fn a_double_post_across_two_submissions_is_caught_once() {
    let (engine, log) = engine_of::<MemoryLog>(&settings());
    let mut events = engine.context().events.subscribe();
    let halves: Vec<_> = [honest(), second(), honest(), second()]
        .into_iter()
        .enumerate()
        .map(|(number, half)| engine.submit(source(&number.to_string()), vec![owned(half)]))
        .collect();
    let verdicts: Vec<_> = halves.into_iter().flat_map(wait).collect();
    let count = |name| names(&verdicts).into_iter().filter(|other| *other == name).count();
    assert_eq!((count("accepted"), count("quota_exceeded")), (1, 1), "{verdicts:?}");
    assert_eq!(count("accepted") + count("quota_exceeded") + count("replay") + count("slashed_member"), 4);
    assert_eq!(log.len(), 1);

    // The engine publishes the conviction and the outcome of the case.
    let commitment = world().secrets[0].commitment();
    let next = |events: &mut tokio::sync::broadcast::Receiver<_>| {
        let occurrence: Arc<crate::Occurrence> = events.blocking_recv().unwrap();
        occurrence.event.clone()
    };
    assert_eq!(next(&mut events), RelayEvent::Convicted { commitment, at: NOW });
    log.settle(commitment, &Settlement::Gone).unwrap();
    assert_eq!(next(&mut events), RelayEvent::Slashed { commitment, settlement: Settlement::Gone, at: NOW });
    let (convicted, total) = engine.convicted(0, 10);
    assert_eq!((convicted.len(), total), (1, 1));
    assert_eq!((convicted[0].commitment, convicted[0].epoch), (commitment, epoch()));
    assert_eq!(convicted[0].settlement, Some(Settlement::Gone));
    assert_eq!(engine.latest_convicted(5), convicted);
}

#[test]
fn what_the_queue_cannot_take_is_overloaded_at_once_and_recorded_nowhere() {
    // One worker is reserved for sources with good posts.
    let workers = NonZeroUsize::new(3).unwrap();
    let (engine, log) = engine_of::<Gated>(&EngineSettings { max_queued: 4, workers, ..settings() });
    log.shut(true);
    let posts = honest_posts();
    let mut taken = Vec::new();
    for (number, post) in posts[..2].iter().enumerate() {
        taken.push(engine.submit(source("a"), vec![owned(post)]));
        log.wait_for(number + 1);
    }
    // The two other workers wait at the gate.
    taken.push(engine.submit(source("a"), posts[2..5].iter().map(owned).collect()));
    let refused = engine.submit(source("b"), posts[5..7].iter().map(owned).collect());
    let overloaded = Verdict::Overloaded(Overload::Queue);
    assert_eq!(refused.now_or_never(), Some(vec![overloaded.clone(), overloaded]));
    taken.push(engine.submit(source("c"), vec![owned(&posts[5])]));
    log.shut(false);
    let verdicts: Vec<_> = taken.into_iter().flat_map(wait).collect();
    assert_eq!(verdicts, vec![Verdict::Accepted; 6]);
    assert_eq!(log.inner.len(), 6);
    assert_eq!(wait(engine.submit(source("b"), vec![owned(&posts[6])])), [Verdict::Accepted]);
    let counted = engine.metrics().verdicts();
    assert_eq!((counted[0], counted[11]), (7, 2));
}

#[test]
fn stopping_answers_all_that_was_taken_and_takes_nothing_more() {
    let (engine, log) = engine_of::<Gated>(&settings());
    log.shut(true);
    let taken: Vec<_> = honest_posts().iter().map(|post| engine.submit(source("a"), vec![owned(post)])).collect();
    log.wait_for(1);
    let stopping = thread::spawn({
        let engine = engine.clone();
        move || wait(engine.stop())
    });
    let refused = loop {
        // Replays until the engine stops; the queue may be full before that.
        let late = engine.submit(source("b"), vec![owned(honest())]);
        match late.now_or_never() {
            Some(verdicts) if verdicts != [Verdict::Overloaded(Overload::Queue)] => break verdicts,
            _ => thread::yield_now(),
        }
    };
    assert_eq!(refused, [Verdict::Overloaded(Overload::Stopping)]);
    log.shut(false);
    for answer in taken {
        assert_eq!(wait(answer), [Verdict::Accepted]);
    }
    stopping.join().unwrap();
    wait(engine.stop());
    let late = engine.submit(source("b"), vec![owned(honest())]).now_or_never();
    assert_eq!(late, Some(vec![Verdict::Overloaded(Overload::Stopping)]));
}

#[test]
fn a_flood_of_forgeries_does_not_starve_the_honest() {
    for is_known in [true, false] {
        let (engine, log) = engine_of::<Gated>(&settings());
        if is_known {
            let posts = (0..8).map(|number| owned(&forged(number))).collect();
            assert_eq!(names(&wait(engine.submit(source("forger"), posts))), ["invalid_proof"; 8]);
        }
        let before = log.batches.lock().unwrap().len();
        log.shut(true);
        let flood: Vec<_> =
            (0..150).map(|number| engine.submit(source("forger"), vec![owned(&forged(number))])).collect();
        log.wait_for(before + 1);
        let honest: Vec<_> = honest_posts()
            .iter()
            .enumerate()
            .map(|(number, post)| engine.submit(source(&number.to_string()), vec![owned(post)]))
            .collect();
        log.shut(false);
        for answer in honest {
            assert_eq!(wait(answer), [Verdict::Accepted]);
        }
        for answer in flood {
            assert_eq!(names(&wait(answer)), ["invalid_proof"]);
        }
        let pass = |sent: &Sent| PostPass::from_bytes(&sent.pass).unwrap().nullifier;
        let honest: HashSet<_> = honest_posts().iter().map(pass).collect();
        let order: Vec<_> = log.batches.lock().unwrap()[before..].iter().flatten().copied().collect();
        let last = order.iter().rposition(|nullifier| honest.contains(nullifier)).unwrap();
        let ahead = last + 1 - honest.len();
        // Allowed: the posts that were verified before the forger was known (two batches and the rest of a third), and
        // the small share for waste.
        assert!(ahead <= 3 * 8, "{ahead} of 150 forgeries went before the last honest post");
    }
}

#[test]
fn a_panic_loses_no_answer_and_stops_nothing() {
    let (engine, log) = engine_of::<Gated>(&settings());
    log.panics.store(true, Ordering::Relaxed);
    let posts: Vec<_> = honest_posts()[..3].iter().map(owned).collect();
    let failed = Verdict::Overloaded(Overload::Failure);
    assert_eq!(wait(engine.submit(source("a"), posts[..1].to_vec())), [failed]);
    for _ in 0..3 {
        let verdicts = wait(engine.submit(source("a"), posts.clone()));
        assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Accepted | Verdict::Replay)), "{verdicts:?}");
    }
    assert_eq!(log.inner.len(), 3);
    wait(engine.stop());
}

#[test]
fn a_log_that_fails_is_seen_in_the_status() {
    /// A log that can be read but not written. A probe notices this only after the first write.
    #[derive(Default)]
    struct Full(MemoryLog, AtomicBool);

    impl NullifierLog for Full {
        fn record(&self, _: &Entry) -> Result<Outcome, LogError> {
            self.1.store(true, Ordering::Relaxed);
            Err(LogError::Unavailable("disk full".into()))
        }

        fn probe(&self) -> Result<(), LogError> {
            if self.1.load(Ordering::Relaxed) { Err(LogError::Unavailable("disk full".into())) } else { Ok(()) }
        }

        fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
            self.0.lookup(epoch, nullifier)
        }

        fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
            self.0.convict(conviction)
        }

        fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
            self.0.convictions(from)
        }

        fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
            self.0.expire(now)
        }
        fn reopen(&self, now: UnixSeconds) -> Result<UnixSeconds, LogError> {
            self.0.reopen(now)
        }

        fn statistics(&self) -> Result<LogStatistics, LogError> {
            self.0.statistics()
        }
    }

    impl RelayStore for Full {
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

    let (engine, _) = engine_of::<Full>(&settings());
    let status = engine.context().status.clone();
    let failing = || status.troubles().get(TroubleKind::LogFailing);
    assert_eq!(failing(), None);
    assert_eq!(names(&wait(engine.submit(source("a"), vec![owned(honest())]))), ["overloaded"]);
    // A poll that began earlier may end the trouble once; the next poll finds it again.
    let trouble = loop {
        if let Some(trouble) = failing() {
            break trouble;
        }
        thread::yield_now();
    };
    assert_eq!(trouble.since, NOW);
    assert!(trouble.cause.contains("disk full"));
}

/// Attack: a struck member, whose posts have valid proofs and no valid record, sends through a front with many honest users.
#[test]
fn a_post_with_the_nullifier_of_a_failed_record_is_served_last() {
    let log = Arc::new(Gated::default());
    let context = RelayContext::new(Arc::new(SettableClock::at(NOW)));
    let settings = EngineSettings { workers: NonZeroUsize::MIN, ..settings() };
    let engine = Engine::start(Arc::new(relay_on(log.clone())), context, &settings).unwrap();
    // The front is proven.
    let posts = honest_posts();
    assert_eq!(
        wait(engine.submit(source("front"), posts[..3].iter().map(owned).collect())),
        vec![Verdict::Accepted; 3]
    );
    let pass = |sent: &Sent| PostPass::from_bytes(&sent.pass).unwrap().nullifier;
    engine.relay().failed_records.add(pass(&posts[3]));

    let before = log.batches.lock().unwrap().len();
    let all = [&posts[3], &posts[4], &Sent { message: b"x".into(), ..posts[4].clone() }, &posts[5]];
    let mixed = engine.submit(source("front"), all.map(owned).into());
    assert_eq!(names(&wait(mixed)), ["accepted", "accepted", "invalid_proof", "accepted"]);
    let batches = log.batches.lock().unwrap()[before..].to_vec();
    assert_eq!(batches, [vec![pass(&posts[4]), pass(&posts[4]), pass(&posts[5])], vec![pass(&posts[3])]]);
    assert_eq!(log.inner.len(), 6);
}
