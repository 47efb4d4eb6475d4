//! The relay: the verdict on every pass (protocol, sections 7 and 8).
//!
//! A [`Relay`] takes a pass and its message and answers with a [`Verdict`](quotapass_protocol::Verdict). The order of
//! checks: decode, scope, epoch, requirement, root, signal, slashed members, known replay (all cheap), then the
//! pairing, then the [nullifier log](NullifierLog). Nothing here reads a clock or does input or output: time is an
//! argument, and a log that needs a disk or a network implements the trait.
//!
//! The modules around it: [`engine`] batches incoming posts and badges, [`http`] answers over HTTP, and [`chain`],
//! [`slasher`] and [`upkeep`] connect the relay to its registry and its clock.
//!
//! All methods take `&self`, so one relay serves many threads. A thread that panics while it holds one of the locks
//! leaves the data as it was before or after a whole change, so the locks are those of `parking_lot`, which other threads
//! keep using after a panic.

mod backoff;
mod badges;
pub mod bounds;
pub mod chain;
mod claims;
mod clock;
mod convicted;
mod conviction;
mod convictions;
pub mod engine;
mod events;
pub mod http;
pub mod log;
mod members;
mod nullifiers;
mod pipeline;
mod slashed;
pub mod slasher;
mod status;
mod stop;
#[cfg(test)]
mod tests;
mod trouble;
pub mod upkeep;

pub use backoff::Backoff;
pub use badges::{
    BadgeAnswer, BadgeBook, BadgeHolder, BadgeRequest, BoundKey, CHALLENGE_SECONDS, Challenger, ChatKey, KeyCheck,
    LATEST_END, Persona, PersonaError, PersonaRecord, Restriction,
};
pub use claims::{Case, RelayStore, Settlement, SlashClaims, WorkerId};
pub use clock::{Clock, SettableClock, SystemClock};
pub use convicted::ConvictedMember;
pub use conviction::Conviction;
pub use convictions::MessageLimits;
pub use engine::{Engine, EngineSettings, OwnedBadge, OwnedPost, Progress, RelayContext, Source};
pub use events::{EventBus, EventId, EventIdError, Occurrence, RelayEvent, Subscription};
#[cfg(feature = "embedded")]
pub use log::embedded::{EmbeddedLog, EmbeddedLogError, EmbeddedSettings};
#[cfg(feature = "valkey")]
pub use log::valkey::{Durability, ValkeyFiles, ValkeyLog, ValkeyLogError, ValkeySettings};
#[cfg(any(feature = "embedded", feature = "valkey"))]
pub use log::{LogChoice, LogIdentity, LogIdentityError};
pub use members::LatestTree;
pub use nullifiers::{Entry, LogEpoch, LogStatistics, MemoryLog, NullifierLog, Outcome, Recorded};
pub use pipeline::{PostRequest, Relay, Verification};
pub use slashed::SlashedMembers;
pub use status::{ChainStatus, LogStatus, RelayStatus, SlashingStatus};
pub use stop::StopSignal;
pub use trouble::{Trouble, TroubleKind, Troubles};
