//! Provers for all segments of a list.

use ark_std::rand::{CryptoRng, RngCore};

use super::{PreparedRecord, ProveError, Prover};
use crate::{
    identity::IdentitySecret,
    moderation::{Entry, ListSegment, SegmentSize, cut, record::Record, record::RecordError, segment_sizes},
    proof::Proof,
};

/// The provers of records. The key of `record128` is large, so an application loads it only if a list
/// [needs](Self::needs_large) it.
#[derive(Clone)]
pub struct RecordProvers {
    /// The prover of segments of 16 entries.
    pub small: Prover<Record<16>>,
    /// The prover of segments of 128 entries, if it is loaded.
    pub large: Option<Prover<Record<128>>>,
}

impl RecordProvers {
    /// Returns whether a list with this number of entries needs the prover of large segments.
    pub fn needs_large(entries: usize) -> bool {
        segment_sizes(entries).any(|size| size == SegmentSize::Large)
    }
}

/// A prover that is prepared for one secret and one version of a list. A post then adds its own entry, in each segment.
///
/// It contains the identity secret and values that reveal the secret. All of them are zeroized on drop.
pub struct PreparedList {
    secret: IdentitySecret,
    segments: Vec<PreparedSegment>,
}

enum PreparedSegment {
    Small(PreparedRecord<16>),
    Large(PreparedRecord<128>),
}

impl PreparedSegment {
    fn new(provers: &RecordProvers, secret: &IdentitySecret, segment: &ListSegment) -> Result<Self, ProveError> {
        match segment {
            ListSegment::Small(segment) => provers.small.prepare_record(secret, segment).map(Self::Small),
            ListSegment::Large(segment) => {
                let large = provers.large.as_ref().ok_or(ProveError::LargeKeyMissing)?;
                large.prepare_record(secret, segment).map(Self::Large)
            }
        }
    }

    /// Moves to a new version of the segment. Returns false if the new segment has the other size.
    fn follow(&mut self, segment: &ListSegment) -> Result<bool, ProveError> {
        match (self, segment) {
            (Self::Small(prepared), ListSegment::Small(segment)) if prepared.segment() != segment => {
                prepared.update(segment)?;
            }
            (Self::Large(prepared), ListSegment::Large(segment)) if prepared.segment() != segment => {
                prepared.update(segment)?;
            }
            (Self::Small(_), ListSegment::Small(_)) | (Self::Large(_), ListSegment::Large(_)) => {}
            (Self::Small(_), ListSegment::Large(_)) | (Self::Large(_), ListSegment::Small(_)) => return Ok(false),
        }
        Ok(true)
    }
}

impl PreparedList {
    /// Prepares the proofs of a secret over a list.
    ///
    /// # Errors
    /// [`ProveError::Record`] if the secret wrote a listed post, with its position in the list;
    /// [`ProveError::LargeKeyMissing`] if the list needs the prover of large segments.
    pub fn new(provers: &RecordProvers, secret: &IdentitySecret, list: &[Entry]) -> Result<Self, ProveError> {
        let mut prepared = Self { secret: secret.clone(), segments: Vec::new() };
        prepared.update(provers, list)?;
        Ok(prepared)
    }

    /// Moves to a new version of the list. Only the segments that changed are summed again, and in them only the places
    /// that changed.
    ///
    /// # Errors
    /// As [`new`](Self::new). If the secret wrote a listed post, or a prover is missing, nothing has changed.
    pub fn update(&mut self, provers: &RecordProvers, list: &[Entry]) -> Result<(), ProveError> {
        if let Some(position) = Entry::positions_by(&self.secret, list).first() {
            return Err(RecordError::Listed { position: *position }.into());
        }
        if provers.large.is_none() && RecordProvers::needs_large(list.len()) {
            return Err(ProveError::LargeKeyMissing);
        }
        let segments = cut(list);
        for (at, segment) in segments.iter().enumerate() {
            match self.segments.get_mut(at) {
                Some(prepared) => {
                    if !prepared.follow(segment)? {
                        *prepared = PreparedSegment::new(provers, &self.secret, segment)?;
                    }
                }
                None => self.segments.push(PreparedSegment::new(provers, &self.secret, segment)?),
            }
        }
        self.segments.truncate(segments.len());
        Ok(())
    }

    /// Proves that the author of a post wrote none of the listed posts: one proof for each segment, in their order.
    ///
    /// # Errors
    /// [`ProveError::Record`] if the secret did not write the post.
    pub fn prove(&self, entry: Entry, rng: &mut (impl RngCore + CryptoRng)) -> Result<Vec<Proof>, ProveError> {
        let proofs = self.segments.iter().map(|segment| match segment {
            PreparedSegment::Small(prepared) => Ok(prepared.prove(entry, rng)?.1),
            PreparedSegment::Large(prepared) => Ok(prepared.prove(entry, rng)?.1),
        });
        proofs.collect()
    }
}
