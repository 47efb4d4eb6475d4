//! Members whose secret is known: all that they could still say is computed, and refused.

use core::num::NonZeroU16;
use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use quotapass_circuits::{
    identity::{IdentityCommitment, IdentitySecret},
    share::{Line, Nullifier, Pseudonym},
    signal::Scope,
};

use super::{LogEpoch, lock};

/// The known secrets, zeroized on drop, and their nullifiers in the epochs asked about.
///
/// The nullifiers of an epoch and scope are computed when the first pass of it is checked, one hash pair for each member
/// and message id, and kept until the epoch is [expired](Self::expire).
#[derive(Default)]
pub struct SlashedMembers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    members: Vec<Slashed>,
    commitments: HashSet<IdentityCommitment>,
    epochs: HashMap<LogEpoch, EpochNullifiers>,
    pseudonyms: HashMap<Scope, ScopePseudonyms>,
}

struct Slashed {
    secret: IdentitySecret,
    commitment: IdentityCommitment,
    message_limit: Option<NonZeroU16>,
}

/// The nullifiers of the first `covered` members with message ids below `cap`.
#[derive(Default)]
struct EpochNullifiers {
    cap: u16,
    covered: usize,
    nullifiers: HashSet<Nullifier>,
}

/// The pseudonyms of the first `covered` members.
#[derive(Default)]
struct ScopePseudonyms {
    covered: usize,
    pseudonyms: HashSet<Pseudonym>,
}

impl EpochNullifiers {
    fn extend(&mut self, members: &[Slashed], epoch: &LogEpoch, cap: NonZeroU16) {
        let cap = cap.get().max(self.cap);
        if cap > self.cap {
            for member in members.iter().take(self.covered) {
                self.add(member, epoch, self.cap, cap);
            }
            self.cap = cap;
        }
        for member in members.iter().skip(self.covered) {
            self.add(member, epoch, 0, cap);
        }
        self.covered = members.len();
    }

    fn add(&mut self, member: &Slashed, epoch: &LogEpoch, from: u16, to: u16) {
        let to = member.message_limit.map_or(to, |limit| to.min(limit.get()));
        let external = epoch.external_nullifier();
        self.nullifiers.extend((from..to).map(|id| Line::new(&member.secret, external, id).nullifier()));
    }
}

impl SlashedMembers {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// A secret became known, recovered here or imported, with the member's message limit if that is known too: without
    /// it nullifiers are computed up to the scope's cap. Returns whether it is news.
    pub fn insert(&self, secret: IdentitySecret, message_limit: Option<NonZeroU16>) -> bool {
        let commitment = secret.commitment();
        let state = &mut *lock(&self.state);
        let news = state.commitments.insert(commitment);
        if news {
            state.members.push(Slashed { secret, commitment, message_limit });
        }
        news
    }

    /// Forgets a member. Safe once its slot of the tree was zeroed longer ago than the longest root window: its passes
    /// are stale by then. Returns whether it was known.
    pub fn forget(&self, commitment: IdentityCommitment) -> bool {
        let state = &mut *lock(&self.state);
        state.commitments.remove(&commitment);
        let Some(index) = state.members.iter().position(|member| member.commitment == commitment) else {
            return false;
        };
        let member = state.members.remove(index);
        // Nullifiers already computed stay refused until their epoch expires.
        for epoch in state.epochs.values_mut().filter(|epoch| index < epoch.covered) {
            epoch.covered -= 1;
        }
        for (scope, known) in &mut state.pseudonyms {
            if index < known.covered {
                known.covered -= 1;
                known.pseudonyms.remove(&Pseudonym::new(&member.secret, *scope));
            }
        }
        true
    }

    /// Whether a member's secret is known.
    pub fn contains(&self, commitment: IdentityCommitment) -> bool {
        lock(&self.state).commitments.contains(&commitment)
    }

    /// How many secrets are known.
    pub fn len(&self) -> usize {
        lock(&self.state).members.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a nullifier belongs to a member whose secret is known, with a message id below `cap`.
    ///
    /// The first call for an epoch computes its nullifiers. Call it only for epochs in range.
    pub fn has_nullifier(&self, epoch: &LogEpoch, cap: NonZeroU16, nullifier: Nullifier) -> bool {
        let state = &mut *lock(&self.state);
        if state.members.is_empty() {
            return false;
        }
        let known = state.epochs.entry(*epoch).or_default();
        known.extend(&state.members, epoch, cap);
        known.nullifiers.contains(&nullifier)
    }

    /// Whether a pseudonym in a scope belongs to a member whose secret is known.
    pub fn has_pseudonym(&self, scope: Scope, pseudonym: Pseudonym) -> bool {
        let state = &mut *lock(&self.state);
        if state.members.is_empty() {
            return false;
        }
        let known = state.pseudonyms.entry(scope).or_default();
        let new = state.members.iter().skip(known.covered);
        known.pseudonyms.extend(new.map(|member| Pseudonym::new(&member.secret, scope)));
        known.covered = state.members.len();
        known.pseudonyms.contains(&pseudonym)
    }

    /// Drops what was computed for epochs that no policy lets in any more at `now`.
    pub fn expire(&self, now: u64) {
        lock(&self.state).epochs.retain(|epoch, _| epoch.keep_until() > now);
    }
}

impl core::fmt::Debug for SlashedMembers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SlashedMembers({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use quotapass_circuits::{registry_id::RegistryId, signal::Epoch};

    use super::*;

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
        assert!(slashed.insert(secret(1), None));
        assert!(!slashed.insert(secret(1), None));
        assert!((0..5).all(|id| knows(1, 1, 5, id) && knows(1, 2, 5, id)));
        assert!(!knows(1, 1, 5, 5) && !knows(2, 1, 5, 0));
        // A cap that rises, and a member that joins, are caught up with.
        assert!(knows(1, 1, 7, 6) && knows(1, 1, 5, 6));
        assert!(slashed.insert(secret(2), Some(cap(2))));
        assert!(knows(2, 1, 5, 1) && !knows(2, 1, 5, 2));
        assert!(knows(1, 1, 9, 8) && !knows(2, 1, 9, 2));
    }

    #[test]
    fn epochs_expire_and_come_back_if_asked_for() {
        let slashed = SlashedMembers::new();
        slashed.insert(secret(1), None);
        let (old, young) = (epoch(1), epoch(9));
        for epoch in [old, young] {
            assert!(slashed.has_nullifier(&epoch, cap(3), nullifier(&secret(1), &epoch, 2)));
        }
        slashed.expire(old.keep_until());
        assert_eq!(lock(&slashed.state).epochs.len(), 1);
        assert!(slashed.has_nullifier(&old, cap(3), nullifier(&secret(1), &old, 2)));
    }

    #[test]
    fn whoever_is_forgotten_leaves_the_others_known() {
        let slashed = SlashedMembers::new();
        let scope = Scope::new(&REGISTRY, "room");
        let pseudonym = |number| Pseudonym::new(&secret(number), scope);
        for number in [1, 2] {
            slashed.insert(secret(number), None);
            assert!(slashed.has_pseudonym(scope, pseudonym(number)));
            assert!(slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(number), &epoch(1), 0)));
        }
        assert!(slashed.forget(secret(1).commitment()));
        assert!(!slashed.forget(secret(1).commitment()));
        assert!(!slashed.contains(secret(1).commitment()) && slashed.contains(secret(2).commitment()));
        slashed.insert(secret(3), None);
        for number in [2, 3] {
            assert!(slashed.has_pseudonym(scope, pseudonym(number)));
            assert!(slashed.has_nullifier(&epoch(2), cap(3), nullifier(&secret(number), &epoch(2), 0)));
            assert!(slashed.has_nullifier(&epoch(1), cap(3), nullifier(&secret(number), &epoch(1), 0)));
        }
        assert!(!slashed.has_pseudonym(scope, pseudonym(1)));
        assert!(!slashed.has_nullifier(&epoch(2), cap(3), nullifier(&secret(1), &epoch(2), 0)));
    }

    #[test]
    fn secrets_are_not_printed() {
        let slashed = SlashedMembers::new();
        slashed.insert(secret(1), None);
        assert_eq!(format!("{slashed:?}"), "SlashedMembers(1)");
    }
}
