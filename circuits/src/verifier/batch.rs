//! Batch verification.

use core::ops::Range;

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine};
use ark_ff::AdditiveGroup;
use ark_std::rand::{RngCore, SeedableRng};
use quotapass_bn254::{
    glv::{Coefficient, Multiples},
    pairing::{Target, miller_loop, miller_products, mul_fq12},
    threads,
};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};

use super::{
    Verifier,
    search::{Search, Suspects, Term},
    single::combine,
};
use crate::{constraints::Circuit, proof::Proof};

/// Maximum number of proofs that pass through Miller's loop together: enough to make the shared cost small, and few
/// enough to stay in the L2 cache.
const CHUNK: usize = 512;

/// A chunk keeps one Miller value for each group of `2^GROUP_BITS` proofs. Each group costs the squarings of a loop,
/// about 1 % of its time. In a failed batch, only the groups that failed are searched.
const GROUP_BITS: u32 = 5;
/// Number of proofs in a group.
pub(super) const GROUP: usize = 1 << GROUP_BITS;

/// A batch contains invalid proofs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch contains {} invalid proofs, at positions {invalid:?}", invalid.len())]
pub struct BatchError {
    /// The positions of the invalid proofs, ascending.
    pub invalid: Vec<usize>,
}

impl BatchError {
    pub(super) fn none_of(invalid: Vec<usize>) -> Result<(), Self> {
        if invalid.is_empty() { Ok(()) } else { Err(Self { invalid }) }
    }

    /// Names the positions that are not valid.
    pub(super) fn of_valid(valid: &[bool]) -> Result<(), Self> {
        Self::none_of(valid.iter().enumerate().filter(|(_, valid)| !*valid).map(|(number, _)| number).collect())
    }
}

impl<C: Circuit> Verifier<C> {
    /// Verifies a batch of proofs, and names each invalid proof. An empty batch is valid.
    ///
    /// Coefficients `r_i` combine the equations of all proofs into one:
    /// `prod e(r_i A_i, B_i) = e(alpha, beta)^(sum r_i) e(sum r_i L_i, gamma) e(sum r_i C_i, delta)`.
    ///
    /// # Soundness
    ///
    /// Write the equation of proof `i` as `d_i = 1`. `d_i` is in the target group, which is cyclic of prime order r:
    /// all points are in their subgroups, which [`Proof`] guarantees. A set of proofs passes if the product of
    /// `d_i^(r_i)` over the set is 1. Suppose that some `d_j` in the set is not 1. Then, for every choice of the other
    /// coefficients, the set passes for exactly one value of `r_j` modulo r.
    ///
    /// `r_j` takes each of 2^128 values modulo r with equal probability. It is `a + λ b`, where `a` and `b` are random
    /// numbers of 64 bits and λ is the eigenvalue of G1's endomorphism. No two such pairs are equal modulo r: otherwise
    /// r would divide the norm of their difference, and this norm is smaller than r. So a set with an invalid proof
    /// passes with probability at most 2^-128.
    ///
    /// The coefficients come from ChaCha20, keyed with the SHA-256 of the verifying key, all public inputs and all
    /// proofs (Fiat-Shamir). So they are fixed only after the batch is fixed. In the random oracle model, an attacker
    /// who tries q batches succeeds with probability at most q times the bound below. The verifier needs no random
    /// generator that could fail. The first coefficient could be 1. It is random too, because this costs almost nothing
    /// and keeps the argument simple.
    ///
    /// # Finding the invalid proofs
    ///
    /// An attacker can add forgeries to honest batches to waste the verifier's time. So a failed batch is not verified
    /// again in parts. Instead, the values `v_i = d_i^(r_i)` are searched, with the same coefficients:
    ///
    /// - The Miller values of groups of 32 proofs are kept. The value of a set of groups needs the product of their
    ///   Miller values, the three pairs that all proofs share, and a final exponentiation. Computing such a value is
    ///   one *question*. If the value of a group is 1, the group is done. Only the proofs of the other groups get their
    ///   own Miller values. For these proofs the lines of B are computed again, which takes a fifth of the time of a
    ///   proof. Keeping the lines of all proofs, 11 KB each, would cost honest batches more.
    /// - The final exponentiation is a homomorphism. So if the value of a set is known, one question gives the values
    ///   of both halves.
    /// - The *moment* of a set is `prod v_i^i`, where i counts from 0. If exactly one proof is invalid, the moment is
    ///   the set's value to the power of the proof's place, so the question for the moment finds the proof (the
    ///   exponentiation method of Law and Matt: "Finding invalid signatures in pairing-based batches", 2007; Matt:
    ///   [2009/097](https://eprint.iacr.org/2009/097)). If the moment of a set is known, one question gives the moments
    ///   of both halves.
    ///
    /// So one forgery among 256 proofs takes two questions, 13 forgeries take about 35, and 51 about 120. A search
    /// whose questions have answers of one bit needs 185 for 51 forgeries; a moment gives more information than one
    /// bit. Without moments, halving a set of n invalid proofs takes n - 1 questions, which is less than one question
    /// for each. Moments are computed only if forgeries are rare.
    ///
    /// A proof counts as valid in two cases: if it is in a set whose value is 1, or if it is in a set where the moment
    /// names another proof j. The second case is wrong only if `prod v_i^(i - j) = 1` over the rest of the set although
    /// some `d_i` there is not 1. Since `i - j` is not zero modulo r, this has probability at most 2^-128, as above.
    /// Now consider all sets that halving can produce, and all places in them. An invalid proof among n counts as
    /// valid, or a valid proof is named, with probability at most `n (log2(n) + 3) 2^-128`. This is 2^-116 for n = 256,
    /// and includes the case of a zero coefficient. Everything else is deterministic: a set whose value is not 1
    /// contains an invalid proof, and a single proof is decided by the plain equation.
    ///
    /// # Errors
    /// [`BatchError`] with the positions of exactly the invalid proofs.
    pub fn verify_batch(&self, batch: &[(C::Public, Proof)]) -> Result<(), BatchError> {
        if batch.len() < 2 {
            return self.verify_each(batch);
        }
        let stated: Vec<_> = batch.iter().map(|(public, proof)| (C::public_inputs(public), proof)).collect();
        let items = self.items(&stated, |inputs, transcript| {
            for input in inputs {
                transcript.update(crate::field::to_be_bytes(*input));
            }
            let (own, shared) = inputs.split_at(inputs.len() - C::SHARED_INPUTS);
            (own.to_vec(), shared.iter().copied().enumerate().collect())
        });
        BatchError::none_of(self.find_invalid(&items, self.shared_points()))
    }

    /// Verifies each proof of a batch on its own, with the same result as [`verify_batch`](Self::verify_batch). With
    /// the feature `threads` it uses all cores.
    ///
    /// It takes longer for honest proofs, but its time does not depend on the number of forgeries. Use it if more than
    /// about a tenth of the proofs are expected to be invalid. See [`VerifierCosts`](super::VerifierCosts).
    ///
    /// # Errors
    /// [`BatchError`] with the positions of exactly the invalid proofs.
    pub fn verify_each(&self, batch: &[(C::Public, Proof)]) -> Result<(), BatchError> {
        let stated: Vec<_> = batch.iter().map(|(public, proof)| (C::public_inputs(public), proof)).collect();
        let valid = threads::map(&stated, |(inputs, proof)| self.verify_inputs(inputs, proof).is_ok());
        BatchError::of_valid(&valid)
    }

    /// Returns the positions of the invalid proofs. `shared` are the points that the shared parts of the items refer to.
    pub(super) fn find_invalid(&self, items: &[Item<'_>], shared: &[G1Affine]) -> Vec<usize> {
        let size = items.len().div_ceil(threads::count()).min(CHUNK);
        let chunks: Vec<_> = items.chunks(size).zip((0..items.len()).step_by(size)).collect();
        let (mut a, mut groups, mut terms) = (Vec::with_capacity(items.len()), Vec::new(), Vec::new());
        for chunk in threads::map(&chunks, |(items, begin)| Chunk::of(items, *begin, shared.len())) {
            a.extend(chunk.a);
            for (range, term) in chunk.groups {
                groups.push(range);
                terms.push(term);
            }
        }
        let value = self.value(&Term::sum(&terms), shared);
        if value == Target::ONE {
            return Vec::new();
        }

        let (mut members, mut suspects) = (Vec::new(), Vec::new());
        let search = Search { terms: &terms, population: terms.len(), value: &|term| self.value(term, shared) };
        for (group, value) in search.run(vec![Suspects::new(0..terms.len(), value)]) {
            let begin = members.len();
            members.extend(groups[group].clone());
            suspects.push(Suspects::new(begin..members.len(), value));
        }
        let size = members.len().div_ceil(threads::count()).min(CHUNK);
        let chunks: Vec<_> = members.chunks(size).collect();
        let terms = threads::map(&chunks, |members| each_term(items, &a, members, shared.len())).concat();
        let search = Search { terms: &terms, population: items.len(), value: &|term| self.value(term, shared) };
        search.run(suspects).into_iter().map(|(place, _)| members[place]).collect()
    }

    /// Computes the value of a term: `prod d_i^(r_i)`.
    pub(super) fn value(&self, term: &Term, shared: &[G1Affine]) -> Target {
        let constant = term.scalars.get(..1).unwrap_or_default();
        // The scalars of the shared points come last.
        let of_shared = term.scalars.len().checked_sub(shared.len()).and_then(|own| term.scalars.get(own..));
        let combination = self.combination.sum(&term.scalars) + combine(shared, of_shared.unwrap_or_default());
        let pairs =
            [(&self.beta, -self.alpha.sum(constant)), (&self.minus_gamma, combination), (&self.minus_delta, term.c)];
        Target::of(&mul_fq12(&term.miller, &miller_loop(&pairs)))
    }

    /// Returns the proofs with 128-bit coefficients, which are derived from the key and the whole batch. `state` adds a
    /// statement to the transcript, and returns its own inputs and its shared part.
    pub(super) fn items<'a, S>(
        &self,
        batch: &[(S, &'a Proof)],
        state: impl Fn(&S, &mut Sha256) -> (Vec<Fr>, Vec<(usize, Fr)>),
    ) -> Vec<Item<'a>> {
        let mut transcript = self.transcript.clone();
        transcript.update((batch.len() as u64).to_be_bytes());
        let mut items = Vec::with_capacity(batch.len());
        for (statement, proof) in batch {
            let (own, shared) = state(statement, &mut transcript);
            transcript.update(proof.to_bytes());
            items.push(Item { own, shared, proof, coefficient: Coefficient { a: 0, b: 0 } });
        }
        let mut stream = ChaCha20Rng::from_seed(transcript.finalize().into());
        for item in &mut items {
            item.coefficient = Coefficient { a: stream.next_u64(), b: stream.next_u64() };
        }
        items
    }
}

/// A proof of a batch.
pub(super) struct Item<'a> {
    /// The inputs that belong to this statement alone.
    pub(super) own: Vec<Fr>,
    /// The part that statements share: numbers of shared points, and their scalars.
    pub(super) shared: Vec<(usize, Fr)>,
    pub(super) proof: &'a Proof,
    pub(super) coefficient: Coefficient,
}

/// Returns the sum of all `r_i`; for each input the sum of `r_i` times the input; and the same for the scalars of the
/// shared points, whose number is `shared`.
fn scalars<'a>(items: impl IntoIterator<Item = &'a Item<'a>>, shared: usize) -> Vec<Fr> {
    let mut scalars = vec![Fr::ZERO];
    let mut of_shared = vec![Fr::ZERO; shared];
    for item in items {
        let coefficient = item.coefficient.to_field();
        scalars.resize(scalars.len().max(1 + item.own.len()), Fr::ZERO);
        scalars[0] += coefficient;
        for (scalar, input) in scalars[1..].iter_mut().zip(&item.own) {
            *scalar += coefficient * input;
        }
        for (point, scalar) in &item.shared {
            of_shared[*point] += coefficient * scalar;
        }
    }
    scalars.extend(of_shared);
    scalars
}

/// A part of a batch, with its points multiplied by the coefficients.
pub(super) struct Chunk {
    /// `r_i A_i` of each proof.
    pub(super) a: Vec<G1Projective>,
    /// For each group of proofs, their positions in the batch and their term.
    pub(super) groups: Vec<(Range<usize>, Term)>,
}

impl Chunk {
    /// Computes the chunk of proofs that begin at a position of the batch, which refers to `shared` points.
    pub(super) fn of(items: &[Item<'_>], begin: usize, shared: usize) -> Self {
        let proofs = || items.iter().map(|item| item.proof.as_groth16());
        let points: Vec<G1Affine> = proofs().map(|proof| proof.a).chain(proofs().map(|proof| proof.c)).collect();
        let multiples = Multiples::of(&points);
        let (a, c) = multiples.split_at(items.len());
        let a: Vec<_> = a.iter().zip(items).map(|(a, item)| a.times(item.coefficient)).collect();
        let b: Vec<_> = proofs().map(|proof| proof.b).collect();
        let products = miller_products(&b, &a, GROUP_BITS);
        let parts = items.chunks(GROUP).zip(c.chunks(GROUP)).zip(products).zip((begin..).step_by(GROUP));
        let groups = parts.map(|(((items, c), miller), begin)| {
            let coefficients: Vec<_> = items.iter().map(|item| item.coefficient).collect();
            let term = Term { miller, scalars: scalars(items, shared), c: Multiples::sum(c, &coefficients) };
            (begin..begin + items.len(), term)
        });
        let groups = groups.collect();
        Self { a, groups }
    }
}

/// Computes the terms of the single proofs at some positions. `a` has the points `r_i A_i` of all proofs.
pub(super) fn each_term(items: &[Item<'_>], a: &[G1Projective], positions: &[usize], shared: usize) -> Vec<Term> {
    let of = |position: &usize| items[*position].proof.as_groth16();
    let b: Vec<G2Affine> = positions.iter().map(|position| of(position).b).collect();
    let a: Vec<_> = positions.iter().map(|position| a[*position]).collect();
    let c: Vec<G1Affine> = positions.iter().map(|position| of(position).c).collect();
    let products = miller_products(&b, &a, 0);
    let terms = positions.iter().zip(products).zip(Multiples::of(&c)).map(|((position, miller), c)| {
        let item = &items[*position];
        Term { miller, scalars: scalars([item], shared), c: c.times(item.coefficient) }
    });
    terms.collect()
}
