//! Members whose secret is known: all their possible nullifiers are computed, and refused.

mod offenders;
#[cfg(test)]
mod tests;

use core::num::NonZeroU16;
use std::{collections::HashSet, sync::Arc};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use quotapass_circuits::{
    identity::{IdentityCommitment, IdentitySecret},
    moderation,
    share::{Nullifier, Pseudonym},
    signal::Scope,
};
use quotapass_protocol::UnixSeconds;

pub(super) use self::offenders::{Offender, Quota};
use self::offenders::{Offenders, Slashed, nullifiers_of};
use super::LogEpoch;

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

/// The refused nullifiers, complete for the requested quotas. No new member is added while it is held.
pub(super) struct Refused<'a>(RwLockReadGuard<'a, Offenders>);

impl Refused<'_> {
    /// Returns the member that a nullifier belongs to, if its secret is known.
    pub(super) fn offender(&self, quota: &Quota, nullifier: Nullifier) -> Option<Offender> {
        let number = *self.0.nullifiers.get(quota)?.of.get(&nullifier)?;
        Some(self.0.offender(number))
    }
}

impl SlashedMembers {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret that became known at time `since`, recovered here or imported, with the member's message limit if
    /// known. Without the limit, nullifiers are computed up to the scope's cap. Returns whether the secret is new.
    ///
    /// For a member that is already known, the earliest time and the greatest limit count.
    pub fn insert(&self, secret: IdentitySecret, message_limit: Option<NonZeroU16>, since: UnixSeconds) -> bool {
        self.learn(secret, message_limit, since).1
    }

    /// Adds a secret like [`insert`](Self::insert), and also returns the member's number.
    pub(super) fn learn(
        &self,
        secret: IdentitySecret,
        message_limit: Option<NonZeroU16>,
        since: UnixSeconds,
    ) -> (u64, bool) {
        let commitment = secret.commitment();
        let state = &mut *self.state.write();
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
        let state = &mut *self.state.write();
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
        self.state.read().numbers.keys().copied().collect()
    }

    /// Forgets a member. This is safe when its slot of the tree was zeroed longer ago than the longest root window: its
    /// passes are then stale. Returns whether it was known.
    ///
    /// Computed nullifiers stay refused until their epoch expires.
    pub fn forget(&self, commitment: IdentityCommitment) -> bool {
        let state = &mut *self.state.write();
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
        self.state.read().numbers.contains_key(&commitment)
    }

    /// Returns the number of known secrets.
    pub fn len(&self) -> usize {
        self.state.read().members.len()
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
        let state = self.state.read();
        let below = state.next;
        if quotas.iter().all(|quota| state.is_complete(quota, below)) {
            return Refused(state);
        }
        drop(state);
        let _alone = self.computing.lock();
        loop {
            let missing: Vec<_> = {
                let state = self.state.read();
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
                let state = &mut *self.state.write();
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
            let state = self.state.read();
            let is_used = |(now, _): &(Quota, Quota)| state.nullifiers.contains_key(now);
            quotas.into_iter().filter(is_used).map(|(_, next)| next).collect()
        };
        drop(self.refused(next));
    }

    /// Returns the member that wrote a post, if its secret is known, whatever the epoch of the post. It takes one hash for
    /// each known secret and keeps nothing: call it for posts that verified.
    pub(super) fn author_of(&self, entry: &moderation::Entry) -> Option<Offender> {
        let members = self.state.read().missing(0);
        let (number, _) = members.iter().find(|(_, member)| entry.is_by(&member.secret))?;
        let state = self.state.read();
        Some(state.offender(*number))
    }

    /// Returns the member that a pseudonym belongs to, like [`pseudonym_offender`](Self::pseudonym_offender). It takes one hash
    /// for each known secret and keeps nothing.
    ///
    /// **Attack prevented**: there are as many scopes of a pattern as strangers make rooms, and pseudonyms do not expire. Badges
    /// that name one room after the other would fill the memory.
    pub(super) fn owner_of(&self, scope: Scope, pseudonym: Pseudonym) -> Option<Offender> {
        let members = self.state.read().missing(0);
        let (number, _) = members.iter().find(|(_, member)| Pseudonym::new(&member.secret, scope) == pseudonym)?;
        let state = self.state.read();
        Some(state.offender(*number))
    }

    /// Returns whether a pseudonym in a scope belongs to a member whose secret is known.
    pub fn has_pseudonym(&self, scope: Scope, pseudonym: Pseudonym) -> bool {
        self.pseudonym_offender(scope, pseudonym).is_some()
    }

    /// Returns the member that a pseudonym in a scope belongs to, if its secret is known.
    pub(super) fn pseudonym_offender(&self, scope: Scope, pseudonym: Pseudonym) -> Option<Offender> {
        // One hash per member, once: a thread computes the missing ones, and other threads may do the same meanwhile.
        let (complete, missing) = {
            let state = self.state.read();
            let complete = state.pseudonyms.get(&scope).map_or(0, |known| known.complete);
            (complete, state.missing(complete))
        };
        if let Some((last, _)) = missing.last() {
            let computed: Vec<_> =
                (missing.iter()).map(|(number, member)| (Pseudonym::new(&member.secret, scope), *number)).collect();
            let state = &mut *self.state.write();
            let known = state.pseudonyms.entry(scope).or_default();
            // Another thread may have added more; its values are the same.
            known.complete = known.complete.max(last + 1);
            let is_known = |(_, number): &(Pseudonym, u64)| *number >= complete && state.members.contains_key(number);
            known.of.extend(computed.into_iter().filter(is_known));
        }
        let state = self.state.read();
        let number = *state.pseudonyms.get(&scope)?.of.get(&pseudonym)?;
        Some(state.offender(number))
    }

    /// Returns the number of quotas and scopes whose nullifiers and pseudonyms are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let state = self.state.read();
        state.nullifiers.len() + state.pseudonyms.len()
    }

    /// Drops the nullifiers of epochs that no policy accepts any more at `now`.
    pub fn expire(&self, now: UnixSeconds) {
        self.state.write().nullifiers.retain(|(epoch, _), _| epoch.keep_until() > now);
    }
}

impl core::fmt::Debug for SlashedMembers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SlashedMembers({})", self.len())
    }
}
