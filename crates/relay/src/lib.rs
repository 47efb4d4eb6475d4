//! The relay: the verdict on every pass (protocol, sections 7 and 8).
//!
//! A [`Relay`] takes a pass and its message and answers with a [`Verdict`](quotapass_protocol::Verdict). The order of
//! checks: decode, scope, epoch, requirement, root, lists, signal, slashed members, known replay (all cheap), then the
//! proof of the post, then its records, then the [nullifier log](NullifierLog). Nothing here reads a clock or does input or output: time is an
//! argument, and a log that needs a disk or a network implements the trait.
//!
//! # Modules
//!
//! - [`engine`]: batches of incoming posts and badges, verified on threads of their own.
//! - [`moderation`]: reports, actions of authors, decisions of moderators, and their events.
//! - [`http`]: the service over HTTP, its metrics and its page.
//! - [`log`]: nullifier logs on a disk and on shared servers.
//! - [`chain`], [`slasher`], [`upkeep`]: the connections to the registry and to the clock.
//!
//! # How a double post is caught
//!
//! Two messages of one member under one message id have one nullifier, and two points on one line through the member's
//! secret. The log keeps the first point:
//!
//! ```
//! use quotapass_circuits::signal::{Epoch, ExternalNullifier, Scope, SignalHash};
//! use quotapass_circuits::{identity::IdentitySecret, registry_id::RegistryId, share::Line};
//! use quotapass_protocol::{Evidence, UnixSeconds};
//! use quotapass_relay::{Entry, LogEpoch, MemoryLog, NullifierLog, Outcome};
//!
//! let registry = RegistryId { chain_id: 1, address: [0x11; 20] };
//! let secret = IdentitySecret::from_seed(b"a seed", &registry, 0)?;
//! let scope = Scope::new(&registry, "lobby");
//! let epoch = Epoch::at(600.try_into()?, UnixSeconds(1_800_000_000));
//!
//! // What two passes state under message id 0. Their proofs, verified before, show that it is true.
//! let line = Line::new(&secret, ExternalNullifier::new(scope, epoch), 0);
//! let first = line.share(SignalHash::new(scope, epoch, b"hello")?);
//! let second = line.share(SignalHash::new(scope, epoch, b"buy my coin")?);
//! let entry = |share| Entry::new(LogEpoch::new(scope, epoch), line.nullifier(), share);
//!
//! let log = MemoryLog::new();
//! assert_eq!(log.record(&entry(first))?, Outcome::New); // the verdict `accepted`
//! assert_eq!(log.record(&entry(first))?, Outcome::Replay); // `replay`
//! assert_eq!(log.record(&entry(second))?, Outcome::Conflict(first)); // `quota_exceeded`
//!
//! // Both points give the secret, with which anyone can slash the deposit.
//! let evidence = Evidence { scope, epoch, nullifier: line.nullifier(), recorded: first, second };
//! assert_eq!(evidence.secret(), Some(secret));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The example `relay` in the repository judges whole passes, and `custom_log` is a log of one's own.
//!
//! # Threads
//!
//! All methods take `&self`, so one relay serves many threads. A thread that panics while it holds one of the locks
//! leaves the data as it was before or after a whole change, so the locks are those of `parking_lot`, which other threads
//! keep using after a panic.
//!
//! # Features
//!
//! - `embedded`: a nullifier log on the relay's own disk.
//! - `embedded-chain`: a registry on an embedded chain, for a relay without an endpoint.
//! - `valkey`: a nullifier log that several relays share, on Valkey or Redis servers.
//! - `valkey-tls`: TLS to these servers.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

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
mod lists;
pub mod log;
mod members;
pub mod moderation;
mod nullifiers;
mod pipeline;
mod proofs;
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
pub use lists::{ListFetcher, ListInForce, Lists, LogState, NoRecordKeys};
#[cfg(feature = "embedded")]
pub use log::embedded::{EmbeddedLog, EmbeddedLogError, EmbeddedSettings};
#[cfg(feature = "valkey")]
pub use log::valkey::{Durability, ValkeyFiles, ValkeyLog, ValkeyLogError, ValkeySettings};
#[cfg(any(feature = "embedded", feature = "valkey"))]
pub use log::{LogChoice, LogIdentity, LogIdentityError};
pub use members::LatestTree;
pub use moderation::{Moderation, ModerationError, ModerationStore, SPREAD, Swap};
pub use nullifiers::{Entry, LogEpoch, LogStatistics, MemoryLog, NullifierLog, Outcome, Recorded};
pub use pipeline::{PolicyChangeError, PostRequest, Relay, Verification};
pub use slashed::SlashedMembers;
pub use status::{ChainStatus, LogStatus, RelayStatus, SlashingStatus};
pub use stop::StopSignal;
pub use trouble::{Trouble, TroubleKind, Troubles};
