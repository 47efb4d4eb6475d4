//! The members whose secret is known, and their nullifiers and pseudonyms.

use core::{num::NonZeroU16, ops::Range};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    thread,
};

use quotapass_circuits::{
    identity::{IdentityCommitment, IdentitySecret},
    share::{Line, Nullifier, Pseudonym},
    signal::Scope,
};
use quotapass_protocol::UnixSeconds;

use crate::LogEpoch;

/// The number of message ids from which on one member is computed on several threads.
const MANY_IDS: usize = 4_096;

/// The message ids below a cap in one epoch of one scope.
pub(crate) type Quota = (LogEpoch, NonZeroU16);

/// A member whose secret is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offender {
    /// Its number; members that became known later have greater numbers.
    pub(crate) number: u64,
    /// The time since when its secret is known; zero if the member was forgotten.
    pub(crate) since: UnixSeconds,
}

impl Offender {
    /// Returns whether the evidence is so recent at `now` that honest relays may not have it yet.
    pub(crate) fn is_within(&self, grace: u64, now: UnixSeconds) -> bool {
        now.since(self.since) < grace
    }
}

/// The members whose secret is known, and the sets that were computed for them.
#[derive(Default)]
pub(super) struct Offenders {
    /// By number, in the order in which they became known. Numbers are not reused.
    pub(super) members: BTreeMap<u64, Slashed>,
    pub(super) numbers: HashMap<IdentityCommitment, u64>,
    pub(super) next: u64,
    pub(super) nullifiers: HashMap<Quota, Known<Nullifier>>,
    pub(super) pseudonyms: HashMap<Scope, Known<Pseudonym>>,
}

/// A member with its secret.
#[derive(Clone)]
pub(super) struct Slashed {
    pub(super) secret: Arc<IdentitySecret>,
    pub(super) commitment: IdentityCommitment,
    /// None if unknown: then all message ids below the cap are refused.
    pub(super) message_limit: Option<NonZeroU16>,
    /// The greatest limit of a deposit that was reported while the limit was unknown.
    pub(super) at_least: Option<NonZeroU16>,
    pub(super) since: UnixSeconds,
}

impl Slashed {
    /// Returns the message ids below a cap that the member could use.
    fn ids(&self, cap: NonZeroU16) -> Range<u16> {
        0..self.message_limit.map_or(cap, |limit| limit.min(cap)).get()
    }
}

/// The nullifiers or pseudonyms of members, with the member number of each. They are complete for all member numbers
/// below `complete`.
pub(super) struct Known<T> {
    pub(super) complete: u64,
    pub(super) of: HashMap<T, u64>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { complete: 0, of: HashMap::new() }
    }
}

impl Offenders {
    /// Returns the member with a number, which may be forgotten.
    pub(super) fn offender(&self, number: u64) -> Offender {
        Offender { number, since: self.members.get(&number).map_or(UnixSeconds(0), |member| member.since) }
    }

    /// Returns whether a set of nullifiers is complete for all member numbers below `below`.
    pub(super) fn is_complete(&self, quota: &Quota, below: u64) -> bool {
        self.members.is_empty() || self.nullifiers.get(quota).is_some_and(|known| known.complete >= below)
    }

    /// Returns the members that a set lacks.
    pub(super) fn missing(&self, complete: u64) -> Vec<(u64, Slashed)> {
        self.members.range(complete..).map(|(number, member)| (*number, member.clone())).collect()
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Slashed> {
        let member = self.members.remove(&number)?;
        self.numbers.remove(&member.commitment);
        Some(member)
    }

    pub(super) fn push(&mut self, member: Slashed) -> u64 {
        let number = self.next;
        self.next += 1;
        self.numbers.insert(member.commitment, number);
        self.members.insert(number, member);
        number
    }
}

/// Returns the nullifiers of members in a quota, with the number of each member.
pub(super) fn nullifiers_of((epoch, cap): &Quota, members: &[(u64, Slashed)]) -> Vec<(Nullifier, u64)> {
    let external = epoch.external_nullifier();
    let mut all = Vec::new();
    for (number, member) in members {
        let ids = member.ids(*cap);
        let compute = |ids: Range<u16>| Line::nullifiers(&member.secret, external, ids);
        let nullifiers = if ids.len() < MANY_IDS { compute(ids) } else { on_all_cores(ids, compute) };
        all.extend(nullifiers.into_iter().map(|nullifier| (nullifier, *number)));
    }
    all
}

/// Computes parts of a range on new threads. It does not use a thread pool: a pool thread that waits for one task
/// starts another, which may wait for the lock that is held here.
pub(super) fn on_all_cores<T: Send>(ids: Range<u16>, compute: impl Fn(Range<u16>) -> Vec<T> + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    // The size of a part is a multiple of 8, so that no part splits a vector.
    let part = ids.len().div_ceil(threads).next_multiple_of(8);
    let parts = ids.clone().step_by(part).map(|first| {
        let end = usize::from(first) + part;
        first..u16::try_from(end).map_or(ids.end, |end| end.min(ids.end))
    });
    thread::scope(|scope| {
        let started: Vec<_> = parts
            .map(|part| {
                let (compute, ids) = (&compute, part.clone());
                (part, thread::Builder::new().spawn_scoped(scope, move || compute(ids)))
            })
            .collect();
        let results = started.into_iter().map(|(part, started)| {
            // The thread could not be started, or it panicked: the part is computed here.
            started.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| compute(part))
        });
        results.flatten().collect()
    })
}
