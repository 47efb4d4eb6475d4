//! The lines of the chat: accepted messages, and the count of refused ones.
//!
//! A refused message costs its sender nothing. So it is only counted, with the latest message of each verdict as an
//! example, and a listener gets the counts at most once a second. A flood then neither pushes messages off the pages nor
//! keeps them busy.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::response::sse::Event;
use futures_util::{Stream, stream};
use parking_lot::Mutex;
use quotapass_circuits::{
    formats::wire::PostPass,
    membership::Root,
    requirement::Requirement,
    share::{Nullifier, ShareValue},
};
use quotapass_protocol::{UnixSeconds, Verdict};
use serde::Serialize;
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Number of accepted messages that are kept for new listeners.
const KEPT: usize = 200;
/// Length limit of a refused message that is shown, in characters. The rest is left out.
const REFUSED_LENGTH: usize = 120;
/// Time between two reports of refused messages to one listener.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// A message with the relay's verdict and everything that the relay saw.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// Position among the accepted messages, from 1; refused messages have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    at: UnixSeconds,
    scope: String,
    message: String,
    #[serde(flatten)]
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
}

/// The fields of a pass without its proof.
#[derive(Debug, Serialize)]
struct Seen {
    nullifier: Nullifier,
    y: ShareValue,
    root: Root,
    epoch: u64,
    epoch_seconds: u32,
    #[serde(flatten)]
    requirement: Requirement,
    limit_cap: u16,
    bytes: usize,
}

impl Seen {
    fn new(bytes: &[u8]) -> Option<Self> {
        let pass = PostPass::from_bytes(bytes).ok()?;
        Some(Self {
            nullifier: pass.nullifier,
            y: pass.y,
            root: pass.root,
            epoch: pass.epoch.number(),
            epoch_seconds: pass.epoch.seconds().get(),
            requirement: pass.requirement,
            limit_cap: pass.limit_cap.get(),
            bytes: bytes.len(),
        })
    }
}

/// The refused messages.
#[derive(Clone, Debug, Default, Serialize)]
struct Refused {
    total: u64,
    /// By the verdict's name.
    verdicts: BTreeMap<&'static str, OfVerdict>,
}

/// The refused messages with one verdict.
#[derive(Clone, Debug, Serialize)]
struct OfVerdict {
    count: u64,
    latest: Arc<Line>,
}

/// The lines of a chat, and its listeners.
pub(super) struct Lines {
    accepted: Mutex<Accepted>,
    refused: watch::Sender<Refused>,
}

struct Accepted {
    kept: VecDeque<Arc<Line>>,
    said: u64,
    listeners: broadcast::Sender<Arc<Line>>,
}

impl Default for Lines {
    fn default() -> Self {
        let accepted = Accepted { kept: VecDeque::new(), said: 0, listeners: broadcast::Sender::new(KEPT) };
        Self { accepted: Mutex::new(accepted), refused: watch::Sender::default() }
    }
}

impl Lines {
    /// Publishes a message if it was accepted, and counts it otherwise. Returns it with its number.
    pub(super) fn publish(
        &self,
        scope: String,
        message: String,
        pass: Option<&[u8]>,
        verdict: Verdict,
        at: UnixSeconds,
    ) -> Arc<Line> {
        let seen = pass.and_then(Seen::new);
        if verdict != Verdict::Accepted {
            let line = Arc::new(Line { number: None, at, scope, message: shortened(message), verdict, seen });
            self.count(&line);
            return line;
        }
        let mut accepted = self.accepted.lock();
        accepted.said += 1;
        let line = Arc::new(Line { number: Some(accepted.said), at, scope, message, verdict, seen });
        accepted.kept.push_back(Arc::clone(&line));
        if accepted.kept.len() > KEPT {
            accepted.kept.pop_front();
        }
        // There may be no listener.
        let _ = accepted.listeners.send(Arc::clone(&line));
        line
    }

    fn count(&self, line: &Arc<Line>) {
        self.refused.send_modify(|refused| {
            refused.total += 1;
            refused
                .verdicts
                .entry(line.verdict.name())
                .and_modify(|it| *it = OfVerdict { count: it.count + 1, latest: Arc::clone(line) })
                .or_insert_with(|| OfVerdict { count: 1, latest: Arc::clone(line) });
        });
    }

    /// Returns the kept messages after the one with the number `last`, and then each new one, until the service stops.
    /// Reports of refused messages come between them, as events with the name `refused`.
    pub(super) fn listen(
        &self,
        last: u64,
        stopping: CancellationToken,
    ) -> impl Stream<Item = Result<Event, axum::Error>> + use<> {
        let (first, next) = {
            let accepted = self.accepted.lock();
            let first = accepted.kept.iter().filter(|line| line.number > Some(last)).cloned().collect();
            (first, accepted.listeners.subscribe())
        };
        let mut refused = self.refused.subscribe();
        if refused.borrow().total > 0 {
            refused.mark_changed();
        }
        let listener = Listener { first, next, refused, report_at: Instant::now(), stopping };
        stream::unfold(listener, |mut listener| async move { Some((listener.event().await?, listener)) })
    }
}

/// One who listens to the lines.
struct Listener {
    /// The lines that were kept, and are not sent yet.
    first: VecDeque<Arc<Line>>,
    next: broadcast::Receiver<Arc<Line>>,
    refused: watch::Receiver<Refused>,
    /// Time of the next report of refused messages, at the earliest.
    report_at: Instant,
    stopping: CancellationToken,
}

impl Listener {
    /// Returns the next event; none if the service stops, or if the listener was too slow. It then reconnects with the
    /// number of its last line.
    async fn event(&mut self) -> Option<Result<Event, axum::Error>> {
        if let Some(line) = self.first.pop_front() {
            return Some(said(&line));
        }
        tokio::select! {
            () = self.stopping.cancelled() => None,
            line = self.next.recv() => line.ok().map(|line| said(&line)),
            changed = changed(&mut self.refused, self.report_at) => {
                changed?;
                self.report_at = Instant::now() + REPORT_PAUSE;
                Some(Event::default().event("refused").json_data(&*self.refused.borrow_and_update()))
            }
        }
    }
}

/// Waits until `at`, and then until a value changes. Returns none if it cannot change any more.
async fn changed<T>(value: &mut watch::Receiver<T>, at: Instant) -> Option<()> {
    sleep_until(at).await;
    value.changed().await.ok()
}

fn said(line: &Line) -> Result<Event, axum::Error> {
    let number = line.number.unwrap_or_default();
    Event::default().id(number.to_string()).json_data(line)
}

/// Shortens a text to [`REFUSED_LENGTH`] characters.
fn shortened(text: String) -> String {
    match text.char_indices().nth(REFUSED_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, HttpBody as _},
        response::{IntoResponse as _, Sse},
    };
    use quotapass_protocol::Overload;
    use tokio::{runtime, time::timeout};

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    fn run<T>(work: impl Future<Output = T>) -> T {
        runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    fn say(lines: &Lines, message: &str, verdict: Verdict) -> Arc<Line> {
        lines.publish("lobby".into(), message.into(), None, verdict, NOW)
    }

    fn refusal() -> Verdict {
        Verdict::Overloaded(Overload::Queue)
    }

    /// What a browser receives.
    fn heard(lines: &Lines, last: u64) -> Body {
        Sse::new(lines.listen(last, CancellationToken::new())).into_response().into_body()
    }

    /// Returns the next event as text; none if there is none within a time.
    async fn next(body: &mut Body, within: Duration) -> Option<String> {
        let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context));
        let frame = timeout(within, frame).await.ok()??.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().into()).unwrap())
    }

    const SOON: Duration = Duration::from_millis(500);
    const LATE: Duration = Duration::from_secs(60);

    #[test]
    fn refused_messages_take_no_place_among_the_accepted() {
        run(async {
            let lines = Lines::default();
            let first = say(&lines, "first", Verdict::Accepted);
            for number in 0..2 * KEPT {
                assert_eq!(say(&lines, &format!("spam {number}"), refusal()).number, None);
            }
            let second = say(&lines, "second", Verdict::Accepted);
            assert_eq!((first.number, second.number), (Some(1), Some(2)));
            let mut body = heard(&lines, 0);
            for (number, message) in [(1, "first"), (2, "second")] {
                let event = next(&mut body, LATE).await.unwrap();
                assert!(event.contains(&format!("\"message\":\"{message}\"")), "{event}");
                assert!(event.contains(&format!("id: {number}")), "{event}");
            }
            let report = next(&mut body, LATE).await.unwrap();
            assert!(report.contains("event: refused") && report.contains("\"total\":400"), "{report}");
            assert!(report.contains("\"overloaded\":{\"count\":400") && report.contains("spam 399"), "{report}");
            assert!(!report.contains("spam 398"), "{report}");
        });
    }

    #[test]
    fn a_flood_is_reported_once_a_second() {
        run(async {
            let lines = Lines::default();
            let mut body = heard(&lines, 0);
            assert_eq!(next(&mut body, SOON).await, None, "a report of nothing");
            let (mut total, mut events) = (0, Vec::new());
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(1_500) {
                say(&lines, "spam", refusal());
                total += 1;
                events.extend(next(&mut body, Duration::from_millis(1)).await);
            }
            assert!(!events.is_empty() && events.len() as u64 <= begun.elapsed().as_secs() + 1, "{events:?}");
            // The last report is complete.
            say(&lines, "honest", Verdict::Accepted);
            while let Some(event) = next(&mut body, 3 * REPORT_PAUSE).await {
                events.push(event);
            }
            assert!(events.iter().any(|event| event.contains("honest")), "{events:?}");
            let last = events.iter().rfind(|event| event.contains("event: refused")).unwrap();
            assert!(last.contains(&format!("\"total\":{total}")), "{total} were refused: {last}");
        });
    }

    #[test]
    fn a_listener_that_reconnects_continues_after_its_last_line() {
        run(async {
            let lines = Lines::default();
            for number in 1..=KEPT + 5 {
                say(&lines, &format!("message {number}"), Verdict::Accepted);
            }
            let mut body = heard(&lines, 0);
            assert!(next(&mut body, LATE).await.unwrap().contains("\"message 6\""), "the oldest are not kept");
            let mut body = heard(&lines, 204);
            assert!(next(&mut body, LATE).await.unwrap().contains("\"message 205\""));
            assert_eq!(next(&mut body, SOON).await, None);
        });
    }

    #[test]
    fn a_long_refused_message_is_shortened_at_a_character() {
        let lines = Lines::default();
        let long = "ä".repeat(REFUSED_LENGTH + 1);
        assert_eq!(say(&lines, &long, refusal()).message, format!("{}…", "ä".repeat(REFUSED_LENGTH)));
        let fits = "ä".repeat(REFUSED_LENGTH);
        assert_eq!(say(&lines, &fits, refusal()).message, fits);
        assert_eq!(say(&lines, &long, Verdict::Accepted).message, long);
    }
}
