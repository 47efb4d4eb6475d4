//! The operations on plain arkworks. The backend that the others are compared with calls them.

use ark_bn254::{Bn254, Fq12, Fr, G1Projective, G2Affine};
use ark_ec::{
    pairing::{MillerLoopOutput, Pairing},
    scalar_mul::variable_base::VariableBaseMSM,
    short_weierstrass::{Affine, Projective, SWCurveConfig},
};
use ark_ff::AdditiveGroup;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};

/// Returns the sum of points, each times its scalar.
pub(crate) fn sum<P: SWCurveConfig>(terms: impl Iterator<Item = (Affine<P>, P::ScalarField)>) -> Projective<P> {
    let (bases, scalars): (Vec<_>, Vec<_>) = terms.unzip();
    Projective::msm_unchecked(&bases, &scalars)
}

/// Returns the product of Miller's functions of the pairs.
pub(crate) fn miller_loop(pairs: impl Iterator<Item = (G1Projective, G2Affine)>) -> Fq12 {
    let (a, b): (Vec<_>, Vec<_>) = pairs.unzip();
    Bn254::multi_miller_loop(a, b).0
}

/// Returns the final exponentiation, and zero for zero.
pub(crate) fn final_exponentiation(value: &Fq12) -> Fq12 {
    Bn254::final_exponentiation(MillerLoopOutput(*value)).map_or(Fq12::ZERO, |output| output.0)
}

/// A domain and its odd coset.
#[derive(Clone, Debug)]
pub(crate) struct Domains {
    domain: Radix2EvaluationDomain<Fr>,
    coset: Radix2EvaluationDomain<Fr>,
}

impl Domains {
    /// Creates the domain of `size` elements, and its coset by a root of unity of order `2 * size`.
    pub(crate) fn new(size: usize, double_root: Fr) -> Option<Self> {
        let domain = Radix2EvaluationDomain::new(size)?;
        Some(Self { domain, coset: domain.get_coset(double_root)? })
    }

    /// Replaces values on the domain by values on the coset.
    pub(crate) fn evaluate(&self, values: &mut [Fr]) {
        values.copy_from_slice(&self.coset.fft(&self.domain.ifft(values)));
    }
}
