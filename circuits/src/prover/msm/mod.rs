//! Sums of multiples of fixed points.
//!
//! The bases of a proving key never change, so their multiples by all powers of `2^window` are computed once
//! ([`FixedBases`]). A scalar's signed digits then select from multiples of equal weight, and all windows share one set
//! of buckets: no doublings, and one reduction of the buckets instead of one a window (Brickell, Gordon, McCurley,
//! Wilson: EUROCRYPT '92; Pippenger's buckets). Points are added in affine coordinates in batches that share one
//! inversion ([`affine`]), at about six multiplications each, and eight at a time on processors with AVX-512 IFMA
//! (`eights`).
//!
//! Without tables (`plain`), each window has buckets of its own; the additions are the same.
//!
//! A digit of zero costs nothing, so zeros, ones and small scalars, bits of ranges above all, need no path of their own.
//!
//! # Side channels
//! Which bucket a multiple goes to depends on the scalars, and so do the number of additions and the addresses read. An
//! attacker on the same machine who observes timing or caches may learn about the witness. The generic code of
//! arkworks, and with it zerokit, is variable-time in the same way. Nothing here is meant for a machine shared with an
//! adversary.

mod affine;
mod buckets;
mod digits;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod eights;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod lanes;
mod plain;
mod table;

pub(super) use affine::{Curve, Point};
pub(super) use plain::sum;
pub(super) use table::FixedBases;
