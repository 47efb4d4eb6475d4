//! Additions of affine points in batches that share one inversion (Montgomery's trick).

use ark_ec::{
    AffineRepr, CurveGroup,
    short_weierstrass::{Affine, Projective, SWCurveConfig},
};
use ark_ff::{AdditiveGroup, Field, Zero};

/// An affine point without a flag: infinity is (0, 0), which is on no curve `y^2 = x^3 + b` with b other than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::prover) struct Point<F> {
    pub(in crate::prover) x: F,
    pub(in crate::prover) y: F,
}

impl<F: Field> Point<F> {
    pub(super) const INFINITY: Self = Self { x: F::ZERO, y: F::ZERO };

    pub(super) fn is_infinity(&self) -> bool {
        self.x.is_zero() && self.y.is_zero()
    }

    pub(super) fn negated_if(self, negative: bool) -> Self {
        if negative { Self { x: self.x, y: -self.y } } else { self }
    }

    pub(super) fn of<P: SWCurveConfig<BaseField = F>>(point: &Affine<P>) -> Self {
        point.xy().map_or(Self::INFINITY, |(x, y)| Self { x, y })
    }

    pub(super) fn to_projective<P: SWCurveConfig<BaseField = F>>(self) -> Projective<P> {
        if self.is_infinity() { Projective::zero() } else { Affine::new_unchecked(self.x, self.y).into() }
    }
}

/// Consecutive points that are to be summed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// Sums each segment into its first point. Segments must not overlap; their other points are left as rubbish.
///
/// Each round adds the second half of every segment to its first half, with one inversion for all.
pub(super) fn sum_segments<P: SWCurveConfig>(points: &mut [Point<P::BaseField>], mut segments: Vec<Segment>) {
    let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(points.len() / 2);
    let mut slopes = Vec::with_capacity(points.len() / 2);
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
        add_pairs::<P>(points, &pairs, &mut slopes);
    }
}

/// The denominator of a slope, and the product of all before it. A denominator of zero marks a pair that is done.
struct Slope<F> {
    denominator: F,
    before: F,
}

/// Adds the second point of each pair to the first. No point occurs twice.
fn add_pairs<P: SWCurveConfig>(
    points: &mut [Point<P::BaseField>],
    pairs: &[(u32, u32)],
    slopes: &mut Vec<Slope<P::BaseField>>,
) {
    let mut product = P::BaseField::ONE;
    slopes.clear();
    for &(first, second) in pairs {
        let (p, q) = (points[first as usize], points[second as usize]);
        let mut denominator = q.x - p.x;
        if denominator.is_zero() || p.x.is_zero() || q.x.is_zero() {
            denominator = match exceptional(&p, &q) {
                Exception::Sum(sum) => {
                    points[first as usize] = sum;
                    P::BaseField::ZERO
                }
                Exception::Slope(denominator) => denominator,
            };
        }
        slopes.push(Slope { denominator, before: product });
        if !denominator.is_zero() {
            product *= denominator;
        }
    }
    // A product of factors other than zero has an inverse.
    let mut inverse = product.inverse().unwrap_or_default();
    for (&(first, second), Slope { denominator, before }) in pairs.iter().zip(&*slopes).rev() {
        if denominator.is_zero() {
            continue;
        }
        let (p, q) = (points[first as usize], points[second as usize]);
        let numerator = if p.x == q.x { p.x.square() * P::BaseField::from(3u64) } else { q.y - p.y };
        let slope = numerator * (inverse * before);
        inverse *= denominator;
        let x = slope.square() - p.x - q.x;
        points[first as usize] = Point { x, y: slope * (p.x - x) - p.y };
    }
}

enum Exception<F> {
    /// The sum needs no slope.
    Sum(Point<F>),
    /// The denominator of the slope.
    Slope(F),
}

/// Pairs with infinity, of a point with its negative, and of a point with itself; and points whose x is zero.
#[cold]
fn exceptional<F: Field>(p: &Point<F>, q: &Point<F>) -> Exception<F> {
    if p.is_infinity() {
        Exception::Sum(*q)
    } else if q.is_infinity() {
        Exception::Sum(*p)
    } else if p.x != q.x {
        Exception::Slope(q.x - p.x)
    } else if p.y == q.y && !p.y.is_zero() {
        Exception::Slope(p.y.double())
    } else {
        Exception::Sum(Point::INFINITY)
    }
}

/// Brings points into affine form.
pub(super) fn to_points<P: SWCurveConfig>(points: &[Projective<P>]) -> Vec<Point<P::BaseField>> {
    Projective::normalize_batch(points).iter().map(Point::of).collect()
}
