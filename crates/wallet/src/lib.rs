//! The wallet: identities, the quota ledger, path sync, posts, badges, and the verdicts on passes of others.
//!
//! # From a seed to a reserved message
//!
//! ```
//! use quotapass_circuits::{membership::{Day, Terms}, registry_id::RegistryId};
//! use quotapass_protocol::{Policy, UnixSeconds};
//! use quotapass_wallet::{BoundPolicy, identity::Seed, ledger::{Book, DeviceShare, LedgerOwner}};
//! use rand::rngs::OsRng;
//!
//! // The user keeps the words of the seed. Each registry sees a different identity.
//! let seed = Seed::generate(&mut OsRng);
//! let registry = RegistryId { chain_id: 1, address: [0x11; 20] };
//! let secret = seed.secret(&registry, 0)?;
//! // A deposit for `secret.commitment()` made the user a member: stake, messages per epoch, day of the deposit.
//! let terms = Terms::new(100, 20, Day(20_700))?;
//!
//! // The room takes five messages in ten minutes. An app reads it with `BoundPolicy::from_policy_document`.
//! let policy = Policy {
//!     name: "lobby".into(),
//!     epoch_seconds: 600.try_into()?,
//!     limit_cap: 5.try_into()?,
//!     min_stake: 10,
//!     min_age_days: 7,
//!     root_window: 3_600,
//!     max_clock_skew: 20,
//!     stake_levels: Vec::new(),
//!     moderation: None,
//! };
//! let policy = BoundPolicy::new(registry, policy)?;
//! let quota = policy.quota(&terms);
//!
//! // In memory. `Ledger` keeps the same book in files, so that no message id is used twice.
//! let mut ledger = Book::new(LedgerOwner { registry, commitment: secret.commitment() }, DeviceShare::SOLE);
//! let now = UnixSeconds(1_800_000_000); // the clock's time
//! for left in (0..5).rev() {
//!     let reservation = ledger.reserve(now, &quota)?;
//!     assert_eq!(reservation.left(), left);
//!     // `Poster::prove` consumes the reservation, and makes the pass of a message.
//! }
//! let refusal = ledger.reserve(now, &quota).unwrap_err();
//! println!("{refusal}"); // the quota of this epoch is used
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The example `poster` in the repository continues with a proof. It needs a proving key.
//!
//! # Modules and types
//!
//! - [`BoundPolicy`]: a policy at a registry with its scope, for example from a relay's policy document.
//! - [`trusted_key`]: reads a proving key and checks that it is trusted.
//! - [`ledger`]: the used message ids. An id is durably reserved there before a proof is made with it.
//! - [`members`]: the path of a member, from a relay that does not learn which member it is, or from a copy of the
//!   tree.
//! - [`Poster`]: proves messages of one member in one scope under message ids that a ledger reserved. [`MessagePass`] is
//!   what it makes.
//! - [`moderation`]: lists of struck posts, deletions, appeals and reports.
//! - [`make_badge`]: makes a badge for a chat key.
//! - [`verify_post`], [`verify_message`], [`verify_badge`], [`recover`]: the checks of a receiver, against its [`AcceptedRoots`].
//! - [`identity`]: seeds, and the secrets derived from them.
//!
//! Without features the crate has no files, sockets or clock, so bindings to other languages need no rules of their own.
//!
//! # Features
//!
//! - `files`: the ledger, and copies of paths, in files.
//! - `desktop`: also identities in encrypted files, seeds that an Ethereum wallet derives by a signature, and a folder of
//!   proving keys.
//! - `notes`: pins of policies by hash, and signed policies.
//! - `reports`: encryption of reports with age.
//! - `http`: path sync from a relay over HTTP.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod badge;
mod bound_policy;
mod bytes;
#[cfg(feature = "files")]
pub mod files;
pub mod identity;
#[cfg(feature = "desktop")]
pub mod keys;
pub mod ledger;
pub mod members;
pub mod moderation;
mod pass;
mod poster;
mod trusted;
mod verify;

pub use badge::{BadgeError, make_badge};
pub use bound_policy::{BoundPolicy, BoundPolicyError};
pub use pass::MessagePass;
pub use poster::{Poster, PosterError};
pub use trusted::{KeyRefusal, trusted_key};
pub use verify::{AcceptedRoots, RecoverFailure, VerifiedPost, recover, verify_badge, verify_message, verify_post};
