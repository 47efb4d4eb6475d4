//! Sends the planned requests at the planned times.
//!
//! The loop is open: a request is sent when it is due, even if earlier ones have no answer, and its latency counts from
//! that moment. So a stalled relay still gets the requests of that time (no coordinated omission). If all connections
//! are busy, a request waits for one, and the wait counts too. A closed loop, which only keeps all connections busy,
//! finds the highest rate.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use hdrhistogram::Histogram;
use quotapass_protocol::VerdictKind;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    LoadError, LoadProgress, Observe,
    accounts::{Accounts, Answer},
    client::{NoVerdicts, RelayClient},
    journal::Journal,
    material::Material,
    plan::{Item, Plan, Request},
};

/// The first pause before a post is sent again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest latency that is recorded, in microseconds: an hour. Latencies have three significant digits.
const LONGEST_LATENCY: u64 = 3_600_000_000;

/// The settings for sending requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Number of concurrent requests; requests with forgeries have the same number separately.
    pub(crate) connections: usize,
    /// Whether to send as fast as the connections allow, instead of when due.
    pub(crate) is_closed: bool,
    /// Send undecided posts again, until this time after the last request was due.
    pub(crate) retry: Option<Duration>,
}

/// The measurements of a run.
pub(crate) struct Measured {
    /// Time from the first request to the last answer.
    pub(crate) time: Duration,
    /// Time from the first request to the last answer to a post that is not forged.
    pub(crate) honest_time: Duration,
    /// Latencies of posts that are not forged, from their due time to their verdict.
    pub(crate) latencies: Histogram<u64>,
    /// Latencies of forged posts.
    pub(crate) forged_latencies: Histogram<u64>,
    /// Number of posts that were sent again.
    pub(crate) retries: u64,
    /// Number of posts without a final answer. `overloaded` counts as an answer, unless such posts are sent again.
    pub(crate) undecided: u64,
    /// Number of requests without verdicts, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Whether the relay or this program did not understand the other in one of them.
    pub(crate) misunderstood: bool,
}

/// A request that is being sent.
struct Sending {
    due: Instant,
    items: Vec<Item>,
    is_forged: bool,
    from: IpAddr,
    attempt: u32,
}

/// The reply to a request.
struct Reply {
    sending: Sending,
    verdicts: Result<Vec<VerdictKind>, NoVerdicts>,
    at: Instant,
}

/// The connections of one kind of poster.
#[derive(Clone)]
struct Lane {
    client: RelayClient,
    connections: Arc<Semaphore>,
}

/// Sends requests and passes on the replies.
#[derive(Clone)]
struct Sender {
    material: Arc<Material>,
    /// The lanes of honest posters and of forgers.
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
            Err(error) => Err(error),
        };
        // Fails only if the run was aborted.
        let _ = self.replies.send(Reply { sending, verdicts, at: Instant::now() });
    }
}

/// Sends a plan, and records all answers.
pub(crate) struct Driver<'a> {
    pub(crate) material: Arc<Material>,
    pub(crate) pace: Pace,
    /// The clients for honest posts and for forged posts.
    pub(crate) clients: [RelayClient; 2],
    pub(crate) accounts: &'a mut Accounts,
    pub(crate) journal: Option<&'a mut Journal>,
    pub(crate) progress: Observe<'a>,
    /// Number of answered posts, and of all posts.
    pub(crate) answered: u64,
    pub(crate) all: u64,
}

impl Driver<'_> {
    pub(crate) async fn run(&mut self, plan: Plan) -> Result<Measured, LoadError> {
        let lane = |client| Lane { client, connections: Arc::new(Semaphore::new(self.pace.connections)) };
        let (replies, mut replied) = mpsc::unbounded_channel();
        let sender = Sender { material: self.material.clone(), lanes: self.clients.clone().map(lane), replies };
        let mut measured = Measured::new()?;
        let mut waiting = plan.posts();
        let last_due = plan.requests.last().map_or(Duration::ZERO, |request| request.due);
        let begun = Instant::now();
        let deadline = self.pace.retry.map(|patience| begun + last_due + patience);
        // The relay may serve forgers last; they must not delay the honest posters on this side either.
        let (forged, honest): (Vec<_>, Vec<_>) = plan.requests.into_iter().partition(|request| request.is_forged);
        let dispatchers = [honest, forged]
            .map(|requests| tokio::spawn(sender.clone().dispatch(requests, self.pace.is_closed, begun)));
        while waiting > 0 {
            let reply = replied.recv().await.ok_or(LoadError::Interrupted)?;
            measured.time = reply.at - begun;
            if !reply.sending.is_forged {
                measured.honest_time = measured.time;
            }
            let answered = reply.sending.items.len() as u64;
            waiting -= answered;
            self.answered += answered;
            if let Some(again) = self.note(reply, deadline, &mut measured)? {
                let count = again.items.len() as u64;
                waiting += count;
                measured.retries += count;
                self.all += count;
                let sender = sender.clone();
                // In a closed loop, the last retries must not sleep long while nothing else is sent.
                let pause = if self.pace.is_closed { FIRST_PAUSE } else { pause(again.attempt) };
                tokio::spawn(async move {
                    sleep(pause).await;
                    sender.send(again).await;
                });
            }
            (self.progress)(LoadProgress::Posts { done: self.answered, all: self.all });
        }
        for dispatcher in dispatchers {
            dispatcher.await.map_err(|_| LoadError::Interrupted)?;
        }
        Ok(measured)
    }

    /// Records the answers of a reply, and returns the posts to send again.
    fn note(
        &mut self,
        reply: Reply,
        deadline: Option<Instant>,
        measured: &mut Measured,
    ) -> Result<Option<Sending>, LoadError> {
        let Reply { sending, verdicts, at } = reply;
        let latency = (at - sending.due).as_micros() as u64;
        let count = sending.items.len();
        let mut is_final = deadline.is_none_or(|deadline| at >= deadline);
        let answers = match verdicts {
            Ok(verdicts) => verdicts.into_iter().map(Answer::Verdict).collect(),
            Err(error) => {
                *measured.failures.entry(reason(&error)).or_default() += 1;
                is_final |= matches!(error, NoVerdicts::Wrong(_));
                measured.misunderstood |= matches!(error, NoVerdicts::Wrong(_));
                vec![Answer::Lost; count]
            }
        };
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
    fn new() -> Result<Self, LoadError> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_LATENCY, 3);
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

/// Returns the kind of a failure, without its details.
fn reason(error: &NoVerdicts) -> String {
    match error {
        NoVerdicts::Lost(error) if error.is_timeout() => "timed out".into(),
        NoVerdicts::Lost(error) if error.is_connect() => "could not connect".into(),
        NoVerdicts::Lost(_) => "the connection broke".into(),
        error => error.to_string(),
    }
}
