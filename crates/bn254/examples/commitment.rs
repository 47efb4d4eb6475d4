//! Commits to a polynomial, and opens the commitment at a point (Kate, Zaverucha, Goldberg: ASIACRYPT 2010).
//!
//! The secret number of the setup is in this file, so these commitments are **insecure**.

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use quotapass_bn254::{
    backend,
    msm::FixedBases,
    pairing::{Lines, Target, miller_loop},
};

/// Number of coefficients of a polynomial.
const SIZE: usize = 16;

fn main() -> Result<(), backend::BackendError> {
    println!("backend: {}", backend::selected()?.name());

    // The setup: the powers of a number that must stay unknown, times the generator of G1.
    let tau = Fr::from(123_456_789);
    let powers = core::iter::successors(Some(G1Projective::generator()), |power| Some(*power * tau));
    let powers: Vec<G1Affine> = G1Projective::normalize_batch(&powers.take(SIZE).collect::<Vec<_>>());
    let table = FixedBases::new(&powers, 8);
    let commit = |coefficients: &[Fr]| table.sum(&(0..).zip(coefficients.iter().copied()).collect::<Vec<_>>());

    // The commitment to f, and the opening at x: the quotient of f - f(x) by X - x, by Horner's rule.
    let f: Vec<Fr> = (1..=SIZE as u64).map(Fr::from).collect();
    let commitment = commit(&f);
    let x = Fr::from(5);
    let mut quotient = vec![Fr::from(0); SIZE];
    let mut value = Fr::from(0);
    for (coefficient, quotient) in f.iter().zip(&mut quotient).rev() {
        *quotient = value;
        value = value * x + coefficient;
    }
    let opening = commit(&quotient);

    // e(C - y G, H) = e(opening, tau H - x H)
    let h = G2Projective::generator();
    let [lines, shifted] = [h, h * (tau - x)].map(|point| Lines::of(&G2Affine::from(point)));
    let is_valid = |value: Fr| {
        let left = commitment - G1Projective::generator() * value;
        Target::of(&miller_loop(&[(&lines, left), (&shifted, -opening)])) == Target::ONE
    };
    assert!(is_valid(value) && !is_valid(value + Fr::from(1)));
    println!("f({x}) = {value}");
    Ok(())
}

#[test]
fn a_commitment_opens_to_its_value_alone() {
    assert_eq!(main(), Ok(()));
}
