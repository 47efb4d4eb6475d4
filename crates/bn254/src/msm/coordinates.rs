//! Vectors of eight coordinates.
//!
//! Comments give bounds as multiples of the modulus, as in [`crate::lanes`].

use ark_bn254::{Fq, Fq2, FqConfig};

use super::affine::{Coordinate, Point};
pub(super) use crate::lanes::{Ifma, LANES, Pairs, map};
use crate::lanes::{from_rows, pairs, splat, words};

/// Eight elements of the base field.
pub type Integers = crate::lanes::Integers<FqConfig>;

/// Eight elements of a coordinate's field; see [`Arithmetic`].
pub trait Lanes: Copy {
    type Element: Coordinate<Lanes = Self>;

    /// Returns the element in all lanes.
    fn splat(simd: Ifma, element: Self::Element) -> Self;
    /// Loads the coordinates x and y of eight points.
    fn load(simd: Ifma, points: [&Point<Self::Element>; LANES]) -> (Self, Self);
    /// Returns the elements without conversion. They must be [canonical](Self::canonical).
    fn elements(self, simd: Ifma) -> [Self::Element; LANES];
    /// Returns the points with these coordinates, which must be canonical.
    fn points(simd: Ifma, x: Self, y: Self) -> [Point<Self::Element>; LANES];
    /// Returns the mask of the lanes in which both are equal. Both must be canonical.
    fn equal(self, simd: Ifma, other: Self) -> u8;
    /// Returns `other` in the lanes of the mask, and `self` in the other lanes.
    fn replaced(self, simd: Ifma, mask: u8, other: Self) -> Self;
    /// Returns `self - other + FACTOR p`. `other` must be below `FACTOR p`.
    fn minus<const FACTOR: u64>(self, simd: Ifma, other: Self) -> Self;
    /// Returns four times `self`.
    fn quadrupled(self, simd: Ifma) -> Self;
    /// Returns the product. It is below 7 if both factors are below 6, and below 6 if the factors are below 7 and 2. A
    /// product of the second kind times a factor below 8 is below 7 too.
    fn times(self, simd: Ifma, other: Self) -> Self;
    /// Returns the square of an element below 6. It is below 3.
    fn squared(self, simd: Ifma) -> Self;
    /// Reduces an element below 8 to its canonical form, below 1.
    fn canonical(self, simd: Ifma) -> Self;
}

impl Lanes for Integers {
    type Element = Fq;

    #[inline(always)]
    fn splat(simd: Ifma, element: Fq) -> Self {
        Self::splat(simd, element)
    }

    #[inline(always)]
    fn load(simd: Ifma, points: [&Point<Fq>; LANES]) -> (Self, Self) {
        from_rows(simd, map(points, splat(simd, 0), |point| words(point.x, point.y)))
    }

    #[inline(always)]
    fn elements(self, simd: Ifma) -> [Fq; LANES] {
        self.elements(simd)
    }

    #[inline(always)]
    fn points(simd: Ifma, x: Self, y: Self) -> [Point<Fq>; LANES] {
        map(pairs(simd, x, y), Point::INFINITY, |[x, y]| Point { x, y })
    }

    #[inline(always)]
    fn equal(self, simd: Ifma, other: Self) -> u8 {
        self.equal(simd, other)
    }

    #[inline(always)]
    fn replaced(self, simd: Ifma, mask: u8, other: Self) -> Self {
        self.replaced(simd, mask, other)
    }

    #[inline(always)]
    fn minus<const FACTOR: u64>(self, simd: Ifma, other: Self) -> Self {
        self.minus::<FACTOR>(simd, other)
    }

    #[inline(always)]
    fn quadrupled(self, simd: Ifma) -> Self {
        self.shifted::<2>(simd)
    }

    #[inline(always)]
    fn times(self, simd: Ifma, other: Self) -> Self {
        self.times(simd, other)
    }

    #[inline(always)]
    fn squared(self, simd: Ifma) -> Self {
        self.squared(simd)
    }

    #[inline(always)]
    fn canonical(self, simd: Ifma) -> Self {
        self.canonical(simd)
    }
}

impl Lanes for Pairs {
    type Element = Fq2;

    #[inline(always)]
    fn splat(simd: Ifma, element: Fq2) -> Self {
        Self::splat(simd, element)
    }

    #[inline(always)]
    fn load(simd: Ifma, points: [&Point<Fq2>; LANES]) -> (Self, Self) {
        let elements = |coordinate: fn(&Point<Fq2>) -> &Fq2| {
            let rows = map(points, splat(simd, 0), |point| words(coordinate(point).c0, coordinate(point).c1));
            Self::from_rows(simd, rows)
        };
        (elements(|point| &point.x), elements(|point| &point.y))
    }

    #[inline(always)]
    fn elements(self, simd: Ifma) -> [Fq2; LANES] {
        self.elements(simd)
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
        self.equal(simd, other)
    }

    #[inline(always)]
    fn replaced(self, simd: Ifma, mask: u8, other: Self) -> Self {
        self.replaced(simd, mask, other)
    }

    #[inline(always)]
    fn minus<const FACTOR: u64>(self, simd: Ifma, other: Self) -> Self {
        self.minus::<FACTOR>(simd, other)
    }

    #[inline(always)]
    fn quadrupled(self, simd: Ifma) -> Self {
        self.quadrupled(simd)
    }

    #[inline(always)]
    fn times(self, simd: Ifma, other: Self) -> Self {
        self.times(simd, other)
    }

    #[inline(always)]
    fn squared(self, simd: Ifma) -> Self {
        self.squared(simd)
    }

    #[inline(always)]
    fn canonical(self, simd: Ifma) -> Self {
        self.canonical(simd)
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field};
    use ark_std::test_rng;

    use super::*;
    use crate::lanes::tests::{elements, vectors};

    /// Compares operations with arkworks. Elements loaded with `R = 2^260` represent a sixteenth of their value with
    /// `R = 2^256`. The same holds for products.
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
        let Some(simd) = vectors() else { return };
        let elements = elements(&mut test_rng());
        operations_agree::<Integers>(simd, &elements);
        let pairs: Vec<_> = elements.iter().zip(elements.iter().rev()).map(|(a, b)| Fq2::new(*a, *b)).collect();
        operations_agree::<Pairs>(simd, &pairs);
    }
}
