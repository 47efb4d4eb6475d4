//! The lists of moderation logs that scopes enforce, and the records that passes carry for them (kind 3).
//!
//! A policy names logs. The part of the relay that hosts or follows a log [publishes](Lists::publish) each of its versions
//! here, and a pass names the versions that its records are about. A version is accepted while it is in force, and for the
//! policy's `list_window` after it was *superseded*, so that an author who proved on it a moment ago is not refused.
//!
//! The listed posts of a segment are summed once, and the sum is found again by the segment's digest: a version in which one
//! post was added costs the sum of one segment.

mod failed;
mod fetch;
mod records;
mod sums;
#[cfg(test)]
mod tests;
mod versions;

use core::fmt;
use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use quotapass_circuits::{
    formats::recorded::{ListRecords, ListVersion},
    formats::wire::EncodedProof,
    moderation::{Entry, record::Record, segment_sizes},
    registry_id::RegistryId,
    verifier::Verifier,
};
use quotapass_protocol::{ListMismatch, LogIdentity, Policy, PolicyTable, UnixSeconds, Verdict};

pub use self::fetch::ListFetcher;
pub(crate) use self::{
    failed::FailedRecords,
    records::{RecordCounts, RecordsOfPost},
};
use self::{
    fetch::Fetches,
    sums::{ListSums, RecordVerifiers},
    versions::{List, ScopeLists, Versions},
};

/// The state of a moderation log, with the lists that it announces.
#[derive(Clone, Debug)]
pub struct LogState {
    /// The log.
    pub log: LogIdentity,
    /// The number of entries of the log.
    pub size: u64,
    /// The root of the log's tree of this size.
    pub root: [u8; 32],
    /// The lists in force, each with its registry and the name of its scope. A list that is missing is empty.
    pub lists: Vec<(RegistryId, String, Arc<[Entry]>)>,
    /// The time from which this state is in force at this relay. The state before it is superseded at this time.
    pub at: UnixSeconds,
}

impl LogState {
    /// Returns the version as a pass names it.
    pub fn version(&self) -> ListVersion {
        let root = core::array::from_fn(|place| self.root[place]);
        ListVersion { log: self.log.to_short_bytes(), size: self.size, root }
    }
}

/// Error: a policy has lists, and the relay has no keys to verify records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the policy of scope `{scope}` has lists of moderation, and the relay has no verifying keys of records; install the keys \
     record16 and record128 and restart the relay, or remove the lists"
)]
pub struct NoRecordKeys {
    /// The name of the scope.
    pub scope: String,
}

/// A version in force, for metrics and pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListInForce {
    /// The log.
    pub log: LogIdentity,
    /// The version.
    pub version: ListVersion,
    /// The time since which it is in force at this relay.
    pub since: UnixSeconds,
}

/// The lists of all logs, by version.
#[derive(Default)]
pub struct Lists {
    verifiers: Option<RecordVerifiers>,
    logs: RwLock<HashMap<LogIdentity, Versions>>,
    /// The list of a scope that a log does not mention.
    empty: Arc<List>,
    fetches: Fetches,
}

impl fmt::Debug for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lists").field("in_force", &self.in_force()).finish_non_exhaustive()
    }
}

/// The lists that a pass is judged by, as one policy names them, each in the version that the pass states.
#[derive(Clone, Debug)]
pub(crate) struct Way(Vec<ListOfPolicy>);

#[derive(Clone, Debug)]
struct ListOfPolicy {
    list: Arc<List>,
    /// The most entries that the policy takes of it.
    limit: usize,
}

impl ListOfPolicy {
    /// Returns the entries that count: the newest.
    fn entries(&self) -> &[Entry] {
        self.list.newest(self.limit)
    }
}

/// Two ways are equal if the same proofs are valid for both.
impl PartialEq for Way {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(own, other): (&ListOfPolicy, &ListOfPolicy)| {
            let (a, b) = (own.entries(), other.entries());
            a.len() == b.len() && (Arc::ptr_eq(&own.list, &other.list) || a == b)
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }
}

impl Lists {
    /// Creates lists whose records these keys verify.
    pub(crate) fn with_verifiers(small: Verifier<Record<16>>, large: Verifier<Record<128>>) -> Self {
        Self { verifiers: Some(RecordVerifiers::new(small, large)), ..Self::default() }
    }

    /// Returns whether a verifying key of records is a development key.
    pub(crate) fn has_development_keys(&self) -> bool {
        self.verifiers.as_ref().is_some_and(RecordVerifiers::has_development_keys)
    }

    /// Checks that the records of all policies can be verified.
    ///
    /// **Attack prevented**: a relay that was started without the keys would otherwise have to refuse all posts of the scope,
    /// or to accept the posts of struck members.
    ///
    /// # Errors
    /// [`NoRecordKeys`] with the first scope that has lists.
    pub(crate) fn check_keys<'a>(&self, policies: impl IntoIterator<Item = &'a Policy>) -> Result<(), NoRecordKeys> {
        if self.verifiers.is_some() {
            return Ok(());
        }
        match policies.into_iter().find(|policy| !lists_of(policy).is_empty()) {
            Some(policy) => Err(NoRecordKeys { scope: policy.name.clone() }),
            None => Ok(()),
        }
    }

    /// Makes a state of a log the one in force. The state before it stays accepted for the list window of each policy.
    ///
    /// The sums that the former state's lists were asked for are computed before the new state is in force, so that no
    /// pass waits for them; only segments that changed are summed, on all cores.
    ///
    /// Returns false, and changes nothing, for the state in force, and for a log that would shrink.
    pub fn publish(&self, state: LogState) -> bool {
        let id = state.version();
        let former = {
            let logs = self.logs.read();
            match logs.get(&state.log) {
                Some(versions) if !versions.is_followed_by(&id) => return false,
                Some(versions) => Some(versions.current_lists()),
                None => None,
            }
        };
        let next = ScopeLists::following(former.as_deref(), state.lists, |list, limits| {
            for limit in limits {
                drop(self.sums_of(list, limit));
            }
        });
        let mut logs = self.logs.write();
        match logs.get_mut(&state.log) {
            Some(versions) => versions.advance(id, next, state.at),
            None => {
                logs.insert(state.log, Versions::new(id, next, state.at));
                true
            }
        }
    }

    /// Drops versions that no policy accepts any more at `now`. The version in force of each log stays, also if no policy
    /// names the log now: its host publishes no version twice, and the next policies may name it.
    pub(crate) fn prune(&self, policies: &PolicyTable, now: UnixSeconds) {
        let all = policies.iter().flat_map(|entry| entry.history().all()).map(|dated| &dated.policy);
        let window = all.filter_map(|policy| policy.moderation.as_ref()).map(|of| of.list_window).max().unwrap_or(0);
        for versions in self.logs.write().values_mut() {
            versions.prune(now, window);
        }
    }

    /// Returns the version in force of each log.
    pub fn in_force(&self) -> Vec<ListInForce> {
        let logs = self.logs.read();
        let of = |(log, versions): (&LogIdentity, &Versions)| ListInForce {
            log: *log,
            version: versions.current(),
            since: versions.since(),
        };
        let mut all: Vec<_> = logs.iter().map(of).collect();
        all.sort_by_key(|list| list.log);
        all
    }

    /// Returns the versions in force of a policy's lists, in the order of the policy. A log that this relay has not read yet
    /// has size 0 and a root of zeros, which no pass can meet.
    pub fn expected(&self, policy: &Policy) -> Vec<ListVersion> {
        let logs = self.logs.read();
        let unread = |log: LogIdentity| ListVersion { log: log.to_short_bytes(), size: 0, root: [0; 8] };
        let lists = lists_of(policy).iter();
        lists.map(|list| logs.get(&list.log).map_or_else(|| unread(list.log), Versions::current)).collect()
    }

    /// Checks which lists a pass is about against the lists of one policy. `scope` is the name of the scope that the lists
    /// are of; a scope of reports has the lists of the reported scope.
    ///
    /// # Errors
    /// [`Verdict::ListMismatch`] if the pass names other lists than the policy, or a version that is not accepted at
    /// `now`; [`Verdict::InvalidProof`] if it does not have one proof for each segment.
    pub(crate) fn check(
        &self,
        policy: &Policy,
        (registry, scope): (RegistryId, &str),
        stated: &[ListRecords<EncodedProof>],
        now: UnixSeconds,
    ) -> Result<Way, Verdict> {
        let rules = lists_of(policy);
        let window = policy.moderation.as_ref().map_or(0, |moderation| moderation.list_window);
        let logs = self.logs.read();
        let mut way = Vec::with_capacity(rules.len());
        if rules.len() == stated.len() {
            for (rule, stated) in rules.iter().zip(stated) {
                let Some(lists) = logs.get(&rule.log).and_then(|log| log.accepted(&stated.version, now, window)) else {
                    break;
                };
                let list = lists.get(registry, scope).unwrap_or(&self.empty);
                way.push(ListOfPolicy { list: Arc::clone(list), limit: rule.limit.into() });
            }
        }
        drop(logs);
        if way.len() != rules.len() || rules.len() != stated.len() {
            return Err(Verdict::ListMismatch(Box::new(ListMismatch { expected: self.expected(policy) })));
        }
        let has_all = |(own, stated): (&ListOfPolicy, &ListRecords<EncodedProof>)| {
            segment_sizes(own.entries().len()).len() == stated.proofs.len()
        };
        if way.iter().zip(stated).all(has_all) { Ok(Way(way)) } else { Err(Verdict::InvalidProof) }
    }

    /// Returns the sums of a list's newest entries; none without verifiers.
    fn sums_of(&self, list: &List, limit: usize) -> Option<ListSums> {
        let verifiers = self.verifiers.as_ref()?;
        Some(list.sums(limit, |entries| verifiers.sums(entries)))
    }
}

/// Returns the lists of a policy.
pub(crate) fn lists_of(policy: &Policy) -> &[quotapass_protocol::PolicyList] {
    policy.moderation.as_ref().map_or(&[], |moderation| &moderation.lists)
}
