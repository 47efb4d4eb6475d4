//! Claims on slashing cases: only one of the relays that share a log works on a case at a time.

use core::fmt;
use std::collections::{HashMap, hash_map};

use parking_lot::Mutex;
use quotapass_circuits::identity::IdentityCommitment;
use quotapass_protocol::{LogError, UnixSeconds};
use serde::{Deserialize, Serialize};

use super::{BadgeBook, MemoryLog, ModerationStore, NullifierLog};

/// The name of a worker, unique among the relays that share a log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The outcome of a convicted member's case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Settlement {
    /// A relay that shares the log slashed it.
    Slashed {
        /// The transaction's hash, 0x-prefixed hex.
        transaction: String,
        /// The block that holds it.
        block: u64,
        /// The reward in the token's smallest unit, decimal.
        reward: String,
    },
    /// Another party slashed the member first, or the member had left with its deposit.
    Gone,
    /// No member of the registry ever had this secret's commitment.
    NoMember,
}

/// The cases of convicted members, worked on by one relay at a time.
pub trait SlashClaims: Send + Sync {
    /// Claims a case until `until`, or extends this worker's claim. Returns false if another worker has the case at
    /// `now`, or if it is settled. See [`Case::is_free_for`].
    ///
    /// # Errors
    /// [`LogError`]; the case is then not claimed.
    fn claim(
        &self,
        commitment: IdentityCommitment,
        worker: &WorkerId,
        now: UnixSeconds,
        until: UnixSeconds,
    ) -> Result<bool, LogError>;

    /// Closes a case for good. A case that is already closed stays unchanged.
    ///
    /// # Errors
    /// [`LogError`].
    fn settle(&self, commitment: IdentityCommitment, settlement: &Settlement) -> Result<(), LogError>;

    /// Returns the outcome of a case; none if the case is open or does not exist.
    ///
    /// # Errors
    /// [`LogError`].
    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError>;
}

/// A case of a convicted member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Case {
    /// A worker works on it.
    Claimed {
        /// The worker.
        worker: WorkerId,
        /// The time until which no other worker may take it.
        until: UnixSeconds,
    },
    /// It is closed.
    Settled(Settlement),
}

impl Case {
    /// Returns whether a worker may take the case at `now`, until `end`.
    ///
    /// A claim that lasts for more than twice that time comes from a clock that is ahead, and does not count. Otherwise
    /// the case of a relay that ends after its clock was days ahead would wait for days, and the member would have its
    /// deposit back.
    pub fn is_free_for(&self, worker: &WorkerId, now: UnixSeconds, end: UnixSeconds) -> bool {
        let longest = end.since(now).saturating_mul(2);
        match self {
            Self::Settled(_) => false,
            Self::Claimed { worker: holder, until } => {
                holder == worker || *until <= now || *until > now.saturating_add(longest)
            }
        }
    }

    /// Returns the outcome; none if the case is open.
    pub fn into_settlement(self) -> Option<Settlement> {
        match self {
            Self::Settled(settlement) => Some(settlement),
            Self::Claimed { .. } => None,
        }
    }
}

/// Cases in memory.
#[derive(Debug, Default)]
pub(super) struct Cases(Mutex<HashMap<IdentityCommitment, Case>>);

impl SlashClaims for MemoryLog {
    fn claim(
        &self,
        commitment: IdentityCommitment,
        worker: &WorkerId,
        now: UnixSeconds,
        until: UnixSeconds,
    ) -> Result<bool, LogError> {
        let claimed = Case::Claimed { worker: worker.clone(), until };
        Ok(match self.cases.0.lock().entry(commitment) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(claimed);
                true
            }
            hash_map::Entry::Occupied(mut case) => {
                let is_free = case.get().is_free_for(worker, now, until);
                if is_free {
                    case.insert(claimed);
                }
                is_free
            }
        })
    }

    fn settle(&self, commitment: IdentityCommitment, settlement: &Settlement) -> Result<(), LogError> {
        let mut cases = self.cases.0.lock();
        if !matches!(cases.get(&commitment), Some(Case::Settled(_))) {
            cases.insert(commitment, Case::Settled(settlement.clone()));
        }
        Ok(())
    }

    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError> {
        Ok(self.cases.0.lock().get(&commitment).cloned().and_then(Case::into_settlement))
    }
}

/// The data that relays share: nullifiers and convictions, the cases of convicted members, chat keys and restrictions,
/// and the records of moderation.
///
/// Every [`NullifierLog`] that also implements [`SlashClaims`], [`BadgeBook`] and [`ModerationStore`] is a store. A custom
/// log without them implements this trait, and returns another store for each of them, for example a [`MemoryLog`].
pub trait RelayStore: NullifierLog {
    /// Returns the cases of convicted members.
    fn cases(&self) -> &dyn SlashClaims;

    /// Returns the chat keys and restrictions of pseudonyms. [`expire`](NullifierLog::expire) of this log must also
    /// drop the ended restrictions of the returned store.
    fn badges(&self) -> &dyn BadgeBook;

    /// Returns the records of moderation. [`expire`](NullifierLog::expire) of this log must also drop the records of the
    /// returned store whose time is over.
    fn moderation(&self) -> &dyn ModerationStore;
}

impl<S: NullifierLog + SlashClaims + BadgeBook + ModerationStore> RelayStore for S {
    fn cases(&self) -> &dyn SlashClaims {
        self
    }

    fn badges(&self) -> &dyn BadgeBook {
        self
    }

    fn moderation(&self) -> &dyn ModerationStore {
        self
    }
}
