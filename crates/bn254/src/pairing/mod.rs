//! Products of many pairings over BN254.
//!
//! The optimal ate pairing (Vercauteren: [2008/096](https://eprint.iacr.org/2008/096)), with the same values as in
//! arkworks, arranged for products of many pairs:
//!
//! - The points of the twist pass through Miller's loop together, in affine coordinates (Lauter, Montgomery, Naehrig:
//!   [2010/363](https://eprint.iacr.org/2010/363)), so that all divisions of a step share one inversion (`lines`).
//! - A line is scaled to `1 + a w + b w^3`, which needs only its slope and the points, and all pairs share the
//!   squarings (Granger, Smart: [2006/172](https://eprint.iacr.org/2006/172)) (`miller`).
//! - A sum of products in the tower is reduced once (`tower`).

mod exponentiation;
mod lines;
mod miller;
mod target;
pub(crate) mod tower;

use ark_bn254::Fq12;
pub use lines::Lines;
pub use miller::{miller_loop, miller_products};
pub use target::Target;

use crate::backend::{self, Backend};

/// Returns the product of two values of Miller's function.
pub fn mul_fq12(x: &Fq12, y: &Fq12) -> Fq12 {
    match backend::current() {
        #[cfg(not(target_arch = "wasm32"))]
        Backend::Arkworks => *x * y,
        Backend::Portable | Backend::Vectors => tower::mul_fq12(x, y),
    }
}
