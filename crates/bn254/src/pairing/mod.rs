//! Products of many pairings over BN254.
//!
//! The optimal ate pairing (Vercauteren: [2008/096](https://eprint.iacr.org/2008/096)), with the same values as in
//! arkworks, arranged for products of many pairs:
//!
//! - The points of the twist pass through Miller's loop together, in affine coordinates, so that all divisions of a
//!   step share one inversion (`lines`).
//! - A line is scaled to `1 + a w + b w^3`, which needs only its slope and the points, and all pairs share the
//!   squarings (`miller`).
//! - A sum of products in the tower is reduced once (`tower`).

mod exponentiation;
mod lines;
mod miller;
mod target;
pub(crate) mod tower;

pub use lines::Lines;
pub use miller::{Evaluation, miller_loop, miller_products};
pub use target::Target;
pub use tower::mul_fq12;
