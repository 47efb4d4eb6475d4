//! Import of keys from the files of ceremonies.

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_relations::gr1cs::SynthesisError;
use quotapass_circuits::{
    constraints::{
        Circuit, CircuitKind,
        shape::{CircuitHash, Shape},
    },
    prover::{CeremonyHash, ProvingKey},
};
use sha2::{Digest, Sha256};

use crate::{
    ceremony::coefficients,
    iden3::{Iden3Error, Zkey},
};

/// Errors of importing a `.zkey` file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZkeyError {
    /// The file cannot be decoded.
    #[error("the .zkey file cannot be read: {0}")]
    Format(#[from] Iden3Error),
    /// The circuit could not be synthesized. No circuit of quotapass causes it.
    #[error("the circuit cannot be synthesized: {0}")]
    Circuit(#[from] SynthesisError),
    /// The key belongs to another circuit.
    #[error("the .zkey file is not a key of the circuit `{kind}` with the hash {hash}: {difference}")]
    OtherCircuit {
        /// The expected circuit.
        kind: CircuitKind,
        /// The expected circuit's hash.
        hash: CircuitHash,
        /// The difference.
        difference: &'static str,
    },
    /// The key has no contribution.
    #[error("the key has no contribution: anyone can forge proofs with it")]
    NoContribution,
    /// A point does not come from a ceremony.
    #[error("the .zkey file is damaged: {0}")]
    Damaged(&'static str),
}

/// Imports a circuit's key from the final `.zkey` file of its ceremony.
///
/// The file must belong to the current circuit: the sizes and the entries of the matrices are compared. This function
/// does not check that the points follow from the ceremony; call
/// [`InitialKey::check`](crate::ceremony::InitialKey::check) once for that. Afterwards a key is trusted by its
/// [identifier](ProvingKey::id).
///
/// # Errors
/// [`ZkeyError`] names the fault.
pub fn proving_key<C: Circuit>(circuit: C, file: &[u8]) -> Result<ProvingKey, ZkeyError> {
    let zkey = Zkey::from_bytes(file)?;
    let shape = Shape::of(circuit)?;
    let info = shape.info();
    let other = |difference| ZkeyError::OtherCircuit { kind: C::KIND, hash: info.hash, difference };
    if zkey.public_inputs() + 1 != shape.public {
        return Err(other("the number of public inputs differs"));
    }
    if zkey.variables() != shape.variables || zkey.domain() != shape.domain() {
        return Err(other("the number of variables or the domain differs"));
    }
    if zkey.coefficients != coefficients(&shape) {
        return Err(other("its constraints differ"));
    }
    let Some(last) = zkey.contributions.last() else { return Err(ZkeyError::NoContribution) };
    if zkey.delta_g1 != last.delta_after || zkey.delta_g1 == G1Affine::generator() {
        return Err(ZkeyError::Damaged("delta differs from the last contribution's delta"));
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
    let hash = CeremonyHash(Sha256::digest(file).into());
    ProvingKey::of_ceremony(hash, info, key).map_err(|_| other("the number of points differs"))
}
