//! A prover for many records of one secret over one segment of a list.

use ark_bn254::Fr;
use ark_std::rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{
    ProveError, Prover,
    blinding::{Blinding, Sums},
    parts::{FirstPart, SecondPart, first_part},
};
use crate::{
    constraints::assignment::{Assignment, Rows, Value},
    identity::IdentitySecret,
    moderation::{
        Entry, Segment, Slope,
        record::{self, Record, RecordError, RecordPublic},
    },
    proof::Proof,
};

/// A prover that has already summed the part of a [`record`](crate::moderation::record) that is the same for all posts of
/// one member: the listed posts of a segment. Each post then adds its own entry.
///
/// Its proofs have the same distribution as the proofs of [`Prover::prove`]: the sums do not depend on the order of
/// their terms, and each proof is blinded with fresh randomness.
///
/// It contains the identity secret and values that reveal the secret. All of them are zeroized on drop.
pub struct PreparedRecord<const K: usize> {
    first: FirstPart<Record<K>>,
    secret: IdentitySecret,
    segment: Segment<K>,
}

impl<const K: usize> Prover<Record<K>> {
    /// Prepares a prover for the posts of a secret, over a segment of a list.
    ///
    /// # Errors
    /// [`ProveError::Record`] if the secret wrote a listed post, [`ProveError::WrongSize`] if the key is damaged.
    pub fn prepare_record(
        &self,
        secret: &IdentitySecret,
        segment: &Segment<K>,
    ) -> Result<PreparedRecord<K>, ProveError> {
        let (values, rows) = compute(self, secret, segment)?;
        let first = FirstPart::new(self.clone(), values, &rows);
        Ok(PreparedRecord { first, secret: secret.clone(), segment: segment.clone() })
    }
}

/// Computes the values and rows of the listed posts.
fn compute<const K: usize>(
    prover: &Prover<Record<K>>,
    secret: &IdentitySecret,
    segment: &Segment<K>,
) -> Result<(Zeroizing<Vec<Fr>>, Rows), ProveError> {
    let slopes = record::not_listed(secret, segment)?;
    let listed: Vec<_> = segment.to_fields().collect();
    let assignment = Assignment::part::<Record<K>>(|builder| {
        let listed: Vec<_> = listed.iter().copied().map(Value).collect();
        record::constrain_segment(builder, &listed, Some((secret.to_field(), &slopes))).map(|_| ())
    })?;
    // The inputs of the post's own entry come before those of the listed posts.
    let public = (1 + record::OF_ENTRY..).zip(listed);
    first_part(prover, public, &assignment, (record::OWN_VARIABLES, record::OWN_CONSTRAINTS))
}

impl<const K: usize> PreparedRecord<K> {
    /// The segment of the proofs.
    pub fn segment(&self) -> &Segment<K> {
        &self.segment
    }

    /// Moves to a new version of the segment. Only the changed places are summed again.
    ///
    /// # Errors
    /// [`ProveError::Record`] if the secret wrote a listed post. The prover is then unchanged.
    pub fn update(&mut self, segment: &Segment<K>) -> Result<(), ProveError> {
        let (values, rows) = compute(self.first.prover(), &self.secret, segment)?;
        self.first.replace(values, &rows);
        self.segment = segment.clone();
        Ok(())
    }

    /// Proves that the author of a post wrote none of the listed posts.
    ///
    /// # Errors
    /// [`ProveError::Record`] if the secret did not write the post.
    pub fn prove(
        &self,
        entry: Entry,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(RecordPublic<K>, Proof), ProveError> {
        let slope = entry.slope(&self.secret).map_err(RecordError::from)?;
        let blinding = Blinding::random(rng);
        let proof = blinding.apply(&self.sums(entry, &slope, blinding.delta())?)?;
        Ok((RecordPublic { entry, segment: self.segment.clone() }, proof))
    }

    /// Returns the sums of a whole proof, with `delta` times the point delta added to B.
    pub(super) fn sums(&self, entry: Entry, slope: &Slope, delta: Fr) -> Result<Sums, ProveError> {
        let own = entry.to_fields();
        let assignment = Assignment::part::<Record<K>>(|builder| {
            record::constrain_own(builder, Value(self.secret.to_field()), &own.map(Value), || slope.to_field())
        })?;
        let [x, y, nullifier] = own;
        let public = &[(1, x), (2, y), (3, nullifier)];
        self.first.sums_with(SecondPart { public, private: &assignment }, delta)
    }
}
