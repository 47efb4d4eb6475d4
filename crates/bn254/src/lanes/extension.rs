//! Vectors of eight elements of the quadratic extension of the base field.

use core::arch::x86_64::__m512i;

use ark_bn254::{Fq2, FqConfig};
use ark_ff::AdditiveGroup;

use super::{Ifma, LANES, from_rows, map, pairs};

type Integers = super::Integers<FqConfig>;

/// Eight elements of the quadratic extension, whose generator's square is -1.
#[derive(Clone, Copy)]
pub struct Pairs {
    c0: Integers,
    c1: Integers,
}

impl Pairs {
    /// Creates the elements from eight vectors. Each vector holds both parts of one element, as [`words`](super::words)
    /// arranges them.
    #[inline(always)]
    pub(crate) fn from_rows(simd: Ifma, rows: [__m512i; LANES]) -> Self {
        let (c0, c1) = from_rows(simd, rows);
        Self { c0, c1 }
    }

    /// Returns the element in all lanes.
    #[inline(always)]
    pub(crate) fn splat(simd: Ifma, element: Fq2) -> Self {
        Self { c0: Integers::splat(simd, element.c0), c1: Integers::splat(simd, element.c1) }
    }

    /// Returns the elements without conversion. They must be [canonical](Self::canonical).
    #[inline(always)]
    pub(crate) fn elements(self, simd: Ifma) -> [Fq2; LANES] {
        map(pairs(simd, self.c0, self.c1), Fq2::ZERO, |[c0, c1]| Fq2::new(c0, c1))
    }

    /// Converts stored elements to `R = 2^260`. The result is canonical.
    #[inline(always)]
    pub(crate) fn raised(self, simd: Ifma) -> Self {
        Self { c0: self.c0.raised(simd), c1: self.c1.raised(simd) }
    }

    /// Converts elements with `R = 2^260`, below 8, to the stored form. The result is canonical.
    #[inline(always)]
    pub(crate) fn lowered(self, simd: Ifma) -> Self {
        Self { c0: self.c0.lowered(simd), c1: self.c1.lowered(simd) }
    }

    /// Returns the mask of the lanes in which both are equal. Both must be canonical.
    #[inline(always)]
    pub(crate) fn equal(self, simd: Ifma, other: Self) -> u8 {
        self.c0.equal(simd, other.c0) & self.c1.equal(simd, other.c1)
    }

    /// Returns `other` in the lanes of the mask, and `self` in the other lanes.
    #[inline(always)]
    pub(crate) fn replaced(self, simd: Ifma, mask: u8, other: Self) -> Self {
        Self { c0: self.c0.replaced(simd, mask, other.c0), c1: self.c1.replaced(simd, mask, other.c1) }
    }

    /// Returns the sum, not reduced.
    #[inline(always)]
    pub(crate) fn plus(self, simd: Ifma, other: Self) -> Self {
        Self { c0: self.c0.plus(simd, other.c0), c1: self.c1.plus(simd, other.c1) }
    }

    /// Returns `self - other + FACTOR p` in both parts. `other` must be below `FACTOR p`.
    #[inline(always)]
    pub(crate) fn minus<const FACTOR: u64>(self, simd: Ifma, other: Self) -> Self {
        Self { c0: self.c0.minus::<FACTOR>(simd, other.c0), c1: self.c1.minus::<FACTOR>(simd, other.c1) }
    }

    /// Returns four times `self`, not reduced.
    #[inline(always)]
    pub(crate) fn quadrupled(self, simd: Ifma) -> Self {
        Self { c0: self.c0.shifted::<2>(simd), c1: self.c1.shifted::<2>(simd) }
    }

    /// Returns the product. It is below 7 if both factors are below 6, and below 6 if the factors are below 7 and 2. A
    /// product of the second kind times a factor below 8 is below 7 too.
    #[inline(always)]
    pub(crate) fn times(self, simd: Ifma, other: Self) -> Self {
        // The products of the parts are below 2, so each subtraction of one adds 2 p.
        // Factors below 6: 1 + 12 * 12 / 84 + 4 < 7. Factors below 7 and 2: 1 + 14 * 4 / 84 + 4 < 5.7, and below
        // 1 + 14 / 84 + 2 < 3.2 in c0. Such a product and a factor below 8: 1 + (3.2 + 5.7) * 16 / 84 + 4 < 7.
        let (low, high) = (self.c0.times(simd, other.c0), self.c1.times(simd, other.c1));
        let mixed = self.c0.plus(simd, self.c1).times(simd, other.c0.plus(simd, other.c1));
        Self { c0: low.minus::<2>(simd, high), c1: mixed.minus::<2>(simd, low).minus::<2>(simd, high) }
    }

    /// Returns the square of an element below 6. It is below 3.
    #[inline(always)]
    pub(crate) fn squared(self, simd: Ifma) -> Self {
        // Factors below 12 and 12: 1 + 144/84 < 3. Twice a product below 1 + 36/84 < 1.5.
        let product = self.c0.times(simd, self.c1);
        let norm = self.c0.plus(simd, self.c1).times(simd, self.c0.minus::<6>(simd, self.c1));
        Self { c0: norm, c1: product.plus(simd, product) }
    }

    /// Reduces an element below 8 to its canonical form, below 1.
    #[inline(always)]
    pub(crate) fn canonical(self, simd: Ifma) -> Self {
        Self { c0: self.c0.canonical(simd), c1: self.c1.canonical(simd) }
    }
}
