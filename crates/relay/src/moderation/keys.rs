//! The keys of records.
//!
//! | key | value |
//! |---|---|
//! | `p`, nullifier 32 | the accepted posts with it ([`book`](super::book)) |
//! | `r`, nullifier 32, the report's nullifier 32 | a [report](super::report) |
//! | `b`, the same, SHA-256 32 | its pass and its body |
//! | `c`, nullifier 32 | the [case](super::case) of a post |
//! | `o`, nullifier 32, random 16 | a mark: this case is being changed |
//! | `q`, time u64, nullifier 32 | a post that waits for a moderator |
//! | `a`, id of a strike | the nullifier of the post that appeals were about |
//! | `e`, number u64 | an [event](super::events) |
//! | `h` | the number of the last event, or of an earlier one, u64 |

use quotapass_circuits::share::Nullifier;
use quotapass_protocol::{LogError, UnixSeconds};

use super::SPREAD;

pub(super) const MARKS: &[u8] = b"o";
pub(super) const QUEUE: &[u8] = b"q";
pub(super) const EVENTS: &[u8] = b"e";
pub(super) const HEAD: &[u8] = b"h";

fn key(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![table];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub(super) fn post(nullifier: Nullifier) -> Vec<u8> {
    key(SPREAD, &[&nullifier.to_be_bytes()])
}

/// Returns what the keys of all reports of a post begin with.
pub(super) fn reports(nullifier: Nullifier) -> Vec<u8> {
    key(b'r', &[&nullifier.to_be_bytes()])
}

pub(super) fn report(nullifier: Nullifier, own: Nullifier) -> Vec<u8> {
    key(b'r', &[&nullifier.to_be_bytes(), &own.to_be_bytes()])
}

/// Two reports of one member with different bodies have different keys: the body stays that of the report that counts.
pub(super) fn body(nullifier: Nullifier, own: Nullifier, digest: &[u8; 32]) -> Vec<u8> {
    key(b'b', &[&nullifier.to_be_bytes(), &own.to_be_bytes(), digest])
}

pub(super) fn case(nullifier: Nullifier) -> Vec<u8> {
    key(b'c', &[&nullifier.to_be_bytes()])
}

pub(super) fn mark(nullifier: Nullifier, random: [u8; 16]) -> Vec<u8> {
    key(b'o', &[&nullifier.to_be_bytes(), &random])
}

pub(super) fn queued(at: UnixSeconds, nullifier: Nullifier) -> Vec<u8> {
    key(b'q', &[&at.0.to_be_bytes(), &nullifier.to_be_bytes()])
}

pub(super) fn appeal(strike: &str) -> Vec<u8> {
    key(b'a', &[strike.as_bytes()])
}

pub(super) fn event(number: u64) -> Vec<u8> {
    key(b'e', &[&number.to_be_bytes()])
}

/// Reads the nullifier at a place of a key or a value.
pub(super) fn nullifier_at(bytes: &[u8], place: usize) -> Result<Nullifier, LogError> {
    let bytes = bytes.get(place..).and_then(<[u8]>::first_chunk::<32>).ok_or(LogError::Damaged)?;
    Nullifier::from_be_bytes(bytes).map_err(|_| LogError::Damaged)
}

/// Reads the number at a place of a key or a value.
pub(super) fn number_at(bytes: &[u8], place: usize) -> Result<u64, LogError> {
    bytes.get(place..).and_then(<[u8]>::first_chunk).map(|bytes| u64::from_be_bytes(*bytes)).ok_or(LogError::Damaged)
}
