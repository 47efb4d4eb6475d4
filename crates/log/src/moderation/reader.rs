//! A reader of lists, for wallets: it reads kilobytes and not the history.

use quotapass_protocol::UnixSeconds;

use super::{
    Body, Digest, Entry, IndexedList, ListKey, ListReference, ListedEntry, journal::ACTIVE_PATH, read_list, write_index,
};
use crate::{Checkpoint, Follower, Refusal, SignedLeaf, Source};

/// What is in force in a log at a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    reference: ListReference,
    lists: Vec<IndexedList>,
}

/// The list of a scope, with the state of the log that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeList {
    /// What a pass states.
    pub reference: ListReference,
    /// The listed posts, in order.
    pub entries: Vec<ListedEntry>,
}

/// Brings a follower to the newest checkpoint of a moderation log, and reads what is in force there. The follower's
/// [memory](Follower::memory) must be on disk before a list is used.
///
/// The index is the last entry before the checkpoint. Each witness has recomputed it before it cosigned.
///
/// # Errors
/// [`Refusal`].
pub fn read_index(
    follower: &mut Follower,
    source: &(impl Source + ?Sized),
    now: UnixSeconds,
) -> Result<Index, Refusal> {
    let mut advanced = follower.clone();
    let Checkpoint { size, root, .. } = advanced.advance(source, now)?;
    let last = size.checked_sub(1).ok_or_else(|| invalid("the last entry", &"the log has none"))?;
    let leaf = SignedLeaf::read(&advanced.entry(source, last)?)?;
    leaf.signers(&advanced.trust().name().origin, advanced.working_keys())?;
    let entry = Entry::from_json(leaf.json()).map_err(|error| invalid("the last entry", &error))?;
    let active = match entry.body {
        Body::Active(active) if active.registry.is_none() && active.size == last => active,
        _ => return Err(invalid("the last entry", &"it is not the index")),
    };
    let (path, bytes) = fetch(source, &active.sha256)?;
    let lists: Vec<IndexedList> = serde_json::from_slice(&bytes).map_err(|error| invalid(&path, &error))?;
    let is_plain = write_index(&lists).is_ok_and(|written| written.as_bytes() == bytes);
    if !is_plain || lists.len() as u64 != u64::from(active.count) {
        return Err(invalid(&path, &"it is not the index that the log states"));
    }
    let reference = ListReference { log: advanced.trust().name().id(), size, root };
    *follower = advanced;
    Ok(Index { reference, lists })
}

impl Index {
    /// What a pass states.
    pub fn reference(&self) -> ListReference {
        self.reference
    }

    /// All lists that are not empty.
    pub fn lists(&self) -> &[IndexedList] {
        &self.lists
    }

    /// Fetches the list of a scope: its newest entries, at most `limit`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn list(&self, source: &(impl Source + ?Sized), key: &ListKey, limit: usize) -> Result<ScopeList, Refusal> {
        let reference = self.reference;
        let Some(stated) = self.lists.iter().find(|list| list.registry == key.registry && list.scope == key.scope)
        else {
            return Ok(ScopeList { reference, entries: Vec::new() });
        };
        let (path, bytes) = fetch(source, &stated.sha256)?;
        let mut entries = read_list(&bytes).map_err(|error| invalid(&path, &error))?;
        if entries.len() as u64 != u64::from(stated.count) {
            return Err(invalid(&path, &"it does not have as many entries as the index states"));
        }
        entries.drain(..entries.len().saturating_sub(limit));
        Ok(ScopeList { reference, entries })
    }
}

/// Fetches what has this hash.
fn fetch(source: &(impl Source + ?Sized), digest: &Digest) -> Result<(String, Vec<u8>), Refusal> {
    let path = format!("{ACTIVE_PATH}{digest}");
    let bytes = source.fetch(&path)?;
    if Digest::of(&bytes) == *digest { Ok((path, bytes)) } else { Err(invalid(&path, &"it has another hash")) }
}

fn invalid(path: &str, reason: &dyn core::fmt::Display) -> Refusal {
    Refusal::Content { path: path.into(), reason: reason.to_string() }
}
