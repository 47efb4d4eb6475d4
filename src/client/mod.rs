//! What an app embeds: posts and badges as a room asks for, and the verdicts on those of others.
//!
//! It puts the pieces together that [`wallet`](crate::wallet), [`relay`](crate::relay) and the circuits have, without
//! files, sockets or a clock, so that bindings to other languages need no rules of their own:
//!
//! - [`Room`]: a scope at a registry and its policy, perhaps from what a relay publishes.
//! - [`trusted_key`]: a proving key from bytes, if it is one that is trusted.
//! - [`Poster`]: proves messages of one member in one room under message ids that a ledger reserved.
//! - [`make_badge`]: a badge for a chat key.
//! - [`verify_post`], [`verify_badge`], [`recover`]: what a receiver checks, against its [`AcceptedRoots`].

mod badge;
mod keys;
mod poster;
mod room;
mod verify;

pub use self::{
    badge::{BadgeError, make_badge},
    keys::{KeyFileHash, KeyRefusal, NotAHash, trusted_key},
    poster::{Poster, PosterError},
    room::{Room, RoomError},
    verify::{AcceptedRoots, RecoverFailure, VerifiedPost, recover, verify_badge, verify_post},
};
