//! Multiplication in the tower of fields over BN254's base field, for pairings.
//!
//! The elements are the same as in arkworks: `Fq2 = Fq[u]/(u^2 + 1)`, `Fq6 = Fq2[v]/(v^3 - xi)` with `xi = 9 + u`, and
//! `Fq12 = Fq6[w]/(w^2 - v)`. The multiplication differs. Each coordinate of a product is a sum of products in Fq. Such
//! a sum is reduced once, and not once per product (Aranha, Karabina, Longa, Gebotys, López:
//! [2010/526](https://eprint.iacr.org/2010/526)). Products and reduction are interleaved as in Longa:
//! [2022/367](https://eprint.iacr.org/2022/367), algorithm 2.

use ark_bn254::{Fq, Fq2, Fq6, Fq12, FqConfig};
use ark_ff::{AdditiveGroup, BigInt, MontConfig};

/// The Montgomery form of an element, lowest limb first. It is below the modulus unless stated otherwise.
type Limbs = [u64; 4];

const MODULUS: Limbs = <FqConfig as MontConfig<4>>::MODULUS.0;
/// `-1 / modulus` modulo 2^64.
const INVERSE: u64 = <FqConfig as MontConfig<4>>::INV;

/// Returns `x - y` modulo 2^256, and whether it borrows.
#[inline(always)]
fn subtract(x: &Limbs, y: &Limbs) -> (Limbs, bool) {
    let (mut difference, mut borrow) = ([0; 4], false);
    for ((limb, x), y) in difference.iter_mut().zip(x).zip(y) {
        (*limb, borrow) = x.borrowing_sub(*y, borrow);
    }
    (difference, borrow)
}

/// Returns `x + y`, not reduced. It is below 2^255 for reduced x and y.
#[inline(always)]
fn add_unreduced(x: &Fq, y: &Fq) -> Limbs {
    let (mut sum, mut carry) = ([0; 4], false);
    for ((limb, x), y) in sum.iter_mut().zip(&x.0.0).zip(&y.0.0) {
        (*limb, carry) = x.carrying_add(*y, carry);
    }
    sum
}

/// Returns the sum of `x[i] * y[i]`, reduced once.
///
/// The `y[i]` must be reduced, and the sum of the `x[i]` must be at most four times the modulus p. Since p is below
/// 0.19 * 2^256, no carry is lost: after each step the accumulator, including the part that was shifted down, is below
/// `(4 + 1) p < 2^256`. At the end it is below `4 p * p / 2^256 + p < 2 p`, so one subtraction completes the reduction.
// Inlining it everywhere would double the size of a WebAssembly module.
#[cfg_attr(target_arch = "wasm32", inline(never))]
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn sum_of_products<const N: usize>(x: [&Limbs; N], y: [&Limbs; N]) -> Fq {
    const { assert!(N <= 4) };
    let mut sum = [0u64; 4];
    for step in 0..4 {
        let mut top = 0;
        for (x, y) in x.iter().zip(&y) {
            let mut carry = 0;
            for limb in 0..4 {
                (sum[limb], carry) = x[limb].carrying_mul_add(y[step], sum[limb], carry);
            }
            top += carry;
        }
        // Adds the multiple of the modulus that clears the lowest limb, and shifts that limb out.
        let factor = sum[0].wrapping_mul(INVERSE);
        let (_, mut carry) = factor.carrying_mul_add(MODULUS[0], sum[0], 0);
        for limb in 1..4 {
            (sum[limb - 1], carry) = factor.carrying_mul_add(MODULUS[limb], sum[limb], carry);
        }
        sum[3] = top + carry;
    }
    let (reduced, below) = subtract(&sum, &MODULUS);
    Fq::new_unchecked(BigInt(if below { sum } else { reduced }))
}

/// A factor of products in Fq2, with the precomputed `-c1`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factor {
    value: Fq2,
    minus_c1: Fq,
}

impl Factor {
    #[inline(always)]
    pub(crate) fn new(value: Fq2) -> Self {
        Self { value, minus_c1: -value.c1 }
    }
}

/// Returns `x y`.
#[inline(always)]
pub(crate) fn mul(x: &Fq2, y: &Fq2) -> Fq2 {
    let minus = -y.c1;
    let (x0, x1) = (&x.c0.0.0, &x.c1.0.0);
    Fq2::new(sum_of_products([x0, x1], [&y.c0.0.0, &minus.0.0]), sum_of_products([x0, x1], [&y.c1.0.0, &y.c0.0.0]))
}

/// Returns `x^2`.
#[inline(always)]
pub(crate) fn square(x: &Fq2) -> Fq2 {
    let sum = add_unreduced(&x.c0, &x.c1);
    let twice = add_unreduced(&x.c0, &x.c0);
    let difference = x.c0 - x.c1;
    Fq2::new(sum_of_products([&sum], [&difference.0.0]), sum_of_products([&twice], [&x.c1.0.0]))
}

/// Returns `x0 y0 + x1 y1`.
#[inline(always)]
pub(crate) fn sum_of_two(x: [&Fq2; 2], y: [&Factor; 2]) -> Fq2 {
    let xs = [&x[0].c0.0.0, &x[0].c1.0.0, &x[1].c0.0.0, &x[1].c1.0.0];
    Fq2::new(
        sum_of_products(xs, [&y[0].value.c0.0.0, &y[0].minus_c1.0.0, &y[1].value.c0.0.0, &y[1].minus_c1.0.0]),
        sum_of_products(xs, [&y[0].value.c1.0.0, &y[0].value.c0.0.0, &y[1].value.c1.0.0, &y[1].value.c0.0.0]),
    )
}

/// Returns `x0 y0 + x1 y1 + x2 y2`.
#[inline(always)]
fn sum_of_three(x: [&Fq2; 3], y: [&Factor; 3]) -> Fq2 {
    let last = Fq2::new(
        sum_of_products([&x[2].c0.0.0, &x[2].c1.0.0], [&y[2].value.c0.0.0, &y[2].minus_c1.0.0]),
        sum_of_products([&x[2].c0.0.0, &x[2].c1.0.0], [&y[2].value.c1.0.0, &y[2].value.c0.0.0]),
    );
    sum_of_two([x[0], x[1]], [y[0], y[1]]) + last
}

/// Returns `xi x`.
#[inline(always)]
pub(crate) fn mul_by_xi(x: &Fq2) -> Fq2 {
    Fq2::new(nine_times_plus(&x.c0, &-x.c1), nine_times_plus(&x.c1, &x.c0))
}

/// Returns `9 x + y`, reduced once.
#[inline(always)]
fn nine_times_plus(x: &Fq, y: &Fq) -> Fq {
    /// `2^62 / (floor(p / 2^224) + 1)`, rounded down.
    const RECIPROCAL: u64 = (1 << 62) / ((MODULUS[3] >> 32) + 1);
    let (mut sum, mut top) = ([0; 4], 0);
    for ((limb, x), y) in sum.iter_mut().zip(&x.0.0).zip(&y.0.0) {
        (*limb, top) = x.carrying_mul_add(9, *y, top);
    }
    // The sum is below 10 p. Its 34 bits from bit 224 on give the quotient by p, or the quotient minus one.
    let leading = top << 32 | sum[3] >> 32;
    let quotient = ((u128::from(leading) * u128::from(RECIPROCAL)) >> 62) as u64;
    let (mut multiple, mut carry) = ([0; 4], 0);
    for (limb, modulus) in multiple.iter_mut().zip(&MODULUS) {
        (*limb, carry) = quotient.carrying_mul_add(*modulus, carry, 0);
    }
    let (remainder, _) = subtract(&sum, &multiple);
    let (reduced, below) = subtract(&remainder, &MODULUS);
    Fq::new_unchecked(BigInt(if below { remainder } else { reduced }))
}

/// Returns `v x`.
#[inline(always)]
pub(crate) fn mul_by_v(x: &Fq6) -> Fq6 {
    Fq6::new(mul_by_xi(&x.c2), x.c0, x.c1)
}

/// Returns `x y` in Fq6.
pub(crate) fn mul_fq6(x: &Fq6, y: &Fq6) -> Fq6 {
    let [y0, y1, y2] = [y.c0, y.c1, y.c2].map(Factor::new);
    let [xi_y1, xi_y2] = [y.c1, y.c2].map(|y| Factor::new(mul_by_xi(&y)));
    let xs = [&x.c0, &x.c1, &x.c2];
    Fq6::new(
        sum_of_three(xs, [&y0, &xi_y2, &xi_y1]),
        sum_of_three(xs, [&y1, &y0, &xi_y2]),
        sum_of_three(xs, [&y2, &y1, &y0]),
    )
}

/// Returns `x y` in Fq12, by Karatsuba's method over Fq6.
pub(crate) fn mul_fq12(x: &Fq12, y: &Fq12) -> Fq12 {
    let low = mul_fq6(&x.c0, &y.c0);
    let high = mul_fq6(&x.c1, &y.c1);
    let middle = mul_fq6(&(x.c0 + x.c1), &(y.c0 + y.c1));
    Fq12::new(low + mul_by_v(&high), middle - low - high)
}

/// Returns `x^2` in Fq12, with two products in Fq6 (complex squaring).
pub(super) fn square_fq12(x: &Fq12) -> Fq12 {
    let product = mul_fq6(&x.c0, &x.c1);
    let sum = mul_fq6(&(x.c0 + x.c1), &(x.c0 + mul_by_v(&x.c1)));
    Fq12::new(sum - product - mul_by_v(&product), product.double())
}

/// Returns `x^2` for an element of the cyclotomic subgroup (Granger, Scott:
/// [2009/565](https://eprint.iacr.org/2009/565), section 3.2), with three squares in `Fq4 = Fq2[w^3]`.
pub(super) fn cyclotomic_square(x: &Fq12) -> Fq12 {
    let [(a0, a1), (b0, b1), (c0, c1)] =
        [(&x.c0.c0, &x.c1.c1), (&x.c1.c0, &x.c0.c2), (&x.c0.c1, &x.c1.c2)].map(|(low, high)| square_fq4(low, high));
    let minus = |square: Fq2, x: &Fq2| (square - x).double() + square;
    let plus = |square: Fq2, x: &Fq2| (square + x).double() + square;
    Fq12::new(
        Fq6::new(minus(a0, &x.c0.c0), minus(b0, &x.c0.c1), minus(c0, &x.c0.c2)),
        Fq6::new(plus(mul_by_xi(&c1), &x.c1.c0), plus(a1, &x.c1.c1), plus(b1, &x.c1.c2)),
    )
}

/// Returns `(low + high s)^2`, where `s^2 = xi`.
#[inline(always)]
fn square_fq4(low: &Fq2, high: &Fq2) -> (Fq2, Fq2) {
    let xi_high = mul_by_xi(high);
    let sum = add_unreduced(&low.c0, &low.c1);
    let twice = add_unreduced(&low.c0, &low.c0);
    let difference = low.c0 - low.c1;
    let minus = -high.c1;
    let xi_highs = [&xi_high.c0.0.0, &xi_high.c1.0.0];
    let square = Fq2::new(
        sum_of_products([&sum, xi_highs[0], xi_highs[1]], [&difference.0.0, &high.c0.0.0, &minus.0.0]),
        sum_of_products([&twice, xi_highs[0], xi_highs[1]], [&low.c1.0.0, &high.c1.0.0, &high.c0.0.0]),
    );
    (square, mul(low, high).double())
}

/// The value of a line, `1 + a w + b w^3`, with precomputed factors for a product by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SparseElement {
    a: Factor,
    b: Factor,
    xi_a: Factor,
    xi_b: Factor,
}

impl SparseElement {
    #[inline(always)]
    pub(super) fn new(a: Fq2, b: Fq2) -> Self {
        let [xi_a, xi_b] = [a, b].map(|x| Factor::new(mul_by_xi(&x)));
        Self { a: Factor::new(a), b: Factor::new(b), xi_a, xi_b }
    }

    /// Returns `x (1 + a w + b w^3)`, with twelve products in Fq2, in sums of two.
    pub(super) fn mul(&self, x: &Fq12) -> Fq12 {
        let Self { a, b, xi_a, xi_b } = self;
        let (low, high) = (&x.c0, &x.c1);
        Fq12::new(
            Fq6::new(
                low.c0 + sum_of_two([&high.c1, &high.c2], [xi_b, xi_a]),
                low.c1 + sum_of_two([&high.c0, &high.c2], [a, xi_b]),
                low.c2 + sum_of_two([&high.c0, &high.c1], [b, a]),
            ),
            Fq6::new(
                high.c0 + sum_of_two([&low.c0, &low.c2], [a, xi_b]),
                high.c1 + sum_of_two([&low.c0, &low.c1], [b, a]),
                high.c2 + sum_of_two([&low.c1, &low.c2], [b, a]),
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{CyclotomicMultSubgroup, Field, UniformRand, Zero};
    use ark_std::{rand::Rng, test_rng};

    use super::*;

    /// Returns a random element, often one at an edge of the range.
    fn element(rng: &mut impl Rng) -> Fq {
        match rng.gen_range(0..6) {
            0 => Fq::zero(),
            1 => Fq::from(1),
            2 => -Fq::from(1),
            // The largest and smallest limbs in Montgomery form.
            3 => Fq::new_unchecked(BigInt([MODULUS[0] - 1, MODULUS[1], MODULUS[2], MODULUS[3]])),
            4 => Fq::new_unchecked(BigInt([u64::MAX, u64::MAX, u64::MAX, MODULUS[3] - 1])),
            _ => Fq::rand(rng),
        }
    }

    fn fq2(rng: &mut impl Rng) -> Fq2 {
        Fq2::new(element(rng), element(rng))
    }

    fn fq6(rng: &mut impl Rng) -> Fq6 {
        Fq6::new(fq2(rng), fq2(rng), fq2(rng))
    }

    fn fq12(rng: &mut impl Rng) -> Fq12 {
        Fq12::new(fq6(rng), fq6(rng))
    }

    #[test]
    fn sums_of_products_agree_with_arkworks() {
        let mut rng = test_rng();
        for _ in 0..5000 {
            let (x, y): ([Fq; 4], [Fq; 4]) =
                (core::array::from_fn(|_| element(&mut rng)), core::array::from_fn(|_| element(&mut rng)));
            let expected = |n: usize| x.iter().zip(&y).take(n).map(|(x, y)| *x * y).sum::<Fq>();
            let [x0, x1, x2, x3] = x.each_ref().map(|x| &x.0.0);
            let [y0, y1, y2, y3] = y.each_ref().map(|y| &y.0.0);
            assert_eq!(sum_of_products([x0], [y0]), expected(1));
            assert_eq!(sum_of_products([x0, x1], [y0, y1]), expected(2));
            assert_eq!(sum_of_products([x0, x1, x2], [y0, y1, y2]), expected(3));
            assert_eq!(sum_of_products([x0, x1, x2, x3], [y0, y1, y2, y3]), expected(4));
            let [sum, other] = [add_unreduced(&x[0], &x[1]), add_unreduced(&x[2], &x[3])];
            let expected = (x[0] + x[1]) * y[0] + (x[2] + x[3]) * y[1];
            assert_eq!(sum_of_products([&sum, &other], [y0, y1]), expected);
        }
    }

    #[test]
    fn products_agree_with_arkworks() {
        let mut rng = test_rng();
        for _ in 0..2000 {
            let (x, y) = (fq2(&mut rng), fq2(&mut rng));
            assert_eq!(mul(&x, &y), x * y);
            assert_eq!(square(&x), x.square());
            assert_eq!(mul_by_xi(&x), x * Fq2::new(Fq::from(9), Fq::from(1)));
            assert_eq!(nine_times_plus(&x.c0, &y.c1), x.c0 * Fq::from(9) + y.c1);
            let (x, y) = (fq6(&mut rng), fq6(&mut rng));
            assert_eq!(mul_fq6(&x, &y), x * y);
            let (x, y) = (fq12(&mut rng), fq12(&mut rng));
            assert_eq!(mul_fq12(&x, &y), x * y);
            assert_eq!(square_fq12(&x), x.square());
            let (a, b) = (fq2(&mut rng), fq2(&mut rng));
            let dense = Fq12::new(Fq6::ONE, Fq6::new(a, b, Fq2::zero()));
            assert_eq!(SparseElement::new(a, b).mul(&x), x * dense);
        }
    }

    #[test]
    fn cyclotomic_squares_agree_with_arkworks() {
        let mut rng = test_rng();
        for _ in 0..200 {
            let x = Fq12::rand(&mut rng);
            // Of the form y^((q^6 - 1)(q^2 + 1)).
            let once = x.frobenius_map(6) / x;
            let unitary = once.frobenius_map(2) * once;
            assert_eq!(cyclotomic_square(&unitary), unitary.square());
            assert_eq!(cyclotomic_square(&unitary), unitary.cyclotomic_square());
        }
    }
}
