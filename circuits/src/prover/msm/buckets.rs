//! Sums of the points in buckets, and of the buckets by their weights.

use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ff::{AdditiveGroup, Zero};

use super::{
    affine::{Coordinate, Curve, Point, Segment, sum_segments},
    digits::{Buckets, Entry},
};
use crate::prover::threads;

/// How many additions share an inversion at most: enough to hide it, few enough to stay in the second cache.
const GROUP: usize = 8192;

/// The sum of each bucket, with the point that an entry stands for.
pub(super) fn sum_buckets<F: Coordinate>(
    buckets: &Buckets,
    point: impl Fn(Entry) -> Point<F> + Sync + Send,
) -> Vec<Point<F>> {
    let groups: Vec<Vec<_>> = threads::map(buckets.groups(GROUP), |group| {
        let entries: usize = group.clone().map(|bucket| buckets.bucket(bucket).len()).sum();
        let mut points = Vec::with_capacity(entries);
        let mut segments = Vec::with_capacity(group.len());
        for bucket in group.clone() {
            let entries = buckets.bucket(bucket);
            segments.push(Segment { start: points.len(), len: entries.len() });
            points.extend(entries.iter().map(|entry| point(*entry)));
        }
        let starts: Vec<_> = segments.iter().map(|segment| (segment.start, segment.len)).collect();
        sum_segments(&mut points, segments);
        starts.into_iter().map(|(start, len)| if len == 0 { Point::INFINITY } else { points[start] }).collect()
    });
    debug_assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), buckets.len());
    groups.concat()
}

/// The sum of `i * buckets[i]`.
///
/// With `i = 2^m row + column`, that is `2^m` times the weighted sum of all rows' sums, and the weighted sum of all
/// columns' sums. Both need one addition a bucket, in batches, and only the few sums of rows and columns are left to
/// weigh.
pub(super) fn weigh<P: Curve>(buckets: &[Point<P::BaseField>]) -> Projective<P> {
    let bits = buckets.len().next_power_of_two().trailing_zeros() as usize / 2;
    let columns = 1 << bits;
    let rows = buckets.len().div_ceil(columns);
    let (by_row, by_column) = threads::join(
        || {
            sums::<P>((0..rows).map(|row| {
                let end = buckets.len().min((row + 1) * columns);
                buckets[row * columns..end].iter()
            }))
        },
        || sums::<P>((0..columns).map(|column| buckets.iter().skip(column).step_by(columns))),
    );
    let mut rows = weigh_few::<P>(&by_row);
    for _ in 0..bits {
        rows.double_in_place();
    }
    rows + weigh_few::<P>(&by_column)
}

/// The sum of each group of points.
fn sums<'a, P: Curve>(
    groups: impl Iterator<Item = impl Iterator<Item = &'a Point<P::BaseField>>>,
) -> Vec<Point<P::BaseField>> {
    let mut points = Vec::new();
    let mut segments = Vec::new();
    for group in groups {
        let start = points.len();
        points.extend(group.filter(|point| !point.is_infinity()));
        if points.len() == start {
            points.push(Point::INFINITY);
        }
        segments.push(Segment { start, len: points.len() - start });
    }
    let starts: Vec<_> = segments.iter().map(|segment| segment.start).collect();
    sum_segments(&mut points, segments);
    starts.into_iter().map(|start| points[start]).collect()
}

/// The sum of `i * points[i]`, by running sums from the end.
fn weigh_few<P: Curve>(points: &[Point<P::BaseField>]) -> Projective<P> {
    let (mut running, mut total) = (Projective::<P>::zero(), Projective::<P>::zero());
    for point in points.iter().skip(1).rev() {
        if !point.is_infinity() {
            running += Affine::<P>::new_unchecked(point.x, point.y);
        }
        total += running;
    }
    total
}
