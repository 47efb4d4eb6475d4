//! A circuit's verifying key.

use ark_bn254::Bn254;

use crate::{proof::fq_to_bytes, prover::DEVELOPMENT_ALPHA};

/// A Groth16 verifying key.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyingKey(ark_groth16::VerifyingKey<Bn254>);

impl VerifyingKey {
    pub(crate) fn new(key: ark_groth16::VerifyingKey<Bn254>) -> Self {
        Self(key)
    }

    /// The points.
    pub fn as_groth16(&self) -> &ark_groth16::VerifyingKey<Bn254> {
        &self.0
    }

    /// Whether this is one of the development keys, with which everybody can forge proofs. They are known by their alpha,
    /// wherever they come from.
    pub fn is_development(&self) -> bool {
        fq_to_bytes(&self.0.alpha_g1.x) == DEVELOPMENT_ALPHA
    }

    /// The words that the on-chain verifier takes, big-endian, points in the order of EIP-197: alpha, beta, gamma,
    /// delta, then the points of the input combination.
    pub fn to_evm_words(&self) -> Vec<[u8; 32]> {
        let key = &self.0;
        let g2 = [key.beta_g2, key.gamma_g2, key.delta_g2];
        let g2 = g2.iter().flat_map(|point| [point.x.c1, point.x.c0, point.y.c1, point.y.c0]);
        let combination = key.gamma_abc_g1.iter().flat_map(|point| [point.x, point.y]);
        [key.alpha_g1.x, key.alpha_g1.y].into_iter().chain(g2).chain(combination).map(|c| fq_to_bytes(&c)).collect()
    }
}
