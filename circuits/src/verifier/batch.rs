//! Many proofs at once.

use core::ops::Range;

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ff::AdditiveGroup;
use ark_std::rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};

use super::{
    Verifier,
    coefficient::{Coefficient, Multiples},
    search::{Search, Suspects, Term},
};
use crate::{
    constraints::Circuit,
    pairing::{Evaluation, Target, miller_loop, miller_products, tower::mul_fq12},
    proof::Proof,
    threads,
};

/// At most so many proofs walk through Miller's loop together: enough to hide what they share, few enough to stay in
/// the second cache.
const CHUNK: usize = 512;

/// A chunk's Miller values are kept by groups of `2^GROUP_BITS` proofs. Each group costs the squarings of a loop, about
/// 1 % of its time; a batch that fails is looked at again only in the groups that did.
const GROUP_BITS: u32 = 5;
/// Proofs of a group.
pub(super) const GROUP: usize = 1 << GROUP_BITS;

/// A batch holds proofs that are not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of the batch's proofs are not valid: numbers {invalid:?}", invalid.len())]
pub struct BatchError {
    /// The positions of the invalid proofs, ascending.
    pub invalid: Vec<usize>,
}

impl BatchError {
    fn none_of(invalid: Vec<usize>) -> Result<(), Self> {
        if invalid.is_empty() { Ok(()) } else { Err(Self { invalid }) }
    }
}

impl<C: Circuit> Verifier<C> {
    /// Checks a batch, and names each invalid proof if there are any. An empty batch is valid.
    ///
    /// With coefficients `r_i` the equations of all proofs become one:
    /// `prod e(r_i A_i, B_i) = e(alpha, beta)^(sum r_i) e(sum r_i L_i, gamma) e(sum r_i C_i, delta)`.
    ///
    /// **Soundness.** Write the equation of proof `i` as `d_i = 1` with `d_i` in the target group, which is cyclic of
    /// prime order r (all points are in their subgroups, [`Proof`] guarantees it). A set of proofs passes if
    /// `prod d_i^(r_i) = 1` over it. If some `d_j` is not 1, then for every choice of the other coefficients exactly one
    /// value of `r_j` modulo r lets it pass, and `r_j` takes each of 2^128 values modulo r with equal probability: it is
    /// `a + λ b` with random `a` and `b` of 64 bits and λ the eigenvalue of G1's endomorphism, and no two such pairs
    /// agree modulo r, for r would divide the norm of their difference, which is too small. So a set with an invalid
    /// proof passes with probability at most 2^-128. The coefficients come from ChaCha20, keyed with
    /// the SHA-256 of the verifying key's combination, all public inputs and all proofs (Fiat-Shamir): they are fixed
    /// only after the batch is, in the random oracle model an attacker who tries q batches gains at most q times the
    /// probability below, and no generator of the verifier's can fail. The first coefficient could be 1; it is random
    /// too, which costs nothing noticeable and keeps the argument plain.
    ///
    /// **Finding the invalid ones.** Forgeries in honest batches are an attack on the verifier's time, so a failed batch
    /// is not verified again in parts. Its values `v_i = d_i^(r_i)` are searched, with the coefficients it has:
    ///
    /// - The Miller values of groups of 32 proofs are kept. The value of a set of groups takes their product, the three
    ///   pairs that all proofs share, and a final exponentiation; this is one *question*. A group whose value is one is
    ///   done. Only the proofs of the other groups get Miller values of their own. For these the lines of B are computed
    ///   again, which is a fifth of the time of a proof: to keep the lines of all proofs, 11 KB each, would cost honest
    ///   batches more.
    /// - The final exponentiation is a homomorphism: of two halves of a set whose value is known, one question tells the
    ///   values of both.
    /// - A set's *moment* is `prod v_i^i`, i counting from 0. If one proof alone is invalid, the moment is the set's value
    ///   to the power of its place, and that one question names it (the exponentiation method of Law and Matt: "Finding
    ///   invalid signatures in pairing-based batches", 2007; Matt: [2009/097](https://eprint.iacr.org/2009/097)). A moment
    ///   too is divided among two halves with one question.
    ///
    /// So one forgery among 256 takes two questions, 13 about 35, and 51 about 120: less than the 185 of any search with
    /// answers of one bit, as a moment answers more. Without moments the halves of n invalid proofs take n - 1 questions,
    /// never more than to ask for each; moments are asked for only where forgeries are rare.
    ///
    /// A proof counts as valid if it is in a set whose value is one, or if it is not the one that a moment names. The
    /// latter is wrong only if `prod v_i^(i - j) = 1` over the rest of a set in which some `d_i` is not 1: as `i - j` is
    /// not zero modulo r, that has probability at most 2^-128 as before. Over all sets that halving can lead to, and all
    /// places in them, an invalid proof among n passes as valid, or a valid one is named, with probability at most
    /// `n (log2(n) + 3) 2^-128`: 2^-116 for 256. A coefficient of zero is among these cases. Nothing else is
    /// left to chance: a set whose value is not one holds an invalid proof, and a single proof is decided by the plain
    /// equation.
    ///
    /// # Errors
    /// [`BatchError`] with the position of every invalid proof, and of no other.
    pub fn verify_batch(&self, batch: &[(C::Public, Proof)]) -> Result<(), BatchError> {
        if batch.len() < 2 {
            return self.verify_each(batch);
        }
        let items = self.items(batch);
        BatchError::none_of(self.find_invalid(&items))
    }

    /// Checks each proof of a batch by itself, on all cores with the feature `threads`, with the same result as
    /// [`verify_batch`](Self::verify_batch).
    ///
    /// It takes longer for honest proofs, and its time does not depend on what is forged: for proofs of which more than
    /// about a tenth are expected to be invalid. See [`VerifierCosts`](super::VerifierCosts).
    ///
    /// # Errors
    /// [`BatchError`] with the position of every invalid proof, and of no other.
    pub fn verify_each(&self, batch: &[(C::Public, Proof)]) -> Result<(), BatchError> {
        let stated: Vec<_> = batch.iter().map(|(public, proof)| (C::public_inputs(public), proof)).collect();
        let valid = threads::map(&stated, |(inputs, proof)| self.verify_inputs(inputs, proof).is_ok());
        BatchError::none_of(valid.iter().enumerate().filter(|(_, valid)| !*valid).map(|(number, _)| number).collect())
    }

    fn find_invalid(&self, items: &[Item<'_>]) -> Vec<usize> {
        let size = items.len().div_ceil(threads::count()).min(CHUNK);
        let chunks: Vec<_> = items.chunks(size).zip((0..items.len()).step_by(size)).collect();
        let (mut a, mut groups, mut terms) = (Vec::with_capacity(items.len()), Vec::new(), Vec::new());
        for chunk in threads::map(&chunks, |(items, begin)| Chunk::of::<C>(items, *begin)) {
            a.extend(chunk.a);
            for (range, term) in chunk.groups {
                groups.push(range);
                terms.push(term);
            }
        }
        let value = self.value(&Term::sum(&terms));
        if value == Target::ONE {
            return Vec::new();
        }

        let (mut members, mut suspects) = (Vec::new(), Vec::new());
        let search = Search { terms: &terms, population: terms.len(), value: &|term| self.value(term) };
        for (group, value) in search.run(vec![Suspects::new(0..terms.len(), value)]) {
            let begin = members.len();
            members.extend(groups[group].clone());
            suspects.push(Suspects::new(begin..members.len(), value));
        }
        let size = members.len().div_ceil(threads::count()).min(CHUNK);
        let chunks: Vec<_> = members.chunks(size).collect();
        let terms = threads::map(&chunks, |members| each_term::<C>(items, &a, members)).concat();
        let search = Search { terms: &terms, population: items.len(), value: &|term| self.value(term) };
        search.run(suspects).into_iter().map(|(place, _)| members[place]).collect()
    }

    /// The value of a term: `prod d_i^(r_i)`.
    pub(super) fn value(&self, term: &Term) -> Target {
        let constant = term.scalars.get(..1).unwrap_or_default();
        let points = [-self.alpha.sum(constant), self.combination.sum(&term.scalars), term.c];
        let lines = [&self.beta, &self.minus_gamma, &self.minus_delta];
        let pairs: Vec<_> = lines.into_iter().zip(Evaluation::of(&points)).collect();
        Target::of(&mul_fq12(&term.miller, &miller_loop(&pairs)))
    }

    /// The proofs with 128-bit coefficients, bound to the key and to everything in the batch.
    fn items<'a>(&self, batch: &'a [(C::Public, Proof)]) -> Vec<Item<'a>> {
        let mut transcript = Sha256::new();
        transcript.update(b"quotapass.batch.v1");
        for word in self.key().to_evm_words() {
            transcript.update(word);
        }
        transcript.update((batch.len() as u64).to_be_bytes());
        let stated: Vec<_> = batch.iter().map(|(public, proof)| (C::public_inputs(public), proof)).collect();
        for (inputs, proof) in &stated {
            for input in inputs {
                transcript.update(crate::field::to_be_bytes(*input));
            }
            transcript.update(proof.to_bytes());
        }
        let mut stream = ChaCha20Rng::from_seed(transcript.finalize().into());
        let weighed = stated.into_iter().map(|(inputs, proof)| {
            let coefficient = Coefficient { a: stream.next_u64(), b: stream.next_u64() };
            Item { inputs, proof, coefficient }
        });
        weighed.collect()
    }
}

pub(super) struct Item<'a> {
    pub(super) inputs: Vec<Fr>,
    pub(super) proof: &'a Proof,
    pub(super) coefficient: Coefficient,
}

/// `r_i`, and `r_i` times each input, added up.
fn scalars<'a, C: Circuit>(items: impl IntoIterator<Item = &'a Item<'a>>) -> Vec<Fr> {
    let mut scalars = vec![Fr::ZERO; C::public_names().len() + 1];
    for item in items {
        let coefficient = item.coefficient.to_field();
        scalars[0] += coefficient;
        for (scalar, input) in scalars[1..].iter_mut().zip(&item.inputs) {
            *scalar += coefficient * input;
        }
    }
    scalars
}

/// A part of a batch, multiplied by the coefficients.
pub(super) struct Chunk {
    /// Of each proof `r_i A_i`.
    pub(super) a: Vec<Evaluation>,
    /// Of each group of proofs their positions in the batch, and their term.
    pub(super) groups: Vec<(Range<usize>, Term)>,
}

impl Chunk {
    /// That of proofs which begin at a position of the batch.
    pub(super) fn of<C: Circuit>(items: &[Item<'_>], begin: usize) -> Self {
        let proofs = || items.iter().map(|item| item.proof.as_groth16());
        let points: Vec<G1Affine> = proofs().map(|proof| proof.a).chain(proofs().map(|proof| proof.c)).collect();
        let multiples = Multiples::of(&points);
        let (a, c) = multiples.split_at(items.len());
        let a: Vec<_> = a.iter().zip(items).map(|(a, item)| a.times(item.coefficient)).collect();
        let a = Evaluation::of(&a);
        let b: Vec<_> = proofs().map(|proof| proof.b).collect();
        let products = miller_products(&b, &a, GROUP_BITS);
        let parts = items.chunks(GROUP).zip(c.chunks(GROUP)).zip(products).zip((begin..).step_by(GROUP));
        let groups = parts.map(|(((items, c), miller), begin)| {
            let coefficients: Vec<_> = items.iter().map(|item| item.coefficient).collect();
            let term = Term { miller, scalars: scalars::<C>(items), c: Multiples::sum(c, &coefficients) };
            (begin..begin + items.len(), term)
        });
        let groups = groups.collect();
        Self { a, groups }
    }
}

/// The terms of single proofs, those at some positions, from the evaluations `a` of all.
pub(super) fn each_term<C: Circuit>(items: &[Item<'_>], a: &[Evaluation], positions: &[usize]) -> Vec<Term> {
    let of = |position: &usize| items[*position].proof.as_groth16();
    let b: Vec<G2Affine> = positions.iter().map(|position| of(position).b).collect();
    let a: Vec<_> = positions.iter().map(|position| a[*position]).collect();
    let c: Vec<G1Affine> = positions.iter().map(|position| of(position).c).collect();
    let products = miller_products(&b, &a, 0);
    let terms = positions.iter().zip(products).zip(Multiples::of(&c)).map(|((position, miller), c)| {
        let item = &items[*position];
        Term { miller, scalars: scalars::<C>([item]), c: c.times(item.coefficient) }
    });
    terms.collect()
}
