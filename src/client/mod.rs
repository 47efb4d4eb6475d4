//! API for apps: makes posts and badges for a room, and verifies those of other members.
//!
//! It combines [`wallet`](crate::wallet), [`relay`](crate::relay) and the circuits, without files, sockets or a clock,
//! so that bindings to other languages implement no rules themselves:
//!
//! - [`Room`]: a scope at a registry and its policy, which can be read from a relay's policy document.
//! - [`trusted_key`]: reads a proving key from bytes, if the key is trusted.
//! - [`Poster`]: proves messages of one member in one room, with message ids that a ledger has reserved.
//! - [`make_badge`]: makes a badge for a chat key.
//! - [`verify_post`], [`verify_badge`], [`recover`]: the receiver's checks, against its [`AcceptedRoots`].

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
