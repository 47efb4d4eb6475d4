//! Verification of records, with the listed posts summed in advance.

use ark_bn254::{Fr, G1Affine};
use ark_ec::CurveGroup;
use ark_ff::Field;
use quotapass_bn254::threads;
use sha2::Digest;

use super::{BatchError, InvalidProof, Verifier};
use crate::{
    moderation::{Entry, Segment, record::Record},
    proof::Proof,
};

/// The sum of a segment's part of the combination of public inputs, under one verifying key. A verifier computes it once for
/// each segment and version of a list, and verifies any number of records with it.
///
/// # Security
///
/// Let `L = L_0 + L_1` be the combination of a record's public inputs in Groth16's equation, with `L_1` the part of the
/// listed posts. `L_1` depends only on the segment and the key. So a verifier that adds the stored `L_1` checks the same
/// equation as one that computes it anew. The coefficients of a batch are derived from the segment's digest in the place
/// of its inputs: two segments with one digest would be a collision of SHA-256.
#[derive(Clone, Debug)]
pub struct SegmentSum<const K: usize> {
    segment: Segment<K>,
    point: G1Affine,
    /// The hash of the verifier's transcript, which identifies its key.
    key: [u8; 32],
}

impl<const K: usize> SegmentSum<K> {
    /// The segment.
    pub fn segment(&self) -> &Segment<K> {
        &self.segment
    }
}

/// A record to verify in a batch: the statement that the author of a post wrote none of the posts in a segment.
#[derive(Clone, Debug)]
pub struct RecordToVerify<'a, const K: usize> {
    /// The entry of the post.
    pub entry: Entry,
    /// The sum of the segment.
    pub segment: &'a SegmentSum<K>,
    /// The proof.
    pub proof: Proof,
}

impl<const K: usize> Verifier<Record<K>> {
    /// Sums the part of a segment.
    pub fn sum(&self, segment: &Segment<K>) -> SegmentSum<K> {
        let inputs: Vec<Fr> = segment.to_fields().collect();
        let point = self.sum_of_shared(&inputs).into_affine();
        SegmentSum { segment: segment.clone(), point, key: self.transcript.clone().finalize().into() }
    }

    /// Sums the parts of many segments. With the feature `threads` it uses all cores.
    pub fn sum_all(&self, segments: &[Segment<K>]) -> Vec<SegmentSum<K>> {
        threads::map(segments, |segment| self.sum(segment))
    }

    /// Verifies that the author of a post wrote none of the posts in a segment. The result is that of
    /// [`verify`](Self::verify), without the time to sum the segment.
    ///
    /// # Errors
    /// [`InvalidProof`] if the equation does not hold.
    pub fn verify_record(&self, record: &RecordToVerify<'_, K>) -> Result<(), InvalidProof> {
        self.verify_one(record, &self.transcript.clone().finalize().into())
    }

    fn verify_one(&self, record: &RecordToVerify<'_, K>, key: &[u8; 32]) -> Result<(), InvalidProof> {
        let point = self.point_of(record.segment, key);
        self.verify_with(&record.entry.to_fields(), point.into(), &record.proof)
    }

    /// Returns the point of a segment. A sum that was computed under another key is computed anew.
    fn point_of(&self, sum: &SegmentSum<K>, key: &[u8; 32]) -> G1Affine {
        if sum.key == *key { sum.point } else { self.sum(&sum.segment).point }
    }

    /// Verifies records over any number of segments in one check, and names each invalid one. See
    /// [`verify_batch`](Self::verify_batch) for its soundness and for the search for the invalid proofs.
    ///
    /// # Errors
    /// [`BatchError`] with the positions of exactly the invalid records.
    pub fn verify_records(&self, batch: &[RecordToVerify<'_, K>]) -> Result<(), BatchError> {
        if batch.len() < 2 {
            return self.verify_each_record(batch);
        }
        let key: [u8; 32] = self.transcript.clone().finalize().into();
        // Few segments are in force at a time, so a linear search finds them.
        let mut segments: Vec<&SegmentSum<K>> = Vec::new();
        let stated: Vec<_> = batch
            .iter()
            .map(|record| {
                let known = segments.iter().position(|known| known.segment == record.segment.segment);
                let number = known.unwrap_or_else(|| {
                    segments.push(record.segment);
                    segments.len() - 1
                });
                ((record, number), &record.proof)
            })
            .collect();
        let items = self.items(&stated, |(record, segment), transcript| {
            transcript.update(record.segment.segment.digest().0);
            transcript.update(record.entry.to_bytes());
            (record.entry.to_fields().to_vec(), vec![(*segment, Fr::ONE)])
        });
        let points: Vec<_> = segments.iter().map(|sum| self.point_of(sum, &key)).collect();
        BatchError::none_of(self.find_invalid(&items, &points))
    }

    /// Verifies each record on its own, with the same result as [`verify_records`](Self::verify_records). See
    /// [`verify_each`](Self::verify_each) for when it takes less time.
    ///
    /// # Errors
    /// [`BatchError`] with the positions of exactly the invalid records.
    pub fn verify_each_record(&self, batch: &[RecordToVerify<'_, K>]) -> Result<(), BatchError> {
        let key: [u8; 32] = self.transcript.clone().finalize().into();
        BatchError::of_valid(&threads::map(batch, |record| self.verify_one(record, &key).is_ok()))
    }
}
