//! Batched additions of affine points, which share one inversion (Montgomery: "Speeding the Pollard and elliptic curve
//! methods of factorization", Mathematics of Computation 48, 1987).

use ark_bn254::{Fq, Fq2, Fr};
use ark_ec::{
    AffineRepr, CurveGroup,
    short_weierstrass::{Affine, Projective, SWCurveConfig},
};
use ark_ff::Field;

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
use super::{coordinates::Lanes, simd};
use crate::arithmetic::Arithmetic;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
use crate::backend;

/// An affine point without a flag. Infinity is (0, 0), which is not on a curve `y^2 = x^3 + b` with nonzero b.
///
/// It is aligned to cache lines, because tables are read in random order: a point of G1 fills one line and does not
/// cross into a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Point<F> {
    /// The x coordinate.
    pub x: F,
    /// The y coordinate.
    pub y: F,
}

impl<F: Arithmetic> Point<F> {
    pub(super) const INFINITY: Self = Self { x: F::ZERO, y: F::ZERO };

    pub(super) fn is_infinity(&self) -> bool {
        self.x == F::ZERO && self.y == F::ZERO
    }

    #[inline(always)]
    pub(super) fn negated_if(self, negative: bool) -> Self {
        Self { x: self.x, y: self.y.negated_if(negative) }
    }

    /// Returns the sum with a point. `inverse` is the inverse of the slope's denominator.
    #[inline(always)]
    pub(super) fn sum_with(&self, other: &Self, inverse: F) -> Self {
        let numerator = if self.x == other.x { tripled(self.x.squared()) } else { other.y.minus(self.y) };
        let slope = numerator.times(inverse);
        let x = slope.squared().minus(self.x).minus(other.x);
        Self { x, y: slope.times(self.x.minus(x)).minus(self.y) }
    }
}

/// A coordinate of points that can be added in batches.
pub trait Coordinate: Arithmetic {
    /// Vectors of eight coordinates.
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    type Lanes: Lanes<Element = Self>;
}

/// A curve whose points can be summed.
pub trait Curve: SWCurveConfig<BaseField: Coordinate, ScalarField = Fr> {}

impl<P: SWCurveConfig<BaseField: Coordinate, ScalarField = Fr>> Curve for P {}

impl Coordinate for Fq {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    type Lanes = super::coordinates::Integers;
}

impl Coordinate for Fq2 {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    type Lanes = super::coordinates::Pairs;
}

impl<F: Arithmetic + Field> Point<F> {
    pub(super) fn of<P: SWCurveConfig<BaseField = F>>(point: &Affine<P>) -> Self {
        point.xy().map_or(Self::INFINITY, |(x, y)| Self { x, y })
    }

    pub(super) fn to_affine<P: SWCurveConfig<BaseField = F>>(self) -> Affine<P> {
        if self.is_infinity() { Affine::identity() } else { Affine::new_unchecked(self.x, self.y) }
    }
}

/// Consecutive points to sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// Sums each segment into its first point. Segments must not overlap. Their other points have no meaning afterwards.
///
/// Each round adds the second half of every segment to its first half, with one inversion for all.
pub(super) fn sum_segments<F: Coordinate>(points: &mut [Point<F>], segments: Vec<Segment>) {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    if let Some(simd) = backend::vectors() {
        let mut slopes = Vec::new();
        return sum_by(points, segments, |points, pairs| simd::add_pairs::<F::Lanes>(simd, points, pairs, &mut slopes));
    }
    let mut slopes = Vec::new();
    sum_by(points, segments, |points, pairs| add_pairs(points, pairs, &mut slopes));
}

/// Sums each segment. `add` adds the second point of each pair to the first.
fn sum_by<F>(points: &mut [Point<F>], mut segments: Vec<Segment>, mut add: impl FnMut(&mut [Point<F>], &[(u32, u32)])) {
    let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(points.len() / 2);
    loop {
        pairs.clear();
        segments.retain_mut(|segment| {
            let kept = segment.len.div_ceil(2);
            for first in segment.start..segment.start + segment.len / 2 {
                pairs.push((first as u32, (first + kept) as u32));
            }
            segment.len = kept;
            kept > 1
        });
        if pairs.is_empty() {
            return;
        }
        add(points, &pairs);
    }
}

/// The denominator of a slope, and the product of all denominators before it. A denominator of zero marks a pair whose
/// sum is already computed.
pub(super) struct Slope<F> {
    denominator: F,
    before: F,
}

/// Adds the second point of each pair to the first. No point may occur twice. `slopes` is a buffer.
pub(super) fn add_pairs<F: Coordinate>(points: &mut [Point<F>], pairs: &[(u32, u32)], slopes: &mut Vec<Slope<F>>) {
    let mut product = F::ONE;
    slopes.clear();
    for &(first, second) in pairs {
        let (p, q) = (points[first as usize], points[second as usize]);
        let mut denominator = q.x.minus(p.x);
        if denominator == F::ZERO || p.x == F::ZERO || q.x == F::ZERO {
            denominator = match exceptional(&p, &q) {
                Exception::Sum(sum) => {
                    points[first as usize] = sum;
                    F::ZERO
                }
                Exception::Slope(denominator) => denominator,
            };
        }
        slopes.push(Slope { denominator, before: product });
        if denominator != F::ZERO {
            product = product.times(denominator);
        }
    }
    // A product of nonzero factors has an inverse.
    let mut inverse = product.inverted().unwrap_or(F::ZERO);
    for (&(first, second), &Slope { denominator, before }) in pairs.iter().zip(&*slopes).rev() {
        if denominator == F::ZERO {
            continue;
        }
        let (p, q) = (points[first as usize], points[second as usize]);
        points[first as usize] = p.sum_with(&q, inverse.times(before));
        inverse = inverse.times(denominator);
    }
}

#[cold]
fn tripled<F: Arithmetic>(element: F) -> F {
    element.doubled().plus(element)
}

pub(super) enum Exception<F> {
    /// The sum needs no slope.
    Sum(Point<F>),
    /// The denominator of the slope.
    Slope(F),
}

/// Handles pairs with infinity, pairs of a point and its negative, pairs of equal points, and points whose x is zero.
#[cold]
pub(super) fn exceptional<F: Arithmetic>(p: &Point<F>, q: &Point<F>) -> Exception<F> {
    if p.is_infinity() {
        Exception::Sum(*q)
    } else if q.is_infinity() {
        Exception::Sum(*p)
    } else if p.x != q.x {
        Exception::Slope(q.x.minus(p.x))
    } else if p.y == q.y && p.y != F::ZERO {
        Exception::Slope(p.y.doubled())
    } else {
        Exception::Sum(Point::INFINITY)
    }
}

/// Converts points to affine form.
pub(super) fn to_points<P: Curve>(points: &[Projective<P>]) -> Vec<Point<P::BaseField>> {
    Projective::normalize_batch(points).iter().map(Point::of).collect()
}
