//! The prover.

use core::marker::PhantomData;

use ark_bn254::{Bn254, Fr};
use ark_ff::UniformRand;
use ark_groth16::Groth16;
use ark_relations::gr1cs::SynthesisError;
use ark_std::rand::{CryptoRng, RngCore};

use super::{KeyOrigin, ProvingKey};
use crate::{
    constraints::{Circuit, CircuitKind, Unsatisfied, assignment::Assignment},
    membership::Levels,
    proof::{Proof, ProofError},
    verifier::{Verifier, VerifyingKey, WrongKey},
};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The statement is not true of the witness.
    #[error(transparent)]
    Unsatisfied(#[from] Unsatisfied),
    /// The key is of another circuit.
    #[error("the proving key is of the circuit `{found}`, not `{expected}`; load the key of `{expected}`")]
    WrongCircuit {
        /// The key's circuit.
        found: CircuitKind,
        /// The circuit wanted.
        expected: CircuitKind,
    },
    /// arkworks failed.
    #[error("the proving system failed: {0}")]
    Synthesis(#[from] SynthesisError),
    /// The proof came out with a point that no proof may have; happens with probability 2^-253.
    #[error("the proof is degenerate ({0}); prove once more")]
    Degenerate(#[from] ProofError),
}

/// Makes proofs of one circuit.
pub struct Prover<C> {
    key: ProvingKey,
    circuit: PhantomData<C>,
}

impl<C: Circuit> Prover<C> {
    /// Takes a key.
    ///
    /// # Errors
    /// [`ProveError::WrongCircuit`] if it is not of this circuit.
    pub fn new(key: ProvingKey) -> Result<Self, ProveError> {
        if key.shape().kind != C::KIND {
            return Err(ProveError::WrongCircuit { found: key.shape().kind, expected: C::KIND });
        }
        Ok(Self { key, circuit: PhantomData })
    }

    /// Levels of the tree that this prover proves membership in.
    pub fn levels(&self) -> Levels {
        self.key.shape().levels
    }

    /// The key.
    pub fn key(&self) -> &ProvingKey {
        &self.key
    }

    /// Where the key comes from.
    pub fn origin(&self) -> KeyOrigin {
        self.key.origin()
    }

    /// The verifying key.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// The verifier that goes with this prover.
    ///
    /// # Errors
    /// [`WrongKey`] if the key's verifying part does not fit the circuit.
    pub fn verifier(&self) -> Result<Verifier<C>, WrongKey> {
        Verifier::new(self.key.verifying_key())
    }

    /// Proves a statement. Each call draws fresh `r` and `s` (Groth16, 2016/260), so that two proofs of one statement
    /// have nothing in common.
    ///
    /// # Errors
    /// [`ProveError::Unsatisfied`] if the witness does not fit the statement.
    pub fn prove(
        &self,
        public: &C::Public,
        witness: &C::Witness,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Proof, ProveError> {
        let shape = self.key.shape();
        let assignment = Assignment::compute::<C>(shape.levels, public, witness)?;
        let (r, s) = (Fr::rand(rng), Fr::rand(rng));
        let proof = Groth16::<Bn254>::create_proof_with_reduction_and_matrices(
            self.key.as_groth16(),
            r,
            s,
            &shape.matrices,
            shape.public,
            shape.constraints(),
            assignment.values(),
        )?;
        Ok(Proof::new(proof)?)
    }
}
