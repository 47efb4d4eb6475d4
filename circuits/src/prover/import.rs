//! Keys of snarkjs's ceremonies.

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_relations::gr1cs::SynthesisError;
use sha2::{Digest, Sha256};

use super::{CeremonyHash, KeyOrigin, ProvingKey};
use crate::{
    ceremony::coefficients,
    constraints::{
        Circuit, CircuitKind,
        shape::{CircuitHash, Shape},
    },
    formats::iden3::{Iden3Error, Zkey},
    membership::Levels,
};

/// A `.zkey` file that is no key of a circuit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZkeyError {
    /// It cannot be read.
    #[error("the .zkey file cannot be read: {0}")]
    Format(#[from] Iden3Error),
    /// The circuit could not be described, which no circuit of this crate causes.
    #[error("the circuit cannot be described: {0}")]
    Circuit(#[from] SynthesisError),
    /// It is the key of something else.
    #[error("the .zkey file is not a key of the circuit `{kind}` with the hash {hash}: {difference}")]
    OtherCircuit {
        /// The circuit wanted.
        kind: CircuitKind,
        /// Its hash.
        hash: CircuitHash,
        /// What differs.
        difference: &'static str,
    },
    /// Nobody has contributed.
    #[error("nobody has contributed to this key: with it anybody can forge proofs")]
    NoContribution,
    /// A point that no ceremony makes.
    #[error("the .zkey file is damaged: {0}")]
    Damaged(&'static str),
}

impl ProvingKey {
    /// Takes a circuit's key from the `.zkey` file that ended its ceremony.
    ///
    /// The file must be of the circuit as it is: sizes and the entries of the matrices are compared. That the points
    /// are what the ceremony made is for [`InitialKey::check`](crate::ceremony::InitialKey::check) to say, once;
    /// afterwards a key is trusted by the SHA-256 of its file, which is its [origin](KeyOrigin::Ceremony).
    ///
    /// # Errors
    /// [`ZkeyError`] says what is wrong.
    pub fn from_zkey<C: Circuit>(levels: Levels, file: &[u8]) -> Result<Self, ZkeyError> {
        let zkey = Zkey::from_bytes(file)?;
        let shape = Shape::of::<C>(levels)?;
        let circuit = shape.info();
        let other = |difference| Err(ZkeyError::OtherCircuit { kind: C::KIND, hash: circuit.hash, difference });
        if zkey.public_inputs() + 1 != shape.public {
            return other("the number of public inputs is another");
        }
        if zkey.variables() != shape.variables || zkey.domain() != shape.domain() {
            return other("the number of variables or the domain is another");
        }
        if zkey.coefficients != coefficients(&shape) {
            return other("its constraints are others");
        }
        let Some(last) = zkey.contributions.last() else { return Err(ZkeyError::NoContribution) };
        if zkey.delta_g1 != last.delta_after || zkey.delta_g1 == G1Affine::generator() {
            return Err(ZkeyError::Damaged("delta is not that of the last contribution"));
        }
        if zkey.gamma_g2 != G2Affine::generator() {
            return Err(ZkeyError::Damaged("gamma is not the generator"));
        }
        if zkey.ic.iter().chain(&zkey.h).any(AffineRepr::is_zero) {
            return Err(ZkeyError::Damaged("a point of the public inputs or the quotient is the point at infinity"));
        }
        let key = ark_groth16::ProvingKey {
            vk: ark_groth16::VerifyingKey {
                alpha_g1: zkey.alpha_g1,
                beta_g2: zkey.beta_g2,
                gamma_g2: zkey.gamma_g2,
                delta_g2: zkey.delta_g2,
                gamma_abc_g1: zkey.ic,
            },
            beta_g1: zkey.beta_g1,
            delta_g1: zkey.delta_g1,
            a_query: zkey.a,
            b_g1_query: zkey.b_g1,
            b_g2_query: zkey.b_g2,
            h_query: zkey.h,
            l_query: zkey.c,
        };
        Ok(Self::new(KeyOrigin::Ceremony(CeremonyHash(Sha256::digest(file).into())), circuit, key))
    }
}
