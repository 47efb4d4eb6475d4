//! Short coefficients, as a batch verification draws them, and the multiples of points of G1 by them.

use ark_bn254::{Fq, Fr, G1Affine, G1Projective, g1};
use ark_ec::{CurveGroup, scalar_mul::glv::GLVConfig};
use ark_ff::{AdditiveGroup, Zero};

#[cfg(not(target_arch = "wasm32"))]
use crate::arkworks;
use crate::{
    backend::{self, Backend},
    digits::non_adjacent_form,
};

/// Number of digits of a 64-bit number in non-adjacent form.
const DIGITS: usize = 65;

/// A coefficient `a + λ b` with `a` and `b` of 64 bits, where `λ^2 + λ + 1 = 0` modulo r. The endomorphism
/// `φ(x, y) = (β x, y)` of G1 multiplies a point by `λ` (Gallant, Lambert, Vanstone: CRYPTO 2001), so such a
/// coefficient needs half the doublings of a 128-bit number.
///
/// All 2^128 coefficients are distinct modulo r. Suppose that two were equal. Their difference is `u + λ v`, where u
/// and v are less than 2^64 in magnitude and not both zero. If it were zero modulo r, then r would divide the norm
/// `u^2 - u v + v^2`. But this norm is positive and below `3 * 2^128 < r`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coefficient {
    /// The part that is not multiplied by `λ`.
    pub a: u64,
    /// The part that is multiplied by `λ`.
    pub b: u64,
}

impl Coefficient {
    /// Returns the coefficient modulo r.
    pub fn to_field(self) -> Fr {
        Fr::from(self.a) + g1::Config::LAMBDA * Fr::from(self.b)
    }

    /// Returns the pairs of digits of `a` and `b`, highest first, as indices of multiples. A digit is -1, 0 or 1.
    fn digits(self) -> impl Iterator<Item = Option<Digit>> {
        let [(a, minus_a), (b, minus_b)] = [self.a, self.b].map(non_adjacent_form);
        let at = |bits: u128, index: usize| (bits >> index & 1) as i8;
        (0..DIGITS).rev().map(move |i| Digit::new(at(a, i) - at(minus_a, i), at(b, i) - at(minus_b, i)))
    }
}

/// A pair of digits: the index of one of a point's [`Multiples`], and its sign.
#[derive(Clone, Copy, Debug)]
struct Digit {
    multiple: usize,
    negative: bool,
}

impl Digit {
    fn new(a: i8, b: i8) -> Option<Self> {
        let multiple = match (a, b) {
            (0, 0) => return None,
            (_, 0) => 0,
            (0, _) => 1,
            _ if a == b => 2,
            _ => 3,
        };
        Some(Self { multiple, negative: if a == 0 { b < 0 } else { a < 0 } })
    }
}

/// `P`, `φ(P)`, `P + φ(P)` and `P - φ(P)`.
pub struct Multiples([G1Affine; 4]);

impl Multiples {
    /// Computes the multiples of points. None of the points may be infinity.
    pub fn of(points: &[G1Affine]) -> Vec<Self> {
        let differences: Vec<G1Projective> = points.iter().map(|point| *point - phi(point)).collect();
        let differences = G1Projective::normalize_batch(&differences);
        let multiples = points.iter().zip(differences).map(|(point, difference)| {
            let once = phi(point);
            // 1 + λ = -λ^2.
            Self([*point, once, -phi(&once), difference])
        });
        multiples.collect()
    }

    fn add_to(&self, sum: &mut G1Projective, Digit { multiple, negative }: Digit) {
        if negative {
            *sum -= self.0[multiple];
        } else {
            *sum += self.0[multiple];
        }
    }

    /// Returns the point times a coefficient.
    pub fn times(&self, coefficient: Coefficient) -> G1Projective {
        match backend::current() {
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Arkworks => self.0[0] * coefficient.to_field(),
            Backend::Portable | Backend::Vectors => self.times_by_digits(coefficient),
        }
    }

    fn times_by_digits(&self, coefficient: Coefficient) -> G1Projective {
        let mut product = G1Projective::zero();
        for digit in coefficient.digits() {
            product.double_in_place();
            if let Some(digit) = digit {
                self.add_to(&mut product, digit);
            }
        }
        product
    }

    /// Returns the sum of points, each times its coefficient. All products share the doublings (Straus: "Addition
    /// chains of vectors", American Mathematical Monthly 71, 1964).
    pub fn sum(multiples: &[Self], coefficients: &[Coefficient]) -> G1Projective {
        match backend::current() {
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Arkworks => {
                let terms = multiples.iter().zip(coefficients);
                arkworks::sum(terms.map(|(multiples, coefficient)| (multiples.0[0], coefficient.to_field())))
            }
            Backend::Portable | Backend::Vectors => Self::sum_by_digits(multiples, coefficients),
        }
    }

    fn sum_by_digits(multiples: &[Self], coefficients: &[Coefficient]) -> G1Projective {
        let mut digits: Vec<_> = coefficients.iter().map(|coefficient| coefficient.digits()).collect();
        let mut sum = G1Projective::zero();
        for _ in 0..DIGITS {
            sum.double_in_place();
            for (multiples, digits) in multiples.iter().zip(&mut digits) {
                if let Some(digit) = digits.next().flatten() {
                    multiples.add_to(&mut sum, digit);
                }
            }
        }
        sum
    }
}

/// Applies the endomorphism: returns `λ` times the point.
fn phi(point: &G1Affine) -> G1Affine {
    const BETA: Fq = g1::Config::ENDO_COEFFS[0];
    G1Affine::new_unchecked(point.x * BETA, point.y)
}

#[cfg(test)]
mod tests {
    use ark_ff::{Field, UniformRand};
    use ark_std::{rand::Rng, test_rng};

    use super::*;

    fn coefficients(rng: &mut impl Rng) -> Vec<Coefficient> {
        let edges = [0, 1, 2, 3, u64::MAX, u64::MAX - 1, 1 << 63, 0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa];
        let pairs = edges.iter().flat_map(|a| edges.iter().map(|b| Coefficient { a: *a, b: *b }));
        let mut coefficients: Vec<_> = pairs.collect();
        coefficients.extend((0..50).map(|_| Coefficient { a: rng.r#gen(), b: rng.r#gen() }));
        coefficients
    }

    #[test]
    fn lambda_is_a_cube_root_of_unity_and_phi_multiplies_by_it() {
        let lambda = g1::Config::LAMBDA;
        assert_eq!(lambda.square() + lambda + Fr::from(1), Fr::from(0));
        let point = G1Affine::rand(&mut test_rng());
        assert_eq!(phi(&point), (point * lambda).into_affine());
    }

    #[test]
    fn multiples_agree_with_arkworks() {
        let mut rng = test_rng();
        let coefficients = coefficients(&mut rng);
        let points: Vec<_> = coefficients.iter().map(|_| G1Affine::rand(&mut rng)).collect();
        let multiples = Multiples::of(&points);
        let mut sum = G1Projective::zero();
        for ((point, multiples), coefficient) in points.iter().zip(&multiples).zip(&coefficients) {
            let expected = *point * coefficient.to_field();
            assert_eq!(multiples.times(*coefficient), expected, "{coefficient:?}");
            sum += expected;
        }
        assert_eq!(Multiples::sum(&[], &[]), G1Projective::zero());
        assert_eq!(Multiples::sum(&multiples, &coefficients), sum);
    }

    #[test]
    fn multiples_of_one_point_may_meet_in_the_sum() {
        let point = G1Affine::rand(&mut test_rng());
        let multiples = Multiples::of(&[point, -point, point]);
        let one = Coefficient { a: 7, b: 9 };
        assert_eq!(Multiples::sum(&multiples[..2], &[one, one]), G1Projective::zero());
        assert_eq!(Multiples::sum(&multiples[1..], &[one, one]), G1Projective::zero());
    }
}
