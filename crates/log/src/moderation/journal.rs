//! The moderation log of this relay's operator.

use parking_lot::Mutex;
use quotapass_protocol::{
    UnixSeconds,
    note::{NoteKey, NotePublicKey},
};
use rand::{CryptoRng, RngCore};

use super::{
    Because, Body, Digest, Entry, EntryError, EntryId, Lift, NotASaltedText, SaltedText, ServedLists, State, StatedList,
};
use crate::{
    CLOCK_SECONDS, Change, CosignerPublicKey, Log, LogError, LogName, LogStore, POLICY_PATH, Publication, Published,
    Rules, SignedCheckpoint, SignedLeaf, Source, SourceError, StoreError,
};

/// The prefix of the paths of lists.
pub(super) const ACTIVE_PATH: &str = "active/";
/// The prefix of the paths, and of the names in the store, of statements of reasons.
const TEXT_PATH: &str = "text/";
/// The prefix of the names in the store of values of the program that has the journal.
const BESIDE: &str = "beside/";
/// The most entries of a log that are read at once.
const AT_ONCE: u64 = 4_096;

/// Errors of a moderation log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The entry does not follow the rules.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The working key is not one that the policy names.
    #[error("`{0}` is not a working key of this log's policy; use one that is, or let the root key name this one")]
    NotAWorkingKey(NotePublicKey),
    /// The log has no policy.
    #[error("the log has no policy yet; append one that the root key signed")]
    NoPolicy,
    /// The text of a strike is missing, or has another hash.
    #[error(
        "the statement of reasons does not have the hash that the strike states; send the one that it was signed with"
    )]
    Text,
    /// The text is too long.
    #[error(transparent)]
    Salted(#[from] NotASaltedText),
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self::Log(error.into())
    }
}

/// A moderation log that this process writes: it takes only entries that follow the rules, ends strikes whose time is over,
/// states what is in force before each checkpoint, and serves all of it.
///
/// Before it appends a strike, a relay also verifies the pass and the message: the journal sees neither.
#[derive(Debug)]
pub struct Journal<S> {
    log: Log<S>,
    name: LogName,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// None after a write failed: it is then computed again.
    state: Option<State>,
    /// What is served of the published entries.
    served: ServedLists,
}

impl<S: LogStore> Journal<S> {
    /// Opens the moderation log in a store, and reads all its entries.
    ///
    /// # Errors
    /// [`JournalError`] if the store is damaged, or has entries that do not follow the rules.
    pub fn open(name: LogName, store: S) -> Result<Self, JournalError> {
        let log = Log::open(name.origin.clone(), store)?;
        let inner = Inner { state: None, served: ServedLists::default() };
        let journal = Self { log, name, inner: inner.into() };
        {
            let mut inner = journal.inner.lock();
            let published = journal.log.published()?.map_or(0, |published| published.note.checkpoint().size);
            let mut state = State::new(journal.name.clone());
            journal.replay(&mut state, published)?;
            if published > 0 {
                inner.served.serve(&state, UnixSeconds(0))?;
            }
            journal.replay(&mut state, journal.log.size()?)?;
            inner.state = Some(state);
        }
        Ok(journal)
    }

    /// Applies the entries up to a size.
    fn replay(&self, state: &mut State, size: u64) -> Result<(), JournalError> {
        while state.size() < size {
            let begin = state.size();
            for entry in self.log.store().entries(begin..size.min(begin + AT_ONCE))? {
                state.apply(&entry)?;
            }
        }
        Ok(())
    }

    /// The log itself.
    pub fn log(&self) -> &Log<S> {
        &self.log
    }

    /// The name of the log.
    pub fn name(&self) -> &LogName {
        &self.name
    }

    /// Reads the state after the last entry, published or not.
    ///
    /// # Errors
    /// [`JournalError`] if the store failed.
    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, JournalError> {
        let mut inner = self.inner.lock();
        Ok(read(self.state(&mut inner)?))
    }

    /// Returns the state, computed again after a failed write.
    fn state<'a>(&self, inner: &'a mut Inner) -> Result<&'a mut State, JournalError> {
        let size = self.log.size()?;
        let state = match inner.state.take() {
            Some(state) if state.size() == size => state,
            _ => {
                let mut state = State::new(self.name.clone());
                self.replay(&mut state, size)?;
                state
            }
        };
        Ok(inner.state.insert(state))
    }

    /// Appends an entry that follows the rules, and returns its place. It is on disk then, and not served before the next
    /// checkpoint.
    ///
    /// # Errors
    /// [`JournalError`]; nothing is appended then.
    pub fn append(&self, entry: &[u8], now: UnixSeconds) -> Result<u64, JournalError> {
        let leaf = SignedLeaf::read(entry).map_err(EntryError::Leaf)?;
        check_time(&Entry::from_json(leaf.json())?, now)?;
        let mut inner = self.inner.lock();
        self.append_to(&mut inner, entry)
    }

    fn append_to(&self, inner: &mut Inner, entry: &[u8]) -> Result<u64, JournalError> {
        let state = self.state(inner)?;
        let place = state.size();
        state.apply(entry)?;
        // If this fails, the state is ahead of the log, and is computed again.
        self.log.append_after(place, vec![entry.to_vec()])?;
        Ok(place)
    }

    /// Keeps the statement of reasons of a strike, and appends the strike.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`JournalError::Text`] if the entry is no strike with the hash of this text.
    pub fn append_strike(&self, entry: &[u8], text: &SaltedText, now: UnixSeconds) -> Result<u64, JournalError> {
        let leaf = SignedLeaf::read(entry).map_err(EntryError::Leaf)?;
        let stated = Entry::from_json(leaf.json())?;
        check_time(&stated, now)?;
        let is_of_text = match stated.body {
            Body::Strike(strike) => strike.text == text.digest(),
            _ => false,
        };
        if !is_of_text {
            return Err(JournalError::Text);
        }
        let mut inner = self.inner.lock();
        // It is there before the entry that names it.
        self.keep_text(&text.digest(), Some(text.to_bytes()))?;
        self.append_to(&mut inner, entry)
    }

    /// Returns a statement of reasons, unless it was erased.
    ///
    /// # Errors
    /// [`JournalError`] if the store failed.
    pub fn text(&self, digest: &Digest) -> Result<Option<SaltedText>, JournalError> {
        let bytes = self.log.store().value(&format!("{TEXT_PATH}{digest}"))?;
        Ok(bytes.map(|bytes| SaltedText::from_bytes(&bytes)).transpose()?)
    }

    /// Erases a statement of reasons. The entry that names it stays.
    ///
    /// # Errors
    /// [`JournalError`] if the store failed.
    pub fn erase_text(&self, digest: &Digest) -> Result<(), JournalError> {
        let _inner = self.inner.lock();
        self.keep_text(digest, None)
    }

    fn keep_text(&self, digest: &Digest, text: Option<Vec<u8>>) -> Result<(), JournalError> {
        let change = Change::of_value(self.log.size()?, &format!("{TEXT_PATH}{digest}"), text);
        Ok(self.log.store().commit(&change)?)
    }

    /// Ends the strikes whose time is over, in the name of the log, and returns which they were.
    ///
    /// # Errors
    /// [`JournalError`]; those before the error are lifted.
    pub fn expire(
        &self,
        key: &NoteKey,
        now: UnixSeconds,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<EntryId>, JournalError> {
        let mut inner = self.inner.lock();
        let expired: Vec<_> = self.state(&mut inner)?.expired(now).map(|strike| strike.id).collect();
        for strike in &expired {
            let body = Body::Lift(Lift { strike: *strike, because: Because::Expired });
            self.append_own(&mut inner, body, key, now, rng)?;
        }
        Ok(expired)
    }

    /// Appends an entry that the log itself signs.
    fn append_own(
        &self,
        inner: &mut Inner,
        body: Body,
        key: &NoteKey,
        now: UnixSeconds,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(), JournalError> {
        let leaf = Entry::new(body, now, rng).sign(&self.name.origin, &[key])?;
        self.append_to(inner, &leaf.to_bytes().map_err(EntryError::Leaf)?).map(drop)
    }

    /// States what is in force, and publishes a checkpoint, if something was appended and the interval of the log's policy
    /// is over.
    ///
    /// # Errors
    /// [`JournalError`]; nothing is published then.
    pub fn publish(
        &self,
        key: &NoteKey,
        now: UnixSeconds,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Publication, JournalError> {
        let mut inner = self.inner.lock();
        let state = self.state(&mut inner)?;
        let policy = state.policy().ok_or(JournalError::NoPolicy)?;
        if !policy.working_keys.contains(&key.public()) {
            return Err(JournalError::NotAWorkingKey(key.public()));
        }
        let interval = u64::from(policy.list_interval.get());
        if let Some(last) = self.log.published()? {
            if last.note.checkpoint().size == state.size() && state.due()?.is_none() {
                return Ok(Publication::Unchanged);
            }
            if last.at.abs_diff(now) < interval {
                return Ok(Publication::TooSoon(last.at + interval));
            }
        }
        while let Some(active) = self.state(&mut inner)?.due()? {
            self.append_own(&mut inner, Body::Active(active), key, now, rng)?;
        }
        let publication = self.log.publish(key, now, interval)?;
        if matches!(publication, Publication::New(_)) {
            self.state(&mut inner)?;
            if let Some(state) = inner.state.take() {
                let served = inner.served.serve(&state, now);
                inner.state = Some(state);
                served?;
            }
        }
        Ok(publication)
    }

    /// Returns the published checkpoint, with the lists in force there that are not empty.
    ///
    /// # Errors
    /// [`JournalError`] if the store failed.
    pub fn in_force(&self) -> Result<Option<(Published, Vec<StatedList>)>, JournalError> {
        let inner = self.inner.lock();
        Ok(self.log.published()?.map(|published| (published, inner.served.in_force().to_vec())))
    }

    /// Checks that the store is not behind a checkpoint of this log that another relay saw; see
    /// [`Log::check_not_behind`]. A checkpoint that neither `key` nor a working key of this log signed proves nothing and is
    /// ignored. `key` is the program's own key, which a store that was lost as a whole does not name.
    ///
    /// # Errors
    /// [`JournalError::Log`]: an entry that is appended now would fork the log.
    pub fn check_not_behind(&self, seen: &SignedCheckpoint, key: &NotePublicKey) -> Result<(), JournalError> {
        let is_signed = self.read(|state| seen.signer(state.working_keys()).is_some())?
            || seen.signer(core::slice::from_ref(key)).is_some();
        if is_signed { Ok(self.log.check_not_behind(seen.checkpoint())?) } else { Ok(()) }
    }

    /// Returns a value that the program keeps [beside](Self::keep_beside) the log.
    ///
    /// # Errors
    /// [`JournalError`] if the store failed.
    pub fn beside(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.log.store().value(&format!("{BESIDE}{name}"))?)
    }

    /// Keeps a value beside the log, which is not served. It is on disk then.
    ///
    /// # Errors
    /// [`JournalError`] if the store failed.
    pub fn keep_beside(&self, name: &str, value: Vec<u8>) -> Result<(), JournalError> {
        let _inner = self.inner.lock();
        let change = Change::of_value(self.log.size()?, &format!("{BESIDE}{name}"), Some(value));
        Ok(self.log.store().commit(&change)?)
    }

    /// Adds the cosignature of a witness to the published checkpoint, and returns whether it is newer.
    ///
    /// # Errors
    /// [`JournalError::Log`].
    pub fn add_cosignature(&self, line: &str, witnesses: &[CosignerPublicKey]) -> Result<bool, JournalError> {
        let _inner = self.inner.lock();
        Ok(self.log.add_cosignature(line, witnesses)?)
    }

    /// Returns what the log serves at a path: what [`Log::resource`] does, the newest policy of the root key, the lists in
    /// force, and statements of reasons.
    ///
    /// # Errors
    /// [`JournalError`] if the store failed.
    pub fn resource(&self, path: &str) -> Result<Option<Vec<u8>>, JournalError> {
        if path == POLICY_PATH || path.starts_with(ACTIVE_PATH) {
            return Ok(self.inner.lock().served.resource(path).map(<[u8]>::to_vec));
        }
        if let Some(digest) = path.strip_prefix(TEXT_PATH) {
            let Ok(digest) = digest.parse() else { return Ok(None) };
            return Ok(self.text(&digest)?.map(|text| text.to_bytes()));
        }
        Ok(self.log.resource(path)?)
    }
}

/// Refuses an entry of the future: witnesses would not cosign a log that has it.
fn check_time(entry: &Entry, now: UnixSeconds) -> Result<(), EntryError> {
    if entry.at > now + CLOCK_SECONDS { Err(EntryError::Future(entry.at)) } else { Ok(()) }
}

/// A moderation log in this process, as its readers see it.
impl<S: LogStore> Source for Journal<S> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let found = self.resource(path);
        let found = found.map_err(|error| SourceError::Unavailable { path: path.into(), reason: error.to_string() })?;
        found.ok_or_else(|| SourceError::NotFound(path.into()))
    }
}
