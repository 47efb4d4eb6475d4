//! Which relay slashes whom: one at a time, of all that share a log.

use core::fmt;
use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex},
};

use quotapass_circuits::identity::IdentityCommitment;
use serde::{Deserialize, Serialize};

use super::{BadgeBook, LogError, MemoryLog, lock};

/// Who works: a name that no other relay of the same log has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the case of a convicted member ended.
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
    /// Somebody else slashed it first, or it had left with its deposit.
    Gone,
    /// No member of the registry ever had this secret's commitment.
    NoMember,
}

/// The cases of convicted members, worked on by one relay at a time.
pub trait SlashClaims: Send + Sync {
    /// Takes a case until Unix second `until`, or keeps it longer if it is this worker's already. False if another
    /// worker has it at `now`, or if it is settled.
    ///
    /// # Errors
    /// [`LogError`]; the case is then not taken.
    fn claim(&self, commitment: IdentityCommitment, worker: &WorkerId, now: u64, until: u64) -> Result<bool, LogError>;

    /// Closes a case for good. A case that is closed already stays as it is.
    ///
    /// # Errors
    /// [`LogError`].
    fn settle(&self, commitment: IdentityCommitment, settlement: &Settlement) -> Result<(), LogError>;

    /// How a case ended; none if it is open, or there is none.
    ///
    /// # Errors
    /// [`LogError`].
    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError>;
}

/// A pointer to claims is claims.
macro_rules! pointer {
    ($pointer:ident) => {
        impl<L: SlashClaims + ?Sized> SlashClaims for $pointer<L> {
            fn claim(
                &self,
                commitment: IdentityCommitment,
                worker: &WorkerId,
                now: u64,
                until: u64,
            ) -> Result<bool, LogError> {
                (**self).claim(commitment, worker, now, until)
            }

            fn settle(&self, commitment: IdentityCommitment, settlement: &Settlement) -> Result<(), LogError> {
                (**self).settle(commitment, settlement)
            }

            fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError> {
                (**self).settlement(commitment)
            }
        }
    };
}

pointer!(Box);
pointer!(Arc);

/// A case of a convicted member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Case {
    /// Somebody works on it.
    Claimed {
        /// Who.
        worker: WorkerId,
        /// Until which Unix second nobody else may take it.
        until: u64,
    },
    /// It is closed.
    Settled(Settlement),
}

impl Case {
    /// Whether a worker may take it at Unix second `now`.
    pub fn is_free_for(&self, worker: &WorkerId, now: u64) -> bool {
        match self {
            Self::Settled(_) => false,
            Self::Claimed { worker: holder, until } => holder == worker || *until <= now,
        }
    }

    /// How it ended; none if it is open.
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
    fn claim(&self, commitment: IdentityCommitment, worker: &WorkerId, now: u64, until: u64) -> Result<bool, LogError> {
        let claimed = Case::Claimed { worker: worker.clone(), until };
        Ok(match lock(&self.cases().0).entry(commitment) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(claimed);
                true
            }
            hash_map::Entry::Occupied(mut case) => {
                let is_free = case.get().is_free_for(worker, now);
                if is_free {
                    case.insert(claimed);
                }
                is_free
            }
        })
    }

    fn settle(&self, commitment: IdentityCommitment, settlement: &Settlement) -> Result<(), LogError> {
        let mut cases = lock(&self.cases().0);
        if !matches!(cases.get(&commitment), Some(Case::Settled(_))) {
            cases.insert(commitment, Case::Settled(settlement.clone()));
        }
        Ok(())
    }

    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError> {
        Ok(lock(&self.cases().0).get(&commitment).cloned().and_then(Case::into_settlement))
    }
}

/// All that relays share: nullifiers, convictions and the cases that follow from them, chat keys and restrictions.
pub trait RelayStore: super::NullifierLog + SlashClaims + BadgeBook {}

impl<L: super::NullifierLog + SlashClaims + BadgeBook> RelayStore for L {}
