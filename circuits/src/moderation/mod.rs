//! Moderation without identification: statements about the author of a post that do not reveal the author.
//!
//! An accepted post shows a point of a line whose value at zero is the author's secret, and the nullifier, which is the
//! hash of the line's slope. These three numbers are the post's [`Entry`]. The author alone can compute the slope from
//! the point and the secret, so the entry is a ticket that only its author can redeem:
//!
//! - [`author`] proves "I wrote this post, and I say this": a deletion, an appeal, the body of a report. See [`Action`].
//! - [`record`] proves "I wrote this post, and none of the listed ones". A relay that enforces a list asks for such a
//!   proof with each post.
//!
//! Nothing is escrowed, no key opens a proof, and both statements also apply to posts made before they existed.
//!
//! # Related work
//!
//! BLAC (Tsang, Au, Kapadia, Smith: ACM TISSEC 13(4), 2010) and SNARKBlock
//! ([2021/1577](https://eprint.iacr.org/2021/1577)) have users prove that none of the tickets on a list is theirs. A
//! proposal for RLN on ethresear.ch (2018) has the author of a signal prove that none of the illegal signals is theirs.
//! zk-promises ([2024/1260](https://eprint.iacr.org/2024/1260)) and zk-BAN
//! ([2026/2274](https://eprint.iacr.org/2026/2274)) keep state for each user. Here the share of RLN itself is the ticket,
//! so nothing is issued, and there is no state.

mod action;
pub mod author;
mod entry;
pub mod record;
mod segment;

pub use action::{Action, ActionError, ActionHash, ActionKind, Appeal, MAX_APPEAL_BYTES};
pub use entry::{ENTRY_BYTES, Entry, EntryError, NotTheAuthor, Slope};
pub use segment::{
    ListSegment, MAX_LISTS, MAX_SEGMENTS, Segment, SegmentDigest, SegmentSize, TooManyEntries, cut, segment_sizes,
};
