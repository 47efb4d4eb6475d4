//! What makes a proof zero-knowledge.
//!
//! Groth16 (2016/260) blinds A and B with multiples `r` and `s` of delta, and pays for it with a third sum over the
//! variables, B in G1. Rerandomising a proof that is not blinded does the same without that sum: for any `rho` other than
//! zero and any `sigma`, if `(A, B, C)` verifies then so does
//!
//! `A' = rho A`, `B' = rho^-1 B + sigma delta`, `C' = C + sigma A'`,
//!
//! since `e(A', B') = e(A, B) + e(sigma A', delta)`. It is the rerandomisation of Baghery, Kohlweiss, Siim and Volkhov
//! ([2020/811](https://eprint.iacr.org/2020/811), figure 1) with `r1 = 1/rho` and `r2 = sigma rho`, which arkworks has as
//! `rerandomize_proof`.
//!
//! Zero knowledge, perfectly: A is not zero (a proof with A = 0 is refused as degenerate), so with `rho` uniform and not
//! zero A' is uniform among the points other than infinity, whatever A is. Given `rho`, B' is uniform because `sigma` is.
//! C' is the one point that makes the equation hold for A', B' and the public inputs. So the proof's distribution depends
//! on the public inputs alone: it is that of the simulator of Groth16, but for the proofs with A' = 0, which that one makes
//! with probability 1/r. Both numbers are drawn afresh for every proof, so this holds for any number of proofs of one
//! member together, and no matter whether A, B and C were summed at once or in part beforehand.

use ark_bn254::{Bn254, Fr, G1Projective, G2Projective};
use ark_ec::{CurveGroup, PrimeGroup};
#[cfg(target_arch = "wasm32")]
use ark_ff::{BitIteratorBE, PrimeField};
use ark_ff::{Field, UniformRand, Zero};
use ark_std::rand::{CryptoRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::proof::{Proof, ProofError};

/// The sums of a proof before it is blinded. Whoever sees them can test guesses of the witness, so they are zeroized.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Sums {
    pub(super) a: G1Projective,
    pub(super) b: G2Projective,
    pub(super) c: G1Projective,
}

impl core::ops::AddAssign<&Self> for Sums {
    fn add_assign(&mut self, other: &Self) {
        self.a += other.a;
        self.b += other.b;
        self.c += other.c;
    }
}

/// The two random numbers of one proof.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Blinding {
    rho: Fr,
    inverse: Fr,
    sigma: Fr,
}

impl Blinding {
    pub(super) fn random(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        loop {
            let rho = Fr::rand(rng);
            if let Some(inverse) = rho.inverse() {
                return Self { rho, inverse, sigma: Fr::rand(rng) };
            }
        }
    }

    /// What delta in G2 is to be multiplied by within the sum B: `rho sigma`, for the whole is multiplied by `rho^-1`.
    pub(super) fn delta(&self) -> Fr {
        self.rho * self.sigma
    }

    /// Blinds sums in whose B delta has been added [as often as it must](Self::delta).
    ///
    /// # Errors
    /// [`ProofError::Infinity`] if a point comes out as infinity, with probability 2^-253.
    pub(super) fn apply(&self, sums: &Sums) -> Result<Proof, ProofError> {
        if sums.a.is_zero() {
            return Err(ProofError::Infinity);
        }
        let (a, b) = super::threads::join(|| times(sums.a, self.rho), || times(sums.b, self.inverse));
        let c = sums.c + times(a, self.sigma);
        let points = G1Projective::normalize_batch(&[a, c]);
        let [a, c] = points[..] else { return Err(ProofError::Infinity) };
        Proof::new(ark_groth16::Proof::<Bn254> { a, b: b.into_affine(), c })
    }
}

/// A multiple of a point.
#[cfg(not(target_arch = "wasm32"))]
fn times<G: PrimeGroup<ScalarField = Fr>>(point: G, scalar: Fr) -> G {
    point * scalar
}

/// A multiple of a point, by double and add: arkworks' quicker way brings 50 KB of arithmetic of big integers along.
#[cfg(target_arch = "wasm32")]
fn times<G: PrimeGroup<ScalarField = Fr>>(point: G, scalar: Fr) -> G {
    point.mul_bits_be(BitIteratorBE::without_leading_zeros(scalar.into_bigint()))
}

#[cfg(test)]
impl Blinding {
    pub(super) fn of(rho: Fr, sigma: Fr) -> Self {
        Self { rho, inverse: rho.inverse().unwrap_or_default(), sigma }
    }
}
