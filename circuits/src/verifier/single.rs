//! One proof at a time.

use core::marker::PhantomData;

use ark_bn254::{Bn254, Fr, G2Affine};
use ark_ec::{
    CurveGroup,
    pairing::{Pairing, PairingOutput},
};
use ark_ff::One;

use super::{VerifyingKey, combination::InputCombination};
use crate::{
    constraints::{Circuit, CircuitKind},
    proof::Proof,
};

type Prepared = <Bn254 as Pairing>::G2Prepared;

/// The proof does not prove the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not prove this statement under this verifying key")]
pub struct InvalidProof;

/// The verifying key is not of this circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the verifying key has {found} public inputs, the circuit `{circuit}` has {expected}")]
pub struct WrongKey {
    /// The circuit.
    pub circuit: CircuitKind,
    /// Public inputs of the key.
    pub found: usize,
    /// Public inputs of the circuit.
    pub expected: usize,
}

/// Verifies the proofs of one circuit, everything that does not depend on the proof computed in advance.
#[derive(Clone, Debug)]
pub struct Verifier<C> {
    pub(super) alpha_beta: PairingOutput<Bn254>,
    pub(super) minus_gamma: Prepared,
    pub(super) minus_delta: Prepared,
    pub(super) combination: InputCombination,
    key: VerifyingKey,
    circuit: PhantomData<C>,
}

impl<C: Circuit> Verifier<C> {
    /// Prepares a key.
    ///
    /// # Errors
    /// [`WrongKey`] if it is not of a circuit with as many public inputs.
    pub fn new(key: VerifyingKey) -> Result<Self, WrongKey> {
        let groth16 = key.as_groth16();
        let (found, expected) = (groth16.gamma_abc_g1.len().saturating_sub(1), C::public_names().len());
        if found != expected {
            return Err(WrongKey { circuit: C::KIND, found, expected });
        }
        let minus = |point: G2Affine| Prepared::from(-point);
        Ok(Self {
            alpha_beta: Bn254::pairing(groth16.alpha_g1, groth16.beta_g2),
            minus_gamma: minus(groth16.gamma_g2),
            minus_delta: minus(groth16.delta_g2),
            combination: InputCombination::new(&groth16.gamma_abc_g1),
            key,
            circuit: PhantomData,
        })
    }

    /// The key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Checks a proof by Groth16's equation (2016/260, section 3.2):
    /// `e(A, B) = e(alpha, beta) e(L, gamma) e(C, delta)` with `L` the combination of the public inputs.
    ///
    /// # Errors
    /// [`InvalidProof`].
    pub fn verify(&self, public: &C::Public, proof: &Proof) -> Result<(), InvalidProof> {
        self.verify_inputs(&C::public_inputs(public), proof)
    }

    pub(super) fn verify_inputs(&self, inputs: &[Fr], proof: &Proof) -> Result<(), InvalidProof> {
        let proof = proof.as_groth16();
        let scalars: Vec<Fr> = core::iter::once(Fr::one()).chain(inputs.iter().copied()).collect();
        let combined = self.combination.sum(&scalars);
        let product = Bn254::multi_pairing(
            [proof.a, combined.into_affine(), proof.c],
            [Prepared::from(proof.b), self.minus_gamma.clone(), self.minus_delta.clone()],
        );
        if product == self.alpha_beta { Ok(()) } else { Err(InvalidProof) }
    }
}
