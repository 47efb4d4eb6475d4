//! Members whose secret is known: all their possible nullifiers are computed, and refused.

use core::{num::NonZeroU16, ops::Range};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, RwLock, RwLockReadGuard},
    thread,
};

use quotapass_circuits::{
    identity::{IdentityCommitment, IdentitySecret},
    share::{Line, Nullifier, Pseudonym},
    signal::Scope,
};

use super::{LogEpoch, lock, read, write};

/// The number of message ids from which on one member is computed on several threads.
const MANY_IDS: usize = 4_096;

/// The known secrets, zeroized on drop, and their nullifiers in the queried epochs.
///
/// **No gap.** A check answers only when the nullifiers of *all* members that were known when it began are computed. A
/// member gets its number when it becomes known, each set stores the number up to which it is complete, and a check
/// whose set is behind computes the missing nullifiers before it answers. So after [`insert`](Self::insert) returns, no
/// check misses the member, whatever other threads do; and a conviction is answered after that.
///
/// **No queue.** Missing nullifiers are computed under a separate lock, which only checks with missing nullifiers take.
/// All other checks read complete sets, and wait only for the short write of new ones. Attack prevented: a member with
/// a limit of 65,535 costs two hashes for each message id, and made every thread wait for all of them.
#[derive(Default)]
pub struct SlashedMembers {
    state: RwLock<Offenders>,
    /// Held by the thread that computes, so that several threads with the same missing nullifiers compute them once.
    computing: Mutex<()>,
}

/// The message ids below a cap in one epoch of one scope.
pub(super) type Quota = (LogEpoch, NonZeroU16);

#[derive(Default)]
struct Offenders {
    /// By number, in the order in which they became known. Numbers are not reused.
    members: BTreeMap<u64, Slashed>,
    numbers: HashMap<IdentityCommitment, u64>,
    next: u64,
    nullifiers: HashMap<Quota, Known<Nullifier>>,
    pseudonyms: HashMap<Scope, Known<Pseudonym>>,
}

#[derive(Clone)]
struct Slashed {
    secret: Arc<IdentitySecret>,
    commitment: IdentityCommitment,
    /// None if unknown: then all message ids below the cap are refused.
    message_limit: Option<NonZeroU16>,
    /// The greatest limit of a deposit that was reported while the limit was unknown.
    at_least: Option<NonZeroU16>,
    since: u64,
}

impl Slashed {
    /// Returns the message ids below a cap that the member could use.
    fn ids(&self, cap: NonZeroU16) -> Range<u16> {
        0..self.message_limit.map_or(cap, |limit| limit.min(cap)).get()
    }
}

/// The nullifiers or pseudonyms of members, with the member number of each. They are complete for all member numbers
/// below `complete`.
struct Known<T> {
    complete: u64,
    of: HashMap<T, u64>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { complete: 0, of: HashMap::new() }
    }
}

impl Offenders {
    fn is_complete(&self, quota: &Quota, below: u64) -> bool {
        self.members.is_empty() || self.nullifiers.get(quota).is_some_and(|known| known.complete >= below)
    }

    /// Returns the members that a set lacks.
    fn missing(&self, complete: u64) -> Vec<(u64, Slashed)> {
        self.members.range(complete..).map(|(number, member)| (*number, member.clone())).collect()
    }

    fn remove(&mut self, number: u64) -> Option<Slashed> {
        let member = self.members.remove(&number)?;
        self.numbers.remove(&member.commitment);
        Some(member)
    }

    fn push(&mut self, member: Slashed) -> u64 {
        let number = self.next;
        self.next += 1;
        self.numbers.insert(member.commitment, number);
        self.members.insert(number, member);
        number
    }
}

/// A member whose secret is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offender {
    /// Its number; members that became known later have greater numbers.
    pub(super) number: u64,
    /// The time since when its secret is known, in Unix seconds; zero if the member was forgotten.
    pub(super) since: u64,
}

/// The refused nullifiers, complete for the requested quotas. No new member is added while it is held.
pub(super) struct Refused<'a>(RwLockReadGuard<'a, Offenders>);

impl Offender {
    /// Returns whether the evidence is so recent at Unix second `now` that honest relays may not have it yet.
    pub(super) fn is_within(&self, grace: u64, now: u64) -> bool {
        now.saturating_sub(self.since) < grace
    }
}

impl Refused<'_> {
    /// Returns the member that a nullifier belongs to, if its secret is known.
    pub(super) fn offender(&self, quota: &Quota, nullifier: Nullifier) -> Option<Offender> {
        let number = *self.0.nullifiers.get(quota)?.of.get(&nullifier)?;
        Some(Offender { number, since: self.0.members.get(&number).map_or(0, |member| member.since) })
    }
}

impl SlashedMembers {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret that became known at Unix second `since`, recovered here or imported, with the member's message
    /// limit if known. Without the limit, nullifiers are computed up to the scope's cap. Returns whether the secret is
    /// new.
    ///
    /// For a member that is already known, the earliest time and the greatest limit count.
    pub fn insert(&self, secret: IdentitySecret, message_limit: Option<NonZeroU16>, since: u64) -> bool {
        self.learn(secret, message_limit, since).1
    }

    /// Adds a secret like [`insert`](Self::insert), and also returns the member's number.
    pub(super) fn learn(&self, secret: IdentitySecret, message_limit: Option<NonZeroU16>, since: u64) -> (u64, bool) {
        let commitment = secret.commitment();
        let state = &mut *write(&self.state);
        match state.numbers.get(&commitment).copied() {
            None => {
                let secret = Arc::new(secret);
                (state.push(Slashed { secret, commitment, message_limit, at_least: None, since }), true)
            }
            Some(number) => {
                if let Some(member) = state.members.get_mut(&number) {
                    member.since = member.since.min(since);
                }
                (number, false)
            }
        }
    }

    /// Records the message limit of one deposit on the chain, perhaps of another deposit than the one that the member
    /// was caught with. Attack prevented: a slashed secret that is deposited again for a greater limit has message ids
    /// that were not computed. Call it before the root of the new deposit is accepted.
    ///
    /// A greater limit takes effect at once; a lower one is ignored, because the other deposit may still be accepted.
    /// An unknown limit therefore stays unknown. Nothing happens for members whose secret is not known.
    pub fn learn_limit(&self, commitment: IdentityCommitment, message_limit: NonZeroU16) {
        self.change_limit(commitment, message_limit, false);
    }

    /// Records the greatest message limit of all deposits with a commitment whose roots may be accepted. An unknown
    /// limit becomes known, and takes effect for epochs that were not queried yet; a lower limit than the known one is
    /// ignored.
    pub(super) fn bound_limit(&self, commitment: IdentityCommitment, greatest: NonZeroU16) {
        self.change_limit(commitment, greatest, true);
    }

    fn change_limit(&self, commitment: IdentityCommitment, message_limit: NonZeroU16, is_greatest: bool) {
        if !self.contains(commitment) {
            return;
        }
        let state = &mut *write(&self.state);
        let Some(number) = state.numbers.get(&commitment).copied() else { return };
        let Some(member) = state.members.get_mut(&number) else { return };
        match member.message_limit {
            Some(known) if known >= message_limit => {}
            None => {
                // A deposit may be reported between a lookup of the greatest limit and its result.
                member.at_least = member.at_least.max(Some(message_limit));
                // The computed nullifiers go up to the cap.
                member.message_limit = member.at_least.filter(|_| is_greatest);
            }
            Some(_) => {
                // As a new member, its ids are computed again.
                if let Some(member) = state.remove(number) {
                    state.push(Slashed { message_limit: Some(message_limit), ..member });
                }
            }
        }
    }

    /// Returns all known members: those without a known message limit, and the others, whose limit may have grown.
    pub fn commitments(&self) -> Vec<IdentityCommitment> {
        read(&self.state).numbers.keys().copied().collect()
    }

    /// Forgets a member. This is safe when its slot of the tree was zeroed longer ago than the longest root window: its
    /// passes are then stale. Returns whether it was known.
    ///
    /// Computed nullifiers stay refused until their epoch expires.
    pub fn forget(&self, commitment: IdentityCommitment) -> bool {
        let state = &mut *write(&self.state);
        let Some(number) = state.numbers.get(&commitment).copied() else { return false };
        let Some(member) = state.remove(number) else { return false };
        for (scope, known) in &mut state.pseudonyms {
            if number < known.complete {
                known.of.remove(&Pseudonym::new(&member.secret, *scope));
            }
        }
        true
    }

    /// Returns whether a member's secret is known.
    pub fn contains(&self, commitment: IdentityCommitment) -> bool {
        read(&self.state).numbers.contains_key(&commitment)
    }

    /// Returns the number of known secrets.
    pub fn len(&self) -> usize {
        read(&self.state).members.len()
    }

    /// Returns whether no secret is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether a nullifier belongs to a member whose secret is known, with a message id below `cap`.
    ///
    /// The first call for an epoch computes its nullifiers. Call it only for epochs in range.
    pub fn has_nullifier(&self, epoch: &LogEpoch, cap: NonZeroU16, nullifier: Nullifier) -> bool {
        let quota = (*epoch, cap);
        self.refused([quota]).offender(&quota, nullifier).is_some()
    }

    /// Returns the refused nullifiers of these quotas, complete for all members that are known at the time of the call.
    pub(super) fn refused(&self, quotas: impl IntoIterator<Item = Quota>) -> Refused<'_> {
        let quotas: HashSet<Quota> = quotas.into_iter().collect();
        let state = read(&self.state);
        let below = state.next;
        if quotas.iter().all(|quota| state.is_complete(quota, below)) {
            return Refused(state);
        }
        drop(state);
        let _alone = lock(&self.computing);
        loop {
            let missing: Vec<_> = {
                let state = read(&self.state);
                let behind: Vec<_> = quotas.iter().filter(|quota| !state.is_complete(quota, below)).collect();
                if behind.is_empty() {
                    return Refused(state);
                }
                let of = |quota: &&Quota| {
                    let complete = state.nullifiers.get(*quota).map_or(0, |known| known.complete);
                    (**quota, complete, state.next, state.missing(complete))
                };
                behind.iter().map(of).collect()
            };
            for (quota, complete, next, members) in missing {
                let nullifiers = nullifiers_of(&quota, &members);
                let state = &mut *write(&self.state);
                let known = state.nullifiers.entry(quota).or_default();
                // No other thread adds, but the set may have expired meanwhile: then it is computed again.
                if known.complete == complete {
                    known.complete = next;
                    known.of.extend(nullifiers);
                }
            }
        }
    }

    /// Computes the nullifiers of coming epochs, for quotas that are in use now. Each pair holds the current and the
    /// next quota of one scope. Without it, the first post of an epoch waits for this computation.
    pub(super) fn prepare(&self, quotas: impl IntoIterator<Item = (Quota, Quota)>) {
        let next: Vec<Quota> = {
            let state = read(&self.state);
            let is_used = |(now, _): &(Quota, Quota)| state.nullifiers.contains_key(now);
            quotas.into_iter().filter(is_used).map(|(_, next)| next).collect()
        };
        drop(self.refused(next));
    }

    /// Returns whether a pseudonym in a scope belongs to a member whose secret is known.
    pub fn has_pseudonym(&self, scope: Scope, pseudonym: Pseudonym) -> bool {
        self.pseudonym_offender(scope, pseudonym).is_some()
    }

    /// Returns the member that a pseudonym in a scope belongs to, if its secret is known.
    pub(super) fn pseudonym_offender(&self, scope: Scope, pseudonym: Pseudonym) -> Option<Offender> {
        // One hash per member, once: a thread computes the missing ones, and other threads may do the same meanwhile.
        let (complete, missing) = {
            let state = read(&self.state);
            let complete = state.pseudonyms.get(&scope).map_or(0, |known| known.complete);
            (complete, state.missing(complete))
        };
        if let Some((last, _)) = missing.last() {
            let computed: Vec<_> =
                (missing.iter()).map(|(number, member)| (Pseudonym::new(&member.secret, scope), *number)).collect();
            let state = &mut *write(&self.state);
            let known = state.pseudonyms.entry(scope).or_default();
            // Another thread may have added more; its values are the same.
            known.complete = known.complete.max(last + 1);
            let is_known = |(_, number): &(Pseudonym, u64)| *number >= complete && state.members.contains_key(number);
            known.of.extend(computed.into_iter().filter(is_known));
        }
        let state = read(&self.state);
        let number = *state.pseudonyms.get(&scope)?.of.get(&pseudonym)?;
        Some(Offender { number, since: state.members.get(&number).map_or(0, |member| member.since) })
    }

    /// Drops the nullifiers of epochs that no policy accepts any more at `now`.
    pub fn expire(&self, now: u64) {
        write(&self.state).nullifiers.retain(|(epoch, _), _| epoch.keep_until() > now);
    }
}

/// Returns the nullifiers of members in a quota, with the number of each member.
fn nullifiers_of((epoch, cap): &Quota, members: &[(u64, Slashed)]) -> Vec<(Nullifier, u64)> {
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
fn on_all_cores<T: Send>(ids: Range<u16>, compute: impl Fn(Range<u16>) -> Vec<T> + Sync) -> Vec<T> {
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

impl core::fmt::Debug for SlashedMembers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SlashedMembers({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use core::{
        num::NonZeroU32,
        sync::atomic::{AtomicBool, Ordering},
    };

    use quotapass_circuits::{registry_id::RegistryId, signal::Epoch};

    use super::*;

    fn room() -> Scope {
        Scope::new(&REGISTRY, "room")
    }

    const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [1; 20] };

    fn secret(number: u8) -> IdentitySecret {
        let mut bytes = [0; 32];
        bytes[31] = number;
        IdentitySecret::from_be_bytes(&bytes).unwrap()
    }

    fn cap(cap: u16) -> NonZeroU16 {
        NonZeroU16::new(cap).unwrap()
    }

    fn epoch(number: u64) -> LogEpoch {
        LogEpoch::new(Scope::new(&REGISTRY, "room"), Epoch::new(NonZeroU32::new(60).unwrap(), number))
    }

    fn nullifier(secret: &IdentitySecret, epoch: &LogEpoch, id: u16) -> Nullifier {
        Line::new(secret, epoch.external_nullifier(), id).nullifier()
    }

    #[test]
    fn all_ids_below_cap_and_limit_are_known_in_every_epoch() {
        let slashed = SlashedMembers::new();
        let knows = |number, at: u64, below, id| {
            let epoch = epoch(at);
            slashed.has_nullifier(&epoch, cap(below), nullifier(&secret(number), &epoch, id))
        };
        assert!(!knows(1, 1, 5, 0));
        assert!(slashed.insert(secret(1), None, 0));
        assert!(!slashed.insert(secret(1), None, 0));
        assert!((0..5).all(|id| knows(1, 1, 5, id) && knows(1, 2, 5, id)));
        assert!(!knows(1, 1, 5, 5) && !knows(2, 1, 5, 0));
        // A raised cap and a new member are computed on the next query.
        assert!(knows(1, 1, 7, 6) && !knows(1, 1, 5, 6));
        assert!(slashed.insert(secret(2), Some(cap(2)), 0));
        assert!(knows(2, 1, 5, 1) && !knows(2, 1, 5, 2));
        assert!(knows(1, 1, 9, 8) && !knows(2, 1, 9, 2));
    }

    #[test]
    fn epochs_expire_and_come_back_if_asked_for() {
        let slashed = SlashedMembers::new();
        slashed.insert(secret(1), None, 0);
        let (old, young) = (epoch(1), epoch(9));
        for epoch in [old, young] {
            assert!(slashed.has_nullifier(&epoch, cap(3), nullifier(&secret(1), &epoch, 2)));
        }
        slashed.expire(old.keep_until());
        assert_eq!(read(&slashed.state).nullifiers.len(), 1);
        assert!(slashed.has_nullifier(&old, cap(3), nullifier(&secret(1), &old, 2)));
    }

    #[test]
    fn whoever_is_forgotten_leaves_the_others_known() {
        let slashed = SlashedMembers::new();
        let scope = Scope::new(&REGISTRY, "room");
        let pseudonym = |number| Pseudonym::new(&secret(number), scope);
        for number in [1, 2] {
            slashed.insert(secret(number), None, 0);
            assert!(slashed.has_pseudonym(scope, pseudonym(number)));
            assert!(slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(number), &epoch(1), 0)));
        }
        assert!(slashed.forget(secret(1).commitment()));
        assert!(!slashed.forget(secret(1).commitment()));
        assert!(!slashed.contains(secret(1).commitment()) && slashed.contains(secret(2).commitment()));
        slashed.insert(secret(3), None, 0);
        for number in [2, 3] {
            assert!(slashed.has_pseudonym(scope, pseudonym(number)));
            assert!(slashed.has_nullifier(&epoch(2), cap(3), nullifier(&secret(number), &epoch(2), 0)));
            assert!(slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(number), &epoch(1), 0)));
        }
        assert!(!slashed.has_pseudonym(scope, pseudonym(1)));
        assert!(!slashed.has_nullifier(&epoch(2), cap(3), nullifier(&secret(1), &epoch(2), 0)));
    }

    #[test]
    fn a_member_is_refused_from_the_moment_it_is_known_whatever_others_do() {
        const THREADS: u8 = 4;
        let (slashed, done) = (SlashedMembers::new(), AtomicBool::new(false));
        thread::scope(|scope| {
            let insert = |thread: u8| {
                let slashed = &slashed;
                scope.spawn(move || {
                    for number in (1..200).filter(|number| number % THREADS == thread) {
                        let (secret, epoch) = (secret(number), epoch(u64::from(number % 3)));
                        slashed.insert(secret.clone(), NonZeroU16::new(u16::from(number % 3)), 0);
                        assert!(slashed.has_nullifier(&epoch, cap(3), nullifier(&secret, &epoch, 0)), "{number}");
                        assert!(slashed.has_pseudonym(room(), Pseudonym::new(&secret, room())), "{number}");
                        if number % 5 == 0 {
                            slashed.forget(secret.commitment());
                        }
                    }
                })
            };
            let inserters: Vec<_> = (0..THREADS).map(insert).collect();
            // Meanwhile epochs expire and are queried again.
            let expiring = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    slashed.expire(epoch(1).keep_until());
                    thread::yield_now();
                }
            });
            inserters.into_iter().for_each(|inserter| inserter.join().unwrap());
            done.store(true, Ordering::Relaxed);
            expiring.join().unwrap();
        });
        for number in (1..200).filter(|number| number % 5 != 0) {
            for epoch in (0..3).map(epoch) {
                assert!(slashed.has_nullifier(&epoch, cap(3), nullifier(&secret(number), &epoch, 0)), "{number}");
            }
        }
    }

    /// Attack: a member with 65,535 messages an epoch is caught, and every thread waits while they are computed.
    #[test]
    fn those_who_miss_nothing_wait_for_nobody_who_computes() {
        let slashed = SlashedMembers::new();
        slashed.insert(secret(1), None, 0);
        let known =
            |slashed: &SlashedMembers| slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(1), &epoch(1), 2));
        assert!(known(&slashed));
        let computing = lock(&slashed.computing);
        // Checks, convictions and everything else continue meanwhile.
        assert!(known(&slashed));
        assert!(!slashed.insert(secret(1), None, 0) && slashed.contains(secret(1).commitment()));
        slashed.expire(0);
        // A check with missing nullifiers waits, and then gets them.
        slashed.insert(secret(2), None, 0);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(2), &epoch(1), 2)));
            drop(computing);
            assert!(waiting.join().unwrap());
        });
    }

    #[test]
    fn a_large_cap_is_computed_on_many_threads_alike() {
        let compute = |ids: Range<u16>| ids.map(u32::from).collect::<Vec<_>>();
        for ids in [0..u16::MAX, 0..4_096, 7..4_200, 65_000..65_535] {
            assert_eq!(on_all_cores(ids.clone(), compute), compute(ids));
        }
        let slashed = SlashedMembers::new();
        slashed.insert(secret(1), None, 0);
        let knows = |id| slashed.has_nullifier(&epoch(1), cap(5_000), nullifier(&secret(1), &epoch(1), id));
        assert!(knows(0) && knows(4_095) && knows(4_096) && knows(4_999) && !knows(5_000));
    }

    /// Attack: a slashed secret is deposited again for a greater limit, and posts with the new message ids.
    #[test]
    fn a_greater_limit_of_a_new_deposit_counts_and_a_lower_one_does_not() {
        let slashed = SlashedMembers::new();
        let (commitment, epoch) = (secret(1).commitment(), epoch(1));
        let knows = |id| slashed.has_nullifier(&epoch, cap(9), nullifier(&secret(1), &epoch, id));
        slashed.learn_limit(commitment, cap(9));
        assert!(slashed.is_empty() && !knows(0));
        slashed.insert(secret(1), Some(cap(2)), 7);
        assert!(knows(1) && !knows(2));
        slashed.learn_limit(commitment, cap(4));
        assert!(knows(1) && knows(3) && !knows(4));
        slashed.learn_limit(commitment, cap(1));
        assert!(knows(3));
        let offender = slashed.refused([(epoch, cap(9))]).offender(&(epoch, cap(9)), nullifier(&secret(1), &epoch, 3));
        assert_eq!(offender.unwrap().since, 7);
        assert_eq!(slashed.len(), 1);
        assert!(slashed.forget(commitment) && slashed.is_empty());
    }

    /// Attack: a convicted member, whose own limit is not known, deposits its commitment again for a lower limit, and
    /// continues to post with the other message ids of its first deposit.
    #[test]
    fn a_deposit_for_a_lower_limit_frees_no_message_ids() {
        let slashed = SlashedMembers::new();
        slashed.insert(secret(1), None, 0);
        let commitment = secret(1).commitment();
        let knows = |at, id| slashed.has_nullifier(&epoch(at), cap(9), nullifier(&secret(1), &epoch(at), id));
        slashed.learn_limit(commitment, cap(2));
        assert!(knows(1, 1) && knows(1, 8));
        // The greatest limit of all deposits bounds the ids, at least by the deposits that were reported meanwhile.
        slashed.learn_limit(commitment, cap(6));
        slashed.bound_limit(commitment, cap(4));
        assert!(knows(2, 5) && !knows(2, 6));
        slashed.bound_limit(commitment, cap(3));
        assert!(knows(3, 5) && !knows(3, 6));
        slashed.bound_limit(commitment, cap(8));
        assert!(knows(3, 7) && !knows(3, 8));
    }

    #[test]
    fn the_first_evidence_counts_and_its_grace_ends() {
        let slashed = SlashedMembers::new();
        slashed.insert(secret(1), None, 100);
        slashed.insert(secret(1), None, 90);
        slashed.insert(secret(1), None, 95);
        let offender = slashed.pseudonym_offender(room(), Pseudonym::new(&secret(1), room())).unwrap();
        assert_eq!(offender.since, 90);
        assert!(offender.is_within(50, 139) && !offender.is_within(50, 140));
    }

    #[test]
    fn epochs_to_come_are_computed_for_scopes_in_use() {
        let slashed = SlashedMembers::new();
        slashed.insert(secret(1), None, 0);
        let quota = |number| (epoch(number), cap(3));
        slashed.prepare([(quota(1), quota(2))]);
        assert!(read(&slashed.state).nullifiers.is_empty(), "nobody posts there");
        assert!(!slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(2), &epoch(1), 0)));
        slashed.prepare([(quota(1), quota(2))]);
        assert!(read(&slashed.state).is_complete(&quota(2), 1));
    }

    #[test]
    fn secrets_are_not_printed() {
        let slashed = SlashedMembers::new();
        slashed.insert(secret(1), None, 0);
        assert_eq!(format!("{slashed:?}"), "SlashedMembers(1)");
    }
}
