//! Sums of the points in buckets, and weighted sums of the buckets.

use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ff::{AdditiveGroup, Zero};

use super::{
    affine::{Coordinate, Curve, Point, Segment, sum_segments},
    digits::{Buckets, Entry, stride},
};
use crate::threads;

/// Approximate number of additions that share an inversion: enough to make its cost small, and few enough to stay in
/// the L2 cache.
const GROUP: usize = 8192;

/// Returns the sum of each bucket. `point` returns the point of an entry.
pub(super) fn sum_buckets<F: Coordinate>(
    buckets: &Buckets,
    point: impl Fn(Entry) -> Point<F> + Sync + Send,
) -> Vec<Point<F>> {
    let groups: Vec<Vec<_>> = threads::map(&buckets.groups(GROUP), |group| {
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

/// Returns the sum of `weight * 2^(window * index) * sum` over the sums of all buckets. For each window, one after the
/// other, `buckets` has [`stride`] weights, from zero.
///
/// Let `weight = 2^m row + column`. First, the sums of all rows and of all columns are computed. Then bit b of the
/// weight selects some of the columns if b is below m, and some of the rows otherwise. All these sums are computed in
/// batches, for all windows at once, with two additions per bucket. The rest is one addition and one doubling for each
/// bit of the scalars.
pub(super) fn weigh<P: Curve>(buckets: &[Point<P::BaseField>], window: usize) -> Projective<P> {
    let low = window / 2;
    let columns = 1 << low;
    let windows = || buckets.chunks(stride(window));
    let (by_row, by_column) = threads::join(
        || sums::<P>(windows().flat_map(|buckets| buckets.chunks(columns).map(|row| row.iter()))),
        || {
            let of = |column: usize| windows().map(move |buckets| buckets.iter().skip(column).step_by(columns));
            sums::<P>((0..columns).flat_map(of))
        },
    );
    let (count, rows) = (windows().len(), stride(window).div_ceil(columns));
    let by_bit = sums::<P>((0..count * window).map(|bit| {
        let (index, bit) = (bit / window, bit % window);
        // The sums of columns are sorted by column, and the sums of rows by window.
        let (sums, first, step, number, bit) = match bit.checked_sub(low) {
            None => (&by_column, index, count, columns, bit),
            Some(bit) => (&by_row, index * rows, 1, rows, bit),
        };
        (0..number).filter(move |number| number >> bit & 1 == 1).map(move |number| &sums[first + number * step])
    }));
    let mut total = Projective::<P>::zero();
    for sum in by_bit.iter().rev() {
        total.double_in_place();
        if !sum.is_infinity() {
            total += Affine::<P>::new_unchecked(sum.x, sum.y);
        }
    }
    total
}

/// Returns the sum of each group of points.
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
