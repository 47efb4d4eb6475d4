//! The points of the quotient, in two bases.
//!
//! A key has them in the Lagrange basis of the odd powers of a root of unity of order 2n. The transcript and bellman's
//! files have them as `tau^i (tau^n - 1)` for i below n - 1, because the quotient has at most this degree: the
//! component of i = n - 1 enters no proof. Files that differ only in it are keys for the same proofs. A key differs in
//! it if one of its contributions went through `snarkjs zkey export bellman`, or if its powers of tau came from a larger
//! file of the same ceremony.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Zero;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_relations::gr1cs::SynthesisError;
use ark_std::rand::{CryptoRng, RngCore};

use super::powers;

type Domain = Radix2EvaluationDomain<Fr>;

/// Returns the domain of this size, and a root of unity of twice its order, whose square generates the domain.
fn domain(size: usize) -> Result<(Domain, Fr), SynthesisError> {
    let domain = Domain::new(size).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
    let double = Domain::new(2 * size).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
    Ok((domain, double.group_gen()))
}

/// Draws factors of a random linear combination of a key's points of the quotient, in which the component that enters
/// no proof has the factor zero. `snarkjs zkey verify` compares keys by such combinations.
pub(super) fn random_combination(size: usize, rng: &mut (impl RngCore + CryptoRng)) -> Result<Vec<Fr>, SynthesisError> {
    let (domain, root) = domain(size)?;
    let mut factors = powers::random(size.saturating_sub(1), rng);
    factors.push(Fr::zero());
    Domain::distribute_powers(&mut factors, root);
    domain.fft_in_place(&mut factors);
    Ok(factors)
}

/// Power of the smallest domain for which snarkjs hashes one point of the quotient more than there are. It reads the
/// points in blocks of 2^14, and its last block is not cut at the end. The additional point needs a power of tau that only
/// a larger file has; with a file of the domain's own power, snarkjs hashes bytes that are no point.
const ADDITIONAL_POINT_FROM: u32 = 15;

/// Returns how many points of the quotient enter the circuit hash for a domain of n: those for i below n - 1, and for
/// large domains the point for n - 1 too.
pub(super) fn hashed(n: usize) -> usize {
    if n.trailing_zeros() < ADDITIONAL_POINT_FROM { n - 1 } else { n }
}

/// Returns `tau^i (tau^n - 1)` for i below [`hashed`] from a key's points of the quotient, before the first contribution.
pub(super) fn in_powers(points: &[G1Affine]) -> Result<Vec<G1Affine>, SynthesisError> {
    let (domain, root) = domain(points.len())?;
    let mut powers: Vec<G1Projective> = points.iter().map(|point| point.into_group()).collect();
    domain.fft_in_place(&mut powers);
    // On the odd powers of the root, x^n - 1 is -2.
    Domain::distribute_powers_and_mul_by_const(&mut powers, root, -Fr::from(2u64));
    powers.truncate(hashed(points.len()));
    Ok(G1Projective::normalize_batch(&powers))
}
