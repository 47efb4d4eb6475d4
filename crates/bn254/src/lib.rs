//! Fast arithmetic over BN254, on the types of [`ark_bn254`]: sums of multiples of points, pairings, transforms, square
//! roots and subgroup checks.
//!
//! The functions return what arkworks returns, and their tests compare them with arkworks. They differ in the order of
//! the computation:
//!
//! - [`msm`]: sums over fixed bases with tables of their multiples. Points are added in affine coordinates, in batches
//!   that share one inversion.
//! - [`pairing`]: one Miller loop for many pairs. A sum of products in the tower of fields is reduced once.
//! - [`subgroup`]: membership in G2 by an endomorphism, with a multiplication by 63 bits instead of 254.
//! - [`powers`]: square roots, also in the quadratic extension, with windows of odd powers and no inversion.
//! - [`transform`]: evaluation on the odd coset of a domain, without a reordering of the values.
//! - [`glv`] and [`combination`]: multiples of points by short coefficients, and by public scalars.
#![cfg_attr(
    all(feature = "simd", target_arch = "x86_64"),
    doc = "- [`lanes`]: eight field elements at a time, with AVX-512 IFMA."
)]
//! - [`arithmetic`]: field operations for inner loops, fast in WebAssembly too.
//!
//! Nothing here is constant-time: the time depends on the scalars. The crate forbids `unsafe`.
//!
//! # Features
//!
//! - `threads`: all cores, with rayon.
//! - `simd` (default): AVX-512 IFMA, on processors that have it.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod arithmetic;
pub mod combination;
mod digits;
pub mod glv;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
pub mod lanes;
pub mod msm;
#[cfg(any(test, target_arch = "wasm32"))]
mod narrow;
pub mod pairing;
pub mod powers;
pub mod subgroup;
pub mod threads;
pub mod transform;
