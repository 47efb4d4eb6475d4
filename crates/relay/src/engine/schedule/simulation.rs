//! Simulated attacks on the scheduler, with a simulated clock and simulated work: the behaviour of a relay with two
//! cores under each attack.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bytes::Bytes;
use quotapass_protocol::Verdict;
use tokio::sync::oneshot;

use super::{tests::COSTS, *};
use crate::{
    BadgeAnswer,
    engine::{
        Source,
        submission::{OwnedBadge, OwnedPost, Work},
    },
};

/// The work capacity per second, in good posts of a large batch.
const CAPACITY: f64 = 9_000.0;
/// The fixed cost of a batch, in addition to its posts.
const BATCH: f64 = 4.0;
/// The time after which a refused client sends again.
const PAUSE: Duration = Duration::from_millis(20);

/// The pace at which a client sends.
#[derive(Clone, Copy)]
enum Pace {
    /// This many requests at a time; the next one is sent when one is answered.
    Closed(usize),
    /// This many requests a second.
    Open(f64),
}

/// A client that sends from one source or from many.
struct Client {
    pace: Pace,
    posts: usize,
    /// One in this many requests is forged; none if zero.
    forged_in: usize,
    /// Whether it sends badges instead of posts.
    sends_badges: bool,
    /// The source of a request by its number.
    source: Box<dyn Fn(usize) -> Source>,
}

impl Client {
    fn honest(number: usize, pace: Pace, posts: usize) -> Self {
        let address = Source::address(Ipv4Addr::from_bits(0x0a00_0001 + ((number as u32) << 8)).into());
        Self { pace, posts, forged_in: 0, sends_badges: false, source: Box::new(move |_| address.clone()) }
    }

    fn forger(pace: Pace, posts: usize, source: impl Fn(usize) -> Source + 'static) -> Self {
        Self { pace, posts, forged_in: 1, sends_badges: false, source: Box::new(source) }
    }
}

/// The results of a client's posts.
#[derive(Clone, Default)]
struct Outcome {
    requests: usize,
    good: usize,
    refused: usize,
    latencies: Vec<Duration>,
}

impl Outcome {
    fn p99(&self) -> Duration {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        latencies[latencies.len() * 99 / 100]
    }
}

struct Running {
    batch: Batch,
    work_left: f64,
}

struct Simulation {
    schedule: Scheduler,
    workers: usize,
    clients: Vec<Client>,
    outcomes: Vec<Outcome>,
    begun: Instant,
    now: Instant,
    /// The times at which clients send.
    due: std::collections::BTreeSet<(Instant, u64, usize)>,
    sent: u64,
    running: Vec<Running>,
    answers: Vec<oneshot::Receiver<Vec<Verdict>>>,
    holders: Vec<oneshot::Receiver<BadgeAnswer>>,
}

/// Runs clients for the given time.
fn run(clients: Vec<Client>, time: Duration) -> Vec<Outcome> {
    let settings = EngineSettings { workers: core::num::NonZeroUsize::new(2).unwrap(), ..EngineSettings::default() };
    let now = Instant::now();
    let mut simulation = Simulation {
        schedule: Scheduler::new(&settings, COSTS),
        workers: settings.workers.get(),
        outcomes: vec![Outcome::default(); clients.len()],
        clients,
        begun: now,
        now,
        due: Default::default(),
        sent: 0,
        running: Vec::new(),
        answers: Vec::new(),
        holders: Vec::new(),
    };
    for client in 0..simulation.clients.len() {
        let connections = match simulation.clients[client].pace {
            Pace::Closed(connections) => connections,
            Pace::Open(_) => 1,
        };
        (0..connections).for_each(|_| simulation.sends(client, now));
    }
    while simulation.now < now + time {
        simulation.step();
    }
    simulation.outcomes
}

impl Simulation {
    fn sends(&mut self, client: usize, at: Instant) {
        self.sent += 1;
        self.due.insert((at, self.sent, client));
    }

    fn step(&mut self) {
        while self.due.first().is_some_and(|(at, ..)| *at <= self.now) {
            let (_, _, client) = self.due.pop_first().unwrap();
            self.send(client);
        }
        let mut wait = None;
        while self.running.len() < self.workers {
            match self.schedule.next(self.now) {
                Next::Verify(batch) => {
                    let work_left = work(&batch);
                    self.running.push(Running { batch, work_left });
                }
                Next::Wait(time) => {
                    wait = time;
                    break;
                }
                Next::End => break,
            }
        }
        // The running batches share the cores.
        let rate = CAPACITY / self.running.len().max(1) as f64;
        let least = self.running.iter().map(|running| running.work_left).fold(f64::MAX, f64::min);
        let finishes = (least < f64::MAX).then(|| Duration::from_secs_f64(least / rate));
        let sends = self.due.first().map(|(at, ..)| at.saturating_duration_since(self.now));
        let time = [finishes, sends, wait].into_iter().flatten().min().unwrap();
        let time = time.max(Duration::from_nanos(1));
        self.now += time;
        for running in &mut self.running {
            running.work_left -= rate * time.as_secs_f64();
        }
        while let Some(finished) = self.running.iter().position(|running| running.work_left <= 1e-6) {
            let Running { batch, .. } = self.running.swap_remove(finished);
            self.finish(batch);
        }
    }

    fn send(&mut self, number: usize) {
        let (client, outcome) = (&self.clients[number], &mut self.outcomes[number]);
        let is_forged = client.forged_in > 0 && outcome.requests % client.forged_in == 0;
        let work = if client.sends_badges {
            let (reply, answer) = oneshot::channel();
            self.holders.push(answer);
            let badge = OwnedBadge { scope: number.to_string(), pass: Ok(Bytes::new()), key_check: None };
            Work::Badge { badge, answer: None, reply }
        } else {
            let (reply, answer) = oneshot::channel();
            self.answers.push(answer);
            let message = Bytes::copy_from_slice(&[u8::from(is_forged)]);
            let post = OwnedPost { scope: number.to_string(), message, pass: Ok(Bytes::new()) };
            Work::Posts { posts: vec![post; client.posts], verdicts: Vec::new(), reply }
        };
        let source = (client.source)(outcome.requests);
        outcome.requests += 1;
        let (pace, begun, requests) = (client.pace, self.begun, outcome.requests);
        match self.schedule.submit(Submission { source, work, queued_at: self.now, is_last: false }, self.now) {
            Ok(()) => {}
            Err(refused) => {
                self.outcomes[number].refused += refused.open();
                if let Pace::Closed(_) = pace {
                    self.sends(number, self.now + PAUSE);
                }
            }
        }
        if let Pace::Open(rate) = pace {
            self.sends(number, begun + Duration::from_secs_f64(requests as f64 / rate));
        }
    }

    fn finish(&mut self, batch: Batch) {
        let answers = batch.portions.iter().map(|portion| match &portion.submission.work {
            Work::Badge { .. } => Answer::Badge(Verdict::Accepted.into()),
            Work::Posts { .. } if is_forged(&portion.submission) => {
                Answer::Posts(vec![Verdict::InvalidProof; portion.count])
            }
            Work::Posts { .. } => Answer::Posts(vec![Verdict::Accepted; portion.count]),
        });
        let answers = answers.collect();
        for done in self.schedule.finish(batch, answers, self.now).done {
            let (client, count) = match &done.work {
                Work::Posts { posts, .. } => (&posts[0].scope, posts.len()),
                Work::Badge { badge, .. } => (&badge.scope, 1),
            };
            let client: usize = client.parse().unwrap();
            let outcome = &mut self.outcomes[client];
            if !is_forged(&done) {
                outcome.good += count;
                outcome.latencies.push(self.now - done.queued_at);
            }
            if let Pace::Closed(_) = self.clients[client].pace {
                self.sends(client, self.now);
            }
        }
    }
}

fn is_forged(submission: &Submission) -> bool {
    matches!(&submission.work, Work::Posts { posts, .. } if posts[0].message[0] == 1)
}

/// Returns the work of a batch: finding k forgeries in n posts takes about k log2(n / k) further answers. Each badge is
/// verified alone.
fn work(batch: &Batch) -> f64 {
    let posts = batch.len() as f64;
    let badges = batch.portions.iter().filter(|portion| matches!(portion.submission.work, Work::Badge { .. })).count();
    let forged: usize =
        batch.portions.iter().filter(|portion| is_forged(&portion.submission)).map(|portion| portion.count).sum();
    let forged = forged as f64;
    let search = if forged > 0.0 { forged * (6.0 + 3.0 * (posts / forged).log2()) } else { 0.0 };
    BATCH + posts + badges as f64 * (COSTS.forgery - 1.0) + search
}

/// Honest sources that keep the relay busy.
fn busy() -> Vec<Client> {
    (0..32).map(|number| Client::honest(number, Pace::Closed(1), 64)).collect()
}

fn good(outcomes: &[Outcome]) -> f64 {
    outcomes.iter().map(|outcome| outcome.good as f64).sum()
}

const TIME: Duration = Duration::from_secs(10);

/// Returns the good posts of busy sources during an attack, as a fraction of those without the attack.
fn kept(attacker: Client) -> f64 {
    kept_from([attacker])
}

fn kept_from(attackers: impl IntoIterator<Item = Client>) -> f64 {
    let alone = good(&run(busy(), TIME));
    let attacked = run(busy().into_iter().chain(attackers).collect(), TIME);
    good(&attacked[..busy().len()]) / alone
}

fn one_address(_: usize) -> Source {
    Source::address(Ipv4Addr::new(203, 0, 113, 7).into())
}

/// Returns another one of 70,000 /24 blocks with each request.
fn many_addresses(number: usize) -> Source {
    Source::address(Ipv4Addr::from_bits(0x2000_0001 + (((number % 70_000) as u32) << 8)).into())
}

/// Returns another /64 of a home line's /56 with each request.
fn home_line(number: usize) -> Source {
    let prefix = 0x2001_0db8_0001_0100_u128 + (number % 256) as u128;
    Source::address(Ipv6Addr::from_bits(prefix << 64 | 1).into())
}

#[test]
fn seventy_thousand_addresses_do_no_more_harm_than_one() {
    for (connections, posts) in [(16, 64), (1_024, 1)] {
        let one = kept(Client::forger(Pace::Closed(connections), posts, one_address));
        let many = kept(Client::forger(Pace::Closed(connections), posts, many_addresses));
        assert!(one >= 0.9 && many >= 0.9 && many >= one - 0.02, "{one} with one address, {many} with 70,000");
    }
}

#[test]
fn a_home_line_costs_at_most_a_tenth() {
    for (connections, posts) in [(16, 64), (1_024, 1)] {
        let kept = kept(Client::forger(Pace::Closed(connections), posts, home_line));
        assert!(kept >= 0.9, "{kept}");
    }
}

/// Attack: somebody changes the proof of a public badge again and again, so that it is verified each time. A few
/// forgeries keep unproven sources in batches of their own.
#[test]
fn a_badge_in_ever_new_forms_costs_little() {
    let badges =
        |source: fn(usize) -> Source| Client { sends_badges: true, ..Client::forger(Pace::Closed(64), 1, source) };
    let forgeries = || Client::forger(Pace::Open(2.0), 1, many_addresses);
    for source in [one_address, home_line, many_addresses] {
        let with_forgeries = kept_from([badges(source), forgeries()]);
        assert!(with_forgeries >= 0.85, "{with_forgeries} with forgeries");
    }
    for source in [one_address, home_line, many_addresses] {
        let alone = kept(badges(source));
        assert!(alone >= 0.9, "{alone} alone");
    }
}

#[test]
fn many_people_behind_one_address_keep_their_share() {
    let gateway = || Source::address(Ipv4Addr::new(198, 51, 100, 1).into());
    // Fifty people behind one address send fifty posts a second; one more is a forger.
    let people = Client { source: Box::new(move |_| gateway()), ..Client::honest(0, Pace::Open(50.0), 1) };
    for (forgeries, least) in [(1.0, 0.97), (25.0, 0.9), (100.0, 0.3)] {
        let people = Client { source: Box::new(move |_| gateway()), ..Client::honest(0, people.pace, 1) };
        let forger = Client::forger(Pace::Open(forgeries), 1, move |_| gateway());
        let flood = Client::forger(Pace::Closed(16), 64, one_address);
        let clients = busy().into_iter().chain([flood, forger, people]).collect();
        let outcomes = run(clients, 4 * TIME);
        let people = outcomes.last().unwrap();
        let kept = people.good as f64 / people.requests as f64;
        assert!(kept >= least, "{kept} of them with {forgeries} forgeries a second");
    }
}

#[test]
fn sixty_four_connections_of_one_source_do_not_delay_another() {
    let hog = Client::honest(1, Pace::Closed(64), 64);
    let other = Client::honest(2, Pace::Open(20.0), 1);
    let outcomes = run(vec![hog, other], TIME);
    let slowest = *outcomes[1].latencies.iter().max().unwrap();
    assert_eq!(outcomes[1].refused, 0);
    // A newcomer waits for the two large batches that share the cores.
    assert!(outcomes[1].good >= 95 && slowest <= Duration::from_millis(130), "{slowest:?}");
    assert!(outcomes[0].good as f64 > 0.9 * CAPACITY * TIME.as_secs_f64());
}

#[test]
fn at_half_load_honest_posts_lose_nothing_and_do_not_wait_for_forgeries() {
    let rate = CAPACITY / 2.0;
    for source in [one_address, many_addresses, home_line] {
        let honest = (0..64).map(|number| Client::honest(number, Pace::Open(rate / 64.0), 1));
        let clients: Vec<_> = honest.chain([Client::forger(Pace::Open(rate), 1, source)]).collect();
        let outcomes = run(clients, TIME);
        let honest = &outcomes[..64];
        assert!(honest.iter().all(|outcome| outcome.refused == 0));
        let latencies = honest.iter().flat_map(|outcome| outcome.latencies.clone()).collect();
        let p99 = Outcome { latencies, ..Outcome::default() }.p99();
        assert!(p99 <= Duration::from_millis(100), "{p99:?}");
    }
}
