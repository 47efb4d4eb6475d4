//! A circuit's verifying key.

use ark_bn254::Bn254;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    field::{FieldError, bytes_from_hex},
    pins::DEVELOPMENT_ALPHA,
    proof::fq_to_bytes,
};

/// The hash of a verifying key: SHA-256 of its [words](VerifyingKey::to_evm_words).
///
/// The contract that verifies slashes states the key it has by this hash (`keyHash`). It does not cover the points that
/// proofs are computed from, so a proving key is identified by its [`KeyId`](crate::key_id::KeyId) instead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct VerifyingKeyHash(pub [u8; 32]);

impl core::str::FromStr for VerifyingKeyHash {
    type Err = FieldError;

    /// Reads 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, FieldError> {
        bytes_from_hex(text).map(Self)
    }
}

impl core::fmt::Display for VerifyingKeyHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl core::fmt::Debug for VerifyingKeyHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "VerifyingKeyHash({self})")
    }
}

impl From<VerifyingKeyHash> for String {
    fn from(hash: VerifyingKeyHash) -> Self {
        hash.to_string()
    }
}

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

    /// Returns whether this is a development key, under which anyone can forge proofs. The function compares alpha, so
    /// it recognises a development key from any source.
    pub fn is_development(&self) -> bool {
        fq_to_bytes(&self.0.alpha_g1.x) == DEVELOPMENT_ALPHA
    }

    /// The hash of the key, which the contract that verifies slashes states.
    pub fn hash(&self) -> VerifyingKeyHash {
        VerifyingKeyHash(Sha256::digest(self.to_evm_words().as_flattened()).into())
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
