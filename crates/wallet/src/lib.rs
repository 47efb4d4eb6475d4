//! The wallet: identities, the quota ledger, path sync, posts, badges, and the verdicts on passes of others.
//!
//! - [`BoundPolicy`]: a policy at a registry with its scope, for example from a relay's policy document.
//! - [`trusted_key`]: reads a proving key and checks that it is trusted.
//! - [`ledger`]: the used message ids. An id is durably reserved there before a proof is made with it.
//! - [`members`]: the path of a member, from a relay that does not learn which member it is, or from a copy of the
//!   tree.
//! - [`Poster`]: proves messages of one member in one scope under message ids that a ledger reserved.
//! - [`make_badge`]: makes a badge for a chat key.
//! - [`verify_post`], [`verify_badge`], [`recover`]: the checks of a receiver, against its [`AcceptedRoots`].
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
//! - `http`: path sync from a relay over HTTP.

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
mod poster;
mod trusted;
mod verify;

pub use badge::{BadgeError, make_badge};
pub use bound_policy::{BoundPolicy, BoundPolicyError};
pub use poster::{Poster, PosterError};
pub use trusted::{KeyFileHash, KeyRefusal, NotAHash, trusted_key};
pub use verify::{AcceptedRoots, RecoverFailure, VerifiedPost, recover, verify_badge, verify_post};
