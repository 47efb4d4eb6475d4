//! A reader that follows every entry, recomputes what the entries claim, keeps them, and cosigns: for relays.

use core::error::Error;

use quotapass_protocol::{UnixSeconds, note::NotePublicKey};

use crate::{
    CHECKPOINT_PATH, CLOCK_SECONDS, Checkpoint, CosignerKey, Refusal, SignedCheckpoint, Source, SourceError,
    StoreError, TileId, TileKind, Trust,
    follower::{compare, fetch_entries, forked},
    log::read_tile,
    root_policy::RootPolicy,
    store::{Change, LogStore},
    tile::TILE_WIDTH,
    tree::{self, Fetched, check_consistency},
};

/// The name of the last accepted checkpoint in the store.
const SEEN: &str = "seen";
/// The name, in the store, of the checkpoint that the newest entries of the copy are of. It may not have been accepted.
const REACHED: &str = "reached";
/// The name of the last cosignature in the store: its time (u64 BE).
const COSIGNED: &str = "cosigned";
/// The most entries that are fetched before they are kept.
const AT_ONCE: u64 = 4_096;

/// What the entries of a log mean, and whether they follow its rules. A mirror applies each entry in order; the tiled log
/// itself knows nothing of them.
pub trait Rules: Clone {
    /// Why an entry, or a checkpoint after it, does not follow the rules.
    type Error: Error + Send + Sync + 'static;

    /// Returns the number of entries that were applied.
    fn size(&self) -> u64;

    /// Applies the next entry.
    ///
    /// # Errors
    /// The rule that it does not follow; nothing is changed then.
    fn apply(&mut self, entry: &[u8]) -> Result<(), Self::Error>;

    /// Returns the latest time that an entry states.
    fn latest(&self) -> UnixSeconds;

    /// Checks that a checkpoint may follow the last entry.
    ///
    /// # Errors
    /// The rule against it.
    fn check_end(&self) -> Result<(), Self::Error>;

    /// Returns the keys that may sign a checkpoint now.
    fn working_keys(&self) -> &[NotePublicKey];

    /// Returns all keys of the log's operator: as witnesses they do not count.
    fn operator_keys(&self) -> Vec<NotePublicKey>;
}

/// Why a mirror does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mirror has not accepted a checkpoint.
    #[error("no checkpoint of the log was accepted yet; follow the log first")]
    Nothing,
    /// The mirror cosigned this log less than an interval ago.
    #[error("this log was cosigned less than an interval ago; cosign it again at {0} (Unix time)")]
    TooSoon(UnixSeconds),
}

/// A reader of a log that has a copy of it. It accepts a checkpoint only after it has applied every entry.
#[derive(Debug)]
pub struct Mirror<S, R> {
    trust: Trust,
    store: S,
    rules: R,
    seen: Option<SignedCheckpoint>,
}

impl<S: LogStore, R: Rules> Mirror<S, R> {
    /// Opens the copy of a log in a store, and applies its entries to rules that have seen none.
    ///
    /// # Errors
    /// [`Refusal::Store`] if the store is of another log, or damaged; [`Refusal::Entry`] if its entries do not follow these
    /// rules.
    pub fn open(trust: Trust, store: S, mut rules: R) -> Result<Self, Refusal> {
        let size = store.size()?;
        while rules.size() < size {
            let begin = rules.size();
            apply_all(&mut rules, &store.entries(begin..size.min(begin + AT_ONCE))?)?;
        }
        let damaged = |reason: &str| Refusal::Store(StoreError::Damaged(reason.into()));
        let seen = match store.value(SEEN)? {
            None => None,
            Some(note) => {
                let note = SignedCheckpoint::read(&note).map_err(|_| damaged("its last checkpoint is not one"))?;
                trust.check_origin(&note).map_err(|_| damaged("it is the copy of another log"))?;
                let Checkpoint { size: seen, root, .. } = *note.checkpoint();
                if seen > size || tree::root(&store, seen)? != root {
                    return Err(damaged("its entries are not those of its last checkpoint"));
                }
                Some(note)
            }
        };
        Ok(Self { trust, store, rules, seen })
    }

    /// The settings.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The copy. Entries behind the last accepted checkpoint may follow.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// What the entries mean. It may be ahead of the last accepted checkpoint if following was interrupted.
    pub fn rules(&self) -> &R {
        &self.rules
    }

    /// The last checkpoint that was accepted.
    pub fn seen(&self) -> Option<&SignedCheckpoint> {
        self.seen.as_ref()
    }

    /// Fetches the newest checkpoint and all entries that it adds, applies them, and accepts the checkpoint.
    ///
    /// # Errors
    /// [`Refusal`]; the checkpoint is not accepted then. Entries that were checked before stay in the copy.
    pub fn advance(&mut self, source: &(impl Source + ?Sized), now: UnixSeconds) -> Result<Checkpoint, Refusal> {
        let note = SignedCheckpoint::read(&source.fetch(CHECKPOINT_PATH)?)?;
        self.trust.check_origin(&note)?;
        let mut candidates = self.rules.working_keys().to_vec();
        if note.signer(&candidates).is_none() {
            // New working keys, which the entries that follow must name too.
            candidates = RootPolicy::fetch(source, self.trust.name())?.working_keys;
            note.signer(&candidates).ok_or(Refusal::NotSigned)?;
        }
        if let Some(seen) = &self.seen {
            compare(seen, &note)?;
        }
        self.trust.check(&note, &candidates, now, self.seen.is_none())?;
        self.fetch_to(source, &note)?;
        let Checkpoint { size, root, .. } = *note.checkpoint();
        if self.rules.size() > size {
            // Following a larger checkpoint was interrupted, and that one is not shown any more.
            return Err(Refusal::Rollback { seen: self.rules.size(), shown: size });
        }
        if tree::root(&self.store, size)? != root {
            return Err(self.departs(&note)?);
        }
        if self.rules.latest() > now + CLOCK_SECONDS {
            return Err(Refusal::Future(self.rules.latest()));
        }
        self.rules.check_end().map_err(|reason| Refusal::End { size, reason: reason.into() })?;
        // Under the policy at this size, whatever the server showed as the policy.
        note.signer(self.rules.working_keys()).ok_or(Refusal::NotSigned)?;
        self.trust.check(&note, &self.rules.operator_keys(), now, self.seen.is_none())?;
        let seen = Some(note.to_string().into_bytes());
        self.store.commit(&Change::of_value(self.store.size()?, SEEN, seen))?;
        let checkpoint = note.checkpoint().clone();
        self.seen = Some(note);
        Ok(checkpoint)
    }

    /// Fetches, checks and keeps the entries that a checkpoint adds to the copy.
    fn fetch_to(&mut self, source: &(impl Source + ?Sized), note: &SignedCheckpoint) -> Result<(), Refusal> {
        let Checkpoint { size, root, .. } = *note.checkpoint();
        let tiles = Fetched::new(source, size);
        let lacking = || SourceError::NotFound("tiles".into());
        loop {
            let base = self.store.size()?;
            if base >= size {
                return Ok(());
            }
            let end = size.min(base + AT_ONCE);
            let entries = fetch_range(source, base, end, size)?;
            let growth = tree::grow(&self.store, base, &entries)?;
            // Entries are kept only if the checkpoint has them.
            let proof = tree::consistency(&tiles, size, end, lacking)?;
            if check_consistency(&proof, size, root, end, growth.root).is_err() {
                return Err(self.mismatch(source, note, base)?);
            }
            let mut rules = self.rules.clone();
            apply_all(&mut rules, &entries)?;
            let values = [(REACHED.to_owned(), Some(note.to_string().into_bytes()))].into();
            self.store.commit(&Change { base, entries, hashes: growth.hashes, values })?;
            self.rules = rules;
        }
    }

    /// Returns whether the log forked, or its server returns something else than the log has: what the copy has is in the
    /// log if the server can prove it.
    fn mismatch(
        &self,
        source: &(impl Source + ?Sized),
        note: &SignedCheckpoint,
        base: u64,
    ) -> Result<Refusal, Refusal> {
        let Checkpoint { size, root, .. } = *note.checkpoint();
        let own = tree::root(&self.store, base)?;
        let tiles = Fetched::new(source, size);
        let proof = tree::consistency(&tiles, size, base, || SourceError::NotFound("tiles".into()))?;
        let is_continued = check_consistency(&proof, size, root, base, own).is_ok();
        if is_continued { Ok(Refusal::Mismatch) } else { Ok(self.departs(note)?) }
    }

    /// Returns the refusal of a checkpoint that does not have the entries of the copy.
    ///
    /// **Attack.** A log shows a mirror a checkpoint that it refuses, or whose entries it cannot fetch to the end, and then
    /// another one for the same places. What the mirror accepted before belongs to both, and proves nothing.
    ///
    /// **Defence.** The mirror keeps the checkpoint together with its entries, and proves the fork by it.
    fn departs(&self, note: &SignedCheckpoint) -> Result<Refusal, StoreError> {
        let reached = self.reached()?.filter(|reached| reached.checkpoint() != note.checkpoint());
        Ok(reached.map_or(Refusal::Mismatch, |reached| forked(&reached, note)))
    }

    /// Returns the checkpoint that the newest entries of the copy are of.
    fn reached(&self) -> Result<Option<SignedCheckpoint>, StoreError> {
        let accepted = self.seen.as_ref().map_or(0, |seen| seen.checkpoint().size);
        if self.store.size()? > accepted
            && let Some(note) = self.store.value(REACHED)?
            && let Ok(note) = SignedCheckpoint::read(&note)
        {
            return Ok(Some(note));
        }
        Ok(self.seen.clone())
    }

    /// Returns what the copy serves at a path, for readers who ask another server: the last accepted checkpoint, and tiles of
    /// its entries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn resource(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.seen.as_ref().map_or(Ok(None), |seen| copied(&self.store, seen, path))
    }

    /// Cosigns the last accepted checkpoint, and returns the signature line for the log. A mirror cosigns a log at most once
    /// in `interval` seconds, so that no state between two checkpoints can be shown to one reader alone.
    ///
    /// # Errors
    /// [`CosignError`].
    pub fn cosign(&self, key: &CosignerKey, now: UnixSeconds, interval: u64) -> Result<String, CosignError> {
        let seen = self.seen.as_ref().ok_or(CosignError::Nothing)?;
        let last = self.store.value(COSIGNED)?.and_then(|time| time.try_into().ok()).map(u64::from_be_bytes);
        if let Some(last) = last.map(UnixSeconds).filter(|last| last.abs_diff(now) < interval) {
            return Err(CosignError::TooSoon(last + interval));
        }
        let cosigned = Some(now.0.to_be_bytes().to_vec());
        self.store.commit(&Change::of_value(self.store.size()?, COSIGNED, cosigned))?;
        Ok(seen.cosign(key, now))
    }
}

/// Returns what the copy of a log serves at a path, up to a checkpoint that its mirror accepted. A server uses it to answer
/// while the mirror waits for the log's own server.
///
/// # Errors
/// [`StoreError`].
pub fn copied<S: LogStore + ?Sized>(
    store: &S,
    seen: &SignedCheckpoint,
    path: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    if path == CHECKPOINT_PATH {
        return Ok(Some(seen.to_string().into_bytes()));
    }
    let tile = path.parse::<TileId>().ok().filter(|tile| tile.is_in_tree(seen.checkpoint().size));
    tile.map(|tile| read_tile(store, &tile)).transpose()
}

fn apply_all<R: Rules>(rules: &mut R, entries: &[Vec<u8>]) -> Result<(), Refusal> {
    entries.iter().try_for_each(|entry| {
        let index = rules.size();
        rules.apply(entry).map_err(|reason| Refusal::Entry { index, reason: reason.into() })
    })
}

/// Fetches the entries from `base` to `end` of a tree of this size. They are not checked.
fn fetch_range(source: &(impl Source + ?Sized), base: u64, end: u64, size: u64) -> Result<Vec<Vec<u8>>, SourceError> {
    let width = u64::from(TILE_WIDTH);
    let places = base / width..end.div_ceil(width);
    let tile = |place| TileId::in_tree(TileKind::Entries, place, size);
    let tiles: Vec<TileId> = places.filter_map(tile).collect();
    let mut entries = Vec::with_capacity((end - base) as usize);
    for tile in tiles {
        let bundle = fetch_entries(source, &tile)?;
        let range = tile.range();
        let numbered = bundle.into_iter().zip(range).filter(|(_, index)| (base..end).contains(index));
        entries.extend(numbered.map(|(entry, _)| entry));
    }
    Ok(entries)
}
