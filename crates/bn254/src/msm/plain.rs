//! Sums over points without tables.

use ark_bn254::Fr;
use ark_ec::short_weierstrass::{Affine, Projective};

use super::{
    affine::{Curve, Point},
    buckets::{sum_buckets, weigh},
    digits::{Buckets, stride, windows},
};
#[cfg(not(target_arch = "wasm32"))]
use crate::arkworks;
use crate::backend::{self, Backend};

/// Returns the sum of `scalar * base` over the terms. A term is the number of a base and its scalar.
///
/// Every window has its own buckets. All buckets are summed together, in large batches.
pub fn sum<P: Curve>(base: impl Fn(usize) -> Affine<P> + Sync + Send, terms: &[(u32, Fr)]) -> Projective<P> {
    match backend::current() {
        #[cfg(not(target_arch = "wasm32"))]
        Backend::Arkworks => arkworks::sum(terms.iter().map(|(number, scalar)| (base(*number as usize), *scalar))),
        Backend::Portable | Backend::Vectors => {
            let window = best_window(terms.len());
            let buckets = Buckets::by_window(terms, window);
            let sums = sum_buckets(&buckets, |entry| Point::of(&base(entry.index())).negated_if(entry.is_negative()));
            weigh::<P>(&sums, window)
        }
    }
}

/// Returns the window with the fewest additions: one for each digit, and two for each bucket.
fn best_window(terms: usize) -> usize {
    let additions = |window: &usize| windows(*window) * (terms + 2 * stride(*window));
    (2..=14).min_by_key(additions).unwrap_or(2)
}
