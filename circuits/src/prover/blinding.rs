//! Blinding, which makes a proof zero-knowledge.
//!
//! Groth16 ([2016/260](https://eprint.iacr.org/2016/260)) blinds A and B with multiples `r` and `s` of delta. This
//! needs a third sum over the variables, B in G1. Rerandomising an unblinded proof has the same effect without this
//! sum. For every nonzero `rho` and every `sigma`, if `(A, B, C)` verifies, then so does
//!
//! `A' = rho A`, `B' = rho^-1 B + sigma delta`, `C' = C + sigma A'`,
//!
//! since `e(A', B') = e(A, B) + e(sigma A', delta)`. This is the rerandomisation of Baghery, Kohlweiss, Siim and
//! Volkhov ([2020/811](https://eprint.iacr.org/2020/811), figure 1) with `r1 = 1/rho` and `r2 = sigma rho`. In arkworks
//! it is the function `rerandomize_proof`.
//!
//! The result is perfectly zero-knowledge:
//!
//! - A is not zero, because a proof with A = 0 is refused as degenerate. `rho` is uniform and nonzero. So A' is uniform
//!   among the points other than infinity, for every A.
//! - Given `rho`, B' is uniform, because `sigma` is uniform.
//! - C' is the only point that satisfies the equation for A', B' and the public inputs.
//!
//! So the proof's distribution depends only on the public inputs. It equals the distribution of the simulator of
//! Groth16, except that the simulator also makes proofs with A' = 0, with probability `1/r`. Both numbers are drawn
//! anew for every proof. So the argument holds for any number of proofs of one member together, and it does not matter
//! whether A, B and C were summed in one pass or partly in advance.

use ark_bn254::{Bn254, Fr, G1Projective, G2Projective};
use ark_ec::{CurveGroup, PrimeGroup};
#[cfg(target_arch = "wasm32")]
use ark_ff::{BitIteratorBE, PrimeField};
use ark_ff::{Field, UniformRand, Zero};
use ark_std::rand::{CryptoRng, RngCore};
use quotapass_bn254::threads;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::proof::{Proof, ProofError};

/// The sums of a proof before blinding. With them an attacker can test guesses of the witness, so they are zeroized.
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

    /// The scalar of delta in the sum B in G2: `rho sigma`, because the sum is then multiplied by `rho^-1`.
    pub(super) fn delta(&self) -> Fr {
        self.rho * self.sigma
    }

    /// Blinds sums. The sum B must already contain [the multiple](Self::delta) of delta.
    ///
    /// # Errors
    /// [`ProofError::Infinity`] if a point is infinity, with probability 2^-253.
    pub(super) fn apply(&self, sums: &Sums) -> Result<Proof, ProofError> {
        if sums.a.is_zero() {
            return Err(ProofError::Infinity);
        }
        let (a, b) = threads::join(|| times(sums.a, self.rho), || times(sums.b, self.inverse));
        let c = sums.c + times(a, self.sigma);
        let points = G1Projective::normalize_batch(&[a, c]);
        let [a, c] = points[..] else { return Err(ProofError::Infinity) };
        Proof::new(ark_groth16::Proof::<Bn254> { a, b: b.into_affine(), c })
    }
}

/// Returns a multiple of a point.
#[cfg(not(target_arch = "wasm32"))]
fn times<G: PrimeGroup<ScalarField = Fr>>(point: G, scalar: Fr) -> G {
    point * scalar
}

/// Returns a multiple of a point, by double-and-add: the faster algorithm of arkworks would add 50 KB of big-integer
/// arithmetic to the module.
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
