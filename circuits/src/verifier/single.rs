//! Verification of single proofs.

use core::{iter, marker::PhantomData};

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ff::{One, Zero};
use quotapass_bn254::{
    combination::Combination,
    msm,
    pairing::{Lines, Target, miller_loop},
};
use sha2::{Digest, Sha256};

use super::VerifyingKey;
use crate::{
    constraints::{Circuit, CircuitKind},
    proof::Proof,
};

/// The proof does not prove the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not prove this statement under this verifying key")]
pub struct InvalidProof;

/// The verifying key does not belong to the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the verifying key has {found} public inputs, but the circuit `{circuit}` has {expected}")]
pub struct WrongKey {
    /// The circuit.
    pub circuit: CircuitKind,
    /// Public inputs of the key.
    pub found: usize,
    /// Public inputs of the circuit.
    pub expected: usize,
}

/// A verifier for the proofs of one circuit. Everything that does not depend on the proof is computed in advance.
#[derive(Clone, Debug)]
pub struct Verifier<C> {
    /// `e(alpha, beta)`.
    alpha_beta: Target,
    /// Multiples of alpha, and the lines of beta, for batches.
    pub(super) alpha: Combination,
    pub(super) beta: Lines,
    pub(super) minus_gamma: Lines,
    pub(super) minus_delta: Lines,
    /// Multiples of the points of the constant 1 and of the inputs that statements do not share.
    pub(super) combination: Combination,
    /// The beginning of the transcript of every batch: its tag and the key.
    pub(super) transcript: Sha256,
    key: VerifyingKey,
    circuit: PhantomData<fn() -> C>,
}

impl<C: Circuit> Verifier<C> {
    /// Creates a verifier from a key.
    ///
    /// # Errors
    /// [`WrongKey`] if the key's number of public inputs is not the circuit's.
    pub fn new(key: VerifyingKey) -> Result<Self, WrongKey> {
        let groth16 = key.as_groth16();
        let (found, expected) = (groth16.gamma_abc_g1.len().saturating_sub(1), C::public_names().len());
        if found != expected {
            return Err(WrongKey { circuit: C::KIND, found, expected });
        }
        let beta = Lines::of(&groth16.beta_g2);
        let mut transcript = Sha256::new_with_prefix(b"quotapass.batch.v1");
        key.to_evm_words().iter().for_each(|word| transcript.update(word));
        Ok(Self {
            alpha_beta: Target::of(&miller_loop(&[(&beta, groth16.alpha_g1.into())])),
            alpha: Combination::new(&[groth16.alpha_g1]),
            beta,
            minus_gamma: Lines::of(&-groth16.gamma_g2),
            minus_delta: Lines::of(&-groth16.delta_g2),
            combination: Combination::new(&groth16.gamma_abc_g1[..=expected - C::SHARED_INPUTS]),
            transcript,
            key,
            circuit: PhantomData,
        })
    }

    /// The key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Verifies a proof by Groth16's equation ([2016/260](https://eprint.iacr.org/2016/260), section 3.2):
    /// `e(A, B) = e(alpha, beta) e(L, gamma) e(C, delta)`, where `L` is the linear combination of the public inputs.
    ///
    /// # Errors
    /// [`InvalidProof`] if the equation does not hold.
    pub fn verify(&self, public: &C::Public, proof: &Proof) -> Result<(), InvalidProof> {
        self.verify_inputs(&C::public_inputs(public), proof)
    }

    pub(super) fn verify_inputs(&self, inputs: &[Fr], proof: &Proof) -> Result<(), InvalidProof> {
        let (own, shared) = inputs.split_at(inputs.len() - C::SHARED_INPUTS);
        self.verify_with(own, self.sum_of_shared(shared), proof)
    }

    /// Verifies a proof, given the sum of the points of the shared inputs.
    pub(super) fn verify_with(&self, own: &[Fr], shared: G1Projective, proof: &Proof) -> Result<(), InvalidProof> {
        let proof = proof.as_groth16();
        let scalars: Vec<Fr> = iter::once(Fr::one()).chain(own.iter().copied()).collect();
        let pairs = [
            (&Lines::of(&proof.b), proof.a.into()),
            (&self.minus_gamma, self.combination.sum(&scalars) + shared),
            (&self.minus_delta, proof.c.into()),
        ];
        if Target::of(&miller_loop(&pairs)) == self.alpha_beta { Ok(()) } else { Err(InvalidProof) }
    }

    /// The points of the inputs that statements share.
    pub(super) fn shared_points(&self) -> &[G1Affine] {
        let points = &self.key.as_groth16().gamma_abc_g1;
        &points[points.len() - C::SHARED_INPUTS..]
    }

    /// Returns the sum of the points of the shared inputs, each times its input.
    pub(super) fn sum_of_shared(&self, inputs: &[Fr]) -> G1Projective {
        combine(self.shared_points(), inputs)
    }
}

/// Returns the sum of points times scalars.
pub(super) fn combine(points: &[G1Affine], scalars: &[Fr]) -> G1Projective {
    if points.is_empty() {
        return G1Projective::zero();
    }
    let terms: Vec<_> = (0..).zip(scalars.iter().copied()).take(points.len()).collect();
    msm::sum(|base| points[base], &terms)
}
