//! Products of many pairings over BN254.
//!
//! The optimal ate pairing (Vercauteren: [2008/096](https://eprint.iacr.org/2008/096)) as arkworks has it, with the
//! same values, arranged for products of many pairs:
//!
//! - The points of the twist walk through Miller's loop in affine coordinates, all together, so that the divisions of a
//!   step share one inversion ([`lines`]).
//! - A line is scaled to `1 + a w + b w^3`, for which its slope is all that must be known, and all pairs share the
//!   squarings ([`miller`]).
//! - Sums of products in the tower are reduced once ([`tower`]).

mod exponentiation;
mod lines;
mod miller;
mod powers;
mod target;
pub(crate) mod tower;

pub(crate) use lines::Lines;
pub(crate) use miller::{Evaluation, miller_loop, miller_products};
pub(crate) use powers::{sqrt, sqrt_fq2};
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
pub(crate) use powers::{sqrt_eights, sqrt_fq2_eights};
pub(crate) use target::Target;
