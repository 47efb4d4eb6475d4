//! Inverses and square roots, computed as powers.
//!
//! The binary algorithm for inverses has a mispredicted branch at every other bit. A power takes a third of its time.

use ark_bn254::{Fq, Fq2, Fq6, Fq12, FqConfig};
use ark_ff::{AdditiveGroup, BigInt, Field, MontConfig, MontFp, Zero};

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
use crate::lanes::{Ifma, LANES, map_all, powers};
use crate::{
    backend::{self, Backend},
    digits::power,
    pairing::tower::{mul, mul_by_v, mul_by_xi, mul_fq6, square},
};

const MODULUS: BigInt<4> = <FqConfig as MontConfig<4>>::MODULUS;
/// `(q - 3) / 4`: q is 3 modulo 4.
const FOR_ROOTS: [u64; 4] = MODULUS.divide_by_2_round_down().divide_by_2_round_down().0;
/// `q - 2`.
const FOR_INVERSES: [u64; 4] = [MODULUS.0[0] - 2, MODULUS.0[1], MODULUS.0[2], MODULUS.0[3]];
/// Odd powers in the table, for windows of five bits.
const ODD_POWERS: usize = 16;
/// `1 / 2`.
const HALF: Fq = MontFp!("10944121435919637611123202872628637544348155578648911831344518947322613104292");

fn pow(x: &Fq, exponent: &[u64; 4]) -> Fq {
    let square = x.square();
    let mut odd_powers = [*x; ODD_POWERS];
    for i in 1..ODD_POWERS {
        odd_powers[i] = odd_powers[i - 1] * square;
    }
    power(exponent, &odd_powers, |x| x.square(), |x, y| *x * y).unwrap_or(Fq::ONE)
}

/// Returns `1 / x`, or zero for zero.
pub(crate) fn inverse(x: &Fq) -> Fq {
    pow(x, &FOR_INVERSES)
}

/// Returns `1 / x` in Fq2, or zero for zero.
pub(crate) fn inverse_fq2(x: &Fq2) -> Fq2 {
    let inverse = inverse(&(x.c0.square() + x.c1.square()));
    Fq2::new(x.c0 * inverse, -(x.c1 * inverse))
}

/// Returns `1 / x` in Fq12, or zero for zero.
pub(crate) fn inverse_fq12(x: &Fq12) -> Fq12 {
    let inverse = inverse_fq6(&(mul_fq6(&x.c0, &x.c0) - mul_by_v(&mul_fq6(&x.c1, &x.c1))));
    Fq12::new(mul_fq6(&x.c0, &inverse), -mul_fq6(&x.c1, &inverse))
}

/// Returns `1 / x` in Fq6, or zero for zero. It is the product of the two conjugates of x divided by its norm to Fq2
/// (Itoh, Tsujii: "A fast algorithm for computing multiplicative inverses in GF(2^m) using normal bases", 1988).
fn inverse_fq6(x: &Fq6) -> Fq6 {
    let conjugates = Fq6::new(
        square(&x.c0) - mul_by_xi(&mul(&x.c1, &x.c2)),
        mul_by_xi(&square(&x.c2)) - mul(&x.c0, &x.c1),
        square(&x.c1) - mul(&x.c0, &x.c2),
    );
    let norm = mul_fq6(x, &conjugates).c0;
    let inverse = inverse_fq2(&norm);
    Fq6::new(mul(&conjugates.c0, &inverse), mul(&conjugates.c1, &inverse), mul(&conjugates.c2, &inverse))
}

/// Returns `x^((q + 1) / 4)` and `x^((q - 3) / 4)`: a square root of x or -x, and its inverse up to sign (Scott:
/// [2020/1497](https://eprint.iacr.org/2020/1497)).
///
/// If x is a nonzero square, the first is a square root of x and the second is its inverse. If x is not a square, the
/// first is a square root of `-x` and the second is the negative of its inverse.
fn root_and_inverse(x: &Fq) -> (Fq, Fq) {
    let inverse = pow(x, &FOR_ROOTS);
    (inverse * x, inverse)
}

/// Returns a square root, if one exists.
pub fn sqrt(x: &Fq) -> Option<Fq> {
    match backend::current() {
        #[cfg(not(target_arch = "wasm32"))]
        Backend::Arkworks => x.sqrt(),
        Backend::Portable | Backend::Vectors => root(x),
    }
}

fn root(x: &Fq) -> Option<Fq> {
    let (root, _) = root_and_inverse(x);
    (root.square() == *x).then_some(root)
}

/// Returns a square root, if one exists.
pub fn sqrt_fq2(x: &Fq2) -> Option<Fq2> {
    match backend::current() {
        #[cfg(not(target_arch = "wasm32"))]
        Backend::Arkworks => x.sqrt(),
        Backend::Portable | Backend::Vectors => root_fq2(x),
    }
}

/// Returns a square root of each element, if one exists.
pub fn sqrt_all(x: &[Fq]) -> Vec<Option<Fq>> {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    if let Some(simd) = backend::vectors() {
        return map_all(x, |x| eight_roots(simd, x), root);
    }
    x.iter().map(sqrt).collect()
}

/// Returns a square root of each element, if one exists.
pub fn sqrt_fq2_all(x: &[Fq2]) -> Vec<Option<Fq2>> {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    if let Some(simd) = backend::vectors() {
        return map_all(x, |x| eight_roots_fq2(simd, x), root_fq2);
    }
    x.iter().map(sqrt_fq2).collect()
}

/// Returns a square root, if one exists.
///
/// This is the complex method (Adj, Rodríguez-Henríquez: [2012/685](https://eprint.iacr.org/2012/685), algorithm 8)
/// with two powers in Fq, without an inversion and without a test for squares. Let `s^2 = c0^2 + c1^2` and
/// `d = (c0 + s) / 2`. Either d or -d is a square. If `d = r^2`, then `r + c1 / (2 r) u` is a root. Otherwise
/// `-d = r^2`, and `c1 / (2 r) + r u` is a root: its real part has the square `-c1^2 / (4 d) = (c0 - s) / 2`.
fn root_fq2(x: &Fq2) -> Option<Fq2> {
    if x.c1.is_zero() {
        let (root, _) = root_and_inverse(&x.c0);
        let real = root.square() == x.c0;
        return Some(if real { Fq2::new(root, Fq::ZERO) } else { Fq2::new(Fq::ZERO, root) });
    }
    let norm_root = root(&norm(x))?;
    let d = half_sum(x, &norm_root);
    Some(root_of(x, &d, root_and_inverse(&d)))
}

fn norm(x: &Fq2) -> Fq {
    x.c0.square() + x.c1.square()
}

fn half_sum(x: &Fq2, norm_root: &Fq) -> Fq {
    (x.c0 + norm_root) * HALF
}

/// Returns the root of x, computed from d and the result of [`root_and_inverse`] for d.
fn root_of(x: &Fq2, d: &Fq, (root, inverse): (Fq, Fq)) -> Fq2 {
    let quotient = x.c1 * HALF * inverse;
    if root.square() == *d { Fq2::new(root, quotient) } else { Fq2::new(-quotient, root) }
}

/// Returns the square roots of eight elements, where they exist.
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
fn eight_roots(simd: Ifma, x: &[Fq; LANES]) -> [Option<Fq>; LANES] {
    let roots = roots_and_inverses(simd, x);
    core::array::from_fn(|lane| (roots[lane].0.square() == x[lane]).then_some(roots[lane].0))
}

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
fn roots_and_inverses(simd: Ifma, x: &[Fq; LANES]) -> [(Fq, Fq); LANES] {
    let inverses = powers(simd, x, &FOR_ROOTS);
    core::array::from_fn(|lane| (inverses[lane] * x[lane], inverses[lane]))
}

/// Returns the square roots of eight elements of the extension, where they exist.
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
fn eight_roots_fq2(simd: Ifma, x: &[Fq2; LANES]) -> [Option<Fq2>; LANES] {
    let norm_roots = eight_roots(simd, &x.each_ref().map(norm));
    let d = core::array::from_fn(|lane| half_sum(&x[lane], &norm_roots[lane].unwrap_or_default()));
    let roots = roots_and_inverses(simd, &d);
    core::array::from_fn(|lane| match x[lane].c1.is_zero() {
        // This case is rare, and needs another formula.
        true => root_fq2(&x[lane]),
        false => norm_roots[lane].map(|_| root_of(&x[lane], &d[lane], roots[lane])),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ark_ff::UniformRand;
    use ark_std::test_rng;

    use super::*;

    #[test]
    fn inverses_agree_with_arkworks() {
        let mut rng = test_rng();
        for _ in 0..50 {
            let x = Fq12::rand(&mut rng);
            assert_eq!(inverse(&x.c0.c0.c0), x.c0.c0.c0.inverse().unwrap());
            assert_eq!(inverse_fq2(&x.c0.c0), x.c0.c0.inverse().unwrap());
            assert_eq!(inverse_fq12(&x), x.inverse().unwrap());
            let real = Fq12::new(x.c0, Fq6::ZERO);
            assert_eq!(inverse_fq12(&real), real.inverse().unwrap());
        }
        assert_eq!(inverse_fq12(&Fq12::ZERO), Fq12::ZERO);
        assert_eq!(inverse_fq12(&Fq12::ONE), Fq12::ONE);
    }

    #[test]
    fn roots_exist_where_arkworks_has_them() {
        let mut rng = test_rng();
        let mut squares = 0;
        let edges = [Fq::from(0), Fq::from(1), -Fq::from(1), Fq::from(3), -Fq::from(3)];
        let elements: Vec<_> = edges.into_iter().chain((0..100).map(|_| Fq::rand(&mut rng))).collect();
        for x in &elements {
            let root = sqrt(x);
            assert_eq!(root.is_some(), x.sqrt().is_some());
            if let Some(root) = root {
                assert_eq!(root.square(), *x);
                squares += 1;
            }
        }
        assert!(squares > 10);
        for count in [0, 1, 2, 3, 8, 9, 10, elements.len()] {
            assert_eq!(sqrt_all(&elements[..count]), elements[..count].iter().map(sqrt).collect::<Vec<_>>());
        }
    }

    #[test]
    fn roots_in_the_extension_exist_where_arkworks_has_them() {
        let mut rng = test_rng();
        let edges = [Fq::from(0), Fq::from(1), -Fq::from(1), Fq::from(2), Fq::from(3), -Fq::from(3)];
        let mut elements: Vec<_> = edges.iter().flat_map(|c0| edges.iter().map(|c1| Fq2::new(*c0, *c1))).collect();
        elements.extend((0..100).map(|_| Fq2::rand(&mut rng)));
        let squares: Vec<_> = elements.iter().map(Field::square).collect();
        for x in elements.iter().chain(&squares) {
            let root = sqrt_fq2(x);
            assert_eq!(root.is_some(), !x.legendre().is_qnr(), "{x}");
            if let Some(root) = root {
                assert_eq!(root.square(), *x);
            }
        }
        assert!(squares.iter().all(|x| sqrt_fq2(x).is_some()));
        for count in [0, 1, 2, 3, 8, 9, 10, elements.len()] {
            assert_eq!(sqrt_fq2_all(&elements[..count]), elements[..count].iter().map(sqrt_fq2).collect::<Vec<_>>());
        }
    }

    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    #[test]
    fn eight_roots_are_those_of_each() {
        let Some(simd) = crate::lanes::tests::vectors() else { return };
        let mut rng = test_rng();
        let edges = [Fq::from(0), Fq::from(1), -Fq::from(1), Fq::from(2), Fq::from(3), -Fq::from(3)];
        let mut elements: Vec<_> = edges.iter().flat_map(|c0| edges.iter().map(|c1| Fq2::new(*c0, *c1))).collect();
        elements.extend((0..100).map(|_| Fq2::rand(&mut rng)));
        let squares: Vec<_> = elements.iter().map(Field::square).collect();
        for eight in elements.as_chunks().0.iter().chain(squares.as_chunks().0) {
            assert_eq!(eight_roots_fq2(simd, eight), eight.each_ref().map(root_fq2));
            let parts = eight.map(|x| x.c0);
            assert_eq!(eight_roots(simd, &parts), parts.each_ref().map(root));
        }
    }
}
