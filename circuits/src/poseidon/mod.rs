//! The Poseidon hash (2019/458) over the BN254 scalar field with circomlib's parameters.
//!
//! `H1` to `H4` of the protocol are [`hash`] with one to four inputs: width t = n + 1, S-box x^5, 8 full rounds,
//! 56 / 57 / 56 / 60 partial rounds, state `[0, inputs...]`, output lane 0.
//!
//! Partial rounds run as a linear recurrence: the lanes without an S-box are a linear system, so that each S-box input is
//! one sum of products over the last few S-box inputs and outputs, with the same coefficients in every round. That is
//! cheaper than the sparse matrices of the paper's appendix B and gives the same hash. The native permutation and the
//! gadget share the constants and stand side by side; [`crh`] offers both through the traits of ark-crypto-primitives.
//!
//! Many hashes at once, those of a tree, are computed eight at a time on processors with AVX-512 IFMA (`eights`).
//!
//! The native permutation's control flow and addresses do not depend on its inputs, secret ones among them.

mod arithmetic;
mod constants;
pub mod crh;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod eights;
mod gadget;
mod linear;
mod native;

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
use std::sync::LazyLock;

use ark_bn254::Fr;

pub(crate) use gadget::hash_gadget;
use linear::{Matrix, Taps};
pub use native::hash;
pub(crate) use native::hash_all;

const HALF_FULL_ROUNDS: usize = 4;

/// Constants of one width t = n + 1, see `xtask/src/poseidon/recurrence.rs` for how they follow from the paper's.
pub(crate) struct Parameters<const N: usize, const T: usize> {
    /// Added before the S-boxes of the first four rounds.
    first: [[Fr; T]; HALF_FULL_ROUNDS],
    mds: Matrix<T>,
    /// Takes the place of `mds` in the fourth round: gives the first partial round's S-box input, and n outputs as if
    /// there had been rounds before it; the inputs of those are zero.
    transition: Matrix<T>,
    /// Added after `transition`.
    before_partial: [Fr; T],
    /// Coefficient of a partial round's S-box output in the next S-box input.
    latest: Fr,
    /// Coefficients of the n S-box outputs before it, and of its input and the n - 1 before it.
    taps: Taps<N>,
    /// Added to those in each partial round.
    partial: &'static [Fr],
    /// What lanes 1 to n are after the last partial round.
    exit: [Taps<N>; N],
    /// Added before the S-boxes of the last four rounds.
    last: [[Fr; T]; HALF_FULL_ROUNDS],
}

/// Ties a number of inputs to its width and constants; sealed to one to four inputs.
pub trait Width<const N: usize>: private::Sealed<N> {}

/// The marker that carries the widths.
#[derive(Clone, Copy, Debug)]
pub struct Inputs;

pub(crate) mod private {
    use super::Fr;
    use crate::constraints::{Builder, Unsatisfied};

    /// What each width provides.
    pub trait Sealed<const N: usize> {
        fn hash(inputs: &[Fr; N]) -> Fr;
        /// What hashes eight at a time; none where the processor cannot.
        fn eight_at_a_time() -> Option<impl Fn(&[[Fr; N]; 8]) -> [Fr; 8]>;
        fn hash_gadget<B: Builder>(builder: &mut B, inputs: &[B::Num; N]) -> Result<B::Num, Unsatisfied>;
    }
}

macro_rules! widths {
    ($($inputs:literal => $width:literal $parameters:ident),*) => {$(
        impl Width<$inputs> for Inputs {}
        impl private::Sealed<$inputs> for Inputs {
            fn hash(inputs: &[Fr; $inputs]) -> Fr {
                native::hash_with(&constants::$parameters, inputs)
            }
            #[cfg(all(feature = "simd", target_arch = "x86_64"))]
            fn eight_at_a_time() -> Option<impl Fn(&[[Fr; $inputs]; 8]) -> [Fr; 8]> {
                static CONSTANTS: LazyLock<eights::Constants<$inputs, $width>> =
                    LazyLock::new(|| eights::Constants::new(&constants::$parameters));
                let simd = crate::lanes::Ifma::try_new()?;
                let constants = &*CONSTANTS;
                Some(move |inputs: &_| eights::hash_with(simd, constants, inputs))
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
