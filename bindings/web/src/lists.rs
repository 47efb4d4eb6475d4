//! The lists of a room. The package's JavaScript fetches what a reader wants, and stores what it remembers of each log.

use core::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use quotapass_circuits::{formats::recorded::ListVersion, moderation::Entry};
use quotapass_log::{LogId, Memory, Refusal, Shelf, Source, SourceError};
use quotapass_protocol::{LogIdentity, UnixSeconds, moderation::EntryBody};
use quotapass_wallet::{
    BoundPolicy,
    moderation::{
        CurrentList, ListError, LogMemoryError, LogSettings, OwnStrike, ScopeLists, StatedLog, StrikeDetails,
        VerifiedLists, needs_large_key,
    },
    verify_message,
};
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Account, Prover, argument, error::Failure, to_json};

/// What the readers remember, until JavaScript has stored it.
type Memories = RefCell<BTreeMap<LogId, Memory>>;

/// Readers of the lists that a room enforces, in the order of its policy.
///
/// A list that was read is not used before [`stored`](Self::stored): what its reader remembers must be durable first, or the
/// log could show an older state after a crash.
#[wasm_bindgen]
pub struct Lists {
    policy: BoundPolicy,
    settings: Vec<LogSettings>,
    readers: ScopeLists,
    memories: Memories,
    /// What was fetched for each reader.
    shelves: Vec<Shelf>,
    /// What was read and is not stored yet, and the time.
    fresh: Option<(Vec<CurrentList>, UnixSeconds)>,
    current: Vec<CurrentList>,
    /// Versions that were replaced, and since when.
    former: Vec<(CurrentList, UnixSeconds)>,
    verified: Option<Verified>,
}

/// The lists that a receiver accepts, and what is known of them.
struct Verified {
    lists: VerifiedLists,
    versions: BTreeSet<ListVersion>,
    /// Whether the key of `record128` was loaded.
    is_large: bool,
}

#[wasm_bindgen]
impl Lists {
    /// Opens the readers of a room's lists: the settings of logs as JSON, and what was stored of the log of each list, as JSON
    /// with text or null for each.
    ///
    /// # Errors
    /// `log_not_named` if the settings lack a log of the room, `log_memory_damaged`, `invalid_argument`.
    pub fn open(room: &str, settings: &str, memories: &str) -> Result<Self, Failure> {
        let policy = argument::policy(room)?;
        let stated: Vec<StatedLog> = argument::json("settings of logs", settings)?;
        let settings = stated.iter().map(LogSettings::try_from).collect::<Result<Vec<_>, _>>()?;
        let (readers, memories) = readers(&policy, &settings, memories)?;
        let shelves = shelves(&readers);
        Ok(Self {
            policy,
            settings,
            readers,
            memories,
            shelves,
            fresh: None,
            current: Vec::new(),
            former: Vec::new(),
            verified: None,
        })
    }

    /// Begins again from what another tab or process has stored since. Lists that are in use stay.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reopen(&mut self, memories: &str) -> Result<(), Failure> {
        (self.readers, self.memories) = readers(&self.policy, &self.settings, memories)?;
        self.shelves = shelves(&self.readers);
        self.fresh = None;
        Ok(())
    }

    /// Puts the answer for a path on a reader's shelf: bytes, nothing if the server does not have it, or the reason why it
    /// does not answer.
    ///
    /// # Errors
    /// `invalid_argument` if there is no such list.
    pub fn put(
        &mut self,
        list: usize,
        path: String,
        bytes: Option<Box<[u8]>>,
        failure: Option<String>,
    ) -> Result<(), Failure> {
        let answer = match (bytes, failure) {
            (Some(bytes), _) => Ok(bytes.into_vec()),
            (None, None) => Err(SourceError::NotFound(path.clone())),
            (None, Some(reason)) => Err(SourceError::Unavailable { path: path.clone(), reason }),
        };
        let shelf = self.shelves.get_mut(list);
        shelf.ok_or_else(|| Failure::argument("there is no such list"))?.put(path, answer);
        Ok(())
    }

    /// Empties a reader's shelf, to ask another server.
    pub fn clear(&mut self, list: usize) {
        if let Some(shelf) = self.shelves.get_mut(list) {
            *shelf = Shelf::new();
        }
    }

    /// Reads the newest lists from the shelves. Returns what happened as JSON: `wanted` has the paths to fetch for each
    /// list; `refused` a list whose server is to be changed; `memories` what is to be stored for each list before
    /// [`stored`](Self::stored).
    ///
    /// # Errors
    /// `log_refused` if the log has two histories; `log_memory_damaged`.
    pub fn refresh(&mut self, now: f64) -> Result<String, Failure> {
        let now = argument::moment(now)?;
        let sources: Vec<&dyn Source> = self.shelves.iter().map(|shelf| shelf as &dyn Source).collect();
        let read = self.readers.refresh(&sources, &self.memories, now);
        let outcome = match read {
            Ok(lists) => {
                let memory =
                    |log: LogId| self.memories.borrow().get(&log).and_then(|memory| serde_json::to_string(memory).ok());
                let memories: Vec<_> = self.readers.logs().map(memory).collect();
                self.fresh = Some((lists, now));
                json!({ "memories": memories })
            }
            Err(error) => self.missing(error)?,
        };
        Ok(to_json(&outcome))
    }

    /// Begins to use the lists that were read last. Their memories are stored.
    ///
    /// # Errors
    /// `lists_missing` if nothing was read since.
    pub fn stored(&mut self) -> Result<(), Failure> {
        let (lists, now) = self.fresh.take().ok_or(Failure::ListsUnread)?;
        let replaced = core::mem::replace(&mut self.current, lists);
        let is_kept = |list: &CurrentList| self.current.iter().any(|current| current.reference == list.reference);
        self.former.extend(replaced.into_iter().filter(|list| !is_kept(list)).map(|list| (list, now)));
        // The next read lists are fetched anew.
        self.shelves = shelves(&self.readers);
        self.forget(now);
        Ok(())
    }

    /// The lists in use, as JSON: log, size and number of entries.
    pub fn state(&self) -> String {
        let state = |list: &CurrentList| json!({ "log": list.log(), "size": list.reference.size.to_string(), "entries": list.entries.len() });
        to_json(&self.current.iter().map(state).collect())
    }

    /// Whether the records need the key of `record128`.
    #[wasm_bindgen(js_name = needLarge)]
    pub fn need_large(&self) -> bool {
        needs_large_key(&self.current)
    }

    /// Tests the lists that were read against a member's secret. Returns JSON: `wanted` has the paths to fetch for each list,
    /// or `strikes` the strikes of the member.
    ///
    /// # Errors
    /// `lists_missing` before the first [`stored`](Self::stored).
    pub fn test(&mut self, account: &Account) -> Result<String, Failure> {
        self.lists()?;
        let sources: Vec<&dyn Source> = self.shelves.iter().map(|shelf| shelf as &dyn Source).collect();
        let outcome = match self.readers.test(&account.secret, &sources) {
            Ok(()) => json!({ "strikes": [] }),
            Err(ListError::Struck(struck)) => {
                // What explains a strike is fetched at most once for each test.
                self.shelves = shelves(&self.readers);
                json!({ "strikes": struck.strikes.iter().map(strike).collect::<Vec<_>>(), "message": struck.to_string() })
            }
            Err(error) => self.missing(error)?,
        };
        Ok(to_json(&outcome))
    }

    /// Checks a post with records, whose pass is given as bytes or text, against the lists in use and those that they have
    /// replaced within the room's window. Returns the verdict as JSON.
    ///
    /// # Errors
    /// `no_key`, `invalid_argument`, `lists_missing`; a fault of the pass is a verdict.
    #[allow(clippy::too_many_arguments, reason = "the parts of one statement")]
    pub fn verify(
        &mut self,
        prover: &Prover,
        room: &str,
        message: &[u8],
        pass: Option<Box<[u8]>>,
        text: Option<String>,
        roots: Vec<String>,
        now: f64,
    ) -> Result<String, Failure> {
        let (policy, roots, now) = (argument::policy(room)?, argument::roots(&roots)?, argument::moment(now)?);
        self.lists()?;
        self.forget(now);
        let verifiers = prover.record_verifiers()?;
        let is_large = verifiers.large.is_some();
        let known = self.verified.take().filter(|verified| verified.is_large == is_large);
        let new = || Verified { lists: VerifiedLists::new(verifiers), versions: BTreeSet::new(), is_large };
        let Verified { lists: verified, versions, .. } = self.verified.insert(known.unwrap_or_else(new));
        for list in self.former.iter().map(|(list, _)| list).chain(&self.current) {
            if !versions.contains(&list.version()) {
                verified.accept(list)?;
                versions.insert(list.version());
            }
        }
        let verdict = crate::verify::bytes(pass, text)
            .and_then(|pass| verify_message(&prover.posts.1, verified, &policy, message, &pass, roots.as_slice(), now));
        Ok(to_json(&crate::verify::post_verdict(verdict)))
    }
}

impl Lists {
    /// The lists in use.
    pub(crate) fn lists(&self) -> Result<&[CurrentList], Failure> {
        let has_lists = !self.policy.values().lists().is_empty();
        if has_lists && self.current.is_empty() { Err(Failure::ListsUnread) } else { Ok(&self.current) }
    }

    /// Forgets lists that were replaced longer ago than the room's window.
    fn forget(&mut self, now: UnixSeconds) {
        let window = self.policy.values().moderation.as_ref().map_or(0, |moderation| u64::from(moderation.list_window));
        let (kept, over): (Vec<_>, _) =
            core::mem::take(&mut self.former).into_iter().partition(|(_, since)| now.since(*since) <= window);
        self.former = kept;
        for (list, _) in over {
            if let Some(Verified { lists, versions, .. }) = &mut self.verified {
                lists.remove(&list.version());
                versions.remove(&list.version());
            }
        }
    }

    /// Returns what the caller has to fetch after an error, or which list needs another server.
    fn missing(&self, error: ListError) -> Result<Value, Failure> {
        let ListError::Refused { origin, refusal } = &error else { return Err(error.into()) };
        match refusal {
            Refusal::Source(SourceError::Wanted(_)) => {
                let wanted: Vec<_> = self.shelves.iter().map(Shelf::wanted).collect();
                Ok(json!({ "wanted": wanted }))
            }
            // Another server must not hide that the log has two histories.
            Refusal::Fork(_) => Err(error.into()),
            _ => {
                let is_of = |reader: &quotapass_wallet::moderation::ListReader| {
                    reader.settings().name().origin.to_string() == *origin
                };
                let list = self.readers.readers().iter().position(is_of);
                let is_silent = matches!(refusal, Refusal::Source(_));
                let code = if is_silent { "source_failed" } else { "log_refused" };
                Ok(
                    json!({ "refused": { "list": list.unwrap_or_default(), "code": code, "message": error.to_string() } }),
                )
            }
        }
    }
}

/// Opens readers, and returns what they remember.
fn readers(policy: &BoundPolicy, settings: &[LogSettings], stored: &str) -> Result<(ScopeLists, Memories), Failure> {
    let stored: Vec<Option<String>> = argument::json("memories of logs", stored)?;
    let mut memories = BTreeMap::new();
    for (list, stored) in policy.values().lists().iter().zip(stored) {
        let log = LogId::from_bytes(list.log.0);
        if let Some(stored) = stored {
            let memory = serde_json::from_str(&stored).map_err(|_| ListError::from(LogMemoryError::Damaged { log }))?;
            memories.insert(log, memory);
        }
    }
    let memories = RefCell::new(memories);
    Ok((ScopeLists::open(policy, settings, &memories)?, memories))
}

/// Returns an empty shelf for each reader.
fn shelves(readers: &ScopeLists) -> Vec<Shelf> {
    readers.readers().iter().map(|_| Shelf::new()).collect()
}

/// Returns the JSON of a strike. Times are Unix seconds.
fn strike(strike: &OwnStrike) -> Value {
    let details = strike.details.as_ref().map(|details| {
        let StrikeDetails { index, id, at, scope, ground, until, text, .. } = details;
        let until = match until {
            quotapass_log::moderation::Until::At(at) => Some(at),
            quotapass_log::moderation::Until::Never => None,
        };
        json!({
            "id": id.to_string(),
            "index": index.to_string(),
            "at": at,
            "scope": scope,
            "reason": details.reason,
            "ground": ground,
            "until": until,
            "text": text,
            "automatedDetection": details.automated_detection,
            "automatedDecision": details.automated_decision,
        })
    });
    json!({
        "origin": strike.origin,
        "log": strike.log,
        "servers": strike.servers.iter().map(|server| server.expose()).collect::<Vec<_>>(),
        "entry": EntryBody::from(strike.post),
        "details": details,
    })
}

/// The identity of a log in the settings, for its storage and its addresses: 64 hexadecimal digits.
///
/// # Errors
/// `invalid_argument` if the settings are not valid.
#[wasm_bindgen(js_name = logIdentity)]
pub fn log_identity(settings: &str) -> Result<String, Failure> {
    let stated: StatedLog = argument::json("settings of a log", settings)?;
    let identity: LogIdentity = LogSettings::try_from(&stated)?.identity();
    Ok(identity.to_string())
}

/// Parses an entry in JSON.
pub(crate) fn entry(text: &str) -> Result<Entry, Failure> {
    Ok(argument::json::<EntryBody>("entry of a post", text)?.into())
}
