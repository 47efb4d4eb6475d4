//! Takes the deposits of convicted members (feature `relay-chain`).
//!
//! A [`Slasher`] works through the [convictions](super::NullifierLog::convictions) of the log, whichever relay kept the
//! evidence. It takes a case with a lease that the relays share, looks the member up on the chain, proves that the secret
//! is known, sends the transaction, and settles the case once the chain holds the slash deep enough. Nothing of this is
//! remembered but in the log and on the chain, so it may be killed at any moment: a case is open until it is settled, and
//! before a transaction is sent, again or for the first time, the chain is asked whether there is anything left to take.
//!
//! Two relays send for one member only if one of them loses its lease while its transaction is on the way. The contract
//! pays once all the same; the second transaction is refused.

mod case;
mod search;
mod worker;

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use alloy_primitives::Address;
use quotapass_circuits::{
    prover::{ProveError, Prover},
    slash::Slash,
};

use super::{Backoff, LogError, RelayContext, RelayStore, WorkerId, chain::RegistryLink, read, write};
use crate::registry::RegistryError;

pub use worker::Slasher;

/// Who sends slashes, and who is paid for them.
pub struct SlashSender {
    /// The account that sends, whose key the registry's backend holds.
    pub account: SlashAccount,
    /// Who gets the reward, if not that account.
    pub receiver: Option<Address>,
    /// Proves that a secret is known.
    pub prover: Prover<Slash>,
}

impl SlashSender {
    /// Who gets the reward.
    pub fn receiver(&self) -> Address {
        self.receiver.unwrap_or_else(|| self.account.get())
    }
}

/// The account that sends slashes. A clone is the same, so that whoever has one may change it while the slasher works: a
/// wallet that leaked is replaced without a restart.
#[derive(Clone, Debug)]
pub struct SlashAccount(Arc<RwLock<Address>>);

impl SlashAccount {
    /// The account, now.
    pub fn get(&self) -> Address {
        *read(&self.0)
    }

    /// Lets another account send from now on. The registry's backend must hold its key.
    pub fn change(&self, account: Address) {
        *write(&self.0) = account;
    }
}

impl From<Address> for SlashAccount {
    fn from(account: Address) -> Self {
        Self(Arc::new(RwLock::new(account)))
    }
}

/// How a slasher works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlasherSettings {
    /// How many blocks must follow a slash before its case is closed; one that a reorganisation undoes before is sent
    /// again.
    pub confirmations: u64,
    /// How long a case stays with a relay that does not answer any more. It is renewed while the relay works on it.
    pub lease: Duration,
    /// The pause between two looks at the log, and at a case that others work on.
    pub poll: Duration,
    /// The pause after a failure.
    pub backoff: Backoff,
}

impl Default for SlasherSettings {
    /// Two blocks; a lease of two minutes; a look every five seconds; pauses of five seconds to ten minutes.
    fn default() -> Self {
        Self {
            confirmations: 2,
            lease: Duration::from_secs(120),
            poll: Duration::from_secs(5),
            backoff: Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(600) },
        }
    }
}

/// What a slasher works with.
pub struct SlasherParts {
    /// The log, shared with the relay and perhaps with others.
    pub store: Arc<dyn RelayStore>,
    /// The registry.
    pub registry: Arc<RegistryLink>,
    /// Who sends. Without anybody, cases are watched until somebody else has closed them.
    pub sender: Option<SlashSender>,
    /// This worker's name, which no other relay of the same log has.
    pub worker: WorkerId,
    /// Clock and status. Events are the engine's to tell, which sees the cases of other relays too.
    pub context: RelayContext,
}

/// Why a case is still open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlasherError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Chain or contract did not do what they were asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The slash could not be proved.
    #[error(transparent)]
    Prove(#[from] ProveError),
}
