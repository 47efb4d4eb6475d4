//! Multi-scalar multiplication with fixed bases.
//!
//! The bases of a proving key do not change, so their multiples by all powers of `2^window` are computed once
//! ([`FixedBases`]). A scalar's signed digits then select among these multiples, and all windows share one set of
//! buckets. This needs no doublings, and one reduction of the buckets instead of one per window (Brickell, Gordon,
//! McCurley, Wilson: EUROCRYPT '92; Pippenger's buckets). Points are added in affine coordinates, in batches that share
//! one inversion (`affine`), with about six multiplications per addition, and eight at a time on processors with
//! AVX-512 IFMA (`simd`).
//!
//! Without tables (`plain`), each window has its own buckets. The additions are the same.
//!
//! A digit of zero costs nothing, so zeros, ones and small scalars (mostly the bits of range checks) need no special
//! case.
//!
//! # Side channels
//! The buckets of the multiples, the number of additions and the memory addresses depend on the scalars. An attacker on
//! the same machine who observes timing or caches may learn about the witness. The generic code of arkworks, and
//! therefore zerokit, is variable-time in the same way. Do not use this code on a machine that is shared with an
//! attacker.

mod affine;
mod buckets;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod coordinates;
mod digits;
mod plain;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod simd;
mod table;

pub use affine::{Curve, Point};
pub use plain::sum;
pub use table::FixedBases;
