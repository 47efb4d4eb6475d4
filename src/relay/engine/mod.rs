//! A relay under load.
//!
//! Posts and badges are [submitted](Engine::submit) one or many at a time, wait in a bounded queue, and are verified in
//! batches on threads of their own, so that an asynchronous server is never held up. A batch begins when it is full, when its
//! oldest post has waited a few milliseconds, or when nothing else is being verified; while one batch waits for the
//! nullifier log's disk, the next is verified.
//!
//! What the queue cannot take is `overloaded`, at once and recorded nowhere. Sources take turns. Those that bring good posts
//! go in large batches; those that send forgeries, and while there are many forgeries also those that nothing is known of,
//! go in small batches of their own, on which only a bounded share of the work is wasted.
//!
//! Whoever loses interest in an answer drops the future: posts that nobody waits for are not verified, unless they already
//! are being.

mod cases;
mod history;
mod judge;
mod metrics;
mod schedule;
mod source;
mod submission;
mod worker;

use core::{
    future::Future,
    num::{NonZeroU32, NonZeroUsize},
};
use std::{io, sync::Arc, thread, time::Duration};

use tokio::sync::oneshot;

pub use cases::ConvictedMember;
pub use history::{SAMPLE_SECONDS, Sample};
#[cfg(feature = "relay-http")]
pub(in crate::relay) use judge::Judge;
pub use metrics::EngineMetrics;
pub use source::Source;
pub use submission::{OwnedBadge, OwnedPost};

use super::{BadgeAnswer, Clock, EventBus, Overload, Relay, RelayStatus, RelayStore, Verdict};
use submission::Work;
use worker::Shared;

/// What the parts of a running relay share.
#[derive(Clone)]
pub struct RelayContext {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where events are told.
    pub events: EventBus,
    /// How the relay fares.
    pub status: Arc<RelayStatus>,
}

impl RelayContext {
    /// One with a clock, on whose bus nothing has happened.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, events: EventBus::new(), status: Arc::default() }
    }
}

/// How an engine works. The defaults are safe for two cores and a gigabyte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Batches that are verified at the same time, each on all cores. With two, one is verified while the log flushes
    /// the other; more make batches smaller, and the verifier slower.
    pub workers: NonZeroUsize,
    /// Posts in a batch.
    pub max_batch: NonZeroUsize,
    /// How long a post waits for others while another batch is verified.
    pub max_delay: Duration,
    /// Posts that may wait of sources that brought good ones lately; as many again of sources that little is known of, and
    /// a quarter of this of suspicious ones. No source has more of these places than it leaves free.
    pub max_queued: usize,
    /// Bytes that those posts may take; likewise.
    pub max_queued_bytes: usize,
    /// Of the work on posts while others wait, one part in this many may be wasted on forgeries of suspicious sources, and
    /// of unproven ones while there are many forgeries.
    pub waste_share: NonZeroU32,
    /// How many sources are remembered of each of three kinds (proven, with a few forgeries, suspicious), about 200 bytes
    /// each.
    pub max_sources: NonZeroUsize,
    /// After this time half of what a source did is forgotten.
    pub half_life: Duration,
}

const fn nonzero(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

impl Default for EngineSettings {
    /// As many workers as cores and at least two; batches of 256 after 10 ms; 4,096 posts and 64 MiB waiting; a
    /// sixteenth for waste; 65,536 sources of each kind, with a half-life of a minute.
    fn default() -> Self {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            workers: cores.max(nonzero(2)),
            max_batch: nonzero(256),
            max_delay: Duration::from_millis(10),
            max_queued: 4_096,
            max_queued_bytes: 64 << 20,
            waste_share: NonZeroU32::MIN.saturating_add(15),
            max_sources: nonzero(65_536),
            half_life: Duration::from_secs(60),
        }
    }
}

/// How far an engine has come, for a watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Posts and badges that wait, and batches that are being verified.
    pub open: usize,
    /// Batches that are finished, since the start.
    pub finished: u64,
}

impl Progress {
    /// Whether there was something to do all the time since, and no batch was finished.
    pub fn is_stuck_since(&self, before: &Self) -> bool {
        before.open > 0 && self.open > 0 && self.finished == before.finished
    }
}

/// A relay with its threads. A clone is the same engine; when the last is dropped, it stops as [`stop`](Self::stop) does.
#[derive(Clone)]
pub struct Engine(Arc<Handle>);

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Engine {
    /// Starts the threads: the workers, and one that looks at the log each second.
    ///
    /// # Errors
    /// If the system has no threads left.
    pub fn start<S: RelayStore + 'static>(
        relay: Arc<Relay<S>>,
        context: RelayContext,
        settings: &EngineSettings,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(relay, context, settings));
        // The handle comes first, so that the threads that were started stop if another cannot be.
        let engine = Self(Arc::new(Handle(shared.clone())));
        let spawn = |name: String, run: fn(&Shared)| {
            let alive = shared.enter();
            thread::Builder::new().name(name).spawn(move || run(&alive)).map(drop)
        };
        for number in 0..settings.workers.get() {
            spawn(format!("verify-{number}"), Shared::verify)?;
        }
        spawn("look-at-log".into(), Shared::look_at_log)?;
        Ok(engine)
    }

    /// Asks for verdicts on posts, in order, as if each had come alone. They are queued when this returns; the future is
    /// the answer.
    ///
    /// More than fit into one batch are verified one batch after the other. If the queue cannot take all of them, all
    /// are `overloaded`.
    pub fn submit(&self, source: Source, posts: Vec<OwnedPost>) -> impl Future<Output = Vec<Verdict>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let count = posts.len();
        let verdicts = Vec::with_capacity(count);
        if posts.is_empty() {
            // There is nothing to wait for.
            let _ = reply.send(verdicts);
        } else {
            self.shared().submit(source, Work::Posts { posts, verdicts, reply });
        }
        async move { answer.await.unwrap_or_else(|_| vec![Verdict::Overloaded(Overload::Failure); count]) }
    }

    /// Asks for the verdict on a badge; as [`submit`](Self::submit).
    pub fn submit_badge(&self, source: Source, badge: OwnedBadge) -> impl Future<Output = BadgeAnswer> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        self.shared().submit(source, Work::Badge { badge, answer: None, reply });
        async move { answer.await.unwrap_or_else(|_| Verdict::Overloaded(Overload::Failure).into()) }
    }

    /// Takes nothing more, and returns when all that was taken is answered and the threads have ended. Submissions from
    /// then on are `overloaded`.
    pub async fn stop(&self) {
        self.shared().stop();
        // An error means that the sender is gone, and it lives as long as this handle.
        let _ = self.shared().has_ended().wait_for(|ended| *ended).await;
    }

    /// What is counted.
    pub fn metrics(&self) -> &EngineMetrics {
        &self.shared().metrics
    }

    /// What was said in the last fifteen minutes, in samples of five seconds that begin at Unix second `since` or later,
    /// oldest first, but for the one that is not over.
    pub fn history(&self, since: u64) -> Vec<Sample> {
        self.shared().history.samples(since, self.context().clock.now())
    }

    /// Members that exceeded a quota, here or at a relay that shares the log, from a position on and at most `limit`,
    /// in the order of the log; and how many there are.
    pub fn convicted(&self, from: usize, limit: usize) -> (Vec<ConvictedMember>, usize) {
        self.shared().cases.page(from, limit)
    }

    /// The latest of them, latest first.
    pub fn latest_convicted(&self, count: usize) -> Vec<ConvictedMember> {
        self.shared().cases.latest(count)
    }

    /// How far it has come. Waits for the queue's lock.
    pub fn progress(&self) -> Progress {
        self.shared().progress()
    }

    /// What it shares with other parts of the relay.
    pub fn context(&self) -> &RelayContext {
        &self.shared().context
    }

    /// The relay, whatever its store.
    #[cfg(feature = "relay-http")]
    pub(in crate::relay) fn relay(&self) -> &dyn Judge {
        &*self.shared().relay
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }
}
