//! The lines of the chat: accepted messages with what moderation made of them, and the count of refused ones.
//!
//! A refused message costs its sender nothing. So it is only counted, with the latest message of each verdict as an
//! example, and a listener gets the counts at most once a second. A flood then neither pushes messages off the pages nor
//! keeps them busy.
//!
//! The text of a message that is held or hidden is not sent to listeners until a moderator releases it. The text of a
//! deleted message is forgotten.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::response::sse::Event;
use futures_util::{Stream, stream};
use parking_lot::Mutex;
use quotapass_circuits::{
    formats::{recorded::RecordedPass, wire::PostPass},
    membership::Root,
    requirement::Requirement,
    share::{Nullifier, ShareValue},
};
use quotapass_protocol::{
    UnixSeconds, Verdict,
    moderation::{EventKind, PostState},
};
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
#[derive(Clone, Debug, Serialize)]
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

/// The fields of a pass without its proofs.
#[derive(Clone, Debug, Serialize)]
struct Seen {
    nullifier: Nullifier,
    y: ShareValue,
    root: Root,
    epoch: u64,
    epoch_seconds: u32,
    #[serde(flatten)]
    requirement: Requirement,
    limit_cap: u16,
    /// Number of proofs that the author wrote none of the listed posts.
    records: usize,
    bytes: usize,
}

impl Seen {
    fn new(bytes: &[u8]) -> Option<Self> {
        let (pass, records) = match RecordedPass::from_bytes(bytes) {
            Ok(pass) => {
                let records = pass.lists().iter().map(|list| list.proofs.len()).sum();
                (pass.post, records)
            }
            Err(_) => (PostPass::from_bytes(bytes).ok()?, 0),
        };
        Some(Self {
            nullifier: pass.nullifier,
            y: pass.y,
            root: pass.root,
            epoch: pass.epoch.number(),
            epoch_seconds: pass.epoch.seconds().get(),
            requirement: pass.requirement,
            limit_cap: pass.limit_cap.get(),
            records,
            bytes: bytes.len(),
        })
    }
}

/// What moderation made of an accepted message.
#[derive(Clone, Debug, Serialize)]
struct Moderated {
    /// The number of the message.
    number: Option<u64>,
    state: PostState,
    /// Whether the message is on the list of struck posts.
    is_struck: bool,
    /// The text, if readers should see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// An accepted message that is kept.
struct Kept {
    /// Without its text if the message was deleted.
    line: Arc<Line>,
    state: PostState,
    is_struck: bool,
    /// Whether an event of moderation was about the message.
    is_moderated: bool,
}

impl Kept {
    fn is_of(&self, nullifier: Nullifier) -> bool {
        self.line.seen.as_ref().is_some_and(|seen| seen.nullifier == nullifier)
    }

    /// The line with as much of its text as readers should see.
    fn shown(&self) -> Arc<Line> {
        match self.state {
            PostState::Visible => Arc::clone(&self.line),
            _ => Arc::new(without_text(&self.line)),
        }
    }

    fn moderated(&self) -> Moderated {
        let message = (self.state == PostState::Visible).then(|| self.line.message.clone());
        Moderated { number: self.line.number, state: self.state, is_struck: self.is_struck, message }
    }

    /// Applies an event. Returns whether it changes something. Nothing follows a deletion but strikes and lifts.
    fn apply(&mut self, kind: EventKind) -> bool {
        let before = (self.state, self.is_struck);
        match kind {
            EventKind::Struck => self.is_struck = true,
            EventKind::Lifted => self.is_struck = false,
            EventKind::Appealed | EventKind::Answered => {}
            _ if self.state == PostState::Deleted => {}
            EventKind::Held => self.state = PostState::Held,
            EventKind::Released => self.state = PostState::Visible,
            EventKind::Hidden => self.state = PostState::Hidden,
            EventKind::Deleted => {
                self.state = PostState::Deleted;
                self.line = Arc::new(without_text(&self.line));
            }
        }
        let is_changed = before != (self.state, self.is_struck);
        self.is_moderated |= is_changed;
        is_changed
    }
}

fn without_text(line: &Line) -> Line {
    Line { message: String::new(), ..line.clone() }
}

/// What listeners get besides the counts of refused messages.
#[derive(Clone)]
enum News {
    Said(Arc<Line>),
    Moderated(Moderated),
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
    kept: VecDeque<Kept>,
    said: u64,
    listeners: broadcast::Sender<News>,
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
        let kept = Kept { line: Arc::clone(&line), state: PostState::Visible, is_struck: false, is_moderated: false };
        accepted.kept.push_back(kept);
        if accepted.kept.len() > KEPT {
            accepted.kept.pop_front();
        }
        // There may be no listener.
        let _ = accepted.listeners.send(News::Said(Arc::clone(&line)));
        line
    }

    /// Applies an event of moderation to the message with this nullifier, if it is kept.
    pub(super) fn moderate(&self, nullifier: Nullifier, kind: EventKind) {
        let mut accepted = self.accepted.lock();
        let Some(kept) = accepted.kept.iter_mut().find(|kept| kept.is_of(nullifier)) else { return };
        if kept.apply(kind) {
            let moderated = kept.moderated();
            // There may be no listener.
            let _ = accepted.listeners.send(News::Moderated(moderated));
        }
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
    /// Reports of refused messages come between them, as events with the name `refused`, and what moderation made of
    /// messages, also of earlier ones, as events with the name `moderated`.
    pub(super) fn listen(
        &self,
        last: u64,
        stopping: CancellationToken,
    ) -> impl Stream<Item = Result<Event, axum::Error>> + use<> {
        let (first, next) = {
            let accepted = self.accepted.lock();
            let said = accepted.kept.iter().filter(|kept| kept.line.number > Some(last));
            let moderated = accepted.kept.iter().filter(|kept| kept.is_moderated);
            let first = said.map(|kept| News::Said(kept.shown()));
            let first = first.chain(moderated.map(|kept| News::Moderated(kept.moderated()))).collect();
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
    /// What was kept, and is not sent yet.
    first: VecDeque<News>,
    next: broadcast::Receiver<News>,
    refused: watch::Receiver<Refused>,
    /// Time of the next report of refused messages, at the earliest.
    report_at: Instant,
    stopping: CancellationToken,
}

impl Listener {
    /// Returns the next event; none if the service stops, or if the listener was too slow. It then reconnects with the
    /// number of its last line.
    async fn event(&mut self) -> Option<Result<Event, axum::Error>> {
        if let Some(news) = self.first.pop_front() {
            return Some(event(&news));
        }
        tokio::select! {
            () = self.stopping.cancelled() => None,
            news = self.next.recv() => news.ok().map(|news| event(&news)),
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

/// Returns the event of a browser's stream. Only messages have a number there, with which a browser reconnects.
fn event(news: &News) -> Result<Event, axum::Error> {
    match news {
        News::Said(line) => Event::default().id(line.number.unwrap_or_default().to_string()).json_data(line),
        News::Moderated(moderated) => Event::default().event("moderated").json_data(moderated),
    }
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
    use quotapass_circuits::membership::Day;
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

    fn number<T: core::str::FromStr<Err: core::fmt::Debug>>(number: u64) -> T {
        format!("0x{number:064x}").parse().unwrap()
    }

    /// A message with a pass whose nullifier is the number.
    fn seen(lines: &Lines, message: &str, nullifier: u64) -> Nullifier {
        let line = say(lines, message, Verdict::Accepted);
        let mut accepted = lines.accepted.lock();
        let kept = accepted.kept.back_mut().unwrap();
        let nullifier = number(nullifier);
        let seen = Seen {
            nullifier,
            y: number(1),
            root: number(1),
            epoch: 1,
            epoch_seconds: 60,
            requirement: Requirement { min_stake: 1, since_max: Day(1) },
            limit_cap: 5,
            records: 0,
            bytes: 246,
        };
        kept.line = Arc::new(Line { seen: Some(seen), ..(*line).clone() });
        nullifier
    }

    #[test]
    fn a_held_text_is_sent_again_only_after_its_release() {
        run(async {
            let lines = Lines::default();
            let nullifier = seen(&lines, "good evening", 1);
            let mut body = heard(&lines, 0);
            assert!(next(&mut body, LATE).await.unwrap().contains("good evening"));
            lines.moderate(nullifier, EventKind::Held);
            let held = next(&mut body, LATE).await.unwrap();
            assert!(held.contains("event: moderated") && held.contains("\"state\":\"held\""), "{held}");
            assert!(!held.contains("good evening") && !held.contains("id:"), "{held}");
            // A repeated event, and one about a message that is not kept, say nothing.
            lines.moderate(nullifier, EventKind::Held);
            lines.moderate(number(2), EventKind::Hidden);
            assert_eq!(next(&mut body, SOON).await, None);
            // Someone who comes now gets no text either.
            let mut late = heard(&lines, 0);
            for _ in 0..2 {
                let event = next(&mut late, LATE).await.unwrap();
                assert!(!event.contains("good evening"), "{event}");
            }
            // A listener that was away meanwhile gets the state of an earlier message.
            lines.moderate(nullifier, EventKind::Released);
            let mut back = heard(&lines, 1);
            for body in [&mut body, &mut late, &mut back] {
                let released = next(body, LATE).await.unwrap();
                assert!(released.contains("\"state\":\"visible\"") && released.contains("good evening"), "{released}");
            }
        });
    }

    #[test]
    fn a_deleted_text_is_forgotten_and_only_a_strike_can_follow() {
        run(async {
            let lines = Lines::default();
            let nullifier = seen(&lines, "good evening", 1);
            for kind in [EventKind::Deleted, EventKind::Released, EventKind::Held, EventKind::Struck] {
                lines.moderate(nullifier, kind);
            }
            assert_eq!(lines.accepted.lock().kept[0].line.message, "");
            let mut body = heard(&lines, 0);
            let said = next(&mut body, LATE).await.unwrap();
            let moderated = next(&mut body, LATE).await.unwrap();
            assert!(!said.contains("good evening") && !moderated.contains("good evening"), "{said}{moderated}");
            assert!(moderated.contains("\"state\":\"deleted\",\"is_struck\":true"), "{moderated}");
            lines.moderate(nullifier, EventKind::Lifted);
            assert!(next(&mut body, LATE).await.unwrap().contains("\"is_struck\":false"));
            for kind in [EventKind::Appealed, EventKind::Answered] {
                lines.moderate(nullifier, kind);
            }
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
