//! What follows from the entries of a moderation log, and whether the next entry may follow.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use quotapass_circuits::{registry_id::RegistryId, share::Nullifier};
use quotapass_protocol::{
    UnixSeconds,
    note::{NotePublicKey, canonical_json},
};

use super::{
    Active, Because, Block, Body, Digest, Entry, EntryError, EntryId, IndexedList, Lift, ListKey, ListRule,
    ListedEntry, LogPolicy, MAX_LIST, Strike, Until, write_list,
};
use crate::{LogName, Rules, SignedLeaf};

/// A strike in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The identity of the entry.
    pub id: EntryId,
    /// The registry of the author.
    pub registry: RegistryId,
    /// The name of the scope of the post.
    pub scope: String,
    /// The post.
    pub entry: ListedEntry,
    /// The end.
    pub until: Until,
}

/// What follows from the entries of a moderation log up to a size. It depends on the entries alone, and on no clock.
#[derive(Clone, Debug)]
pub struct State {
    name: LogName,
    size: u64,
    latest: UnixSeconds,
    ids: HashSet<EntryId>,
    policy: Option<LogPolicy>,
    /// The newest policy that the root key signed, with its place.
    root_policy: Option<(u64, Vec<u8>)>,
    strikes: BTreeMap<u64, InForce>,
    places: BTreeMap<EntryId, u64>,
    nullifiers: BTreeMap<Nullifier, EntryId>,
    /// The places of the strikes of each list.
    lists: BTreeMap<ListKey, BTreeSet<u64>>,
    /// Lists that changed since the log stated what is in force in them.
    changed: BTreeSet<ListKey>,
    blocked: BTreeMap<Digest, Block>,
    /// Whether the last entry is the index.
    is_indexed: bool,
}

impl State {
    /// Creates the state of a log without entries.
    pub fn new(name: LogName) -> Self {
        Self {
            name,
            size: 0,
            latest: UnixSeconds(0),
            ids: HashSet::new(),
            policy: None,
            root_policy: None,
            strikes: BTreeMap::new(),
            places: BTreeMap::new(),
            nullifiers: BTreeMap::new(),
            lists: BTreeMap::new(),
            changed: BTreeSet::new(),
            blocked: BTreeMap::new(),
            is_indexed: false,
        }
    }

    /// The log.
    pub fn name(&self) -> &LogName {
        &self.name
    }

    /// The policy in force.
    pub fn policy(&self) -> Option<&LogPolicy> {
        self.policy.as_ref()
    }

    /// The newest policy that the root key signed: its place, and the entry.
    pub fn root_policy(&self) -> Option<(u64, &[u8])> {
        self.root_policy.as_ref().map(|(index, leaf)| (*index, leaf.as_slice()))
    }

    /// The strikes in force, in the order of their places.
    pub fn strikes(&self) -> impl DoubleEndedIterator<Item = &InForce> {
        self.strikes.values()
    }

    /// Returns a strike in force.
    pub fn strike(&self, id: EntryId) -> Option<&InForce> {
        self.places.get(&id).and_then(|place| self.strikes.get(place))
    }

    /// Returns the strikes that are over at `now` and not lifted yet.
    pub fn expired(&self, now: UnixSeconds) -> impl Iterator<Item = &InForce> {
        self.strikes.values().filter(move |strike| matches!(strike.until, Until::At(until) if until <= now))
    }

    /// Returns the block of a file or link, if it is blocked.
    pub fn blocked(&self, subject: &Digest) -> Option<&Block> {
        self.blocked.get(subject)
    }

    /// Returns the list of a scope's policy: the newest strikes that match, in order.
    pub fn list(&self, rule: &ListRule) -> Vec<ListedEntry> {
        let is_match = |strike: &&InForce| {
            strike.registry == rule.registry && rule.scopes.iter().any(|pattern| pattern.matches(&strike.scope))
        };
        newest(self.strikes.values().rev().filter(is_match), rule.limit.min(MAX_LIST))
    }

    /// Returns the list that the log states for a scope.
    pub fn stated_list(&self, key: &ListKey) -> Vec<ListedEntry> {
        let places = self.lists.get(key).into_iter().flatten().rev();
        newest(places.filter_map(|place| self.strikes.get(place)), MAX_LIST)
    }

    /// Returns all lists that are not empty, in order.
    pub fn index(&self) -> Vec<IndexedList> {
        let indexed = |key: &ListKey| {
            let list = self.stated_list(key);
            let sha256 = Digest::of(&write_list(&list));
            IndexedList { registry: key.registry, scope: key.scope.clone(), count: list.len() as u32, sha256 }
        };
        self.lists.keys().map(indexed).collect()
    }

    /// Returns what the log has to state next before a checkpoint: a list that changed, or the index. None if it has stated
    /// everything.
    ///
    /// # Errors
    /// [`EntryError::Form`] if the index has no canonical form; it has one.
    pub fn due(&self) -> Result<Option<Active>, EntryError> {
        if let Some(key) = self.changed.first() {
            return Ok(Some(self.active(key)));
        }
        if self.is_indexed { Ok(None) } else { Ok(Some(self.active_index()?)) }
    }

    fn active(&self, key: &ListKey) -> Active {
        let list = self.stated_list(key);
        Active {
            registry: Some(key.registry),
            scope: key.scope.clone(),
            size: self.size,
            count: list.len() as u32,
            sha256: Digest::of(&write_list(&list)),
        }
    }

    fn active_index(&self) -> Result<Active, EntryError> {
        let index = self.index();
        let sha256 = Digest::of(write_index(&index)?.as_bytes());
        Ok(Active { registry: None, scope: String::new(), size: self.size, count: index.len() as u32, sha256 })
    }

    /// Checks who signed an entry, under the policy before it.
    fn check_signers(&self, leaf: &SignedLeaf, body: &Body) -> Result<(), EntryError> {
        let origin = &self.name.origin;
        let Some(policy) = &self.policy else {
            // The first entry.
            if !matches!(body, Body::Policy(_)) {
                return Err(EntryError::NoPolicy);
            }
            leaf.signers(origin, core::slice::from_ref(&self.name.root_key))?;
            return Ok(());
        };
        match body {
            Body::Active(_) | Body::Lift(Lift { because: Because::Expired, .. }) => {
                leaf.signers(origin, &policy.working_keys)?;
            }
            Body::Policy(next) if !self.is_signed_by_root(leaf) => {
                check_threshold(policy, leaf.signers(origin, &policy.moderators)?.len())?;
                if next.working_keys != policy.working_keys {
                    return Err(EntryError::WorkingKeys);
                }
            }
            Body::Policy(_) => (),
            Body::Strike(_) | Body::Lift(_) | Body::Block(_) | Body::Unblock(_) => {
                check_threshold(policy, leaf.signers(origin, &policy.moderators)?.len())?;
            }
        }
        Ok(())
    }

    fn is_signed_by_root(&self, leaf: &SignedLeaf) -> bool {
        leaf.signers(&self.name.origin, core::slice::from_ref(&self.name.root_key)).is_ok()
    }

    /// Checks an entry against those before it.
    fn check(&self, entry: &Entry) -> Result<(), EntryError> {
        match &entry.body {
            Body::Strike(strike) => self.check_strike(strike),
            Body::Lift(Lift { strike: id, because }) => {
                let strike = self.strike(*id).ok_or(EntryError::NotInForce(*id))?;
                let is_over = matches!(strike.until, Until::At(until) if until <= entry.at);
                if *because == Because::Expired && !is_over { Err(EntryError::NotOver(*id)) } else { Ok(()) }
            }
            Body::Active(stated) => self.check_active(stated),
            Body::Block(Block { subject, .. }) if self.blocked.contains_key(subject) => Err(EntryError::Blocked),
            Body::Unblock(Block { subject, .. }) if !self.blocked.contains_key(subject) => Err(EntryError::NotBlocked),
            Body::Block(_) | Body::Unblock(_) => Ok(()),
            Body::Policy(policy) => policy.check_for(&self.name).map_err(EntryError::Policy),
        }
    }

    fn check_strike(&self, strike: &Strike) -> Result<(), EntryError> {
        let bytes = strike.entry.to_bytes();
        // (1, 0, 0)
        if bytes[..31].iter().chain(&bytes[32..]).all(|byte| *byte == 0) && bytes[31] == 1 {
            return Err(EntryError::Neutral);
        }
        match self.nullifiers.get(&strike.entry.nullifier) {
            Some(id) => Err(EntryError::Struck(*id)),
            None => Ok(()),
        }
    }

    fn check_active(&self, stated: &Active) -> Result<(), EntryError> {
        let computed = match stated.registry {
            Some(registry) => self.active(&ListKey { registry, scope: stated.scope.clone() }),
            None => {
                // The index is of lists that the log has stated.
                if let Some(unstated) = self.changed.first() {
                    return Err(EntryError::Unstated(unstated.clone()));
                }
                self.active_index()?
            }
        };
        if *stated == computed {
            return Ok(());
        }
        let described = |active: &Active| {
            let Active { scope, size, count, sha256, .. } = active;
            format!("{count} in force in `{scope}` after {size} entries, with the hash {sha256}")
        };
        Err(EntryError::Active { stated: described(stated), computed: described(&computed) })
    }

    /// Checks that an entry may follow, and returns it. Nothing is changed.
    ///
    /// # Errors
    /// The rule that it does not follow.
    pub fn check_next(&self, bytes: &[u8]) -> Result<Entry, EntryError> {
        Ok(self.read_next(bytes)?.1)
    }

    fn read_next(&self, bytes: &[u8]) -> Result<(SignedLeaf, Entry), EntryError> {
        let leaf = SignedLeaf::read(bytes)?;
        let entry = Entry::from_json(leaf.json())?;
        if self.ids.contains(&entry.id) {
            return Err(EntryError::Twice(entry.id));
        }
        self.check_signers(&leaf, &entry.body)?;
        self.check(&entry)?;
        Ok((leaf, entry))
    }

    /// Makes the change of an entry that was checked.
    fn change(&mut self, entry: Entry, leaf: &SignedLeaf, bytes: &[u8]) {
        let place = self.size;
        self.size += 1;
        self.latest = self.latest.max(entry.at);
        self.is_indexed = false;
        self.ids.insert(entry.id);
        match entry.body {
            Body::Strike(strike) => {
                let key = ListKey::of_strike(strike.registry, &strike.scope);
                self.lists.entry(key.clone()).or_default().insert(place);
                self.changed.insert(key);
                self.places.insert(entry.id, place);
                self.nullifiers.insert(strike.entry.nullifier, entry.id);
                let Strike { registry, scope, entry: post, until, .. } = *strike;
                self.strikes.insert(place, InForce { id: entry.id, registry, scope, entry: post, until });
            }
            Body::Lift(Lift { strike: id, .. }) => {
                let lifted = self.places.remove(&id).and_then(|place| Some((place, self.strikes.remove(&place)?)));
                if let Some((place, strike)) = lifted {
                    self.nullifiers.remove(&strike.entry.nullifier);
                    let key = ListKey::of_strike(strike.registry, &strike.scope);
                    if let Some(places) = self.lists.get_mut(&key) {
                        places.remove(&place);
                        if places.is_empty() {
                            self.lists.remove(&key);
                        }
                    }
                    self.changed.insert(key);
                }
            }
            Body::Active(Active { registry, scope, .. }) => match registry {
                Some(registry) => {
                    self.changed.remove(&ListKey { registry, scope });
                }
                None => self.is_indexed = true,
            },
            Body::Block(block) => {
                self.blocked.insert(block.subject, block);
            }
            Body::Unblock(block) => {
                self.blocked.remove(&block.subject);
            }
            Body::Policy(policy) => {
                if self.is_signed_by_root(leaf) {
                    self.root_policy = Some((place, bytes.to_vec()));
                }
                self.policy = Some(policy);
            }
        }
    }
}

fn check_threshold(policy: &LogPolicy, found: usize) -> Result<(), EntryError> {
    let required = policy.threshold.into();
    if found < required { Err(EntryError::Threshold { found, required }) } else { Ok(()) }
}

/// Returns the first of these, which come newest first, in the order of their places.
fn newest<'a>(strikes: impl Iterator<Item = &'a InForce>, limit: usize) -> Vec<ListedEntry> {
    let mut entries: Vec<_> = strikes.take(limit).map(|strike| strike.entry).collect();
    entries.reverse();
    entries
}

/// Returns the canonical JSON of an index.
///
/// # Errors
/// [`EntryError::Form`] if it has none; each index has one.
pub fn write_index(index: &[IndexedList]) -> Result<String, EntryError> {
    canonical_json(&index).map_err(|error| EntryError::Form(error.to_string()))
}

impl Rules for State {
    type Error = EntryError;

    fn size(&self) -> u64 {
        self.size
    }

    fn apply(&mut self, bytes: &[u8]) -> Result<(), EntryError> {
        let (leaf, entry) = self.read_next(bytes)?;
        self.change(entry, &leaf, bytes);
        Ok(())
    }

    fn latest(&self) -> UnixSeconds {
        self.latest
    }

    fn check_end(&self) -> Result<(), EntryError> {
        if let Some(unstated) = self.changed.first() {
            return Err(EntryError::Unstated(unstated.clone()));
        }
        if self.is_indexed { Ok(()) } else { Err(EntryError::NoIndex) }
    }

    fn working_keys(&self) -> &[NotePublicKey] {
        self.policy.as_ref().map_or(&[], |policy| &policy.working_keys)
    }

    fn operator_keys(&self) -> Vec<NotePublicKey> {
        let policy = self.policy.iter().flat_map(|policy| policy.working_keys.iter().chain(&policy.moderators));
        policy.chain([&self.name.root_key]).cloned().collect()
    }
}
