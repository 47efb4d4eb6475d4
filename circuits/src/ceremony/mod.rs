//! The setup of keys by many people, of whom one honest one is enough.
//!
//! Groth16 needs a setup. Its first phase, powers of tau, is one for all circuits, and others have done it
//! ([2017/1050](https://eprint.iacr.org/2017/1050)); its second phase is a circuit's own. In the second phase each
//! contributor multiplies delta by a secret factor, divides two lists of points by it, and forgets it. Whoever knew all
//! factors, or those of the first phase, could forge proofs; nobody could see through one, whatever they know.
//!
//! This is snarkjs's ceremony, byte for byte: [`InitialKey`] makes what `snarkjs groth16 setup` makes, [`contribute`] and
//! [`apply_beacon`] continue each other's files and those of snarkjs, and [`InitialKey::check`] checks what
//! `snarkjs zkey verify` does, and no less.

mod check;
mod contribute;
mod generator;
mod initial;
mod powers;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod transcript;

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::{AffineRepr, pairing::Pairing};
use ark_relations::gr1cs::SynthesisError;

use crate::formats::iden3::Iden3Error;

pub use contribute::{Entropy, MOST_NAME_CHARACTERS, apply_beacon, contribute};
pub use initial::InitialKey;
pub(crate) use initial::coefficients;
pub use transcript::{verify_transcript, verify_whole_transcript};

/// The most hashes of a beacon that are computed, as a power of two: minutes of work.
pub const MOST_BEACON_EXPONENT: u8 = 32;

/// A ceremony that does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// A point of the powers of tau cannot be read.
    #[error("the powers of tau cannot be read: {0}")]
    Powers(#[from] Iden3Error),
    /// The circuit could not be described, which no circuit of this crate causes.
    #[error("the circuit cannot be described: {0}")]
    Circuit(#[from] SynthesisError),
    /// There are too few powers of tau, or the domain is larger than this ceremony's format allows.
    #[error(
        "the circuit needs powers of tau of power {needed}, and the file has power {found}; take a larger one (at most \
         power {most} can be used)",
        most = initial::MOST_POWER
    )]
    TooFewPowers {
        /// The power needed.
        needed: u32,
        /// The file's power.
        found: u32,
    },
    /// The powers of tau are no powers of one number.
    #[error("the powers of tau are damaged: {0}")]
    PowersDoNotFit(&'static str),
    /// Nobody has contributed to the powers of tau.
    #[error("nobody has contributed to these powers of tau: whoever made the file can forge proofs")]
    NoPowersContribution,
    /// The key's transcript is broken at a contribution.
    #[error(
        "contribution {number} of the key does not follow from those before it: {reason}. One is missing, in another \
         place, or changed"
    )]
    Contribution {
        /// Counted from one.
        number: usize,
        /// What does not hold.
        reason: &'static str,
    },
    /// A beacon of more hashes than are computed.
    #[error("the beacon asks for 2^{0} hashes; at most 2^{MOST_BEACON_EXPONENT} are computed")]
    BeaconTooLong(u8),
    /// Nobody has contributed.
    #[error("nobody has contributed to this key: with it anybody can forge proofs")]
    NoContribution,
    /// The ceremony has no end.
    #[error("the last contribution is not a beacon: the last contributor could have chosen among keys")]
    NoBeacon,
    /// Something follows the beacon.
    #[error("contribution {0} is a beacon, and others follow it: a beacon ends a ceremony")]
    BeaconNotLast(usize),
    /// The key is not what the contributions make of the circuit's initial key.
    #[error("the key does not follow from circuit and powers of tau: {0}")]
    KeyDoesNotFit(&'static str),
    /// A name that cannot be written.
    #[error("the name of a contributor has 1 to {MOST_NAME_CHARACTERS} characters, none of them a control character")]
    Name,
    /// A beacon that cannot be written.
    #[error("a beacon is a value of 1 to 255 bytes, hashed 2^10 to 2^{MOST_BEACON_EXPONENT} times")]
    Beacon,
}

/// Whether `g1.1 / g1.0` and `g2.1 / g2.0` are the same number. Infinity has no ratio.
fn same_ratio(g1: (G1Affine, G1Affine), g2: (G2Affine, G2Affine)) -> bool {
    let any_infinity = g1.0.is_zero() || g1.1.is_zero() || g2.0.is_zero() || g2.1.is_zero();
    !any_infinity && Bn254::multi_pairing([g1.0, -g1.1], [g2.1, g2.0]).0 == ark_ff::One::one()
}
