//! The slasher: takes the deposits of convicted members.
//!
//! A [`Slasher`] works through the [convictions](super::NullifierLog::convictions) of the log, from all relays that
//! share it. It claims a case with a shared lease, looks the member up on the chain, proves that the secret is known,
//! and sends the transaction. It settles the case when the slash has enough confirmations on the chain. All state is in
//! the log and on the chain, so the process may be killed at any moment: a case is open until it is settled, and before
//! each transaction, also a repeated one, the slasher checks on the chain whether there is still a deposit to take.
//!
//! Two relays send a transaction for the same member only if one of them loses its lease while its transaction is
//! pending. The contract still pays only once; the second transaction is refused.

mod case;
mod search;
mod worker;

use std::{sync::Arc, time::Duration};

use alloy_primitives::Address;
use parking_lot::RwLock;
use quotapass_circuits::{
    prover::{ProveError, Prover},
    slash::Slash,
};
use quotapass_protocol::LogError;
use quotapass_registry::RegistryError;

use super::{Backoff, RelayContext, RelayStore, WorkerId, chain::RegistryLink};

pub use worker::Slasher;

/// The sender of slashes, and the receiver of their rewards.
pub struct SlashSender {
    /// The sending account; the registry's backend has its key.
    pub account: SlashAccount,
    /// The receiver of the reward, if it is not that account.
    pub receiver: Option<Address>,
    /// The prover that a secret is known.
    pub prover: Prover<Slash>,
}

impl SlashSender {
    /// Returns the receiver of the reward.
    pub fn receiver(&self) -> Address {
        self.receiver.unwrap_or_else(|| self.account.get())
    }
}

/// The account that sends slashes. A clone is the same account, so the holder of a clone can change it while the
/// slasher works: a leaked wallet is replaced without a restart.
#[derive(Clone, Debug)]
pub struct SlashAccount(Arc<RwLock<Address>>);

impl SlashAccount {
    /// Returns the current account.
    pub fn get(&self) -> Address {
        *self.0.read()
    }

    /// Changes the sending account from now on. The registry's backend must have its key.
    pub fn change(&self, account: Address) {
        *self.0.write() = account;
    }
}

impl From<Address> for SlashAccount {
    fn from(account: Address) -> Self {
        Self(Arc::new(RwLock::new(account)))
    }
}

/// Settings of a slasher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlasherSettings {
    /// The number of blocks that must follow a slash before its case is closed. A slash that a reorganisation undoes
    /// earlier is sent again.
    pub confirmations: u64,
    /// The time for which a case stays with a relay that has stopped responding. A relay renews its lease while it
    /// works on the case.
    pub lease: Duration,
    /// The pause between two polls of the log, and of a case that another relay works on.
    pub poll: Duration,
    /// The pause after a failure.
    pub backoff: Backoff,
}

impl Default for SlasherSettings {
    /// Two blocks; a lease of two minutes; a poll every five seconds; pauses of five seconds to ten minutes.
    fn default() -> Self {
        Self {
            confirmations: 2,
            lease: Duration::from_secs(120),
            poll: Duration::from_secs(5),
            backoff: Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(600) },
        }
    }
}

/// The parts that a slasher works with.
pub struct SlasherParts {
    /// The log, shared with the relay and perhaps with other relays.
    pub store: Arc<dyn RelayStore>,
    /// The registry.
    pub registry: Arc<RegistryLink>,
    /// The sender. Without a sender, cases are only watched until another party has closed them.
    pub sender: Option<SlashSender>,
    /// This worker's name, unique among the relays that share the log.
    pub worker: WorkerId,
    /// Clock and status. The engine publishes the events, because it also sees the cases of other relays.
    pub context: RelayContext,
}

/// Errors that keep a case open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlasherError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The chain or the contract failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The slash could not be proved.
    #[error(transparent)]
    Prove(#[from] ProveError),
}
