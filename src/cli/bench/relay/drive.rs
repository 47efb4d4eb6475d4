//! Sending what is planned, when it is planned.
//!
//! The loop is open: a request goes out when it is due, whatever became of those before it, and its latency counts from
//! that moment, so that a relay that stalls is not spared the requests it would have met meanwhile. If all connections
//! are busy a request waits for one, and that counts too. A closed loop, which keeps all connections busy and
//! nothing more, finds the highest rate.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep, sleep_until},
};

use super::{
    accounts::{Accounts, Answer},
    client::{NoVerdicts, RelayClient},
    journal::Journal,
    material::Material,
    plan::{Item, Plan, Request},
};

/// The first pause before a post is sent again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Latencies are kept in microseconds with three digits, up to an hour.
const LONGEST_LATENCY: u64 = 3_600_000_000;

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Requests that are on their way at a time, those with forgeries apart.
    pub(super) connections: usize,
    /// Send as fast as the connections allow, and not when due.
    pub(super) is_closed: bool,
    /// Send again what was not decided, until this long after the last request was due.
    pub(super) retry: Option<Duration>,
}

/// What is measured.
pub(super) struct Measured {
    /// From the first request to the last answer.
    pub(super) time: Duration,
    /// From the first request to the last answer to a post that is not forged.
    pub(super) honest_time: Duration,
    /// Of posts that are not forged, from when they were due to their verdict.
    pub(super) latencies: Histogram<u64>,
    /// Of forged posts.
    pub(super) forged_latencies: Histogram<u64>,
    /// Posts that were sent again.
    pub(super) retries: u64,
    /// Posts without an answer in the end. `overloaded` is one, unless such posts are sent again.
    pub(super) undecided: u64,
    /// Requests that got no verdicts, by reason.
    pub(super) failures: BTreeMap<String, u64>,
    /// Whether some of them were not understood, by either side.
    pub(super) misunderstood: bool,
}

/// A request on its way.
struct Sending {
    due: Instant,
    items: Vec<Item>,
    is_forged: bool,
    from: IpAddr,
    attempt: u32,
}

/// A request that came back.
struct Reply {
    sending: Sending,
    verdicts: Result<Vec<Answer>, NoVerdicts>,
    at: Instant,
}

/// One kind of poster: its connections.
#[derive(Clone)]
struct Lane {
    client: RelayClient,
    connections: Arc<Semaphore>,
}

/// What sends.
#[derive(Clone)]
struct Sender {
    material: Arc<Material>,
    /// Of posters who do not forge, and of those who do.
    lanes: [Lane; 2],
    replies: mpsc::UnboundedSender<Reply>,
}

impl Sender {
    fn lane(&self, sending: &Sending) -> &Lane {
        &self.lanes[usize::from(sending.is_forged)]
    }

    /// Sends every request when it is due, or when a connection is free.
    async fn dispatch(self, requests: Vec<Request>, is_closed: bool, begun: Instant) {
        for Request { due, items, is_forged, from } in requests {
            let mut sending = Sending { due: begun + due, items, is_forged, from, attempt: 0 };
            let sender = self.clone();
            if is_closed {
                let connections = self.lane(&sending).connections.clone();
                // The semaphore is never closed.
                let permit = connections.acquire_owned().await;
                sending.due = Instant::now();
                tokio::spawn(async move {
                    sender.send_now(sending).await;
                    drop(permit);
                });
            } else {
                sleep_until(sending.due).await;
                tokio::spawn(sender.send(sending));
            }
        }
    }

    async fn send(self, sending: Sending) {
        let connections = self.lane(&sending).connections.clone();
        let _permit = connections.acquire().await;
        self.send_now(sending).await;
    }

    async fn send_now(&self, sending: Sending) {
        let client = &self.lane(&sending).client;
        let verdicts = match client.body(&self.material, &sending.items) {
            Ok(body) => client.send(body, sending.items.len(), sending.from).await,
            Err(error) => Err(NoVerdicts::Wrong(format!("{error:#}"))),
        };
        // Whoever counted is gone if the run was given up.
        let _ = self.replies.send(Reply { sending, verdicts, at: Instant::now() });
    }
}

/// Sends a plan, and notes all answers.
pub(super) struct Driver<'a> {
    pub(super) material: Arc<Material>,
    pub(super) pace: Pace,
    /// For posts that are not forged, and for those that are.
    pub(super) clients: [RelayClient; 2],
    pub(super) accounts: &'a mut Accounts,
    pub(super) journal: Option<&'a mut Journal>,
    pub(super) bar: ProgressBar,
}

impl Driver<'_> {
    pub(super) async fn run(&mut self, plan: Plan) -> Result<Measured> {
        let lane = |client| Lane { client, connections: Arc::new(Semaphore::new(self.pace.connections)) };
        let (replies, mut replied) = mpsc::unbounded_channel();
        let sender = Sender { material: self.material.clone(), lanes: self.clients.clone().map(lane), replies };
        let mut measured = Measured::new()?;
        let mut waiting = plan.posts();
        let last_due = plan.requests.last().map_or(Duration::ZERO, |request| request.due);
        let begun = Instant::now();
        let deadline = self.pace.retry.map(|patience| begun + last_due + patience);
        // Who forges may be served last, and must not hold up the others here either.
        let (forged, honest): (Vec<_>, Vec<_>) = plan.requests.into_iter().partition(|request| request.is_forged);
        let dispatchers = [honest, forged]
            .map(|requests| tokio::spawn(sender.clone().dispatch(requests, self.pace.is_closed, begun)));
        while waiting > 0 {
            let reply = replied.recv().await.context("the requests ended before their answers")?;
            measured.time = reply.at - begun;
            if !reply.sending.is_forged {
                measured.honest_time = measured.time;
            }
            let answered = reply.sending.items.len() as u64;
            waiting -= answered;
            self.bar.inc(answered);
            if let Some(again) = self.note(reply, deadline, &mut measured)? {
                let count = again.items.len() as u64;
                waiting += count;
                measured.retries += count;
                self.bar.inc_length(count);
                let sender = sender.clone();
                // Where connections are kept busy, what is left at the end must not sleep while nothing else is sent.
                let pause = if self.pace.is_closed { FIRST_PAUSE } else { pause(again.attempt) };
                tokio::spawn(async move {
                    sleep(pause).await;
                    sender.send(again).await;
                });
            }
        }
        for dispatcher in dispatchers {
            dispatcher.await.context("the requests were not all sent")?;
        }
        Ok(measured)
    }

    /// Notes what was answered, and returns what is to be sent again.
    fn note(&mut self, reply: Reply, deadline: Option<Instant>, measured: &mut Measured) -> Result<Option<Sending>> {
        let Reply { sending, verdicts, at } = reply;
        let latency = (at - sending.due).as_micros() as u64;
        let count = sending.items.len();
        let mut is_final = deadline.is_none_or(|deadline| at >= deadline);
        let answers = verdicts.unwrap_or_else(|error| {
            *measured.failures.entry(reason(&error)).or_default() += 1;
            is_final |= matches!(error, NoVerdicts::Wrong(_));
            measured.misunderstood |= matches!(error, NoVerdicts::Wrong(_));
            vec![Answer::Lost; count]
        });
        let histogram = if sending.is_forged { &mut measured.forged_latencies } else { &mut measured.latencies };
        let mut again = Vec::new();
        for (item, answer) in sending.items.iter().zip(answers) {
            self.accounts.add(*item, answer);
            if let Some(journal) = &mut self.journal {
                journal.add(*item, answer)?;
            }
            if answer.is_decided() {
                histogram.saturating_record(latency);
            } else if !is_final {
                again.push(*item);
            } else if deadline.is_some() || answer == Answer::Lost {
                measured.undecided += 1;
            }
        }
        if let Some(journal) = &mut self.journal {
            journal.flush()?;
        }
        let attempt = sending.attempt + 1;
        Ok((!again.is_empty()).then_some(Sending { items: again, attempt, ..sending }))
    }
}

impl Measured {
    fn new() -> Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_LATENCY, 3).context("cannot count latencies");
        Ok(Self {
            time: Duration::ZERO,
            honest_time: Duration::ZERO,
            latencies: histogram()?,
            forged_latencies: histogram()?,
            retries: 0,
            undecided: 0,
            failures: BTreeMap::new(),
            misunderstood: false,
        })
    }
}

fn pause(attempt: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

/// The kind of failure, without what differs from one to the next.
fn reason(error: &NoVerdicts) -> String {
    match error {
        NoVerdicts::Lost(error) if error.is_timeout() => "timed out".into(),
        NoVerdicts::Lost(error) if error.is_connect() => "could not connect".into(),
        NoVerdicts::Lost(_) => "the connection broke".into(),
        error => error.to_string(),
    }
}
