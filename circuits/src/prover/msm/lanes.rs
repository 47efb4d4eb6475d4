//! Additions of affine points eight at a time, with the 52-bit multiplications of AVX-512 IFMA.
//!
//! An element is five limbs of 52 bits, each a vector whose lanes belong to eight different elements. Products are
//! Montgomery's with `R = 2^260` (Gueron and Krasnov: ARITH 2016, "Accelerating big integer arithmetic using Intel IFMA
//! extensions"). There is room above the modulus p of 254 bits: `2^260 > 84p`, so that a product of factors below `m p`
//! and `n p` comes out below `(1 + m n / 84) p`, and sums need no reduction in between. Comments give such bounds in p.
//!
//! Points come and go with `R = 2^256`. Read with `R = 2^260` they are `(x / 16, y / 16)`. The sum of two such has
//! `x3 = l^2 / 16 - x1 - x2` and `y3 = l (x1 - x3) - y1` with the slope `l`, which does not notice the factor. With
//! `m = l / 4` these are `m^2 - x1 - x2` and `m 4(x1 - x3) - y1`, and the quarter is brought in once, with the inverse that
//! all slopes have in common.
//!
//! The vector instructions come as safe functions from the crate `pulp`, which hands them out to those alone whose
//! processor has them.

use core::arch::x86_64::__m512i;

use ark_bn254::{Fq, Fq2, FqConfig};
use ark_ff::{BigInt, MontConfig};

use super::affine::{Coordinate, Exception, Point, exceptional};
use crate::prover::arithmetic::Arithmetic;

pulp::simd_type! {
    /// Shows that the processor has the instructions.
    pub(in crate::prover) struct Ifma {
        pub avx512f: "avx512f",
        pub avx512ifma: "avx512ifma",
    }
}

const LANES: usize = 8;
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
fn map<T: Copy, U: Copy, const N: usize>(items: [T; N], empty: U, each: impl Fn(T) -> U) -> [U; N] {
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

/// Denominators of eight slopes, the products of all before them, and which lanes are done.
pub(super) struct Slopes<L> {
    denominator: L,
    before: L,
    done: u8,
}

/// Adds the second point of each pair to the first, as [`add_pairs`](super::affine::add_pairs) does.
pub(super) fn add_pairs<L: Lanes>(
    simd: Ifma,
    points: &mut [Point<L::Element>],
    pairs: &[(u32, u32)],
    slopes: &mut Vec<Slopes<L>>,
) {
    simd.vectorize(Addition { simd, points, pairs, slopes });
}

/// What [`add_pairs`] does, compiled with the instructions.
struct Addition<'a, L: Lanes> {
    simd: Ifma,
    points: &'a mut [Point<L::Element>],
    pairs: &'a [(u32, u32)],
    slopes: &'a mut Vec<Slopes<L>>,
}

impl<L: Lanes> pulp::NullaryFnOnce for Addition<'_, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { simd, points, pairs, slopes } = self;
        let product = denominators::<L>(simd, points, pairs, slopes);
        let inverse = quarter_inverses::<L>(simd, product);
        sums::<L>(simd, points, pairs, slopes, inverse);
    }
}

/// Eight pairs, the last ones repeated if there are fewer, and which lanes hold none of their own.
#[inline(always)]
fn eight(pairs: &[(u32, u32)]) -> ([(u32, u32); LANES], u8) {
    let mut eight = [pairs.first().copied().unwrap_or_default(); LANES];
    for (lane, pair) in eight.iter_mut().zip(pairs) {
        *lane = *pair;
    }
    (eight, (0xff_u16 << pairs.len().min(LANES)) as u8)
}

#[inline(always)]
fn chosen<F>(points: &[Point<F>], indices: [u32; LANES]) -> [&Point<F>; LANES] {
    let [a, b, c, d, e, f, g, h] = indices;
    let point = |index: u32| &points[index as usize];
    [point(a), point(b), point(c), point(d), point(e), point(f), point(g), point(h)]
}

#[inline(always)]
fn denominators<L: Lanes>(
    simd: Ifma,
    points: &mut [Point<L::Element>],
    pairs: &[(u32, u32)],
    slopes: &mut Vec<Slopes<L>>,
) -> L {
    slopes.clear();
    let (zero, one) = (L::splat(simd, L::Element::ZERO), L::splat(simd, L::Element::ONE));
    let mut product = one;
    for pairs in pairs.chunks(LANES) {
        let (pairs, mut done) = eight(pairs);
        let (p, _) = L::load(simd, chosen(points, map(pairs, 0, |(first, _)| first)));
        let (q, _) = L::load(simd, chosen(points, map(pairs, 0, |(_, second)| second)));
        // Infinity has x = 0; equal or opposite points have the same.
        let rare = (p.equal(simd, q) | p.equal(simd, zero) | q.equal(simd, zero)) & !done;
        if rare != 0 {
            for (lane, (first, second)) in pairs.into_iter().enumerate() {
                if rare >> lane & 1 == 1 {
                    points[first as usize] = add_one(&points[first as usize], &points[second as usize]);
                }
            }
            done |= rare;
        }
        let denominator = q.minus::<1>(simd, p).replaced(simd, done, one);
        slopes.push(Slopes { denominator, before: product, done });
        product = product.times(simd, denominator);
    }
    product
}

/// The sum of two points of which one may be infinity, or both the same or opposite.
#[cold]
fn add_one<F: Coordinate>(p: &Point<F>, q: &Point<F>) -> Point<F> {
    match exceptional(p, q) {
        Exception::Sum(sum) => sum,
        Exception::Slope(denominator) => p.sum_with(q, denominator.inverted().unwrap_or(F::ZERO)),
    }
}

/// A quarter of the inverse of each lane.
#[inline(always)]
fn quarter_inverses<L: Lanes>(simd: Ifma, product: L) -> L {
    let elements = product.canonical(simd).elements(simd);
    // Read with R = 2^256 an element is 16 times what it was, and a result with R = 2^260 must be so too: the quarter of
    // the inverse is 64 times the inverse of what is read.
    let mut before = [L::Element::ONE; LANES];
    let mut all = L::Element::ONE;
    for (before, element) in before.iter_mut().zip(elements) {
        *before = all;
        all = all.times(element);
    }
    let mut inverse = (0..6).fold(all.inverted().unwrap_or(L::Element::ZERO), |inverse, _| inverse.doubled());
    let mut inverses = [Point::INFINITY; LANES];
    for lane in (0..LANES).rev() {
        inverses[lane].x = inverse.times(before[lane]);
        inverse = inverse.times(elements[lane]);
    }
    L::load(simd, inverses.each_ref()).0
}

#[inline(always)]
fn sums<L: Lanes>(
    simd: Ifma,
    points: &mut [Point<L::Element>],
    pairs: &[(u32, u32)],
    slopes: &[Slopes<L>],
    mut inverse: L,
) {
    for (pairs, slope) in pairs.chunks(LANES).zip(slopes).rev() {
        let (pairs, _) = eight(pairs);
        let (px, py) = L::load(simd, chosen(points, map(pairs, 0, |(first, _)| first)));
        let (qx, qy) = L::load(simd, chosen(points, map(pairs, 0, |(_, second)| second)));
        // The difference is below 2, and the quarter below 6.
        let quarter = qy.minus::<1>(simd, py).times(simd, inverse.times(simd, slope.before));
        inverse = inverse.times(simd, slope.denominator);
        let x = quarter.squared(simd).minus::<1>(simd, px).minus::<1>(simd, qx).canonical(simd);
        // Below 6.7 with what `times` says of a quarter, whose other factor was below 2.
        let y = quarter.times(simd, px.minus::<1>(simd, x).quadrupled(simd)).minus::<1>(simd, py).canonical(simd);
        for (lane, sum) in L::points(simd, x, y).into_iter().enumerate() {
            if slope.done >> lane & 1 == 0 {
                points[pairs[lane].0 as usize] = sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use ark_std::{rand::Rng, test_rng};

    use super::*;
    use crate::prover::msm::affine::add_pairs_one_by_one;

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

    /// Points of which some are equal, opposite, infinity, or have an x of zero; it does not matter here that they are on
    /// no curve.
    fn additions_agree<L: Lanes<Element: Field>>(simd: Ifma, rng: &mut impl Rng) {
        for count in [1, 2, 7, 8, 9, 40, 41] {
            let mut points = Vec::new();
            let mut pairs = Vec::new();
            for _ in 0..count {
                let [x, y, other]: [L::Element; 3] = [(); 3].map(|()| UniformRand::rand(rng));
                let p = Point { x, y };
                let q = match rng.gen_range(0..12) {
                    0 => p,
                    1 => p.negated_if(true),
                    2 => Point::INFINITY,
                    3 => Point { x: Arithmetic::ZERO, y: p.y },
                    _ => Point { x: other, y: other.squared() },
                };
                let (p, q) = if rng.r#gen() { (p, q) } else { (q, p) };
                pairs.push((points.len() as u32, points.len() as u32 + 1));
                points.extend([p, q]);
            }
            let mut one_by_one = points.clone();
            add_pairs_one_by_one(&mut one_by_one, &pairs, &mut Vec::new());
            add_pairs::<L>(simd, &mut points, &pairs, &mut Vec::new());
            assert_eq!(points, one_by_one, "{count} pairs");
        }
    }

    #[test]
    fn additions_agree_with_those_one_by_one() {
        let Some(simd) = Ifma::try_new() else { return };
        let mut rng = test_rng();
        for _ in 0..20 {
            additions_agree::<Integers>(simd, &mut rng);
            additions_agree::<Pairs>(simd, &mut rng);
        }
    }
}
