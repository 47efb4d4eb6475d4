//! Tests of the standing of sources and the order of batches.

use core::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use bytes::Bytes;
use quotapass_circuits::{formats::recorded::MAX_RECORDED_BYTES, verifier::VerifierCosts};
use quotapass_protocol::Verdict;
use tokio::sync::oneshot;

use super::{
    budget::Trust,
    queue::{BatchKind, Queue},
    *,
};
use crate::{
    Verification,
    engine::{
        Source,
        submission::{OwnedPost, Work},
    },
};

const MINUTE: Duration = Duration::from_secs(60);
pub(super) const COSTS: Costs = Costs { forgery: 8.0, each_from: 0.3 };

fn settings() -> EngineSettings {
    EngineSettings {
        workers: NonZeroUsize::new(2).unwrap(),
        max_batch: NonZeroUsize::new(16).unwrap(),
        max_delay: Duration::from_millis(5),
        max_queued: 64,
        waste_share: NonZeroU32::new(16).unwrap(),
        ..EngineSettings::default()
    }
}

fn sources(capacity: usize) -> Sources {
    Sources::new(NonZeroUsize::new(capacity).unwrap(), MINUTE, &COSTS)
}

fn address(text: &str) -> Source {
    Source::address(text.parse().unwrap())
}

fn tally(verdicts: impl Into<Vec<Verdict>>) -> Tally {
    COSTS.tally(&Answer::Posts(verdicts.into()), &[])
}

fn forged(count: usize) -> Tally {
    tally(vec![Verdict::InvalidProof; count])
}

fn good(count: usize) -> Tally {
    tally(vec![Verdict::Accepted; count])
}

fn lane(sources: &Sources, source: &Source, now: Instant) -> LaneName {
    sources.place(source, now).lane
}

#[test]
fn a_forgery_costs_what_was_measured() {
    let [proof, single, suspect, question] = [100, 900, 200, 400].map(Duration::from_micros);
    let costs = VerifierCosts { proof, single, suspect, question };
    let cost = |costs: VerifierCosts| Costs::of(&costs, NonZeroUsize::new(256).unwrap()).forgery;
    assert!((8.0..9.0).contains(&cost(costs)), "{}", cost(costs));
    assert_eq!(cost(VerifierCosts { single: Duration::from_secs(1), ..costs }), 32.0);
    assert_eq!(cost(VerifierCosts { single: Duration::ZERO, ..costs }), 2.0);
    let each_from = |costs: VerifierCosts| Costs::of(&costs, NonZeroUsize::new(256).unwrap()).each_from;
    let each = each_from(VerifierCosts { single: Duration::from_micros(600), ..costs });
    assert!((0.2..0.9).contains(&each), "{each}");
    assert_eq!(each_from(VerifierCosts { single: Duration::ZERO, ..costs }), 0.1);
    assert_eq!(each_from(VerifierCosts { single: Duration::from_secs(1), ..costs }), 1.0);
}

/// Attack: each forgery comes from a new address, so that all of them wait in the lane of unproven sources, and a search
/// for them takes longer than verifying each proof alone.
#[test]
fn proofs_of_unproven_sources_are_verified_alone_while_most_are_forged() {
    let mut waiting = Waiting::new(settings());
    let mut verification = |good, forged| {
        waiting.queue.note_unproven(good, forged);
        waiting.push(UNPROVEN, "new", 1).unwrap();
        let batch = waiting.take();
        waiting.finish(&batch);
        batch.verification()
    };
    assert_eq!(verification(0, 0), Verification::Together);
    assert_eq!(verification(0, 100), Verification::Each);
    assert_eq!(verification(3, 0), Verification::Together);
}

#[test]
fn a_few_forgeries_are_forgiven_many_are_not_and_time_heals() {
    let (mut sources, source, now) = (sources(8), address("192.0.2.1"), Instant::now());
    assert!(!sources.note(&source, forged(2), now));
    assert_eq!(lane(&sources, &source, now), LaneName::Unproven);
    assert!(sources.note(&source, forged(1), now));
    assert!(!sources.note(&source, forged(1), now));
    assert_eq!(lane(&sources, &source, now), LaneName::Suspicious);
    assert_eq!(lane(&sources, &address("192.0.2.2"), now), LaneName::Unproven);
    assert_eq!(lane(&sources, &source, now + MINUTE), LaneName::Unproven);
    sources.expire(now + MINUTE);
    assert_eq!(sources.suspects(), 1);
    sources.expire(now + 20 * MINUTE);
    assert_eq!(sources.suspects(), 0);
}

#[test]
fn good_posts_prove_a_source_until_it_wastes_more_than_they_are_worth() {
    let (mut sources, source, now) = (sources(8), Source::name("front"), Instant::now());
    sources.note(&source, good(90), now);
    assert_eq!(lane(&sources, &source, now), LaneName::Proven);
    assert!(!sources.note(&source, forged(10), now));
    assert_eq!(lane(&sources, &source, now), LaneName::Proven);
    assert!(sources.note(&source, forged(2), now));
    assert_eq!(lane(&sources, &source, now), LaneName::Suspicious);
    sources.note(&source, good(10), now);
    assert_eq!(lane(&sources, &source, now), LaneName::Proven);
    assert_eq!(lane(&sources, &source, now + 20 * MINUTE), LaneName::Unproven);
}

#[test]
fn replays_count_for_their_little_work_and_excuse_nothing() {
    let (mut sources, source, now) = (sources(8), Source::name("echo"), Instant::now());
    sources.note(&source, tally(vec![Verdict::Replay; 100]), now);
    assert_eq!(lane(&sources, &source, now), LaneName::Unproven);
    sources.note(&source, good(10), now);
    assert_eq!(lane(&sources, &source, now), LaneName::Proven);
    sources.note(&source, tally(vec![Verdict::UnknownRoot; 300]), now);
    assert_eq!(lane(&sources, &source, now), LaneName::Suspicious);
}

#[test]
fn a_forger_who_moves_within_his_block_is_known_there() {
    for hosts in [
        (0..200).map(|host| format!("192.0.2.{host}")).collect::<Vec<_>>(),
        (0..200).map(|link| format!("2001:db8:1:1{link:02x}::1")).collect(),
        (0..200).map(|site| format!("2001:db8:1:{site:x}00::1")).collect(),
    ] {
        let (mut sources, now) = (sources(1_000), Instant::now());
        let free = hosts
            .iter()
            .filter(|host| {
                let source = address(host);
                let is_free = lane(&sources, &source, now) != LaneName::Suspicious;
                sources.note(&source, forged(4), now);
                is_free
            })
            .count();
        assert!(free <= 16, "{free} of 200 hosts of a forger were not suspected");
        // Their addresses fill no table.
        assert!(sources.suspects() <= 24, "{} suspects", sources.suspects());
    }
}

#[test]
fn one_bad_host_does_not_doom_its_block_nor_a_bad_block_a_good_host() {
    let (mut sources, now) = (sources(100), Instant::now());
    for _ in 0..100 {
        sources.note(&address("192.0.2.1"), forged(64), now);
    }
    assert_eq!(lane(&sources, &address("192.0.2.2"), now), LaneName::Unproven);
    sources.note(&address("192.0.2.3"), good(1), now);
    for host in 100..110 {
        sources.note(&address(&format!("192.0.2.{host}")), forged(64), now);
    }
    assert_eq!(lane(&sources, &address("192.0.2.2"), now), LaneName::Suspicious);
    assert_eq!(lane(&sources, &address("192.0.2.3"), now), LaneName::Proven);
    assert_eq!(sources.place(&address("192.0.2.2"), now).flow, address("192.0.2.1").widest());
    // A good host in the block can prove itself.
    sources.note(&address("192.0.2.2"), good(1), now);
    assert_eq!(lane(&sources, &address("192.0.2.2"), now), LaneName::Proven);
}

#[test]
fn seventy_thousand_addresses_do_not_make_a_suspect_or_a_good_source_forgotten() {
    let (mut sources, now) = (sources(65_536), Instant::now());
    let (forger, friend) = (address("203.0.113.1"), address("198.51.100.1"));
    sources.note(&forger, forged(100), now);
    sources.note(&friend, good(1), now);
    for number in 0..70_000_u32 {
        let flooding = Source::address(core::net::Ipv4Addr::from_bits(number << 8 | 1).into());
        sources.note(&flooding, forged(1), now);
    }
    assert_eq!(lane(&sources, &forger, now), LaneName::Suspicious);
    assert_eq!(lane(&sources, &friend, now), LaneName::Proven);
}

#[test]
fn unproven_posts_go_in_small_batches_unless_forgeries_are_rare() {
    let mut trust = Trust::new(256);
    assert!(!trust.is_merged());
    assert_eq!(trust.batch(), 32);
    trust.note(100, 0);
    assert_eq!(trust.batch(), 100);
    trust.note(1_000, 0);
    assert!(trust.is_merged());
    // One in a hundred is rarer than one in 64.
    for _ in 0..100 {
        trust.note(100, 1);
        assert!(trust.is_merged());
    }
    for _ in 0..20 {
        trust.note(40, 1);
    }
    assert!(!trust.is_merged());
    trust.note(0, 50);
    assert_eq!(trust.batch(), 32);
}

/// Returns a submission of some posts, and the receiver of its answer.
fn submission(source: Source, posts: usize, now: Instant) -> (Submission, oneshot::Receiver<Vec<Verdict>>) {
    let (reply, answer) = oneshot::channel();
    let post = OwnedPost { scope: "room".into(), message: Bytes::new(), pass: Ok(Bytes::new()) };
    let work = Work::Posts { posts: vec![post; posts], verdicts: Vec::new(), reply };
    (Submission { source, work, queued_at: now, is_last: false }, answer)
}

/// A queue of proven, unproven and suspicious sources by name, and the receivers of the answers.
struct Waiting {
    queue: Queue,
    answers: Vec<oneshot::Receiver<Vec<Verdict>>>,
    now: Instant,
}

fn place(lane: LaneName, name: &str) -> Place {
    Place { lane, flow: Source::name(name) }
}

impl Waiting {
    fn new(settings: EngineSettings) -> Self {
        Self { queue: Queue::new(settings, COSTS), answers: Vec::new(), now: Instant::now() }
    }

    fn push(&mut self, lane: LaneName, name: &str, posts: usize) -> Result<(), usize> {
        let (submission, answer) = submission(Source::name(name), posts, self.now);
        self.answers.push(answer);
        self.queue.push(submission, place(lane, name)).map_err(|back| back.open())
    }

    fn take(&mut self) -> Batch {
        match self.queue.next(self.now) {
            Next::Verify(batch) => batch,
            other => panic!("{other:?}"),
        }
    }

    fn waits(&mut self) -> Duration {
        match self.queue.next(self.now) {
            Next::Wait(Some(time)) => time,
            other => panic!("{other:?}"),
        }
    }

    /// Finishes a batch of good posts.
    fn finish(&mut self, batch: &Batch) {
        self.queue.finish(batch.kind, batch.len() as f64, 0.0);
    }
}

fn counts(batch: &Batch) -> Vec<usize> {
    batch.portions.iter().map(|portion| portion.count).collect()
}

const PROVEN: LaneName = LaneName::Proven;
const UNPROVEN: LaneName = LaneName::Unproven;
const SUSPICIOUS: LaneName = LaneName::Suspicious;

#[test]
fn a_batch_goes_when_it_is_full_or_old_or_alone() {
    let mut waiting = Waiting::new(settings());
    assert!(matches!(waiting.queue.next(waiting.now), Next::Wait(None)));
    waiting.push(PROVEN, "a", 1).unwrap();
    assert_eq!(waiting.take().len(), 1);
    waiting.push(PROVEN, "a", 3).unwrap();
    // Another batch is in flight: wait for more posts.
    waiting.now += Duration::from_millis(2);
    assert_eq!(waiting.waits(), Duration::from_millis(3));
    waiting.push(PROVEN, "a", 12).unwrap();
    assert_eq!(waiting.waits(), Duration::from_millis(3));
    waiting.push(PROVEN, "a", 9).unwrap();
    // The batch is full: only a part of the last submission goes.
    assert_eq!(counts(&waiting.take()), [3, 12, 1]);
    waiting.push(PROVEN, "a", 1).unwrap();
    waiting.now += Duration::from_millis(5);
    assert_eq!(waiting.take().len(), 1);
    waiting.push(PROVEN, "a", 1).unwrap();
    waiting.waits();
    waiting.queue.stop();
    assert_eq!(waiting.take().len(), 1);
    assert!(matches!(waiting.queue.next(waiting.now), Next::End));
}

#[test]
fn beyond_the_bounds_a_submission_comes_back_whole() {
    let mut waiting = Waiting::new(settings());
    // A source gets no more places than it leaves free.
    assert_eq!(waiting.push(PROVEN, "a", 30), Ok(()));
    assert_eq!(waiting.push(PROVEN, "a", 5), Err(5));
    assert_eq!(waiting.push(PROVEN, "a", 4), Ok(()));
    assert_eq!(waiting.push(PROVEN, "b", 16), Ok(()));
    assert_eq!(waiting.push(PROVEN, "c", 15), Err(15));
    assert_eq!(waiting.push(PROVEN, "c", 14), Ok(()));
    assert_eq!(waiting.push(PROVEN, "d", 1), Err(1));
    // The other lanes are not affected.
    assert_eq!(waiting.push(UNPROVEN, "e", 64), Ok(()));
    assert_eq!(waiting.push(SUSPICIOUS, "f", 17), Err(17));
    assert_eq!(waiting.push(SUSPICIOUS, "f", 16), Ok(()));
    assert_eq!(waiting.queue.depth(), Depth { proven: 64, unproven: 64, suspicious: 16 });
    let mut waiting = Waiting::new(EngineSettings { max_queued_bytes: 10, ..settings() });
    assert_eq!(waiting.push(PROVEN, "a", 1), Err(1));
}

#[test]
fn sources_take_turns_whatever_each_of_them_sends() {
    let mut waiting = Waiting::new(settings());
    for _ in 0..8 {
        waiting.push(PROVEN, "many connections", 4).unwrap();
    }
    waiting.push(PROVEN, "a", 1).unwrap();
    waiting.push(PROVEN, "b", 6).unwrap();
    // Four of each in turn, and then more of the sources with more.
    assert_eq!(counts(&waiting.take()), [4, 4, 3, 1, 4]);
    // A later source does not wait longer because of it.
    waiting.push(PROVEN, "c", 1).unwrap();
    assert_eq!(counts(&waiting.take()), [4, 4, 4, 3, 1]);
}

#[test]
fn the_doubtful_go_when_nothing_else_waits_and_never_take_the_last_worker() {
    let mut waiting = Waiting::new(settings());
    waiting.push(SUSPICIOUS, "forger", 8).unwrap();
    waiting.push(UNPROVEN, "new", 4).unwrap();
    waiting.push(UNPROVEN, "new", 4).unwrap();
    let batch = waiting.take();
    assert_eq!(batch.kind, BatchKind::Doubtful { lane: UNPROVEN, at_expense: false, is_mostly_forged: false });
    assert_eq!(batch.len(), 1);
    // The other worker is reserved for proven posts.
    assert!(matches!(waiting.queue.next(waiting.now), Next::Wait(None)));
    waiting.push(PROVEN, "a", 1).unwrap();
    let large = waiting.take();
    assert_eq!(large.kind, BatchKind::Large);
    waiting.finish(&batch);
    // It would slow down the large batch.
    assert!(matches!(waiting.queue.next(waiting.now), Next::Wait(None)));
    waiting.finish(&large);
    // The two lanes take turns.
    let batch = waiting.take();
    assert_eq!(
        (batch.kind, batch.len()),
        (BatchKind::Doubtful { lane: SUSPICIOUS, at_expense: false, is_mostly_forged: true }, 1)
    );
}

#[test]
fn what_is_wasted_while_others_wait_is_a_small_share() {
    let mut waiting = Waiting::new(EngineSettings { max_queued: 1 << 20, ..settings() });
    for _ in 0..1_000 {
        waiting.push(PROVEN, "a", 1).unwrap();
        waiting.push(UNPROVEN, "b", 1).unwrap();
        waiting.push(SUSPICIOUS, "c", 1).unwrap();
    }
    let (mut work, mut wasted) = (0.0, 0.0);
    while waiting.queue.depth().proven > 0 {
        let batch = waiting.take();
        let posts = batch.len() as f64;
        // All doubtful posts are forged.
        let waste = if batch.kind == BatchKind::Large { 0.0 } else { 8.0 * posts };
        work += posts + waste;
        wasted += waste;
        waiting.queue.finish(batch.kind, posts + waste, waste);
    }
    assert!((0.03..0.07).contains(&(wasted / work)), "{wasted} of {work}");
}

#[test]
fn good_posts_of_the_doubtful_have_half_of_the_work_and_are_not_charged() {
    let mut waiting = Waiting::new(EngineSettings { max_queued: 1 << 20, ..settings() });
    for _ in 0..1_000 {
        waiting.push(PROVEN, "a", 1).unwrap();
        waiting.push(SUSPICIOUS, "gateway", 1).unwrap();
    }
    while waiting.queue.depth().proven > 500 {
        let batch = waiting.take();
        waiting.finish(&batch);
    }
    let left = waiting.queue.depth().suspicious;
    assert!((400..=600).contains(&left), "{left}");
}

#[test]
fn merged_newcomers_have_a_small_part_of_a_batch_and_each_a_few_posts() {
    let mut waiting =
        Waiting::new(EngineSettings { max_batch: NonZeroUsize::new(64).unwrap(), max_queued: 1_000, ..settings() });
    waiting.queue.note_unproven(100, 0);
    waiting.push(PROVEN, "a", 100).unwrap();
    for newcomer in 0..20 {
        waiting.push(UNPROVEN, &newcomer.to_string(), 20).unwrap();
    }
    let batch = waiting.take();
    let mut expected = vec![62];
    expected.extend([1; 2]);
    assert_eq!((batch.kind, counts(&batch)), (BatchKind::Large, expected));
    // The rest of `a` waits for its first posts. Newcomers alone fill a quarter.
    assert_eq!(counts(&waiting.take()), [1; 16]);
}

#[test]
fn a_forger_is_moved_and_whoever_left_is_dropped() {
    let mut schedule = Scheduler::new(&settings(), COSTS);
    let now = Instant::now();
    let mut answers = Vec::new();
    let mut submit = |schedule: &mut Scheduler, name: &str, posts| {
        let (submission, answer) = submission(Source::name(name), posts, now);
        if name != "gone" {
            answers.push(answer);
        }
        schedule.submit(submission, now).unwrap();
    };
    for name in ["forger", "a", "forger", "gone", "b"] {
        submit(&mut schedule, name, 3);
    }
    assert_eq!(schedule.depth().unproven, 15);
    let Next::Verify(batch) = schedule.next(now) else { panic!() };
    let verdicts = |portion: &Portion| match portion.submission.source == Source::name("forger") {
        true => Answer::Posts(vec![Verdict::InvalidProof; portion.count]),
        false => Answer::Posts(vec![Verdict::Accepted; portion.count]),
    };
    // The batch is small, because no source has a history: it takes one of each.
    assert_eq!(counts(&batch), [1, 1]);
    let answers_to_it = batch.portions.iter().map(verdicts).collect();
    assert!(schedule.finish(batch, answers_to_it, now).was_forging);
    let mut left = 15 - 2;
    while schedule.sources.place(&Source::name("forger"), now).lane != SUSPICIOUS {
        let Next::Verify(batch) = schedule.next(now) else { panic!() };
        left -= batch.len();
        let answers = batch.portions.iter().map(verdicts).collect();
        schedule.finish(batch, answers, now);
    }
    // The forger's waiting posts were moved to the suspicious lane.
    assert_eq!(schedule.depth().suspicious, 3);
    while let Next::Verify(batch) = schedule.next(now) {
        left -= batch.len();
        let answers = batch.portions.iter().map(verdicts).collect();
        schedule.finish(batch, answers, now);
    }
    // Posts whose sender has gone are dropped.
    assert_eq!((left, schedule.depth()), (3, Depth::default()));
}

/// A new source has sent many posts; after its first good ones the others do not wait with those of unknown
/// sources.
#[test]
fn waiting_posts_of_a_source_follow_it_when_it_is_proven() {
    let mut schedule = Scheduler::new(&settings(), COSTS);
    let now = Instant::now();
    let mut answers = Vec::new();
    for name in ["new", "new", "other"] {
        let (submission, answer) = submission(Source::name(name), 4, now);
        answers.push(answer);
        schedule.submit(submission, now).unwrap();
    }
    let Next::Verify(batch) = schedule.next(now) else { panic!() };
    assert_eq!(schedule.depth().proven, 0);
    let portions: Vec<_> = batch.portions.iter().map(|portion| portion.submission.source.clone()).collect();
    let good = batch.portions.iter().map(|portion| Answer::Posts(vec![Verdict::Accepted; portion.count])).collect();
    assert!(portions.contains(&Source::name("new")));
    schedule.finish(batch, good, now);
    let expected = if portions.contains(&Source::name("other")) { 0 } else { 4 };
    assert_eq!(schedule.depth().unproven, expected);
}

/// Returns a submission of posts, each with eight records.
fn with_records(source: Source, posts: usize, now: Instant) -> (Submission, oneshot::Receiver<Vec<Verdict>>) {
    let (mut submission, answer) = submission(source, posts, now);
    if let Work::Posts { posts, .. } = &mut submission.work {
        let mut pass = vec![0; MAX_RECORDED_BYTES];
        pass[..2].copy_from_slice(&[1, 3]);
        posts.iter_mut().for_each(|post| post.pass = Ok(pass.clone().into()));
    }
    (submission, answer)
}

/// Attack: posts with many records make a batch many times as long as it seems.
#[test]
fn a_post_takes_a_place_for_each_record_and_is_not_divided() {
    let mut waiting = Waiting::new(settings());
    let (submission, answer) = with_records(Source::name("a"), 3, waiting.now);
    assert_eq!((submission.open(), submission.places()), (3, 27));
    assert_eq!(
        [0, 9, 17, 18, 26, 100].map(|room| submission.portion(room)),
        [(1, 9), (1, 9), (1, 9), (2, 18), (2, 18), (3, 27)]
    );
    waiting.answers.push(answer);
    waiting.queue.push(submission, place(LaneName::Proven, "a")).unwrap();
    assert_eq!(waiting.queue.depth().proven, 27);
    let batch = waiting.take();
    assert_eq!((batch.len(), waiting.queue.depth().proven), (1, 0));
    // Fewer of them wait than posts without records: 64 places are free.
    waiting.finish(&batch);
    for (posts, is_taken) in [(3, true), (1, true), (1, false)] {
        let (submission, answer) = with_records(Source::name("b"), posts, waiting.now);
        waiting.answers.push(answer);
        assert_eq!(waiting.queue.push(submission, place(LaneName::Proven, "b")).is_ok(), is_taken);
    }
}

/// Attack: a struck member sends through a source with many good posts.
#[test]
fn a_submission_that_is_served_last_waits_with_the_suspicious() {
    let (mut schedule, source, now) = (Scheduler::new(&settings(), COSTS), Source::name("front"), Instant::now());
    schedule.sources.note(&source, good(50), now);
    let mut answers = Vec::new();
    for is_last in [false, true] {
        let (submission, answer) = submission(source.clone(), 1, now);
        answers.push(answer);
        schedule.submit(Submission { is_last, ..submission }, now).unwrap();
    }
    assert_eq!(schedule.depth(), Depth { proven: 1, unproven: 0, suspicious: 1 });
    match schedule.next(now) {
        Next::Verify(batch) => assert_eq!((batch.portions.len(), batch.portions[0].lane), (1, LaneName::Proven)),
        other => panic!("{other:?}"),
    }
}
