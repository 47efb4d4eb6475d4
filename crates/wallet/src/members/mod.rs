//! The path of a member, found without the whole tree and without revealing the member.
//!
//! A wallet requests from a [`MembersSource`] the upper nodes of the tree, which are the same for all wallets, and a
//! [`BucketGroup`]: the bucket of 2,048 slots that contains its member, or two buckets. It never requests a path. All
//! answers are checked against the root of the chain, given as a [`ChainHead`]. So a source that invents a tree for one
//! member, to recognise that member by its root, is refused before anything is proved.
//!
//! [`LightMembers`] holds the verified data, and [`LightMembers::save`] writes it to a file, so that a restart needs no
//! requests.
//!
//! # What the source learns
//!
//! The source learns which group was requested, when, and from which address. A group always contains at least 2,048
//! filled slots, or all filled slots if there are fewer: the last bucket, which may have few, is requested together
//! with the one before it, and members of either bucket request both. Some rules ensure that two requests reveal no
//! more than one:
//!
//! - The group is chosen once and kept. If it were chosen again after the last bucket has filled up, the old and the
//!   new group would have only those members of that bucket in common who had joined by the first request.
//! - The whole group is requested again, in the same order, when any of its buckets has changed. If a wallet sent
//!   requests only when its own bucket changed, they would reveal the bucket.
//! - Nothing is requested while the chain's root is the verified one, and requests contain nothing that distinguishes
//!   one wallet from another.
//!
//! Slots include members who have left; [`SyncedPath::hidden_among`] is the number of those who remain. Members who have
//! just joined send requests sooner than others, so a guess at them is more likely right. To avoid this, keep a full
//! copy of the tree, which needs no requests: a [`MemberTree`](quotapass_circuits::membership::MemberTree) is a source.

mod cache;
#[cfg(feature = "files")]
mod file;
mod group;
#[cfg(feature = "http")]
mod http;
mod source;
mod sync;

#[cfg(feature = "files")]
pub use self::file::CacheError;
#[cfg(feature = "http")]
pub use self::http::{ClientError, ClientOptions, RelayMembers};
pub use self::{
    group::BucketGroup,
    source::{MembersSource, SourceError},
    sync::{ChainHead, LightMembers, OwnMembership, SyncError, SyncedPath, meets},
};
