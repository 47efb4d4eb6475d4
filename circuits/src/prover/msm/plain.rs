//! Sums over points without tables.

use ark_bn254::Fr;
use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ff::{AdditiveGroup, Zero};

use super::{
    affine::{Curve, Point},
    buckets::{sum_buckets, weigh},
    digits::{Buckets, stride, windows},
};

/// The sum of `scalar * base` over terms that name a base by its number and have a scalar each.
///
/// Every window has buckets of its own, and all of them are summed together, in large batches. The windows are then
/// joined from the highest to the lowest with `window` doublings each.
pub(in crate::prover) fn sum<P: Curve>(
    base: impl Fn(usize) -> Affine<P> + Sync + Send,
    terms: &[(u32, Fr)],
) -> Projective<P> {
    let window = best_window(terms.len());
    let buckets = Buckets::by_window(terms, window);
    let sums = sum_buckets(&buckets, |entry| Point::of(&base(entry.index())).negated_if(entry.is_negative()));
    let mut total = Projective::<P>::zero();
    for sums in sums.chunks(stride(window)).rev() {
        for _ in 0..window {
            total.double_in_place();
        }
        total += weigh::<P>(sums);
    }
    total
}

/// The window with the fewest additions: one for each digit, and two for each bucket.
fn best_window(terms: usize) -> usize {
    let additions = |window: &usize| windows(*window) * (terms + 2 * stride(*window));
    (2..=14).min_by_key(additions).unwrap_or(2)
}
