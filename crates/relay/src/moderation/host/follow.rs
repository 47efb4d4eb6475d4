//! Logs of other operators that this relay follows, mirrors and cosigns.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use quotapass_log::{
    Change, Checkpoint, CosignError, CosignerKey, CosignerPublicKey, Equivocation, LogName, LogStore, Mirror, Refusal,
    Rules, SignedCheckpoint, SourceError, StoreError, Trust, TrustError, copied,
    moderation::{LIST_INTERVAL, ServedLists, State},
};
use quotapass_protocol::UnixSeconds;
use tracing::{error, info, warn};

use super::{Context, LogServer, bell::Bell, condition::LogCondition};
use quotapass_log::LogId;

/// The name, in the store of the copy, of the proof that a log forked: its first two checkpoints, as JSON.
const FORK: &str = "fork";
/// The time after which an unchanged checkpoint is cosigned again, in seconds: six hours. Wallets at first contact refuse one
/// that no witness has seen for a day.
const REFRESH: u64 = 6 * 3_600;
/// The most entries that are read at once.
const AT_ONCE: u64 = 4_096;

/// A log to follow.
#[derive(Clone, Debug)]
pub struct FollowSettings {
    /// The log.
    pub name: LogName,
    /// The relay that serves it.
    pub server: LogServer,
    /// Whether this relay cosigns it.
    pub is_cosigned: bool,
    /// The witnesses of which some must have cosigned a checkpoint before this relay uses it.
    pub witnesses: Vec<CosignerPublicKey>,
    /// The number of these witnesses; zero if this relay relies on following every entry itself.
    pub required: usize,
}

impl FollowSettings {
    /// Returns what the mirror trusts.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn trust(&self) -> Result<Trust, TrustError> {
        match self.required {
            0 => Ok(Trust::of_witness(self.name.clone())),
            required => Trust::new(self.name.clone(), self.witnesses.clone(), required),
        }
    }
}

/// What is served of a mirror while it waits for the log's own server.
#[derive(Default)]
struct Shown {
    seen: Option<SignedCheckpoint>,
    lists: ServedLists,
    /// The least time between two checkpoints, in seconds.
    interval: u64,
}

/// The last cosignature, while it may still have to be sent.
#[derive(Default)]
struct Cosigned {
    /// The checkpoint that was cosigned last, and when, since the start.
    last: Option<(Checkpoint, UnixSeconds)>,
    /// The line that the log's server has not taken yet.
    unsent: Option<String>,
}

/// A followed log.
pub(super) struct Followed {
    pub(super) id: LogId,
    pub(super) name: LogName,
    pub(super) server: LogServer,
    is_cosigned: bool,
    store: Arc<dyn LogStore>,
    mirror: Mutex<Mirror<Arc<dyn LogStore>, State>>,
    cosigned: Mutex<Cosigned>,
    shown: RwLock<Shown>,
    pub(super) bell: Bell,
}

impl Followed {
    /// Opens the copy of a log. It follows what it saw before.
    pub(super) fn open(settings: &FollowSettings, trust: Trust, store: Arc<dyn LogStore>) -> Result<Self, Refusal> {
        let mirror = Mirror::open(trust, Arc::clone(&store), State::new(settings.name.clone()))?;
        Ok(Self {
            id: settings.name.id(),
            name: settings.name.clone(),
            server: settings.server.clone(),
            is_cosigned: settings.is_cosigned,
            store,
            mirror: Mutex::new(mirror),
            cosigned: Mutex::default(),
            shown: RwLock::default(),
            bell: Bell::new(),
        })
    }

    /// Puts the lists of the last accepted checkpoint in force again.
    pub(super) fn restore(&self, context: &Context) -> Result<(), Refusal> {
        let condition = LogCondition { origin: self.name.origin.to_string(), ..LogCondition::default() };
        context.conditions().add(self.id, condition);
        let mirror = self.mirror.lock();
        let Some(seen) = mirror.seen() else { return Ok(()) };
        let checkpoint = seen.checkpoint();
        let now = context.now();
        // Following a later checkpoint may have been interrupted: the lists are those of the accepted one.
        if mirror.rules().size() == checkpoint.size {
            return self.accept(context, seen, mirror.rules(), now);
        }
        let mut state = State::new(self.name.clone());
        while state.size() < checkpoint.size {
            let begin = state.size();
            for entry in self.store.entries(begin..checkpoint.size.min(begin + AT_ONCE))? {
                state.apply(&entry).map_err(|reason| Refusal::Entry { index: begin, reason: reason.into() })?;
            }
        }
        self.accept(context, seen, &state, now)
    }

    /// Serves an accepted checkpoint, and puts its lists in force.
    fn accept(
        &self,
        context: &Context,
        seen: &SignedCheckpoint,
        state: &State,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        let mut shown = self.shown.write();
        let is_new = shown.seen.as_ref().is_none_or(|former| former.checkpoint() != seen.checkpoint());
        if is_new {
            let invalid = |reason| Refusal::End { size: state.size(), reason: Box::new(reason) };
            shown.lists.serve(state, now).map_err(invalid)?;
            shown.interval = state.policy().map_or(LIST_INTERVAL, |policy| policy.list_interval).get().into();
            context.put_in_force(self.id, seen.checkpoint(), shown.lists.in_force(), now);
        }
        // The same checkpoint may have new cosignatures.
        shown.seen = Some(seen.clone());
        Ok(())
    }

    /// Follows the log to its newest checkpoint, and cosigns it.
    pub(super) fn round(&self, context: &Context, now: UnixSeconds) {
        match self.try_round(context, now) {
            Ok(()) => context.conditions().accepted(self.id, now),
            Err(refusal) => {
                context.conditions().refused(self.id, refusal.name(), &refusal, now);
                if let Refusal::Fork(both) = &refusal {
                    self.keep_fork(both);
                }
            }
        }
    }

    fn try_round(&self, context: &Context, now: UnixSeconds) -> Result<(), Refusal> {
        let source = self.server.open(self.id)?;
        {
            let mut mirror = self.mirror.lock();
            let before = mirror.seen().map(|seen| seen.checkpoint().clone());
            let checkpoint = mirror.advance(&source, now)?;
            if before.as_ref() != Some(&checkpoint) {
                info!(origin = %self.name.origin, size = checkpoint.size, "a moderation log has a new checkpoint");
            }
            if let Some(seen) = mirror.seen() {
                self.accept(context, seen, mirror.rules(), now)?;
            }
        }
        if let Some(key) = context.witness.as_ref().filter(|_| self.is_cosigned) {
            self.cosign(key, now)?;
        }
        self.send(|line| source.send_cosignature(line));
        Ok(())
    }

    /// Cosigns the accepted checkpoint if it is new, or was cosigned long ago.
    fn cosign(&self, key: &CosignerKey, now: UnixSeconds) -> Result<(), StoreError> {
        let (mirror, mut cosigned) = (self.mirror.lock(), self.cosigned.lock());
        let Some(checkpoint) = mirror.seen().map(SignedCheckpoint::checkpoint) else { return Ok(()) };
        if cosigned.last.as_ref().is_some_and(|(last, at)| last == checkpoint && now.since(*at) < REFRESH) {
            return Ok(());
        }
        match mirror.cosign(key, now, self.interval()) {
            Ok(line) => *cosigned = Cosigned { last: Some((checkpoint.clone(), now)), unsent: Some(line) },
            // One checkpoint in an interval, also over a restart.
            Err(CosignError::TooSoon(_) | CosignError::Nothing) => {}
            Err(CosignError::Store(error)) => return Err(error),
            Err(error) => warn!(origin = %self.name.origin, %error, "a checkpoint is not cosigned"),
        }
        Ok(())
    }

    /// Sends the last cosignature to the log's server, until it takes it. A server that does not take it harms its own log
    /// alone, so this is no refusal of the log.
    fn send(&self, send: impl FnOnce(&str) -> Result<(), SourceError>) {
        let mut cosigned = self.cosigned.lock();
        let Some(line) = &cosigned.unsent else { return };
        match send(line) {
            Ok(()) => cosigned.unsent = None,
            Err(error) => warn!(origin = %self.name.origin, %error, "the log's server does not take a cosignature"),
        }
    }

    /// The least time between two checkpoints by the log's policy, in seconds.
    pub(super) fn interval(&self) -> u64 {
        match self.shown.read().interval {
            0 => LIST_INTERVAL.get().into(),
            interval => interval,
        }
    }

    /// Keeps the first proof that the log forked, for its readers to publish.
    ///
    /// **Attack prevented**: a server of the log returns wrong hashes once. The two checkpoints that are then kept prove
    /// nothing by themselves; they give way to two that do.
    fn keep_fork(&self, both: &Equivocation) {
        let keep = || {
            if let Some(kept) = self.store.value(FORK)? {
                let kept = serde_json::from_slice::<Equivocation>(&kept);
                if !both.is_proof() || kept.is_ok_and(|kept| kept.is_proof()) {
                    return Ok(());
                }
            }
            let proof = serde_json::to_vec(both).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            self.store.commit(&Change::of_value(self.store.size()?, FORK, Some(proof)))?;
            error!(
                origin = %self.name.origin,
                seen = both.seen,
                shown = both.shown,
                "a moderation log shows different things to different readers; publish both checkpoints"
            );
            Ok::<_, StoreError>(())
        };
        // Without the proof on disk, the next round finds and logs it again.
        if let Err(error) = keep() {
            warn!(origin = %self.name.origin, %error, "the proof of a fork cannot be kept");
        }
    }

    /// Returns the first proof that the log forked, as JSON.
    pub(super) fn fork(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.value(FORK)
    }

    /// Returns what the mirror serves at a path.
    pub(super) fn resource(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let seen = {
            let shown = self.shown.read();
            if let Some(bytes) = shown.lists.resource(path) {
                return Ok(Some(bytes.to_vec()));
            }
            shown.seen.clone()
        };
        seen.map_or(Ok(None), |seen| copied(&self.store, &seen, path))
    }
}

#[cfg(test)]
mod tests {
    use quotapass_log::{MemoryStore, TreeHash};
    use quotapass_protocol::note::NoteKey;

    use super::*;

    #[test]
    fn a_proof_of_a_fork_takes_the_place_of_what_proves_nothing() {
        const ORIGIN: &str = "relay.example/moderation";
        let key = |name, seed| NoteKey::from_seed(name, &[seed; 32]).unwrap();
        let (root, working) = (key("root", 1), key(ORIGIN, 2));
        let name = LogName { origin: ORIGIN.parse().unwrap(), root_key: root.public() };
        let note = |size, root| {
            let checkpoint = Checkpoint { origin: name.origin.clone(), size, root: TreeHash::from_bytes([root; 32]) };
            SignedCheckpoint::sign(checkpoint, &working).unwrap().to_string()
        };
        let pair = |seen, shown| Equivocation { seen, shown };
        let server = LogServer::new("https://relay.example", None).unwrap();
        let (witnesses, is_cosigned, required) = (Vec::new(), false, 0);
        let settings = FollowSettings { name: name.clone(), server, is_cosigned, witnesses, required };
        let trust = settings.trust().unwrap();
        let followed = Followed::open(&settings, trust, Arc::new(MemoryStore::default())).unwrap();
        let kept = || serde_json::from_slice::<Equivocation>(&followed.fork().unwrap().unwrap()).unwrap();
        let (doubtful, proof) = (pair(note(1, 1), note(2, 2)), pair(note(2, 2), note(2, 3)));
        followed.keep_fork(&doubtful);
        assert_eq!(kept(), doubtful);
        followed.keep_fork(&proof);
        assert_eq!(kept(), proof);
        // The first proof stays.
        followed.keep_fork(&pair(note(3, 1), note(3, 2)));
        followed.keep_fork(&doubtful);
        assert_eq!(kept(), proof);
    }
}
