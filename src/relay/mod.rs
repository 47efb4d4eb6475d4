//! The relay: the verdict on every pass (protocol, sections 7 and 8).
//!
//! A [`Relay`] takes a pass and its message and answers with a [`Verdict`]. The order of checks: decode, scope, epoch,
//! requirement, root, signal, slashed members, known replay (all cheap), then the pairing, then the [nullifier
//! log](NullifierLog). Nothing here reads a clock or does input or output: time is an argument, in Unix seconds, and a
//! log that needs a disk or a network implements the trait.
//!
//! The modules around it: `engine` batches incoming posts and badges (feature `relay-engine`), `http` answers over HTTP
//! (`relay-http`), and `chain`, `slasher` and `upkeep` connect it to its registry and its clock (`relay-chain`).
//!
//! All methods take `&self`, so one relay serves many threads.

#[cfg(feature = "relay-chain")]
mod backoff;
mod badges;
#[cfg(feature = "relay-chain")]
pub mod chain;
mod claims;
mod clock;
mod convictions;
#[cfg(feature = "relay-engine")]
pub mod engine;
#[cfg(feature = "relay-engine")]
mod events;
mod evidence;
#[cfg(feature = "relay-http")]
pub mod http;
pub mod log;
mod nullifiers;
mod pipeline;
mod policy;
mod roots;
mod slashed;
#[cfg(feature = "relay-chain")]
pub mod slasher;
#[cfg(feature = "relay-engine")]
mod status;
#[cfg(feature = "relay-chain")]
mod stop;
#[cfg(test)]
mod tests;
#[cfg(feature = "relay-engine")]
mod trouble;
#[cfg(feature = "relay-chain")]
pub mod upkeep;
mod verdict;

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[cfg(feature = "relay-chain")]
pub use backoff::Backoff;
pub use badges::{
    BadgeAnswer, BadgeBook, BadgeChallenge, BadgeHolder, BadgeRequest, BoundKey, ChatKey, LATEST_END, Persona,
    PersonaError, PersonaRecord, Possession, PossessionError, Restriction,
};
#[cfg(feature = "relay")]
pub use badges::{CHALLENGE_SECONDS, Challenger, KeyCheck};
pub use claims::{Case, RelayStore, Settlement, SlashClaims, WorkerId};
pub use clock::{Clock, SettableClock, SystemClock};
pub use convictions::MessageLimits;
#[cfg(feature = "relay-engine")]
pub use engine::{Engine, EngineSettings, OwnedBadge, OwnedPost, Progress, RelayContext, Source};
#[cfg(feature = "relay-engine")]
pub use events::{EventBus, EventId, EventIdError, Occurrence, RelayEvent, Subscription};
pub use evidence::{Conviction, EvidenceRecord};
#[cfg(feature = "relay-embedded")]
pub use log::embedded::{EmbeddedLog, EmbeddedLogError, EmbeddedSettings};
#[cfg(feature = "relay-valkey")]
pub use log::valkey::{Durability, ValkeyFiles, ValkeyLog, ValkeyLogError, ValkeySettings};
#[cfg(any(feature = "relay-embedded", feature = "relay-valkey"))]
pub use log::{LogChoice, LogIdentity, LogIdentityError};
pub use nullifiers::{Entry, LogEpoch, LogError, LogStatistics, MemoryLog, NullifierLog, Outcome, Recorded};
pub use pipeline::{PostRequest, Relay, Verification};
pub use policy::{
    DatedPolicy, HEAD_SECONDS, Policy, PolicyError, PolicyHistory, PolicyTable, SLASH_SECONDS, ScopePolicy,
    StatedTerms, UnlistedScope, UnlistedVerdict,
};
#[cfg(feature = "notes")]
pub use policy::{
    NotAPolicyHash, POLICY_CONTEXT, POLICY_KEY_NAME, PoliciesStatement, PolicyHash, PolicyStatement, RegistryStatement,
    StatedPoliciesError,
};
pub use roots::{Horizon, RootHistory, RootStatus};
pub use slashed::SlashedMembers;
#[cfg(feature = "relay-engine")]
pub use status::{ChainStatus, LogStatus, RelayStatus, SlashingStatus};
#[cfg(feature = "relay-chain")]
pub use stop::StopSignal;
#[cfg(feature = "relay-engine")]
pub use trouble::{Trouble, TroubleKind, Troubles};
pub use verdict::{Evidence, Gossip, Malformed, Overload, QuotaExceeded, RequirementMismatch, Verdict};

// A thread that panics while it holds one of the relay's locks leaves the data as it was before or after a whole
// change, so other threads keep using it.

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
