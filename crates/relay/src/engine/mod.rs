//! The engine: a relay under load.
//!
//! Posts and badges are [submitted](Engine::submit) one or many at a time, wait in a bounded queue, and are verified in
//! batches on separate threads, so that they never block an asynchronous server. A batch begins when it is full, when
//! its oldest post has waited a few milliseconds, or when nothing else is being verified. While one batch waits for the
//! nullifier log's disk, the next one is verified.
//!
//! If the queue is full, a submission is `overloaded` at once and is not recorded. Sources take turns. Posts of sources
//! with good posts go in large batches. Posts of sources that send forgeries go in separate small batches, on which
//! only a bounded share of the work is wasted. While there are many forgeries, posts of unknown sources also go in
//! separate small batches.
//!
//! A caller that no longer needs an answer drops the future: posts without a waiting caller are not verified, unless
//! their verification has begun.

mod history;
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

use serde::Deserialize;
use tokio::sync::oneshot;

pub use history::{SAMPLE_SECONDS, Sample};
pub use metrics::EngineMetrics;
pub use source::Source;
pub use submission::{OwnedBadge, OwnedPost};

use super::{
    BadgeAnswer, Clock, ConvictedMember, EventBus, Relay, RelayStatus,
    bounds::{count, milliseconds, size},
};
use quotapass_protocol::{Overload, UnixSeconds, Verdict};
use submission::Work;
use worker::Shared;

/// The context that the parts of a running relay share.
#[derive(Clone)]
pub struct RelayContext {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The bus to which events are published.
    pub events: EventBus,
    /// The status of the relay.
    pub status: Arc<RelayStatus>,
}

impl RelayContext {
    /// Creates a context with a clock and a new event bus.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, events: EventBus::new(), status: Arc::default() }
    }
}

/// Settings of an engine. The defaults are safe for two cores and a gigabyte. They are read from the section `[engine]`
/// of a relay's file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    /// The number of batches that are verified at the same time, each on all cores. With two, one is verified while the
    /// log flushes the other. More workers make batches smaller and the verifier slower.
    #[serde(deserialize_with = "count::<1, 256, _>")]
    pub workers: NonZeroUsize,
    /// The maximum number of posts in a batch.
    #[serde(deserialize_with = "count::<1, 65_536, _>")]
    pub max_batch: NonZeroUsize,
    /// The maximum time for which a post waits for others while another batch is verified.
    #[serde(rename = "max_delay_ms", deserialize_with = "milliseconds::<0, 60_000, _>")]
    pub max_delay: Duration,
    /// The maximum number of waiting posts of sources with recent good posts. The same maximum applies to sources with
    /// little history, and a quarter of it to suspicious sources. No source gets more of these places than it leaves
    /// free.
    #[serde(deserialize_with = "size::<1, { 1 << 24 }, _>")]
    pub max_queued: usize,
    /// The maximum size of these posts in bytes; it applies in the same way.
    #[serde(deserialize_with = "size::<1_024, { 1 << 40 }, _>")]
    pub max_queued_bytes: usize,
    /// The denominator of the waste limit: while other posts wait, at most one part in this many of the work may be
    /// wasted on forgeries from suspicious sources, and from unproven sources while there are many forgeries.
    #[serde(skip)]
    pub waste_share: NonZeroU32,
    /// The maximum number of remembered sources of each of three kinds (proven, with a few forgeries, suspicious),
    /// about 200 bytes each.
    #[serde(skip)]
    pub max_sources: NonZeroUsize,
    /// The half-life of a source's history.
    #[serde(skip)]
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

/// The progress of an engine, for a watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of waiting posts and badges plus batches that are being verified.
    pub open: usize,
    /// The number of finished batches since the start.
    pub finished: u64,
}

impl Progress {
    /// Returns whether the engine had work at both times, and finished no batch in between.
    pub fn is_stuck_since(&self, before: &Self) -> bool {
        before.open > 0 && self.open > 0 && self.finished == before.finished
    }
}

/// A relay with its threads. A clone is the same engine; when the last clone is dropped, the engine stops like after
/// [`stop`](Self::stop).
#[derive(Clone)]
pub struct Engine(Arc<Handle>);

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Engine {
    /// Starts the threads: the workers, and one that polls the log each second.
    ///
    /// # Errors
    /// [`io::Error`] if the system cannot create a thread, and with [`NoRecordKeys`](crate::NoRecordKeys) if a policy has
    /// lists and the relay no keys of records.
    pub fn start(relay: Arc<Relay>, context: RelayContext, settings: &EngineSettings) -> io::Result<Self> {
        relay.check_record_keys().map_err(io::Error::other)?;
        let shared = Arc::new(Shared::new(relay, context, settings).map_err(io::Error::other)?);
        // The handle is created first, so that started threads stop if another thread cannot be started.
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

    /// Submits posts for verdicts, in order, as if each had come alone. The posts are queued when this returns; the
    /// future resolves to the verdicts.
    ///
    /// If they do not fit into one batch, the batches are verified one after the other. If the queue has no room for
    /// all of them, all are `overloaded`.
    ///
    /// A post with the nullifier of a post whose records failed is served last, and does not delay the others: a member
    /// who is on a list of the scope sends such posts, and nothing of them is recorded.
    pub fn submit(&self, source: Source, posts: Vec<OwnedPost>) -> impl Future<Output = Vec<Verdict>> + Send + use<> {
        let passes = posts.iter().map(|post| post.pass.as_deref().ok());
        let last = self.relay().failed_records.positions(passes);
        let count = posts.len();
        let mut parts = (Vec::with_capacity(count - last.len()), Vec::with_capacity(last.len()));
        for (place, post) in posts.into_iter().enumerate() {
            if last.binary_search(&place).is_ok() { &mut parts.1 } else { &mut parts.0 }.push(post);
        }
        let first = self.queue(source.clone(), parts.0, false);
        let second = self.queue(source, parts.1, true);
        async move {
            let (mut first, mut second) = (first.await.into_iter(), second.await.into_iter());
            let next = |place| if last.binary_search(&place).is_ok() { second.next() } else { first.next() };
            let verdicts = (0..count).map(next);
            verdicts.map(|verdict| verdict.unwrap_or(Verdict::Overloaded(Overload::Failure))).collect()
        }
    }

    fn queue(
        &self,
        source: Source,
        posts: Vec<OwnedPost>,
        is_last: bool,
    ) -> impl Future<Output = Vec<Verdict>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let count = posts.len();
        let verdicts = Vec::with_capacity(count);
        if posts.is_empty() {
            // There is nothing to wait for.
            let _ = reply.send(verdicts);
        } else {
            self.shared().submit(source, Work::Posts { posts, verdicts, reply }, is_last);
        }
        async move { answer.await.unwrap_or_else(|_| vec![Verdict::Overloaded(Overload::Failure); count]) }
    }

    /// Submits a badge for a verdict, like [`submit`](Self::submit).
    pub fn submit_badge(&self, source: Source, badge: OwnedBadge) -> impl Future<Output = BadgeAnswer> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        self.shared().submit(source, Work::Badge { badge, answer: None, reply }, false);
        async move { answer.await.unwrap_or_else(|_| Verdict::Overloaded(Overload::Failure).into()) }
    }

    /// Stops the engine: refuses new submissions as `overloaded`, and returns when all accepted submissions are
    /// answered and the threads have ended.
    pub async fn stop(&self) {
        self.shared().stop();
        // An error means that the sender was dropped, but it lives as long as this handle.
        let _ = self.shared().has_ended().wait_for(|ended| *ended).await;
    }

    /// Returns the metrics.
    pub fn metrics(&self) -> &EngineMetrics {
        &self.shared().metrics
    }

    /// Returns the verdicts of the last fifteen minutes, in samples of five seconds that begin at `since` or later,
    /// oldest first, without the sample that is still open.
    pub fn history(&self, since: UnixSeconds) -> Vec<Sample> {
        self.shared().history.samples(since, self.context().clock.now())
    }

    /// Returns the members that exceeded a quota, here or at a relay that shares the log, from a position on and at
    /// most `limit`, in the order of the log; and the total number.
    pub fn convicted(&self, from: usize, limit: usize) -> (Vec<ConvictedMember>, usize) {
        self.relay().convicted.page(from, limit)
    }

    /// Returns the latest convicted members, latest first.
    pub fn latest_convicted(&self, count: usize) -> Vec<ConvictedMember> {
        self.relay().convicted.latest(count)
    }

    /// Returns the progress. Waits for the queue's lock.
    pub fn progress(&self) -> Progress {
        self.shared().progress()
    }

    /// Returns the context that it shares with other parts of the relay.
    pub fn context(&self) -> &RelayContext {
        &self.shared().context
    }

    /// Returns the relay.
    pub fn relay(&self) -> &Relay {
        &self.shared().relay
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }
}
