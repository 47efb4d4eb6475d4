//! Many proofs at once.

use ark_bn254::{Fq12, Fr, G1Affine, G1Projective, G2Affine};
use ark_ff::{Field, Zero};
use ark_std::rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};

use super::{
    Verifier,
    coefficient::{Coefficient, Multiples},
};
use crate::{
    constraints::Circuit,
    pairing::{Evaluation, final_exponentiation, miller_loop, tower::mul_fq12},
    proof::Proof,
    threads,
};

/// At most so many proofs walk through Miller's loop together: enough to hide what they share, few enough to stay in
/// the second cache.
const CHUNK: usize = 512;

/// A batch holds proofs that are not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of the batch's proofs are not valid: numbers {invalid:?}", invalid.len())]
pub struct BatchError {
    /// The positions of the invalid proofs, ascending.
    pub invalid: Vec<usize>,
}

impl<C: Circuit> Verifier<C> {
    /// Checks a batch, and names each invalid proof if there are any. An empty batch is valid.
    ///
    /// With coefficients `r_i` the equations of all proofs become one:
    /// `prod e(r_i A_i, B_i) = e(alpha, beta)^(sum r_i) e(sum r_i L_i, gamma) e(sum r_i C_i, delta)`.
    ///
    /// **Soundness.** Write the equation of proof `i` as `d_i = 1` with `d_i` in the target group, which is cyclic of
    /// prime order r (all points are in their subgroups, [`Proof`] guarantees it). The batch passes if
    /// `prod d_i^(r_i) = 1`. If some `d_j` is not 1, then for every choice of the other coefficients exactly one value
    /// of `r_j` modulo r lets it pass, and `r_j` takes each of 2^128 values modulo r with equal probability: it is
    /// `a + λ b` with random `a` and `b` of 64 bits and λ the eigenvalue of G1's endomorphism, and no two such pairs
    /// agree modulo r, for r would divide the norm of their difference, which is too small. So a batch with an invalid
    /// proof passes with probability at most 2^-128. The coefficients come from ChaCha20, keyed with
    /// the SHA-256 of the verifying key's combination, all public inputs and all proofs (Fiat-Shamir): they are fixed
    /// only after the batch is, in the random oracle model an attacker who tries q batches gains at most q * 2^-128,
    /// and no generator of the verifier's can fail. The first coefficient could be 1; it is random too, which
    /// costs nothing noticeable and keeps the argument plain.
    ///
    /// If the batch fails, halves are checked in the same way, down to single proofs, which the plain equation
    /// decides. `k` invalid proofs among `n` cost about `k log2(n / k)` further checks.
    ///
    /// # Errors
    /// [`BatchError`] with the position of every invalid proof, and of no other.
    pub fn verify_batch(&self, batch: &[(C::Public, Proof)]) -> Result<(), BatchError> {
        let items: Vec<Item<'_>> =
            batch.iter().map(|(public, proof)| Item { inputs: C::public_inputs(public), proof }).collect();
        let mut invalid = Vec::new();
        self.find_invalid(&items, 0, false, &mut invalid);
        if invalid.is_empty() { Ok(()) } else { Err(BatchError { invalid }) }
    }

    /// Collects the invalid proofs of a range. `known_bad` spares the check of a range that must hold one, because
    /// the range around it does and the other half does not.
    fn find_invalid(&self, items: &[Item<'_>], first: usize, known_bad: bool, invalid: &mut Vec<usize>) {
        match items {
            [] => {}
            [item] => {
                if known_bad || self.verify_inputs(&item.inputs, item.proof).is_err() {
                    invalid.push(first);
                }
            }
            _ if !known_bad && self.combined(items) => {}
            _ => {
                let (left, right) = items.split_at(items.len() / 2);
                let before = invalid.len();
                self.find_invalid(left, first, false, invalid);
                let left_is_good = invalid.len() == before;
                self.find_invalid(right, first + left.len(), left_is_good, invalid);
            }
        }
    }

    /// Whether the combined equation holds.
    fn combined(&self, items: &[Item<'_>]) -> bool {
        let coefficients = self.coefficients(items);
        // The combination's scalars, that of the constant first.
        let mut scalars = vec![Fr::zero(); C::public_names().len() + 1];
        for (coefficient, item) in coefficients.iter().zip(items) {
            let coefficient = coefficient.to_field();
            scalars[0] += coefficient;
            for (scalar, input) in scalars[1..].iter_mut().zip(&item.inputs) {
                *scalar += coefficient * input;
            }
        }

        let size = items.len().div_ceil(threads::count()).min(CHUNK);
        let chunks: Vec<_> = items.chunks(size).zip(coefficients.chunks(size)).collect();
        let parts = threads::map(&chunks, |(items, coefficients)| Part::of(items, coefficients));

        // The pairs that all proofs have in common go with the last chunk.
        let c = parts.iter().map(|part| part.c).sum();
        let points = [-self.alpha.sum(&scalars[..1]), self.combination.sum(&scalars), c];
        let lines = [&self.beta, &self.minus_gamma, &self.minus_delta];
        let common: Vec<_> = lines.into_iter().zip(Evaluation::of(&points)).collect();
        let last = parts.len() - 1;
        let parts: Vec<_> = parts.into_iter().enumerate().collect();
        let products = threads::map(&parts, |(index, part)| {
            miller_loop(&part.b, &part.a, if *index == last { &common } else { &[] })
        });
        let product = products.iter().fold(Fq12::ONE, |product, part| mul_fq12(&product, part));
        final_exponentiation(&product) == Fq12::ONE
    }

    /// 128-bit coefficients, bound to the key and to everything in the batch.
    fn coefficients(&self, items: &[Item<'_>]) -> Vec<Coefficient> {
        let mut transcript = Sha256::new();
        transcript.update(b"quotapass.batch.v1");
        for word in self.key().to_evm_words() {
            transcript.update(word);
        }
        transcript.update((items.len() as u64).to_be_bytes());
        for item in items {
            for input in &item.inputs {
                transcript.update(crate::field::to_be_bytes(*input));
            }
            transcript.update(item.proof.to_bytes());
        }
        let mut stream = ChaCha20Rng::from_seed(transcript.finalize().into());
        items.iter().map(|_| Coefficient { a: stream.next_u64(), b: stream.next_u64() }).collect()
    }
}

struct Item<'a> {
    inputs: Vec<Fr>,
    proof: &'a Proof,
}

/// A part of a batch, multiplied by the coefficients.
struct Part {
    /// Of each proof `r_i A_i`.
    a: Vec<Evaluation>,
    /// Of each proof `B_i`.
    b: Vec<G2Affine>,
    /// The sum of all `r_i C_i`.
    c: G1Projective,
}

impl Part {
    fn of(items: &[Item<'_>], coefficients: &[Coefficient]) -> Self {
        let proofs = || items.iter().map(|item| item.proof.as_groth16());
        let points: Vec<G1Affine> = proofs().map(|proof| proof.a).chain(proofs().map(|proof| proof.c)).collect();
        let multiples = Multiples::of(&points);
        let (a, c) = multiples.split_at(items.len());
        let a: Vec<_> = a.iter().zip(coefficients).map(|(a, coefficient)| a.times(*coefficient)).collect();
        Self { a: Evaluation::of(&a), b: proofs().map(|proof| proof.b).collect(), c: Multiples::sum(c, coefficients) }
    }
}
