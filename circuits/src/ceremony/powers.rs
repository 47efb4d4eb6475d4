//! That a file of powers of tau holds powers of one number, and their Lagrange bases.

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::UniformRand;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_relations::gr1cs::SynthesisError;
use ark_std::rand::{CryptoRng, RngCore};

use super::{CeremonyError, same_ratio};
use crate::formats::iden3::{Lagrange, Powers, Ptau};

/// Reads the powers of a domain of 2^`power` and checks them: each list is a geometric series with the ratio tau, which
/// starts where it should, and each Lagrange basis is that of its list. Lists are compared by random linear
/// combinations, in which a difference survives with probability 1 - 1/r.
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
        return fault("there are none");
    };
    if powers.tau_g1.first() != Some(&g1) || powers.tau_g2.first() != Some(&g2) {
        return fault("the first is not the generator");
    }
    let firsts = (Some(&last.alpha_g1), Some(&last.beta_g1), &last.tau_g1, &last.tau_g2, &last.beta_g2);
    let file = (powers.alpha_g1.first(), powers.beta_g1.first(), tau_g1, tau_g2, &powers.beta_g2);
    if firsts != file {
        return fault("they are not those of the last contribution");
    }
    if !same_ratio((g1, last.beta_g1), (g2, powers.beta_g2)) {
        return fault("beta is not the same in G1 and G2");
    }
    for (what, list) in [
        ("those in G1 are no geometric series", &powers.tau_g1),
        ("those times alpha are no geometric series", &powers.alpha_g1),
        ("those times beta are no geometric series", &powers.beta_g1),
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
        return fault("those in G2 are no geometric series");
    }

    let lagrange = ptau.lagrange(power)?;
    for (what, basis, powers) in [
        ("the Lagrange basis in G1 is another's", &lagrange.tau_g1, &powers.tau_g1),
        ("the Lagrange basis times alpha is another's", &lagrange.alpha_g1, &powers.alpha_g1),
        ("the Lagrange basis times beta is another's", &lagrange.beta_g1, &powers.beta_g1),
        ("the Lagrange basis of the double domain is another's", &lagrange.double_tau_g1, &powers.tau_g1),
    ] {
        if !is_basis(basis, powers, rng)? {
            return fault(what);
        }
    }
    if !is_basis(&lagrange.tau_g2, &powers.tau_g2, rng)? {
        return fault("the Lagrange basis in G2 is another's");
    }
    Ok((powers, lagrange))
}

/// Whether points are the Lagrange polynomials of a domain at tau. Where the last power is not there, it is left out of
/// the polynomials.
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

/// Scalars that whoever made the file could not know.
pub(super) fn random(count: usize, rng: &mut (impl RngCore + CryptoRng)) -> Vec<Fr> {
    (0..count).map(|_| Fr::rand(rng)).collect()
}
