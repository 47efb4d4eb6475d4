//! The path of a member, without the whole tree and without saying whose path it is.
//!
//! A wallet asks a [`MembersSource`] for the upper nodes of the tree, the same for everybody, and for a
//! [`BucketGroup`]: the bucket of 2,048 slots that its member lies in, or two of them. It never asks for a path. All
//! that comes back is checked against the root that the chain has, given as a [`ChainHead`]: a source that makes up a
//! tree of one member, to know that member by its root, is refused before anything is proved.
//!
//! [`LightMembers`] keeps what was checked, and [`LightMembers::save`] puts it in a file so that a restart asks for
//! nothing.
//!
//! # What the source learns
//!
//! Which group was asked for, from where and when. A group always holds at least 2,048 slots that were filled by then,
//! or all there are: the last bucket, which may hold few, is asked for together with the one before it, and members of
//! either ask for both. Some rules keep two requests from saying more than one:
//!
//! - The group is chosen once and kept. Chosen anew when the last bucket has filled up, the old group and the new one
//!   would have only the members of that bucket in common who had joined by the first request.
//! - All of the group is asked for again when any bucket of it has changed, and in the same order. If a wallet asked
//!   only when its own bucket changed, that would name it.
//! - Nothing is asked while the chain's root is the one that was checked, and nothing is sent along that tells one
//!   wallet from another.
//!
//! Slots count members who have left, too; [`Synced::hidden_among`] says how many remain. Members who have just
//! joined ask sooner than others, so that guesses favour them. Whoever cannot accept that runs a full copy of the tree,
//! which asks for nothing: a [`MemberTree`](quotapass_circuits::membership::MemberTree) is a source.

mod cache;
#[cfg(feature = "wallet")]
mod file;
mod group;
#[cfg(feature = "wallet-http")]
mod http;
mod source;
mod sync;

#[cfg(feature = "wallet")]
pub use self::file::CacheError;
#[cfg(feature = "wallet-http")]
pub use self::http::{ClientError, ClientOptions, RelayMembers};
pub use self::{
    group::BucketGroup,
    source::{MembersSource, SourceError},
    sync::{ChainHead, LightMembers, OwnMembership, SyncError, Synced, meets},
};
