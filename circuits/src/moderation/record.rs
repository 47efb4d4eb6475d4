//! The statement `record`: the prover wrote this post, and none of the posts in a segment of a list.
//!
//! Public inputs, in this order: `x, y, nullifier` of the post that the proof accompanies, then `x_j, y_j, nullifier_j` of
//! each of the K listed posts. Private: the secret `a0`, the slope `t`, and for each listed post the value `t_j` and an
//! inverse.
//!
//! 1. For each listed post: `t_j x_j = y_j - a0`.
//! 2. For each listed post: `h_j = H1(t_j)`.
//! 3. For each listed post: `h_j - nullifier_j` has an inverse.
//! 4. `t x = y - a0`.
//! 5. `H1(t) = nullifier`.
//!
//! One secret takes part in all clauses, so the author of the post wrote none of the listed ones: x_j is not zero, so clause 1
//! determines t_j, and if the secret had written the listed post, then `H1(t_j)` would be its nullifier. There is no tree, no
//! period and no state.
//!
//! The constraints of the listed posts come first, so that the prover can prepare them for a secret and a version of the
//! list. Their public inputs come last. A verifier sums their part of the combination of public inputs once for each
//! segment ([`SegmentSum`](crate::verifier::SegmentSum)), so that verifying a record costs no more than verifying a post.
//!
//! Verifiers check that no x is zero, which the types [`Entry`] and [`Segment`] guarantee. A listed entry with x = 0 would
//! lock out everybody, because clause 1 would hold for no secret. Unused places hold the [neutral
//! entry](Entry::NEUTRAL).

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ff::{Field, One};
use zeroize::Zeroizing;

use super::{
    Entry, NotTheAuthor, Segment,
    author::{EntryNums, enforce_author},
    entry::slopes,
};
use crate::{
    constraints::{Builder, Circuit, CircuitKind, Clause, Unsatisfied},
    identity::IdentitySecret,
    poseidon::hash_gadget,
};

/// The clauses that `record` adds to the clauses of the author.
pub mod clause {
    use super::Clause;
    pub use crate::moderation::author::clause::{LINE, NULLIFIER};

    /// `t_j x_j = y_j - a0`.
    pub const LISTED_LINE: Clause = "listed: t_j * x_j = y_j - a0";
    /// `h_j = H1(t_j)`.
    pub const LISTED_HASH: Clause = "listed: h_j = H1(t_j)";
    /// `h_j - nullifier_j` has an inverse.
    pub const NOT_THE_AUTHOR: Clause = "listed: h_j - nullifier_j has an inverse";
}

/// The public inputs of `record`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPublic<const K: usize> {
    /// The entry of the post that the proof accompanies.
    pub entry: Entry,
    /// The listed posts.
    pub segment: Segment<K>,
}

/// The private inputs of `record`, zeroized on drop.
pub struct RecordWitness {
    pub(crate) secret: Zeroizing<Fr>,
    pub(crate) slope: Zeroizing<Fr>,
    pub(crate) listed: Zeroizing<Vec<Fr>>,
}

/// Reasons why a record cannot be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The secret did not write the post that the proof would accompany.
    #[error(transparent)]
    NotTheAuthor(#[from] NotTheAuthor),
    /// The secret wrote a listed post.
    #[error("the list contains a post of this identity, at position {position} of the segment: it may not post here")]
    Listed {
        /// Position of the first such post in the segment.
        position: usize,
    },
}

/// Returns the statement that the author of a post wrote none of the posts in a segment: public and private inputs, ready
/// to be proved.
///
/// # Errors
/// [`RecordError`] if the secret did not write the post, or wrote a listed one.
pub fn record<const K: usize>(
    secret: &IdentitySecret,
    entry: Entry,
    segment: Segment<K>,
) -> Result<(RecordPublic<K>, RecordWitness), RecordError> {
    let slope = Zeroizing::new(entry.slope(secret)?.to_field());
    let listed = not_listed(secret, &segment)?;
    Ok((RecordPublic { entry, segment }, RecordWitness { secret: Zeroizing::new(secret.to_field()), slope, listed }))
}

/// Returns the values `t_j` of a secret that wrote none of the posts in a segment.
pub(crate) fn not_listed<const K: usize>(
    secret: &IdentitySecret,
    segment: &Segment<K>,
) -> Result<Zeroizing<Vec<Fr>>, RecordError> {
    match Entry::positions_by(secret, segment.entries()).first() {
        Some(position) => Err(RecordError::Listed { position: *position }),
        None => Ok(slopes(secret, segment.entries())),
    }
}

/// Returns the private inputs of any secret, slope and segment, for attacks. The values `t_j` are those of the secret.
#[cfg(test)]
pub(crate) fn forged_witness<const K: usize>(
    secret: &IdentitySecret,
    slope: Fr,
    segment: &Segment<K>,
) -> RecordWitness {
    let listed = slopes(secret, segment.entries());
    RecordWitness { secret: Zeroizing::new(secret.to_field()), slope: Zeroizing::new(slope), listed }
}

/// The circuit `record` for segments of `K` entries, 16 or 128: `record16` and `record128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<const K: usize>;

/// Number of public inputs of an entry.
pub(crate) const OF_ENTRY: usize = 3;
/// Number of private variables that differ between two records of one secret over one segment. They are the last
/// variables of the circuit.
pub(crate) const OWN_VARIABLES: usize = 214;
/// Number of constraints that contain these variables. They are the last constraints of the circuit.
pub(crate) const OWN_CONSTRAINTS: usize = 215;

/// Returns whether a variable differs between two records of one secret over one segment: the entry of the post, and the
/// last private variables. `variables` is the number of all variables.
pub(crate) fn is_own(variable: usize, variables: usize) -> bool {
    matches!(variable, 1..=OF_ENTRY) || variable + OWN_VARIABLES >= variables
}

impl<const K: usize> Circuit for Record<K> {
    const KIND: CircuitKind = {
        assert!(K == 16 || K == 128, "a record is about 16 or 128 listed posts");
        if K == 16 { CircuitKind::Record16 } else { CircuitKind::Record128 }
    };
    const STANDARD: Self = Self;
    const SHARED_INPUTS: usize = OF_ENTRY * K;
    const ROOM: usize = (K + 2) * 256;
    type Public = RecordPublic<K>;
    type Witness = RecordWitness;

    fn public_inputs(RecordPublic { entry, segment }: &RecordPublic<K>) -> Vec<Fr> {
        entry.to_fields().into_iter().chain(segment.to_fields()).collect()
    }

    fn public_names() -> &'static [&'static str] {
        static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
            let listed = (1..=128).flat_map(|j| ["x", "y", "nullifier"].map(|name| &*format!("{name}_{j}").leak()));
            ["x", "y", "nullifier"].into_iter().chain(listed).collect()
        });
        NAMES.get(..OF_ENTRY * (K + 1)).unwrap_or_default()
    }

    fn variant(self) -> u8 {
        K as u8
    }

    fn of_variant(variant: u8) -> Option<Self> {
        (usize::from(variant) == K).then_some(Self)
    }

    fn constrain<B: Builder>(
        self,
        builder: &mut B,
        public: &[B::Num],
        witness: Option<&RecordWitness>,
    ) -> Result<(), Unsatisfied> {
        let Some((own, listed)) = public.split_first_chunk() else {
            return Err(Unsatisfied { clause: "three public inputs" });
        };
        let of_segment = witness.map(|w| (*w.secret, &w.listed[..]));
        let secret = constrain_segment(builder, listed, of_segment)?;
        constrain_own(builder, secret, own, || witness.map(|w| *w.slope).unwrap_or_default())
    }
}

/// Enforces clauses 1 to 3, and returns the secret. `listed` has the public inputs of the listed posts. The witness
/// consists of the secret and the values `t_j`.
pub(crate) fn constrain_segment<B: Builder>(
    builder: &mut B,
    listed: &[B::Num],
    witness: Option<(Fr, &[Fr])>,
) -> Result<B::Num, Unsatisfied> {
    builder.clause("private inputs");
    let secret = builder.witness(|| witness.map(|(secret, _)| secret).unwrap_or_default());
    let one = B::constant(Fr::one());
    for (j, [x, y, nullifier]) in listed.as_chunks::<OF_ENTRY>().0.iter().enumerate() {
        builder.clause(clause::LISTED_LINE);
        let slope = builder.witness(|| witness.and_then(|(_, slopes)| slopes.get(j).copied()).unwrap_or_default());
        builder.enforce(&slope, x, &(y.clone() - secret.clone()))?;
        builder.clause(clause::LISTED_HASH);
        let hashed = hash_gadget(builder, &[slope])?;
        builder.clause(clause::NOT_THE_AUTHOR);
        let difference = hashed - nullifier.clone();
        let inverse = builder.hint(&difference, |difference| difference.inverse().unwrap_or_default());
        builder.enforce(&difference, &inverse, &one)?;
    }
    Ok(secret)
}

/// Enforces clauses 4 and 5: all private variables and constraints that differ between two records of one secret over
/// one segment. They come last.
pub(crate) fn constrain_own<B: Builder>(
    builder: &mut B,
    secret: B::Num,
    [x, y, nullifier]: &[B::Num; OF_ENTRY],
    slope: impl FnOnce() -> Fr,
) -> Result<(), Unsatisfied> {
    enforce_author(builder, secret, EntryNums { x, y, nullifier }, slope)
}

#[cfg(test)]
mod tests {
    use super::{
        super::entry::tests::{secret, written},
        *,
    };
    use crate::constraints::{assignment::Assignment, shape::Shape};

    #[test]
    fn the_sizes_are_those_of_the_domains() {
        let small = Shape::of(Record::<16>).unwrap();
        assert_eq!((small.constraints(), small.public, small.domain()), (17 * 215, 52, 4096));
        let large = Shape::of(Record::<128>).unwrap();
        assert_eq!((large.constraints(), large.public, large.domain()), (129 * 215, 388, 32_768));
        assert_eq!(Record::<16>::public_names()[..5], ["x", "y", "nullifier", "x_1", "y_1"]);
        assert_eq!(Record::<16>::public_names().last(), Some(&"nullifier_16"));
        assert_eq!(Record::<128>::public_names().last(), Some(&"nullifier_128"));
        for (room, shape) in [(Record::<16>::ROOM, &small), (Record::<128>::ROOM, &large)] {
            assert!(room > shape.variables && room > shape.constraints() + shape.public, "{room}");
        }
    }

    #[test]
    fn what_differs_between_two_records_stands_last() {
        let shape = Shape::of(Record::<16>).unwrap();
        let first = shape.clauses.iter().find(|shape| shape.clause == clause::LINE).unwrap();
        assert_eq!(shape.variables - first.variables.start, OWN_VARIABLES);
        assert_eq!(shape.constraints() - first.constraints.start, OWN_CONSTRAINTS);
        for row in 0..first.constraints.start {
            for matrix in &shape.matrices {
                assert!(matrix[row].iter().all(|(_, variable)| !is_own(*variable, shape.variables)), "row {row}");
            }
        }
    }

    #[test]
    fn an_honest_author_never_fails_and_a_listed_one_cannot_state_it() {
        let others: Vec<_> = (0..16).map(|number| written(&secret(2 + number % 3), number)).collect();
        let own = written(&secret(1), 40);
        for count in [0, 1, 15, 16] {
            let segment = Segment::<16>::new(&others[..count]).unwrap();
            let (public, witness) = record(&secret(1), own, segment.clone()).unwrap();
            Assignment::compute(Record::<16>, &public, &witness).unwrap();
            // The same post twice in a list.
            if count > 1 {
                let mut twice = others[..count].to_vec();
                twice[0] = twice[1];
                let (public, witness) = record(&secret(1), own, Segment::<16>::new(&twice).unwrap()).unwrap();
                Assignment::compute(Record::<16>, &public, &witness).unwrap();
            }
            assert_eq!(record(&secret(0), own, segment).err(), Some(NotTheAuthor.into()));
        }
        for position in [0, 7, 15] {
            let mut entries = others.clone();
            entries[position] = written(&secret(1), 41);
            let segment = Segment::<16>::new(&entries).unwrap();
            assert_eq!(record(&secret(1), own, segment).err(), Some(RecordError::Listed { position }));
            // The post itself is listed.
            entries[position] = own;
            let segment = Segment::<16>::new(&entries).unwrap();
            assert_eq!(record(&secret(1), own, segment).err(), Some(RecordError::Listed { position }));
        }
    }
}
