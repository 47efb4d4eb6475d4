//! A reader that keeps the last checkpoint it accepted, and no entries: for wallets.

use quotapass_protocol::{UnixSeconds, note::NotePublicKey};
use serde::{Deserialize, Serialize};

use crate::{
    CHECKPOINT_PATH, Checkpoint, Equivocation, Refusal, SignedCheckpoint, Source, SourceError, TileId, TileKind,
    TreeHash, Trust,
    root_policy::RootPolicy,
    tile::{TILE_WIDTH, read_entries},
    tree::{self, Fetched, check_consistency, check_inclusion},
};

/// What a follower has to remember. A follower that forgets it is at first contact again, and can be shown an older state
/// or another history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// The last checkpoint that was accepted, as a signed note.
    pub checkpoint: String,
    /// The working keys of the log then.
    pub working_keys: Vec<String>,
    /// The place of the policy that named them: decimal text. An older policy is refused later.
    pub policy: String,
}

/// Error: a follower's memory is not valid, or is of another log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was kept of the log is not valid, or is of another log; delete it to begin again as at first contact")]
pub struct MemoryError;

#[derive(Clone, Debug)]
struct Seen {
    note: SignedCheckpoint,
    working_keys: Vec<NotePublicKey>,
    policy: u64,
}

/// A reader of a log that checks each checkpoint against the last one it accepted, and against its own witnesses.
#[derive(Clone, Debug)]
pub struct Follower {
    trust: Trust,
    seen: Option<Seen>,
}

impl Follower {
    /// Creates a follower that has not seen the log.
    pub fn new(trust: Trust) -> Self {
        Self { trust, seen: None }
    }

    /// Creates a follower that goes on from what it saw.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn resume(trust: Trust, memory: &Memory) -> Result<Self, MemoryError> {
        let note = SignedCheckpoint::read(memory.checkpoint.as_bytes()).map_err(|_| MemoryError)?;
        trust.check_origin(&note).map_err(|_| MemoryError)?;
        let keys: Result<_, _> = memory.working_keys.iter().map(|key| key.parse()).collect();
        let working_keys: Vec<_> = keys.map_err(|_| MemoryError)?;
        note.signer(&working_keys).ok_or(MemoryError)?;
        let policy = memory.policy.parse().map_err(|_| MemoryError)?;
        Ok(Self { trust, seen: Some(Seen { note, working_keys, policy }) })
    }

    /// Returns what to remember, once there is something. Write it to disk before using what was read.
    pub fn memory(&self) -> Option<Memory> {
        self.seen.as_ref().map(|seen| Memory {
            checkpoint: seen.note.to_string(),
            working_keys: seen.working_keys.iter().map(ToString::to_string).collect(),
            policy: seen.policy.to_string(),
        })
    }

    /// The settings.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The last checkpoint that was accepted.
    pub fn seen(&self) -> Option<&Checkpoint> {
        self.seen.as_ref().map(|seen| seen.note.checkpoint())
    }

    /// The working keys of the log, as its root key named them.
    pub fn working_keys(&self) -> &[NotePublicKey] {
        self.seen.as_ref().map_or(&[], |seen| &seen.working_keys)
    }

    /// Fetches the newest checkpoint, and accepts it if it is signed by the log, cosigned by enough witnesses lately, and
    /// continues what was accepted before.
    ///
    /// # Errors
    /// [`Refusal`]; the follower is unchanged then.
    pub fn advance(&mut self, source: &(impl Source + ?Sized), now: UnixSeconds) -> Result<Checkpoint, Refusal> {
        let note = SignedCheckpoint::read(&source.fetch(CHECKPOINT_PATH)?)?;
        self.trust.check_origin(&note)?;
        let mut working_keys = self.working_keys().to_vec();
        let known_policy = self.seen.as_ref().map_or(0, |seen| seen.policy);
        let mut policy = None;
        if note.signer(&working_keys).is_none() {
            let fetched = RootPolicy::fetch(source, self.trust.name())?;
            if fetched.index < known_policy {
                return Err(Refusal::Policy("it is older than the one that was seen before".into()));
            }
            working_keys.clone_from(&fetched.working_keys);
            policy = Some(fetched);
            note.signer(&working_keys).ok_or(Refusal::NotSigned)?;
        }
        let former = self.seen.as_ref().map(|seen| &seen.note);
        if let Some(former) = former {
            compare(former, &note)?;
        }
        self.trust.check(&note, &working_keys, now, former.is_none())?;
        let Checkpoint { size, root, .. } = *note.checkpoint();
        if let Some(former) = former {
            check_grown(source, former, &note)?;
        }
        if let Some(policy) = &policy {
            policy.check_logged(source, size, root)?;
        }
        let checkpoint = note.checkpoint().clone();
        let policy = policy.map_or(known_policy, |policy| policy.index);
        self.seen = Some(Seen { note, working_keys, policy });
        Ok(checkpoint)
    }

    /// Fetches an entry of the last checkpoint that was accepted, and checks that it is in the log at this place.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn entry(&self, source: &(impl Source + ?Sized), index: u64) -> Result<Vec<u8>, Refusal> {
        let not_there = || SourceError::NotFound(format!("entry {index}"));
        let Checkpoint { size, root, .. } = *self.seen().ok_or_else(not_there)?;
        let place = index / u64::from(TILE_WIDTH);
        let tile = TileId::in_tree(TileKind::Entries, place, size).filter(|tile| tile.range().contains(&index));
        let entries = fetch_entries(source, &tile.ok_or_else(not_there)?)?;
        let entry = entries.into_iter().nth((index % u64::from(TILE_WIDTH)) as usize).ok_or(Refusal::Mismatch)?;
        let proof = tree::inclusion(&Fetched::new(source, size), size, index, not_there)?;
        check_inclusion(&proof, size, root, index, TreeHash::of_entry(&entry)).map_err(|_| Refusal::Mismatch)?;
        Ok(entry)
    }
}

/// Fetches a bundle of entries, which are not checked.
pub(crate) fn fetch_entries(source: &(impl Source + ?Sized), tile: &TileId) -> Result<Vec<Vec<u8>>, SourceError> {
    let path = tile.to_string();
    let bytes = source.fetch(&path)?;
    read_entries(tile, &bytes).map_err(|error| tree::unreadable(&path, &error))
}

/// Refuses a checkpoint that is smaller than a former one, or differs from one of the same size.
pub(crate) fn compare(former: &SignedCheckpoint, shown: &SignedCheckpoint) -> Result<(), Refusal> {
    let (seen, new) = (former.checkpoint(), shown.checkpoint());
    if new.size < seen.size {
        return Err(Refusal::Rollback { seen: seen.size, shown: new.size });
    }
    if new.size == seen.size && new.root != seen.root { Err(forked(former, shown)) } else { Ok(()) }
}

pub(crate) fn forked(former: &SignedCheckpoint, shown: &SignedCheckpoint) -> Refusal {
    Refusal::Fork(Box::new(Equivocation { seen: former.to_string(), shown: shown.to_string() }))
}

/// Checks that a larger checkpoint begins with the former one.
fn check_grown(
    source: &(impl Source + ?Sized),
    former: &SignedCheckpoint,
    shown: &SignedCheckpoint,
) -> Result<(), Refusal> {
    let (seen, new) = (former.checkpoint(), shown.checkpoint());
    if new.size == seen.size {
        return Ok(());
    }
    let tiles = Fetched::new(source, new.size);
    let proof = tree::consistency(&tiles, new.size, seen.size, || SourceError::NotFound("tiles".into()))?;
    check_consistency(&proof, new.size, new.root, seen.size, seen.root).map_err(|_| forked(former, shown))
}
