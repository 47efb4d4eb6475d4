//! The subgroup check for points of the twist.

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod simd;

use ark_bn254::{Config, Fq2, G2Affine, G2Projective};
use ark_ec::{AffineRepr, bn::BnConfig};
use ark_ff::{AdditiveGroup, Field, Zero};

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
use crate::lanes::{Ifma, LANES, map_all};
use crate::{
    backend::{self, Backend},
    digits::non_adjacent_form,
    pairing::tower::{Factor, mul, square, sum_of_two},
};

/// The curve's parameter x. The orders of the field and of the groups are polynomials in x.
const X: u64 = Config::X[0];
/// The digits of x in non-adjacent form.
const DIGITS: (u128, u128) = non_adjacent_form(X);

/// Returns whether a point of the twist is in G2. The point must be on the twist.
///
/// Let ψ be the endomorphism untwist, Frobenius, twist. A point `P` of the twist is in the subgroup of order r if and
/// only if `[x + 1]P + ψ([x]P) + ψ²([x]P) = ψ³([2x]P)` (Dai, Lin, Zhao, Zhou:
/// [2022/348](https://eprint.iacr.org/2022/348), section 5.1, for BN curves). This needs one multiplication by a scalar
/// of 63 bits.
pub fn is_in_g2(point: &G2Affine) -> bool {
    match backend::current() {
        #[cfg(not(target_arch = "wasm32"))]
        Backend::Arkworks => point.is_in_correct_subgroup_assuming_on_curve(),
        Backend::Portable | Backend::Vectors => is_one_in_g2(point),
    }
}

/// Checks points of the twist, each as [`is_in_g2`] does.
pub fn are_in_g2(points: &[G2Affine]) -> Vec<bool> {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    if let Some(simd) = backend::vectors() {
        return map_all(points, |points| are_eight_in_g2(simd, points), is_one_in_g2);
    }
    points.iter().map(is_in_g2).collect()
}

fn is_one_in_g2(point: &G2Affine) -> bool {
    satisfies(point, &times_x(point))
}

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
fn are_eight_in_g2(simd: Ifma, points: &[G2Affine; LANES]) -> [bool; LANES] {
    let multiples = simd::times_x(simd, points);
    core::array::from_fn(|lane| match &multiples[lane] {
        Some(multiple) if !points[lane].is_zero() => satisfies(&points[lane], multiple),
        _ => is_one_in_g2(&points[lane]),
    })
}

/// Returns whether a point and its multiple by x satisfy the equation of [`is_in_g2`].
fn satisfies(point: &G2Affine, multiple: &G2Projective) -> bool {
    let once = psi(multiple);
    let twice = psi(&once);
    let left = *multiple + point + once + twice;
    left == psi(&twice).double()
}

/// Returns x times the point. The non-adjacent form of x has 24 nonzero digits.
fn times_x(point: &G2Affine) -> G2Projective {
    let negative = -*point;
    let mut multiple = G2Projective::zero();
    for index in (0..=u64::BITS).rev() {
        multiple = double(&multiple);
        if DIGITS.0 >> index & 1 == 1 {
            multiple = add(&multiple, point);
        } else if DIGITS.1 >> index & 1 == 1 {
            multiple = add(&multiple, &negative);
        }
    }
    multiple
}

/// Doubles a point in Jacobian coordinates (Explicit-Formulas Database, a = 0).
fn double(point: &G2Projective) -> G2Projective {
    let G2Projective { x, y, z } = point;
    let x_squared = square(x);
    let y_squared = square(y);
    let d = mul(x, &y_squared).double().double();
    let e = x_squared.double() + x_squared;
    let third = square(&e) - d.double();
    let minus_eight = -y_squared.double().double().double();
    let y_third = sum_of_two([&e, &y_squared], [&Factor::new(d - third), &Factor::new(minus_eight)]);
    G2Projective::new_unchecked(third, y_third, mul(y, z).double())
}

/// Adds an affine point other than infinity to a point in Jacobian coordinates. Points outside the subgroup may have
/// any order, so all special cases are handled.
fn add(point: &G2Projective, other: &G2Affine) -> G2Projective {
    let G2Projective { x, y, z } = point;
    if point.is_zero() {
        return other.into_group();
    }
    let z_squared = square(z);
    let h = mul(&other.x, &z_squared) - x;
    let r = mul(&other.y, &mul(z, &z_squared)) - y;
    if h.is_zero() {
        return if r.is_zero() { double(point) } else { G2Projective::zero() };
    }
    let h_squared = square(&h);
    let h_cubed = mul(&h, &h_squared);
    let v = mul(x, &h_squared);
    let third = square(&r) - h_cubed - v.double();
    let y_third = sum_of_two([&r, y], [&Factor::new(v - third), &Factor::new(-h_cubed)]);
    G2Projective::new_unchecked(third, y_third, mul(z, &h))
}

/// Applies the endomorphism ψ in Jacobian coordinates: Frobenius on each coordinate, then multiplication by two
/// constants of the twist.
fn psi(point: &G2Projective) -> G2Projective {
    if point.is_zero() {
        return *point;
    }
    let frobenius = |mut coordinate: Fq2| {
        coordinate.frobenius_map_in_place(1);
        coordinate
    };
    G2Projective::new_unchecked(
        frobenius(point.x) * Config::TWIST_MUL_BY_Q_X,
        frobenius(point.y) * Config::TWIST_MUL_BY_Q_Y,
        frobenius(point.z),
    )
}

#[cfg(test)]
mod tests {
    use ark_bn254::Fr;
    use ark_ec::{CurveGroup, PrimeGroup};
    use ark_ff::{PrimeField, UniformRand};
    use ark_std::test_rng;

    use super::*;

    /// Checks the definition: r times the point is the point at infinity.
    fn by_definition(point: &G2Affine) -> bool {
        point.mul_bigint(Fr::MODULUS).is_zero()
    }

    /// Returns a random point of the twist. About one in 2^254 is in the subgroup.
    fn on_the_twist(rng: &mut impl ark_std::rand::Rng) -> G2Affine {
        loop {
            if let Some(point) = G2Affine::get_point_from_x_unchecked(Fq2::rand(rng), bool::rand(rng)) {
                return point;
            }
        }
    }

    #[test]
    fn agrees_with_the_definition_inside_and_outside() {
        let mut rng = test_rng();
        for _ in 0..50 {
            let inside = G2Affine::rand(&mut rng);
            assert!(by_definition(&inside) && is_in_g2(&inside));
            let outside = on_the_twist(&mut rng);
            assert!(!by_definition(&outside) && !is_in_g2(&outside));
            // A point outside plus a point inside; then only the component whose order divides the cofactor.
            let moved = (outside + inside).into();
            assert!(!by_definition(&moved) && !is_in_g2(&moved));
            let cofactor_part = outside.mul_bigint(Fr::MODULUS).into();
            assert!(!by_definition(&cofactor_part) && !is_in_g2(&cofactor_part));
        }
    }

    const SMALL: u64 = 10_069;

    /// Returns a point of order 10,069, which is a prime factor of the cofactor.
    fn small_order(rng: &mut impl ark_std::rand::Rng) -> G2Affine {
        const COFACTOR_WITHOUT_SMALL: [u64; 4] =
            [0x6c3cd334915f1659, 0x207142f7671af448, 0x9e28bcf65b5681da, 0x13af7a58fce69];
        on_the_twist(rng).mul_bigint(Fr::MODULUS).mul_bigint(COFACTOR_WITHOUT_SMALL).into_affine()
    }

    /// The check by an endomorphism must refuse points of small order.
    #[test]
    fn refuses_points_of_small_order() {
        let mut rng = test_rng();
        for _ in 0..20 {
            let point = small_order(&mut rng);
            assert!(!point.is_zero() && point.mul_bigint([SMALL]).is_zero());
            assert!(!is_in_g2(&point));
        }
    }

    #[test]
    fn multiples_agree_with_arkworks() {
        let mut rng = test_rng();
        for _ in 0..20 {
            let point = on_the_twist(&mut rng);
            assert_eq!(times_x(&point), point.mul_bigint([X]));
            // Every case of an addition: a different point, the same point, its negative, and infinity.
            let multiple = point.mul_bigint([3]);
            let normal = multiple.into_affine();
            for (left, right) in
                [(multiple, point), (multiple, normal), (multiple, -normal), (G2Projective::zero(), point)]
            {
                assert_eq!(add(&left, &right), left + right);
            }
            assert_eq!(double(&multiple), multiple.double());
        }
        assert!(double(&G2Projective::zero()).is_zero());
    }

    #[test]
    fn many_points_are_judged_as_one_by_one() {
        let mut rng = test_rng();
        let point = |number| match number % 4 {
            0 => on_the_twist(&mut rng),
            1 => small_order(&mut rng),
            2 => G2Affine::zero(),
            _ => G2Affine::rand(&mut rng),
        };
        let points: Vec<_> = (0..19).map(point).collect();
        for count in [0, 1, 2, 3, 8, 9, 19] {
            let expected: Vec<_> = points[..count].iter().map(by_definition).collect();
            assert_eq!(are_in_g2(&points[..count]), expected);
        }
    }

    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    #[test]
    fn eight_points_are_judged_as_one_by_one() {
        let Some(simd) = crate::lanes::tests::vectors() else { return };
        let mut rng = test_rng();
        for _ in 0..20 {
            let inside: [G2Affine; 4] = core::array::from_fn(|_| G2Affine::rand(&mut rng));
            let outside: [G2Affine; 3] = core::array::from_fn(|_| on_the_twist(&mut rng));
            let small = small_order(&mut rng);
            let points = [inside[0], outside[0], inside[1], small, outside[1], inside[2], outside[2], inside[3]];
            assert_eq!(are_eight_in_g2(simd, &points), points.map(|point| by_definition(&point)));
            for (point, multiple) in points.iter().zip(simd::times_x(simd, &points)) {
                assert_eq!(multiple.unwrap(), times_x(point));
            }
        }
    }

    #[test]
    fn infinity_is_in_the_subgroup() {
        assert!(is_in_g2(&G2Affine::zero()));
    }
}
