//! Checks that a file of powers of tau holds powers of one number, and their Lagrange bases.

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::UniformRand;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_relations::gr1cs::SynthesisError;
use ark_std::rand::{CryptoRng, RngCore};

use super::{CeremonyError, same_ratio};
use crate::iden3::{Lagrange, Powers, Ptau};

/// Reads the powers of a domain of 2^`power` and checks them: each list is a geometric series with the ratio tau and
/// the correct first element, and each Lagrange basis matches its list. Lists are compared by random linear
/// combinations, which detect a difference with probability 1 - 1/r.
pub(super) fn verified(
    ptau: &Ptau<'_>,
    power: u32,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(Powers, Lagrange), CeremonyError> {
    let Some(last) = ptau.contributions().last() else { return Err(CeremonyError::NoPowersContribution) };
    let powers = ptau.powers(power)?;
    let fault = |what| Err(CeremonyError::PowersDoNotFit(what));
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    let (Some(tau_g1), Some(tau_g2)) = (powers.tau_g1.get(1), powers.tau_g2.get(1)) else {
        return fault("a list of powers is empty");
    };
    if powers.tau_g1.first() != Some(&g1) || powers.tau_g2.first() != Some(&g2) {
        return fault("the first is not the generator");
    }
    let firsts = (Some(&last.alpha_g1), Some(&last.beta_g1), &last.tau_g1, &last.tau_g2, &last.beta_g2);
    let file = (powers.alpha_g1.first(), powers.beta_g1.first(), tau_g1, tau_g2, &powers.beta_g2);
    if firsts != file {
        return fault("they differ from the points of the last contribution");
    }
    if !same_ratio((g1, last.beta_g1), (g2, powers.beta_g2)) {
        return fault("beta differs between G1 and G2");
    }
    for (what, list) in [
        ("the powers in G1 are not a geometric series", &powers.tau_g1),
        ("the powers times alpha are not a geometric series", &powers.alpha_g1),
        ("the powers times beta are not a geometric series", &powers.beta_g1),
    ] {
        let scalars = random(list.len() - 1, rng);
        let sum = |points: &[G1Affine]| G1Projective::msm_unchecked(points, &scalars).into_affine();
        if !same_ratio((sum(&list[..list.len() - 1]), sum(&list[1..])), (g2, *tau_g2)) {
            return fault(what);
        }
    }
    let scalars = random(powers.tau_g2.len() - 1, rng);
    let sum = |points: &[G2Affine]| G2Projective::msm_unchecked(points, &scalars).into_affine();
    if !same_ratio((g1, *tau_g1), (sum(&powers.tau_g2[..scalars.len()]), sum(&powers.tau_g2[1..]))) {
        return fault("the powers in G2 are not a geometric series");
    }

    let lagrange = ptau.lagrange(power)?;
    for (what, basis, powers) in [
        ("the Lagrange basis in G1 does not match the powers", &lagrange.tau_g1, &powers.tau_g1),
        ("the Lagrange basis times alpha does not match the powers", &lagrange.alpha_g1, &powers.alpha_g1),
        ("the Lagrange basis times beta does not match the powers", &lagrange.beta_g1, &powers.beta_g1),
        ("the Lagrange basis of the double domain does not match the powers", &lagrange.double_tau_g1, &powers.tau_g1),
    ] {
        if !is_basis(basis, powers, rng)? {
            return fault(what);
        }
    }
    if !is_basis(&lagrange.tau_g2, &powers.tau_g2, rng)? {
        return fault("the Lagrange basis in G2 does not match the powers");
    }
    Ok((powers, lagrange))
}

/// Returns whether points are the Lagrange polynomials of a domain at tau. If the last power is missing, the
/// polynomials are compared without it.
fn is_basis<G: AffineRepr<ScalarField = Fr>>(
    basis: &[G],
    powers: &[G],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<bool, CeremonyError>
where
    G::Group: VariableBaseMSM<MulBase = G>,
{
    let values = random(basis.len(), rng);
    let domain = Radix2EvaluationDomain::<Fr>::new(basis.len()).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
    let coefficients = domain.ifft(&values);
    let length = powers.len().min(basis.len());
    let sum = G::Group::msm_unchecked(&powers[..length], &coefficients[..length]);
    Ok(sum == G::Group::msm_unchecked(basis, &values))
}

/// Draws random scalars, which the creator of the file could not know.
pub(super) fn random(count: usize, rng: &mut (impl RngCore + CryptoRng)) -> Vec<Fr> {
    (0..count).map(|_| Fr::rand(rng)).collect()
}
