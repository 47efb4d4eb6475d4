//! The Poseidon hash ([2019/458](https://eprint.iacr.org/2019/458)) over the BN254 scalar field, with circomlib's
//! parameters.
//!
//! `H1` to `H4` of the protocol are [`hash`] with one to four inputs: width t = n + 1, S-box x^5, 8 full rounds,
//! 56 / 57 / 56 / 60 partial rounds, state `[0, inputs...]`, output lane 0.
//!
//! The partial rounds are computed as a linear recurrence. The lanes without an S-box are a linear system, so each
//! S-box input is one sum of products over the last few S-box inputs and outputs, with the same coefficients in every
//! round. This is cheaper than the sparse matrices of the paper's appendix B, and gives the same hash. The native
//! permutation and the gadget share the constants. [`crh`] offers both through the traits of ark-crypto-primitives.
//!
//! Batches of hashes, as in a tree, are computed eight at a time with the [backend] `vectors`
//! (`simd`). The backend `arkworks` computes hashes by the sponge of ark-crypto-primitives, with parameters from their
//! definition.
//!
//! The control flow and the memory addresses of the native permutation do not depend on its inputs, which may be
//! secret. The backend `arkworks` does not promise this.

mod arithmetic;
#[cfg(not(target_arch = "wasm32"))]
mod arkworks;
mod constants;
pub mod crh;
mod gadget;
mod linear;
mod native;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod simd;

#[cfg(not(target_arch = "wasm32"))]
use std::sync::LazyLock;

use ark_bn254::Fr;

pub(crate) use gadget::hash_gadget;
use linear::{Matrix, Taps};
pub use native::hash;
pub(crate) use native::hash_all;
use quotapass_bn254::backend::{self, Backend};

const HALF_FULL_ROUNDS: usize = 4;

/// Constants of one width t = n + 1. `xtask/src/poseidon/recurrence.rs` explains how they are derived from the paper's.
pub(crate) struct Parameters<const N: usize, const T: usize> {
    /// Added before the S-boxes of the first four rounds.
    first: [[Fr; T]; HALF_FULL_ROUNDS],
    mds: Matrix<T>,
    /// Replaces `mds` in the fourth round. It gives the S-box input of the first partial round, and the n outputs of
    /// fictitious earlier partial rounds, whose inputs are zero.
    transition: Matrix<T>,
    /// Added after `transition`.
    before_partial: [Fr; T],
    /// Coefficient of a partial round's S-box output in the next S-box input.
    latest: Fr,
    /// Coefficients of the n previous S-box outputs, and of the S-box input of the round and the n - 1 previous ones.
    taps: Taps<N>,
    /// Added to the sum in each partial round.
    partial: &'static [Fr],
    /// Coefficients of lanes 1 to n after the last partial round.
    exit: [Taps<N>; N],
    /// Added before the S-boxes of the last four rounds.
    last: [[Fr; T]; HALF_FULL_ROUNDS],
}

/// Maps a number of inputs to its width and constants. The trait is sealed: it is implemented for one to four inputs.
pub trait Width<const N: usize>: private::Sealed<N> {}

/// Marker type that implements [`Width`].
#[derive(Clone, Copy, Debug)]
pub struct Inputs;

pub(crate) mod private {
    use super::Fr;
    use crate::constraints::{Builder, Unsatisfied};

    /// The functions of a width.
    pub trait Sealed<const N: usize> {
        fn hash(inputs: &[Fr; N]) -> Fr;
        /// Returns a function that computes eight hashes at a time, or `None` if the backend has no vectors.
        fn eight_at_a_time() -> Option<impl Fn(&[[Fr; N]; 8]) -> [Fr; 8]>;
        fn hash_gadget<B: Builder>(builder: &mut B, inputs: &[B::Num; N]) -> Result<B::Num, Unsatisfied>;
    }
}

macro_rules! widths {
    ($($inputs:literal => $width:literal $parameters:ident),*) => {$(
        impl Width<$inputs> for Inputs {}
        impl private::Sealed<$inputs> for Inputs {
            fn hash(inputs: &[Fr; $inputs]) -> Fr {
                match backend::current() {
                    #[cfg(not(target_arch = "wasm32"))]
                    Backend::Arkworks => {
                        static PERMUTATION: LazyLock<arkworks::Permutation> =
                            LazyLock::new(|| arkworks::Permutation::new($inputs, constants::$parameters.partial.len()));
                        PERMUTATION.hash(inputs)
                    }
                    Backend::Portable | Backend::Vectors => native::hash_with(&constants::$parameters, inputs),
                }
            }
            #[cfg(all(feature = "simd", target_arch = "x86_64"))]
            fn eight_at_a_time() -> Option<impl Fn(&[[Fr; $inputs]; 8]) -> [Fr; 8]> {
                static CONSTANTS: LazyLock<simd::Constants<$inputs, $width>> =
                    LazyLock::new(|| simd::Constants::new(&constants::$parameters));
                let simd = backend::vectors()?;
                let constants = &*CONSTANTS;
                Some(move |inputs: &_| simd::hash_with(simd, constants, inputs))
            }
            #[cfg(not(all(feature = "simd", target_arch = "x86_64")))]
            fn eight_at_a_time() -> Option<impl Fn(&[[Fr; $inputs]; 8]) -> [Fr; 8]> {
                None::<fn(&[[Fr; $inputs]; 8]) -> [Fr; 8]>
            }
            fn hash_gadget<B: crate::constraints::Builder>(
                builder: &mut B,
                inputs: &[B::Num; $inputs],
            ) -> Result<B::Num, crate::constraints::Unsatisfied> {
                gadget::hash_with::<B, $inputs, $width>(builder, &constants::$parameters, inputs)
            }
        }
    )*};
}

widths!(1 => 2 T2, 2 => 3 T3, 3 => 4 T4, 4 => 5 T5);
