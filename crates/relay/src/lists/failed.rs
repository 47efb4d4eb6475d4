//! The nullifiers of posts whose records failed.

use core::num::NonZeroUsize;
use std::collections::hash_map::RandomState;

use lru::LruCache;
use parking_lot::Mutex;
use quotapass_circuits::{
    formats::wire::{POST_BYTES, PassKind},
    proof::PROOF_BYTES,
    share::Nullifier,
};

/// The most nullifiers that are remembered, about 100 bytes each.
const CAPACITY: NonZeroUsize = match NonZeroUsize::new(65_536) {
    Some(capacity) => capacity,
    None => NonZeroUsize::MIN,
};

/// The nullifiers of posts whose own proof verified and whose records did not.
///
/// **Attack.** A struck member has valid proofs of posts, and no valid record. Each of its posts costs a relay the proof of
/// the post and up to eight records, with a different message and a different proof each time, from any number of addresses.
/// Nothing of it is recorded, so no quota ends it.
///
/// **Defence.** The member has as many nullifiers in an epoch as its quota. After a failed record, further passes with that
/// nullifier are served last: with those of suspicious sources, each verified alone, within the budget for wasted work. So
/// each nullifier has one attempt at the expense of others. A member who copies a pass of another and breaks its records
/// delays that pass by this, if the copy comes first; it is still judged, and accepted.
pub(crate) struct FailedRecords(Mutex<LruCache<[u8; 32], (), RandomState>>);

impl Default for FailedRecords {
    fn default() -> Self {
        Self(Mutex::new(LruCache::with_hasher(CAPACITY, RandomState::new())))
    }
}

impl FailedRecords {
    /// Remembers a nullifier. The least recently used one is forgotten if there are too many.
    pub(crate) fn add(&self, nullifier: Nullifier) {
        self.0.lock().put(nullifier.to_be_bytes(), ());
    }

    /// Returns the positions of passes with such a nullifier. It reads the nullifiers without a check of the passes.
    pub(crate) fn positions<'a>(&self, passes: impl Iterator<Item = Option<&'a [u8]>>) -> Vec<usize> {
        let mut failed = self.0.lock();
        if failed.is_empty() {
            return Vec::new();
        }
        let mut is_failed = |pass: &[u8]| nullifier_of(pass).is_some_and(|nullifier| failed.get(nullifier).is_some());
        let found = passes.enumerate().filter(|(_, pass)| pass.is_some_and(&mut is_failed));
        found.map(|(place, _)| place).collect()
    }
}

/// Returns the nullifier's bytes in a pass of a post. They stand before the proof of the post, with records and without.
fn nullifier_of(pass: &[u8]) -> Option<&[u8; 32]> {
    match PassKind::of(pass).ok()? {
        PassKind::Post | PassKind::Recorded => pass.get(..POST_BYTES - PROOF_BYTES)?.last_chunk(),
        PassKind::Badge => None,
    }
}
