//! Vectors of eight integers, and sums of their products.

use core::{arch::x86_64::__m512i, marker::PhantomData};

use ark_ff::{Field, MontConfig};

use super::{Ifma, LANES, Stored, map, pairs, splat};

const LIMBS: usize = 5;
const LIMB_BITS: u32 = 52;
const LIMB_MASK: u64 = (1 << LIMB_BITS) - 1;

/// An integer below `2^260` in limbs of 52 bits, least significant first.
pub type Limbs = [u64; LIMBS];

const fn limbs([a, b, c, d]: [u64; 4]) -> Limbs {
    let limbs = [a, a >> 52 | b << 12, b >> 40 | c << 24, c >> 28 | d << 36, d >> 16];
    let (mut masked, mut i) = ([0; LIMBS], 0);
    while i < LIMBS {
        masked[i] = limbs[i] & LIMB_MASK;
        i += 1;
    }
    masked
}

/// Returns the limbs of `factor` times the modulus, for factors up to 63.
const fn multiple_of_modulus<P: MontConfig<4>>(factor: u64) -> Limbs {
    let modulus = limbs(P::MODULUS.0);
    let (mut multiple, mut carry, mut i) = ([0; LIMBS], 0, 0);
    while i < LIMBS {
        let product = modulus[i] * factor + carry;
        multiple[i] = product & LIMB_MASK;
        carry = product >> LIMB_BITS;
        i += 1;
    }
    multiple
}

/// Eight integers below `2^260`, which represent elements of a field.
pub struct Integers<P>([__m512i; LIMBS], PhantomData<P>);

impl<P> Clone for Integers<P> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Integers<P> {}

impl<P: MontConfig<4>> Integers<P> {
    #[inline(always)]
    const fn new(limbs: [__m512i; LIMBS]) -> Self {
        Self(limbs, PhantomData)
    }

    /// Returns the limbs of an element in its stored form.
    pub const fn limbs_of(element: &Stored<P>) -> Limbs {
        limbs(element.0.0)
    }

    /// Returns the limbs in all lanes.
    #[inline(always)]
    pub fn constant(simd: Ifma, limbs: &Limbs) -> Self {
        Self::new(map(*limbs, splat(simd, 0), |limb| splat(simd, limb)))
    }

    /// Returns the element in all lanes.
    #[inline(always)]
    pub fn splat(simd: Ifma, element: Stored<P>) -> Self {
        Self::from_words(simd, map(element.0.0, splat(simd, 0), |word| splat(simd, word)))
    }

    /// Creates the integers from four vectors, each with 64 bits of every integer.
    #[inline(always)]
    pub(super) fn from_words(simd: Ifma, [a, b, c, d]: [__m512i; 4]) -> Self {
        let f = simd.avx512f;
        let mask = splat(simd, LIMB_MASK);
        let low = |word| f._mm512_and_si512(word, mask);
        Self::new([
            low(a),
            low(f._mm512_or_si512(f._mm512_srli_epi64::<52>(a), f._mm512_slli_epi64::<12>(b))),
            low(f._mm512_or_si512(f._mm512_srli_epi64::<40>(b), f._mm512_slli_epi64::<24>(c))),
            low(f._mm512_or_si512(f._mm512_srli_epi64::<28>(c), f._mm512_slli_epi64::<36>(d))),
            f._mm512_srli_epi64::<16>(d),
        ])
    }

    #[inline(always)]
    pub(super) fn to_words(self, simd: Ifma) -> [__m512i; 4] {
        let f = simd.avx512f;
        let [a, b, c, d, e] = self.0;
        [
            f._mm512_or_si512(a, f._mm512_slli_epi64::<52>(b)),
            f._mm512_or_si512(f._mm512_srli_epi64::<12>(b), f._mm512_slli_epi64::<40>(c)),
            f._mm512_or_si512(f._mm512_srli_epi64::<24>(c), f._mm512_slli_epi64::<28>(d)),
            f._mm512_or_si512(f._mm512_srli_epi64::<36>(d), f._mm512_slli_epi64::<16>(e)),
        ]
    }

    /// Returns the elements without conversion. They must be [canonical](Self::canonical).
    #[inline(always)]
    pub fn elements(self, simd: Ifma) -> [Stored<P>; LANES] {
        let pairs = pairs(simd, self, self);
        map(pairs, pairs[0][0], |[element, _]| element)
    }

    /// Propagates carries: moves the part of each limb above 52 bits, or below zero, to the next limb.
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
        Self::new([low(a), low(b), low(c), low(d), e])
    }

    #[inline(always)]
    fn each(self, other: Self, operation: impl Fn(__m512i, __m512i) -> __m512i) -> Self {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = operation(*limb, other);
        }
        Self::new(limbs)
    }

    /// Returns the mask of the lanes in which both are equal. Both must be canonical.
    #[inline(always)]
    pub fn equal(self, simd: Ifma, other: Self) -> u8 {
        let f = simd.avx512f;
        let mut differences = f._mm512_setzero_si512();
        for i in 0..LIMBS {
            differences = f._mm512_or_si512(differences, f._mm512_xor_si512(self.0[i], other.0[i]));
        }
        f._mm512_testn_epi64_mask(differences, differences)
    }

    /// Returns `other` in the lanes of the mask, and `self` in the other lanes.
    #[inline(always)]
    pub fn replaced(self, simd: Ifma, mask: u8, other: Self) -> Self {
        self.each(other, |own, other| simd.avx512f._mm512_mask_blend_epi64(mask, own, other))
    }

    /// Returns the sum, not reduced.
    #[inline(always)]
    pub fn plus(self, simd: Ifma, other: Self) -> Self {
        self.each(other, |a, b| simd.avx512f._mm512_add_epi64(a, b)).carried(simd)
    }

    /// Returns `self - other + FACTOR p`. `other` must be below `FACTOR p`.
    #[inline(always)]
    pub fn minus<const FACTOR: u64>(self, simd: Ifma, other: Self) -> Self {
        let f = simd.avx512f;
        let multiple = Self::constant(simd, const { &multiple_of_modulus::<P>(FACTOR) });
        let raised = self.each(multiple, |a, b| f._mm512_add_epi64(a, b));
        raised.each(other, |a, b| f._mm512_sub_epi64(a, b)).carried(simd)
    }

    /// Returns `2^BITS` times `self`, not reduced.
    #[inline(always)]
    pub fn shifted<const BITS: u32>(self, simd: Ifma) -> Self {
        self.each(self, |limb, _| simd.avx512f._mm512_slli_epi64::<BITS>(limb)).carried(simd)
    }

    /// Returns the product, reduced.
    #[inline(always)]
    pub fn times(self, simd: Ifma, other: Self) -> Self {
        Products::zero(simd).plus_product(simd, self, other).reduced(simd)
    }

    /// Returns the square, reduced.
    #[inline(always)]
    pub fn squared(self, simd: Ifma) -> Self {
        Products::square(simd, self).reduced(simd)
    }

    /// Subtracts `FACTOR p` from the integers that are at least `FACTOR p`.
    #[inline(always)]
    pub fn subtracted<const FACTOR: u64>(self, simd: Ifma) -> Self {
        let f = simd.avx512f;
        let multiple = Self::constant(simd, const { &multiple_of_modulus::<P>(FACTOR) });
        let difference = self.each(multiple, |a, b| f._mm512_sub_epi64(a, b)).carried(simd);
        let below = f._mm512_cmplt_epi64_mask(difference.0[4], f._mm512_setzero_si512());
        difference.each(self, |difference, own| f._mm512_mask_blend_epi64(below, difference, own))
    }

    /// Converts stored elements to `R = 2^260`. The result is canonical.
    #[inline(always)]
    pub fn raised(self, simd: Ifma) -> Self {
        self.shifted::<4>(simd).subtracted::<8>(simd).canonical(simd)
    }

    /// Converts elements with `R = 2^260`, below 8 p, to the stored form. The result is canonical.
    #[inline(always)]
    pub fn lowered(self, simd: Ifma) -> Self {
        self.times(simd, Self::splat(simd, Stored::<P>::ONE)).canonical(simd)
    }

    /// Reduces integers below 8 p to the canonical form, below p.
    #[inline(always)]
    pub fn canonical(self, simd: Ifma) -> Self {
        self.subtracted::<4>(simd).subtracted::<2>(simd).subtracted::<1>(simd)
    }
}

/// Eight sums of products, in columns of 64 bits with weights `2^52` apart.
///
/// A product adds at most ten numbers of 52 bits to a column. Reduction adds ten more and a carry. So 400 products fit.
pub struct Products<P>([__m512i; 2 * LIMBS], PhantomData<P>);

impl<P: MontConfig<4>> Products<P> {
    /// Returns sums of no products.
    #[inline(always)]
    pub fn zero(simd: Ifma) -> Self {
        Self([simd.avx512f._mm512_setzero_si512(); 2 * LIMBS], PhantomData)
    }

    /// Returns the integers times `2^260`. Reduction turns these into the integers.
    #[inline(always)]
    pub fn new(simd: Ifma, integers: Integers<P>) -> Self {
        let mut sum = Self::zero(simd);
        sum.0[LIMBS..].copy_from_slice(&integers.0);
        sum
    }

    #[inline(always)]
    fn square(simd: Ifma, Integers(limbs, _): Integers<P>) -> Self {
        let low = |sum, a, b| simd.avx512ifma._mm512_madd52lo_epu64(sum, a, b);
        let high = |sum, a, b| simd.avx512ifma._mm512_madd52hi_epu64(sum, a, b);
        let mut sum = Self::zero(simd).0;
        // The products of different limbs, each computed once.
        for i in 0..LIMBS {
            for j in i + 1..LIMBS {
                sum[i + j] = low(sum[i + j], limbs[i], limbs[j]);
                sum[i + j + 1] = high(sum[i + j + 1], limbs[i], limbs[j]);
            }
        }
        for column in &mut sum {
            *column = simd.avx512f._mm512_add_epi64(*column, *column);
        }
        for i in 0..LIMBS {
            sum[2 * i] = low(sum[2 * i], limbs[i], limbs[i]);
            sum[2 * i + 1] = high(sum[2 * i + 1], limbs[i], limbs[i]);
        }
        Self(sum, PhantomData)
    }

    /// Adds a product.
    #[inline(always)]
    pub fn plus_product(self, simd: Ifma, a: Integers<P>, b: Integers<P>) -> Self {
        let low = |sum, a, b| simd.avx512ifma._mm512_madd52lo_epu64(sum, a, b);
        let high = |sum, a, b| simd.avx512ifma._mm512_madd52hi_epu64(sum, a, b);
        let mut sum = self.0;
        for i in 0..LIMBS {
            for j in 0..LIMBS {
                sum[i + j] = low(sum[i + j], a.0[i], b.0[j]);
                sum[i + j + 1] = high(sum[i + j + 1], a.0[i], b.0[j]);
            }
        }
        Self(sum, PhantomData)
    }

    /// Returns the sums divided by `2^260` modulo p: Montgomery's reduction. The result is less than the quotient plus
    /// p.
    #[inline(always)]
    pub fn reduced(self, simd: Ifma) -> Integers<P> {
        let zero = simd.avx512f._mm512_setzero_si512();
        let low = |sum, a, b| simd.avx512ifma._mm512_madd52lo_epu64(sum, a, b);
        let high = |sum, a, b| simd.avx512ifma._mm512_madd52hi_epu64(sum, a, b);
        // -1/p modulo 2^52.
        let inverse = splat(simd, P::INV & LIMB_MASK);
        let modulus = Integers::<P>::constant(simd, const { &multiple_of_modulus::<P>(1) });
        let mut sum = self.0;
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
        Integers::new([a, b, c, d, e]).carried(simd)
    }
}

#[cfg(test)]
mod tests {
    use ark_bn254::{FqConfig, FrConfig};
    use ark_std::test_rng;

    use super::*;
    use crate::lanes::{
        from_rows,
        tests::{elements, vectors},
        words,
    };

    /// For elements with R = 2^256, the computed product is a sixteenth of the true product.
    fn sums_agree<P: MontConfig<4>>(simd: Ifma) {
        let elements = elements::<P>(&mut test_rng());
        let sixteen = Stored::<P>::from(16);
        let pair = |n: usize, lane: usize| (elements[(n + lane) % 48], elements[(5 * n + 7 * lane) % 48]);
        let load = |n| {
            let rows: [_; LANES] = core::array::from_fn(|lane| pair(n, lane));
            from_rows(simd, rows.map(|(a, b)| words(a, b)))
        };
        let mut sum = Products::new(simd, load(0).0);
        let mut expected: [_; LANES] = core::array::from_fn(|lane| pair(0, lane).0 * sixteen);
        for n in 0..elements.len() {
            let (a, b) = load(n);
            sum = sum.plus_product(simd, a, b);
            for (lane, expected) in expected.iter_mut().enumerate() {
                *expected += pair(n, lane).0 * pair(n, lane).1;
            }
            assert_eq!(a.squared(simd).canonical(simd).equal(simd, a.times(simd, a).canonical(simd)), u8::MAX);
        }
        // Below 1 + 48 / 84 + 1.
        let sums = sum.reduced(simd).canonical(simd).elements(simd);
        assert_eq!(sums.map(|sum| sum * sixteen), expected);
        // The largest canonical integers, times sixteen.
        let largest = Stored::<P>::new_unchecked(ark_ff::BigInt([1, 0, 0, 0]));
        let raised = Integers::splat(simd, -largest).shifted::<4>(simd);
        let product = raised.times(simd, raised).canonical(simd).elements(simd);
        assert_eq!(product, [largest * largest * sixteen; LANES]);
    }

    #[test]
    fn sums_of_products_agree_with_arkworks() {
        let Some(simd) = vectors() else { return };
        sums_agree::<FqConfig>(simd);
        sums_agree::<FrConfig>(simd);
    }
}
