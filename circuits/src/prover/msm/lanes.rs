//! Eight coordinates at a time, with the 52-bit multiplications of AVX-512 IFMA.
//!
//! An element is five limbs of 52 bits, each a vector whose lanes belong to eight different elements. Products are
//! Montgomery's with `R = 2^260` (Gueron and Krasnov: ARITH 2016, "Accelerating big integer arithmetic using Intel IFMA
//! extensions"). There is room above the modulus p of 254 bits: `2^260 > 84p`, so that a product of factors below `m p`
//! and `n p` comes out below `(1 + m n / 84) p`, and sums need no reduction in between. Comments give such bounds in p.
//!
//! The vector instructions come as safe functions from the crate `pulp`, which hands them out to those alone whose
//! processor has them.

use core::arch::x86_64::__m512i;

use ark_bn254::{Fq, Fq2, FqConfig};
use ark_ff::{BigInt, MontConfig};

use super::affine::{Coordinate, Point};
use crate::prover::arithmetic::Arithmetic;

pulp::simd_type! {
    /// Shows that the processor has the instructions.
    pub(in crate::prover) struct Ifma {
        pub avx512f: "avx512f",
        pub avx512ifma: "avx512ifma",
    }
}

/// Lanes of a vector.
pub(super) const LANES: usize = 8;
const LIMBS: usize = 5;
const LIMB_BITS: u32 = 52;
const LIMB_MASK: u64 = (1 << LIMB_BITS) - 1;
/// `-1/p` modulo `2^52`.
const INVERSE: u64 = FqConfig::INV & LIMB_MASK;
const MODULUS: [u64; LIMBS] = multiple_of_modulus(1);

/// Limbs of `factor` times the modulus, for factors up to 63.
const fn multiple_of_modulus(factor: u64) -> [u64; LIMBS] {
    let [a, b, c, d] = FqConfig::MODULUS.0;
    let limbs = [a, a >> 52 | b << 12, b >> 40 | c << 24, c >> 28 | d << 36, d >> 16];
    let (mut multiple, mut carry, mut i) = ([0; LIMBS], 0, 0);
    while i < LIMBS {
        let product = (limbs[i] & LIMB_MASK) * factor + carry;
        multiple[i] = product & LIMB_MASK;
        carry = product >> LIMB_BITS;
        i += 1;
    }
    multiple
}

/// As the method of arrays, but always inlined: what is not inlined is compiled without the instructions.
#[inline(always)]
pub(super) fn map<T: Copy, U: Copy, const N: usize>(items: [T; N], empty: U, each: impl Fn(T) -> U) -> [U; N] {
    let mut results = [empty; N];
    for (result, item) in results.iter_mut().zip(items) {
        *result = each(item);
    }
    results
}

/// Eight integers below `2^260`.
#[derive(Clone, Copy)]
pub(in crate::prover) struct Integers([__m512i; LIMBS]);

/// Eight elements of a coordinate's field; see [`Arithmetic`].
pub(in crate::prover) trait Lanes: Copy {
    type Element: Coordinate<Lanes = Self>;

    /// The element in all lanes.
    fn splat(simd: Ifma, element: Self::Element) -> Self;
    /// Spreads the coordinates x and y of eight points.
    fn load(simd: Ifma, points: [&Point<Self::Element>; LANES]) -> (Self, Self);
    /// The elements as they are; they must be [canonical](Self::canonical).
    fn elements(self, simd: Ifma) -> [Self::Element; LANES];
    /// The points with these coordinates, which must be canonical.
    fn points(simd: Ifma, x: Self, y: Self) -> [Point<Self::Element>; LANES];
    /// In which lanes both are equal; they must be canonical.
    fn equal(self, simd: Ifma, other: Self) -> u8;
    /// `self`, but `other` in the lanes of the mask.
    fn replaced(self, simd: Ifma, mask: u8, other: Self) -> Self;
    /// `self - other + FACTOR p`, for others below `FACTOR p`.
    fn minus<const FACTOR: u64>(self, simd: Ifma, other: Self) -> Self;
    /// Four times as much.
    fn quadrupled(self, simd: Ifma) -> Self;
    /// A product below 7, of factors below 6 each, or below 6 of factors below 7 and 2. The product of the latter with a
    /// factor below 8 is below 7 too.
    fn times(self, simd: Ifma, other: Self) -> Self;
    /// A square below 3, of an element below 6.
    fn squared(self, simd: Ifma) -> Self;
    /// Brings an element below 8 below 1.
    fn canonical(self, simd: Ifma) -> Self;
}

#[inline(always)]
fn splat(simd: Ifma, value: u64) -> __m512i {
    simd.avx512f._mm512_set1_epi64(value as i64)
}

impl Integers {
    #[inline(always)]
    fn constant(simd: Ifma, limbs: [u64; LIMBS]) -> Self {
        Self(map(limbs, splat(simd, 0), |limb| splat(simd, limb)))
    }

    /// From four vectors with 64 bits of each integer.
    #[inline(always)]
    fn from_words(simd: Ifma, [a, b, c, d]: [__m512i; 4]) -> Self {
        let f = simd.avx512f;
        let mask = splat(simd, LIMB_MASK);
        let low = |word| f._mm512_and_si512(word, mask);
        Self([
            low(a),
            low(f._mm512_or_si512(f._mm512_srli_epi64::<52>(a), f._mm512_slli_epi64::<12>(b))),
            low(f._mm512_or_si512(f._mm512_srli_epi64::<40>(b), f._mm512_slli_epi64::<24>(c))),
            low(f._mm512_or_si512(f._mm512_srli_epi64::<28>(c), f._mm512_slli_epi64::<36>(d))),
            f._mm512_srli_epi64::<16>(d),
        ])
    }

    #[inline(always)]
    fn to_words(self, simd: Ifma) -> [__m512i; 4] {
        let f = simd.avx512f;
        let [a, b, c, d, e] = self.0;
        [
            f._mm512_or_si512(a, f._mm512_slli_epi64::<52>(b)),
            f._mm512_or_si512(f._mm512_srli_epi64::<12>(b), f._mm512_slli_epi64::<40>(c)),
            f._mm512_or_si512(f._mm512_srli_epi64::<24>(c), f._mm512_slli_epi64::<28>(d)),
            f._mm512_or_si512(f._mm512_srli_epi64::<36>(d), f._mm512_slli_epi64::<16>(e)),
        ]
    }

    /// Carries what limbs hold above 52 bits, or below zero, on to the next.
    #[inline(always)]
    fn carried(self, simd: Ifma) -> Self {
        let f = simd.avx512f;
        let mask = splat(simd, LIMB_MASK);
        let [a, b, c, d, e] = self.0;
        let b = f._mm512_add_epi64(b, f._mm512_srai_epi64::<LIMB_BITS>(a));
        let c = f._mm512_add_epi64(c, f._mm512_srai_epi64::<LIMB_BITS>(b));
        let d = f._mm512_add_epi64(d, f._mm512_srai_epi64::<LIMB_BITS>(c));
        let e = f._mm512_add_epi64(e, f._mm512_srai_epi64::<LIMB_BITS>(d));
        let low = |limb| f._mm512_and_si512(limb, mask);
        Self([low(a), low(b), low(c), low(d), e])
    }

    #[inline(always)]
    fn each(self, other: Self, operation: impl Fn(__m512i, __m512i) -> __m512i) -> Self {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = operation(*limb, other);
        }
        Self(limbs)
    }

    #[inline(always)]
    fn plus(self, simd: Ifma, other: Self) -> Self {
        self.each(other, |a, b| simd.avx512f._mm512_add_epi64(a, b)).carried(simd)
    }

    /// Subtracts `FACTOR p` from those that are not below it.
    #[inline(always)]
    fn reduced<const FACTOR: u64>(self, simd: Ifma) -> Self {
        let f = simd.avx512f;
        let multiple = Self::constant(simd, const { multiple_of_modulus(FACTOR) });
        let difference = self.each(multiple, |a, b| f._mm512_sub_epi64(a, b)).carried(simd);
        let below = f._mm512_cmplt_epi64_mask(difference.0[4], f._mm512_setzero_si512());
        difference.each(self, |difference, own| f._mm512_mask_blend_epi64(below, difference, own))
    }
}

impl Lanes for Integers {
    type Element = Fq;

    #[inline(always)]
    fn splat(simd: Ifma, element: Fq) -> Self {
        Self::from_words(simd, map(element.0.0, splat(simd, 0), |word| splat(simd, word)))
    }

    #[inline(always)]
    fn load(simd: Ifma, points: [&Point<Fq>; LANES]) -> (Self, Self) {
        let rows = map(points, splat(simd, 0), |point| words(point.x, point.y));
        let [a, b, c, d, e, f, g, h] = transposed(simd, rows);
        (Self::from_words(simd, [a, b, c, d]), Self::from_words(simd, [e, f, g, h]))
    }

    #[inline(always)]
    fn elements(self, simd: Ifma) -> [Fq; LANES] {
        map(pairs(simd, self, self), Fq::ZERO, |[element, _]| element)
    }

    #[inline(always)]
    fn points(simd: Ifma, x: Self, y: Self) -> [Point<Fq>; LANES] {
        map(pairs(simd, x, y), Point::INFINITY, |[x, y]| Point { x, y })
    }

    #[inline(always)]
    fn equal(self, simd: Ifma, other: Self) -> u8 {
        let f = simd.avx512f;
        let mut differences = f._mm512_setzero_si512();
        for i in 0..LIMBS {
            differences = f._mm512_or_si512(differences, f._mm512_xor_si512(self.0[i], other.0[i]));
        }
        f._mm512_testn_epi64_mask(differences, differences)
    }

    #[inline(always)]
    fn replaced(self, simd: Ifma, mask: u8, other: Self) -> Self {
        self.each(other, |own, other| simd.avx512f._mm512_mask_blend_epi64(mask, own, other))
    }

    #[inline(always)]
    fn minus<const FACTOR: u64>(self, simd: Ifma, other: Self) -> Self {
        let f = simd.avx512f;
        let multiple = Self::constant(simd, const { multiple_of_modulus(FACTOR) });
        let raised = self.each(multiple, |a, b| f._mm512_add_epi64(a, b));
        raised.each(other, |a, b| f._mm512_sub_epi64(a, b)).carried(simd)
    }

    #[inline(always)]
    fn quadrupled(self, simd: Ifma) -> Self {
        self.each(self, |limb, _| simd.avx512f._mm512_slli_epi64::<2>(limb)).carried(simd)
    }

    #[inline(always)]
    fn times(self, simd: Ifma, other: Self) -> Self {
        let zero = simd.avx512f._mm512_setzero_si512();
        let low = |sum, a, b| simd.avx512ifma._mm512_madd52lo_epu64(sum, a, b);
        let high = |sum, a, b| simd.avx512ifma._mm512_madd52hi_epu64(sum, a, b);
        let inverse = splat(simd, INVERSE);
        let modulus = Self::constant(simd, MODULUS);
        // Each limb of the sum takes at most twenty numbers of 52 bits.
        let mut sum = [zero; 2 * LIMBS];
        for i in 0..LIMBS {
            for j in 0..LIMBS {
                sum[i + j] = low(sum[i + j], self.0[i], other.0[j]);
                sum[i + j + 1] = high(sum[i + j + 1], self.0[i], other.0[j]);
            }
        }
        for i in 0..LIMBS {
            let factor = low(zero, sum[i], inverse);
            for j in 0..LIMBS {
                sum[i + j] = low(sum[i + j], factor, modulus.0[j]);
                sum[i + j + 1] = high(sum[i + j + 1], factor, modulus.0[j]);
            }
            let carry = simd.avx512f._mm512_srli_epi64::<LIMB_BITS>(sum[i]);
            sum[i + 1] = simd.avx512f._mm512_add_epi64(sum[i + 1], carry);
        }
        let [.., a, b, c, d, e] = sum;
        Self([a, b, c, d, e]).carried(simd)
    }

    #[inline(always)]
    fn squared(self, simd: Ifma) -> Self {
        self.times(simd, self)
    }

    #[inline(always)]
    fn canonical(self, simd: Ifma) -> Self {
        self.reduced::<4>(simd).reduced::<2>(simd).reduced::<1>(simd)
    }
}

/// Eight elements of the quadratic extension, whose generator's square is -1.
#[derive(Clone, Copy)]
pub(in crate::prover) struct Pairs {
    c0: Integers,
    c1: Integers,
}

impl Pairs {
    /// From vectors with both parts of one element each.
    #[inline(always)]
    fn from_rows(simd: Ifma, rows: [__m512i; LANES]) -> Self {
        let [a, b, c, d, e, f, g, h] = transposed(simd, rows);
        Self { c0: Integers::from_words(simd, [a, b, c, d]), c1: Integers::from_words(simd, [e, f, g, h]) }
    }
}

impl Lanes for Pairs {
    type Element = Fq2;

    #[inline(always)]
    fn splat(simd: Ifma, element: Fq2) -> Self {
        Self { c0: Integers::splat(simd, element.c0), c1: Integers::splat(simd, element.c1) }
    }

    #[inline(always)]
    fn load(simd: Ifma, points: [&Point<Fq2>; LANES]) -> (Self, Self) {
        let x = map(points, splat(simd, 0), |point| words(point.x.c0, point.x.c1));
        let y = map(points, splat(simd, 0), |point| words(point.y.c0, point.y.c1));
        (Self::from_rows(simd, x), Self::from_rows(simd, y))
    }

    #[inline(always)]
    fn elements(self, simd: Ifma) -> [Fq2; LANES] {
        map(pairs(simd, self.c0, self.c1), Fq2::ZERO, |[c0, c1]| Fq2::new(c0, c1))
    }

    #[inline(always)]
    fn points(simd: Ifma, x: Self, y: Self) -> [Point<Fq2>; LANES] {
        let mut points = [Point::INFINITY; LANES];
        for (point, (x, y)) in points.iter_mut().zip(x.elements(simd).into_iter().zip(y.elements(simd))) {
            *point = Point { x, y };
        }
        points
    }

    #[inline(always)]
    fn equal(self, simd: Ifma, other: Self) -> u8 {
        self.c0.equal(simd, other.c0) & self.c1.equal(simd, other.c1)
    }

    #[inline(always)]
    fn replaced(self, simd: Ifma, mask: u8, other: Self) -> Self {
        Self { c0: self.c0.replaced(simd, mask, other.c0), c1: self.c1.replaced(simd, mask, other.c1) }
    }

    #[inline(always)]
    fn minus<const FACTOR: u64>(self, simd: Ifma, other: Self) -> Self {
        Self { c0: self.c0.minus::<FACTOR>(simd, other.c0), c1: self.c1.minus::<FACTOR>(simd, other.c1) }
    }

    #[inline(always)]
    fn quadrupled(self, simd: Ifma) -> Self {
        Self { c0: self.c0.quadrupled(simd), c1: self.c1.quadrupled(simd) }
    }

    #[inline(always)]
    fn times(self, simd: Ifma, other: Self) -> Self {
        // The parts' products are below 2, and multiples of the modulus make up for them where they are subtracted.
        // Factors below 6: 1 + 12 * 12 / 84 + 4 < 7. Factors below 7 and 2: 1 + 14 * 4 / 84 + 4 < 5.7, and below
        // 1 + 14 / 84 + 2 < 3.2 in c0. Such a product and a factor below 8: 1 + (3.2 + 5.7) * 16 / 84 + 4 < 7.
        let (low, high) = (self.c0.times(simd, other.c0), self.c1.times(simd, other.c1));
        let mixed = self.c0.plus(simd, self.c1).times(simd, other.c0.plus(simd, other.c1));
        Self { c0: low.minus::<2>(simd, high), c1: mixed.minus::<2>(simd, low).minus::<2>(simd, high) }
    }

    #[inline(always)]
    fn squared(self, simd: Ifma) -> Self {
        // Factors below 12 and 12: 1 + 144/84 < 3. Twice a product below 1 + 36/84 < 1.5.
        let product = self.c0.times(simd, self.c1);
        let norm = self.c0.plus(simd, self.c1).times(simd, self.c0.minus::<6>(simd, self.c1));
        Self { c0: norm, c1: product.plus(simd, product) }
    }

    #[inline(always)]
    fn canonical(self, simd: Ifma) -> Self {
        Self { c0: self.c0.canonical(simd), c1: self.c1.canonical(simd) }
    }
}

#[inline(always)]
fn words(first: Fq, second: Fq) -> __m512i {
    let ([a, b, c, d], [e, f, g, h]) = (first.0.0, second.0.0);
    pulp::cast([a, b, c, d, e, f, g, h])
}

/// Eight pairs of elements from two vectors of canonical elements.
#[inline(always)]
fn pairs(simd: Ifma, first: Integers, second: Integers) -> [[Fq; 2]; LANES] {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_words(simd), second.to_words(simd));
    map(transposed(simd, [a, b, c, d, e, f, g, h]), [Fq::ZERO; 2], |row| {
        let [a, b, c, d, e, f, g, h] = pulp::cast::<_, [u64; LANES]>(row);
        [Fq::new_unchecked(BigInt([a, b, c, d])), Fq::new_unchecked(BigInt([e, f, g, h]))]
    })
}

/// Rows of eight words become columns.
#[inline(always)]
fn transposed(simd: Ifma, rows: [__m512i; LANES]) -> [__m512i; LANES] {
    let f = simd.avx512f;
    let [a, b, c, d, e, f_, g, h] = rows;
    let even = |upper, lower| f._mm512_unpacklo_epi64(upper, lower);
    let odd = |upper, lower| f._mm512_unpackhi_epi64(upper, lower);
    let [c0, c2, c4, c6] = columns(simd, [even(a, b), even(c, d), even(e, f_), even(g, h)]);
    let [c1, c3, c5, c7] = columns(simd, [odd(a, b), odd(c, d), odd(e, f_), odd(g, h)]);
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// Four of the columns, from the words of these columns in two rows each.
#[inline(always)]
fn columns(simd: Ifma, [ab, cd, ef, gh]: [__m512i; 4]) -> [__m512i; 4] {
    let f = simd.avx512f;
    let (upper, lower) = (f._mm512_shuffle_i64x2::<0x88>(ab, cd), f._mm512_shuffle_i64x2::<0x88>(ef, gh));
    let (first, third) = (f._mm512_shuffle_i64x2::<0x88>(upper, lower), f._mm512_shuffle_i64x2::<0xdd>(upper, lower));
    let (upper, lower) = (f._mm512_shuffle_i64x2::<0xdd>(ab, cd), f._mm512_shuffle_i64x2::<0xdd>(ef, gh));
    let (second, fourth) = (f._mm512_shuffle_i64x2::<0x88>(upper, lower), f._mm512_shuffle_i64x2::<0xdd>(upper, lower));
    [first, second, third, fourth]
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use ark_std::{rand::Rng, test_rng};

    use super::*;

    /// Elements next to zero, to the modulus and to where limbs of 52 and of 64 bits meet, and random ones.
    fn elements(rng: &mut impl Rng) -> Vec<Fq> {
        let powers = [0, 51, 52, 63, 64, 103, 104, 128, 156, 191, 192, 208, 252, 253];
        let mut elements: Vec<_> = powers.iter().map(|power| Fq::from(2).pow([*power])).collect();
        // As they are stored, too.
        elements.extend([[1, 0, 0, 0], [LIMB_MASK, 0, 0, 0], [0, 1, 0, 0], [u64::MAX, u64::MAX, 0, 0]].map(limbs));
        elements.push(-limbs([1, 0, 0, 0]));
        let negatives: Vec<_> = elements.iter().map(|element| -*element).collect();
        elements.extend(negatives);
        elements.push(AdditiveGroup::ZERO);
        elements.extend((elements.len()..48).map(|_| Fq::rand(rng)));
        elements
    }

    fn limbs(limbs: [u64; 4]) -> Fq {
        Fq::new_unchecked(BigInt(limbs))
    }

    /// Loaded with R = 2^260, elements are a sixteenth of what they are with R = 2^256, and so are products.
    fn operations_agree<L: Lanes<Element: Field>>(simd: Ifma, elements: &[L::Element]) {
        let sixteen = L::Element::from(16u64);
        for (a, b) in elements.chunks(LANES).flat_map(|a| elements.chunks(LANES).map(move |b| (a, b))) {
            let points: [_; LANES] = core::array::from_fn(|i| Point { x: a[i], y: b[i] });
            let (x, y) = L::load(simd, points.each_ref());
            assert_eq!(L::points(simd, x, y), points);
            assert_eq!(x.elements(simd), points.map(|point| point.x));
            assert_eq!(x.equal(simd, y), (0..LANES).fold(0, |mask, i| mask | u8::from(a[i] == b[i]) << i));
            let product = x.times(simd, y).canonical(simd).elements(simd);
            assert_eq!(product.map(|product| product * sixteen), points.map(|point| point.x * point.y));
            let square = x.squared(simd).canonical(simd).elements(simd);
            assert_eq!(square.map(|square| square * sixteen), points.map(|point| point.x.square()));
            let difference = x.minus::<1>(simd, y);
            assert_eq!(difference.canonical(simd).elements(simd), points.map(|point| point.x - point.y));
            let quadrupled = difference.quadrupled(simd);
            let expected = points.map(|point| (point.x - point.y).double().double());
            assert_eq!(quadrupled.canonical(simd).elements(simd), expected);
            // The widest bounds: a product of two products, then with four times a difference.
            let narrow = y.minus::<1>(simd, x).times(simd, product_of(simd, x, y));
            let wide = narrow.times(simd, quadrupled).canonical(simd).elements(simd);
            let scale = sixteen * sixteen * sixteen * sixteen;
            let expected = points.map(|Point { x, y }| (y - x) * (x * y).square() * (x - y).double().double());
            assert_eq!(wide.map(|wide| wide * scale * sixteen), expected);
        }
    }

    fn product_of<L: Lanes>(simd: Ifma, x: L, y: L) -> L {
        let product = x.times(simd, y);
        product.times(simd, product)
    }

    #[test]
    fn operations_agree_with_arkworks() {
        let Some(simd) = Ifma::try_new() else { return };
        let elements = elements(&mut test_rng());
        operations_agree::<Integers>(simd, &elements);
        let pairs: Vec<_> = elements.iter().zip(elements.iter().rev()).map(|(a, b)| Fq2::new(*a, *b)).collect();
        operations_agree::<Pairs>(simd, &pairs);
    }
}
