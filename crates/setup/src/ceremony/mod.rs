//! The multi-party setup of keys. One honest contributor is enough.
//!
//! Groth16 needs a setup of two phases ([2017/1050](https://eprint.iacr.org/2017/1050)). The first phase, powers of
//! tau, is the same for all circuits; public ceremonies have already done it. The second phase is done for each
//! circuit. In it each contributor multiplies delta by a secret factor, divides two lists of points by the factor, and
//! deletes it. An attacker with all factors of the second phase, or with the secrets of the first, can forge proofs.
//! Proofs stay zero-knowledge even against such an attacker.
//!
//! The ceremony is compatible with snarkjs byte for byte: [`InitialKey`] makes the key of `snarkjs groth16 setup`,
//! [`contribute`] and [`apply_beacon`] continue each other's files and files of snarkjs, and [`InitialKey::check`]
//! checks everything that `snarkjs zkey verify` checks.

mod check;
mod contribute;
mod generator;
mod initial;
mod powers;
mod quotient;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod transcript;

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::{AffineRepr, pairing::Pairing};
use ark_relations::gr1cs::SynthesisError;

use crate::iden3::{Iden3Error, MOST_POWER};

pub use contribute::{Entropy, MOST_NAME_CHARACTERS, apply_beacon, contribute};
pub use initial::InitialKey;
pub(crate) use initial::coefficients;
pub use transcript::{verify_transcript, verify_whole_transcript};

/// Binary logarithm of the largest number of beacon hashes that this crate computes: minutes of work.
pub const MOST_BEACON_EXPONENT: u8 = 32;

/// Errors of a ceremony.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// A point of the powers of tau cannot be read.
    #[error("the powers of tau cannot be read: {0}")]
    Powers(#[from] Iden3Error),
    /// The circuit could not be synthesized. No circuit of quotapass causes it.
    #[error("the circuit cannot be synthesized: {0}")]
    Circuit(#[from] SynthesisError),
    /// The file has too few powers of tau.
    #[error(
        "the circuit needs powers of tau of power {needed}, and the file has power {found}; take a larger file (power \
         {most} is the maximum)",
        most = MOST_POWER
    )]
    TooFewPowers {
        /// The power needed.
        needed: u32,
        /// The file's power.
        found: u32,
    },
    /// The points are not powers of one number.
    #[error("the powers of tau are damaged: {0}")]
    PowersDoNotFit(&'static str),
    /// The powers of tau have no contribution.
    #[error("the powers of tau have no contribution: the creator of the file can forge proofs")]
    NoPowersContribution,
    /// The key's transcript is invalid at a contribution.
    #[error(
        "contribution {number} of the key does not follow from the previous ones: {reason}. A contribution is missing, \
         out of order, or changed"
    )]
    Contribution {
        /// Number of the contribution, counted from one.
        number: usize,
        /// The check that fails.
        reason: &'static str,
    },
    /// The beacon needs more hashes than this crate computes.
    #[error("the beacon asks for 2^{0} hashes; the maximum is 2^{MOST_BEACON_EXPONENT}")]
    BeaconTooLong(u8),
    /// The key has no contribution.
    #[error("the key has no contribution: anyone can forge proofs with it")]
    NoContribution,
    /// The last contribution is not a beacon.
    #[error("the last contribution is not a beacon: the last contributor could have chosen among several keys")]
    NoBeacon,
    /// A contribution follows the beacon.
    #[error("contribution {0} is a beacon, but others follow it: a beacon must end the ceremony")]
    BeaconNotLast(usize),
    /// The key does not follow from the circuit's initial key and the contributions.
    #[error("the key does not follow from the circuit and the powers of tau: {0}")]
    KeyDoesNotFit(&'static str),
    /// The circuit hash in the key is the one that snarkjs before 0.7.0 computes.
    #[error(
        "the first key of this ceremony was made by snarkjs before 0.7.0, whose circuit hash differs from the one that \
         later versions and this program compute, so no check would accept the final key: make the first key again, \
         with snarkjs 0.7.0 or later or with `quotapass keys new-ceremony --ptau FILE`"
    )]
    FormerCircuitHash,
    /// The circuit hash in the key does not follow from its points.
    #[error(
        "the circuit hash in the key does not follow from its points, so no check would accept the final key: the file \
         was changed, or another program made it; make the first key again, with snarkjs 0.7.0 or later or with \
         `quotapass keys new-ceremony --ptau FILE`"
    )]
    CircuitHash,
    /// The name cannot be encoded.
    #[error("invalid contributor name: expected 1 to {MOST_NAME_CHARACTERS} characters without control characters")]
    Name,
    /// The beacon cannot be encoded.
    #[error("invalid beacon: expected a value of 1 to 255 bytes, hashed 2^10 to 2^{MOST_BEACON_EXPONENT} times")]
    Beacon,
}

/// Returns whether `g1.1 / g1.0` and `g2.1 / g2.0` are the same number. A ratio with the point at infinity counts as
/// different.
fn same_ratio(g1: (G1Affine, G1Affine), g2: (G2Affine, G2Affine)) -> bool {
    let any_infinity = g1.0.is_zero() || g1.1.is_zero() || g2.0.is_zero() || g2.1.is_zero();
    !any_infinity && Bn254::multi_pairing([g1.0, -g1.1], [g2.1, g2.0]).0 == ark_ff::One::one()
}
