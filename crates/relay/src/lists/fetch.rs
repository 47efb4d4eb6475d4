//! The attempt to fetch a version of a list before a pass that names it is refused.

use core::{future::Future, pin::Pin};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use quotapass_circuits::formats::{recorded::RecordedHead, wire::PassKind};
use quotapass_protocol::LogIdentity;
use tokio::sync::watch;

use super::Lists;

/// The least time between two attempts to fetch one log.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest time for which passes wait for an attempt.
const PATIENCE: Duration = Duration::from_secs(3);

/// A source of newer versions of logs: what follows a log from another relay.
pub trait ListFetcher: Send + Sync {
    /// Reads a log, and [publishes](Lists::publish) its newest version if there is one. A failure is the fetcher's to
    /// report.
    fn fetch(&self, log: LogIdentity) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The attempts of the last seconds.
///
/// **Attack.** Passes that name invented sizes make the relay ask another relay again and again.
///
/// **Defence.** Only logs of policies are fetched, one attempt each [`PAUSE`]; passes that come meanwhile wait for the same
/// attempt, at most for [`PATIENCE`].
#[derive(Default)]
pub(super) struct Fetches {
    fetcher: RwLock<Option<Arc<dyn ListFetcher>>>,
    attempts: Mutex<HashMap<LogIdentity, (Instant, watch::Receiver<bool>)>>,
}

impl Lists {
    /// Sets the source of newer versions.
    pub fn set_fetcher(&self, fetcher: Arc<dyn ListFetcher>) {
        *self.fetches.fetcher.write() = Some(fetcher);
    }

    /// Fetches, once, the logs of which one of the passes names a later size than this relay has, and waits for the
    /// attempts. Passes are not checked here.
    pub(crate) async fn fetch_for(&self, passes: impl Iterator<Item = &[u8]>) {
        let Some(fetcher) = self.fetches.fetcher.read().as_ref().map(Arc::clone) else { return };
        let attempts: Vec<_> = self.behind(passes).into_iter().map(|log| self.attempt(log, &*fetcher)).collect();
        for mut attempt in attempts {
            // The attempt ended, failed, or takes too long: the verdict then says which version this relay has.
            let _ = tokio::time::timeout(PATIENCE, attempt.wait_for(|is_over| *is_over)).await;
        }
    }

    /// Returns the logs of which a pass names a later size than the one in force.
    fn behind<'a>(&self, passes: impl Iterator<Item = &'a [u8]>) -> Vec<LogIdentity> {
        let mut behind = Vec::new();
        for pass in passes.filter(|pass| PassKind::of(pass) == Ok(PassKind::Recorded)) {
            let Ok(head) = RecordedHead::from_bytes(pass) else { continue };
            let logs = self.logs.read();
            for stated in head.lists.iter().map(|list| list.version) {
                let newer = logs.iter().filter(|(log, versions)| {
                    log.to_short_bytes() == stated.log && stated.size > versions.current().size
                });
                behind.extend(newer.map(|(log, _)| *log));
            }
        }
        behind.sort_unstable();
        behind.dedup();
        behind
    }

    /// Returns the end of the latest attempt to fetch a log, which begins now unless there was one a moment ago.
    fn attempt(&self, log: LogIdentity, fetcher: &dyn ListFetcher) -> watch::Receiver<bool> {
        let mut attempts = self.fetches.attempts.lock();
        attempts.retain(|_, (begun, _)| begun.elapsed() < PAUSE);
        if let Some((_, attempt)) = attempts.get(&log) {
            return attempt.clone();
        }
        let (done, attempt) = watch::channel(false);
        let fetch = fetcher.fetch(log);
        tokio::spawn(async move {
            fetch.await;
            done.send_replace(true);
        });
        attempts.insert(log, (Instant::now(), attempt.clone()));
        attempt
    }
}
