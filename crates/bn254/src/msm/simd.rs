//! Additions of affine points, eight at a time.
//!
//! Points are stored with `R = 2^256`. Read with `R = 2^260` they represent `(x / 16, y / 16)`. The sum of two such
//! points has `x3 = l^2 / 16 - x1 - x2` and `y3 = l (x1 - x3) - y1`. The slope `l` does not depend on the factor
//! `1 / 16`. With `m = l / 4` these are `m^2 - x1 - x2` and `m 4(x1 - x3) - y1`. The factor `1 / 4` is applied once, to
//! the inverse that all slopes share.

use super::{
    affine::{Coordinate, Exception, Point, exceptional},
    coordinates::{Ifma, LANES, Lanes, map},
};
use crate::arithmetic::Arithmetic;

/// The denominators of eight slopes, the products of all denominators before them, and the mask of the lanes that need
/// no further addition.
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

/// The computation of [`add_pairs`], compiled with the vector instructions.
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

/// Returns eight pairs, and the mask of the lanes without a pair of their own. These lanes repeat the first pair.
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
        // Infinity has x = 0. Equal or opposite points have the same x.
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

/// Returns the sum of two points. They may be infinity, equal or opposite.
#[cold]
fn add_one<F: Coordinate>(p: &Point<F>, q: &Point<F>) -> Point<F> {
    match exceptional(p, q) {
        Exception::Sum(sum) => sum,
        Exception::Slope(denominator) => p.sum_with(q, denominator.inverted().unwrap_or(F::ZERO)),
    }
}

/// Returns a quarter of the inverse of each lane.
#[inline(always)]
fn quarter_inverses<L: Lanes>(simd: Ifma, product: L) -> L {
    let elements = product.canonical(simd).elements(simd);
    // An element with R = 2^260, read with R = 2^256, represents 16 times its value. This applies to the input and to
    // the result. So the quarter of the inverse is 64 times the inverse of the input as it is read.
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
        // The difference is below 2, so the quarter is below 6.
        let quarter = qy.minus::<1>(simd, py).times(simd, inverse.times(simd, slope.before));
        inverse = inverse.times(simd, slope.denominator);
        let x = quarter.squared(simd).minus::<1>(simd, px).minus::<1>(simd, qx).canonical(simd);
        // The product is below 6.7, by the bound of `times` for a quarter, which has a factor below 2.
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
    use ark_ff::{Field, UniformRand};
    use ark_std::{rand::Rng, test_rng};

    use super::*;
    use crate::{
        lanes::tests::vectors,
        msm::{
            affine,
            coordinates::{Integers, Pairs},
        },
    };

    /// Compares additions of random points, some of them equal, opposite, infinity, or with an x of zero. The points
    /// need not be on a curve.
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
            affine::add_pairs(&mut one_by_one, &pairs, &mut Vec::new());
            add_pairs::<L>(simd, &mut points, &pairs, &mut Vec::new());
            assert_eq!(points, one_by_one, "{count} pairs");
        }
    }

    #[test]
    fn additions_agree_with_those_one_by_one() {
        let Some(simd) = vectors() else { return };
        let mut rng = test_rng();
        for _ in 0..20 {
            additions_agree::<Integers>(simd, &mut rng);
            additions_agree::<Pairs>(simd, &mut rng);
        }
    }
}
