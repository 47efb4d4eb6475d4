//! The versions of the lists of one log.

use core::fmt;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use quotapass_circuits::{formats::recorded::ListVersion, moderation::Entry, registry_id::RegistryId};
use quotapass_protocol::UnixSeconds;

use super::sums::ListSums;

/// The most superseded versions of a log that are kept. A log publishes one in its interval, ten minutes unless its policy
/// says otherwise.
const MAX_FORMER: usize = 1_024;

/// The entries of one scope in a version of a log.
#[derive(Default)]
pub(super) struct List {
    entries: Arc<[Entry]>,
    /// The sums by the number of entries that they take. Few limits are in use for one scope.
    sums: Mutex<Vec<(usize, ListSums)>>,
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl List {
    fn new(entries: Arc<[Entry]>) -> Self {
        Self { entries, sums: Mutex::default() }
    }

    /// Returns the newest entries, at most `limit`.
    pub(super) fn newest(&self, limit: usize) -> &[Entry] {
        &self.entries[self.entries.len().saturating_sub(limit)..]
    }

    /// Returns the sums of the newest entries. No lock is held while they are computed: threads that wait for it could be
    /// those that the computation needs.
    pub(super) fn sums(&self, limit: usize, compute: impl FnOnce(&[Entry]) -> ListSums) -> ListSums {
        let newest = self.newest(limit);
        let known = |sums: &[(usize, ListSums)]| {
            sums.iter().find(|(count, _)| *count == newest.len()).map(|(_, sums)| ListSums::clone(sums))
        };
        if let Some(sums) = known(&self.sums.lock()) {
            return sums;
        }
        let computed = compute(newest);
        let mut sums = self.sums.lock();
        if let Some(sums) = known(&sums) {
            return sums;
        }
        sums.push((newest.len(), ListSums::clone(&computed)));
        computed
    }

    /// Returns the limits that the sums were asked for. A limit above the number of entries asks for all.
    fn asked(&self) -> Vec<usize> {
        let all = self.entries.len();
        let counts = self.sums.lock();
        counts.iter().map(|(count, _)| if *count == all { usize::MAX } else { *count }).collect()
    }
}

/// The lists of a version, by registry and name of the scope.
#[derive(Debug, Default)]
pub(super) struct ScopeLists(HashMap<RegistryId, HashMap<String, Arc<List>>>);

impl ScopeLists {
    /// Creates the lists that follow others. A list that did not change is the same, with its sums. For one that changed,
    /// `prepare` gets the limits that the former one was asked for.
    pub(super) fn following(
        former: Option<&Self>,
        lists: Vec<(RegistryId, String, Arc<[Entry]>)>,
        prepare: impl Fn(&List, Vec<usize>),
    ) -> Arc<Self> {
        let mut all: HashMap<RegistryId, HashMap<String, Arc<List>>> = HashMap::new();
        for (registry, scope, entries) in lists {
            let before = former.and_then(|former| former.get(registry, &scope));
            let list = match before {
                Some(before) if before.entries[..] == entries[..] => Arc::clone(before),
                _ => {
                    let list = List::new(entries);
                    prepare(&list, before.map(|before| before.asked()).unwrap_or_default());
                    Arc::new(list)
                }
            };
            all.entry(registry).or_default().insert(scope, list);
        }
        Arc::new(Self(all))
    }

    pub(super) fn get(&self, registry: RegistryId, scope: &str) -> Option<&Arc<List>> {
        self.0.get(&registry)?.get(scope)
    }
}

/// A version that is not in force any more.
#[derive(Debug)]
struct Former {
    id: ListVersion,
    lists: Arc<ScopeLists>,
    superseded_at: UnixSeconds,
}

/// The version of a log that is in force, and the versions before it.
#[derive(Debug)]
pub(super) struct Versions {
    id: ListVersion,
    lists: Arc<ScopeLists>,
    since: UnixSeconds,
    /// The former versions, oldest first.
    former: VecDeque<Former>,
}

impl Versions {
    pub(super) fn new(id: ListVersion, lists: Arc<ScopeLists>, since: UnixSeconds) -> Self {
        Self { id, lists, since, former: VecDeque::new() }
    }

    /// The version in force.
    pub(super) fn current(&self) -> ListVersion {
        self.id
    }

    pub(super) fn current_lists(&self) -> Arc<ScopeLists> {
        Arc::clone(&self.lists)
    }

    /// The time since which it is in force.
    pub(super) fn since(&self) -> UnixSeconds {
        self.since
    }

    /// Returns whether a version can follow the one in force: a log only grows.
    pub(super) fn is_followed_by(&self, id: &ListVersion) -> bool {
        id.size > self.id.size
    }

    /// Moves to the next version. Returns false if another thread has moved on further.
    pub(super) fn advance(&mut self, id: ListVersion, lists: Arc<ScopeLists>, at: UnixSeconds) -> bool {
        if !self.is_followed_by(&id) {
            return false;
        }
        let former = Former { id: self.id, lists: core::mem::replace(&mut self.lists, lists), superseded_at: at };
        if self.former.len() == MAX_FORMER {
            self.former.pop_front();
        }
        self.former.push_back(former);
        (self.id, self.since) = (id, at);
        true
    }

    /// Returns the lists of a version if it is in force, or was superseded at most `window` seconds ago.
    pub(super) fn accepted(&self, id: &ListVersion, now: UnixSeconds, window: u32) -> Option<&ScopeLists> {
        if *id == self.id {
            return Some(&self.lists);
        }
        let former = self.former.iter().rev().find(|former| former.id == *id)?;
        (now.since(former.superseded_at) <= u64::from(window)).then_some(&*former.lists)
    }

    /// Forgets versions that were superseded longer ago than the window.
    pub(super) fn prune(&mut self, now: UnixSeconds, window: u32) {
        self.former.retain(|former| now.since(former.superseded_at) <= u64::from(window));
    }
}
