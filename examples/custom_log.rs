//! A nullifier log of one's own: here, one that counts what it is asked, around the log in memory.

mod common;

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quotapass_circuits::share::Nullifier;
use quotapass_protocol::{LogError, RootHistory, UnixSeconds, Verdict};
use quotapass_relay::{
    BadgeBook, Conviction, Entry, LogEpoch, LogStatistics, MemoryLog, ModerationStore, NullifierLog, Outcome,
    PostRequest, Recorded, Relay, RelayStore, SlashClaims,
};

/// Counts the nullifiers that are recorded. A log of another store implements the same methods: `record` must be one
/// atomic operation, durable before it returns.
#[derive(Default)]
struct CountingLog {
    inner: MemoryLog,
    recorded: AtomicU64,
}

impl NullifierLog for CountingLog {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        let outcome = self.inner.record(entry)?;
        if outcome == Outcome::New {
            self.recorded.fetch_add(1, Ordering::Relaxed);
        }
        Ok(outcome)
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        self.inner.lookup(epoch, nullifier)
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

/// Keeps everything else in memory. A store that keeps it too implements [`SlashClaims`] and [`BadgeBook`] instead.
impl RelayStore for CountingLog {
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

fn main() -> Result<(), Box<dyn Error>> {
    let scene = common::Scene::new()?;
    let (posts, badges) = (scene.posts.verifier()?, scene.badges()?.verifier()?);
    let log = Arc::new(CountingLog::default());
    let relay = Relay::new(posts, badges, scene.policies()?, RootHistory::starting_at(scene.tree.root()), log.clone());

    let passes = scene.passes(["hello", "hello again"])?;
    for (message, pass) in ["hello", "hello again"].iter().zip(&passes) {
        let request = PostRequest { scope: "lobby", message: message.as_bytes(), pass };
        assert_eq!(relay.verify_post(request, common::NOW), Verdict::Accepted);
    }
    println!("{} nullifiers recorded", log.recorded.load(Ordering::Relaxed));
    assert_eq!(log.recorded.load(Ordering::Relaxed), 2);
    Ok(())
}
