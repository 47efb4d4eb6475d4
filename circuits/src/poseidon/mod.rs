//! The Poseidon hash (2019/458) over the BN254 scalar field with circomlib's parameters.
//!
//! `H1` to `H4` of the protocol are [`hash`] with one to four inputs: width t = n + 1, S-box x^5, 8 full rounds,
//! 56 / 57 / 56 / 60 partial rounds, state `[0, inputs...]`, output lane 0.
//!
//! Partial rounds run in the sparse form of the paper's appendix B: the constants of the linear lanes are moved ahead
//! of the first partial round, and each round's matrix is the identity but for its first row and column. The native
//! permutation and the gadget share the constants and stand side by side; [`crh`] offers both through the traits of
//! ark-crypto-primitives.

mod constants;
pub mod crh;
mod gadget;
mod native;

use ark_bn254::Fr;

pub(crate) use gadget::hash_gadget;
pub use native::hash;

const HALF_FULL_ROUNDS: usize = 4;

/// Constants of one width, see `xtask/src/poseidon/parameters.rs` for how they follow from the paper's.
pub(crate) struct Parameters<const T: usize> {
    /// Added before the S-boxes of the first four rounds.
    first: [[Fr; T]; HALF_FULL_ROUNDS],
    mds: [[Fr; T]; T],
    /// Takes the place of `mds` in the fourth round.
    transition: [[Fr; T]; T],
    /// Added before the first partial round.
    before_partial: [Fr; T],
    partial: &'static [PartialRound<T>],
    /// Added before the S-boxes of the last four rounds.
    last: [[Fr; T]; HALF_FULL_ROUNDS],
}

/// S-box on lane 0, `constant` added to it, then the sparse matrix with this first row and first column.
pub(crate) struct PartialRound<const T: usize> {
    constant: Fr,
    row: [Fr; T],
    column: [Fr; T],
}

/// Ties a number of inputs to its width and constants; sealed to one to four inputs.
pub trait Width<const N: usize>: private::Sealed<N> {}

/// The marker that carries the widths.
#[derive(Clone, Copy, Debug)]
pub struct Inputs;

pub(crate) mod private {
    use super::{Fr, Parameters};
    use crate::constraints::{Builder, Unsatisfied};

    /// What each width provides.
    pub trait Sealed<const N: usize> {
        fn hash(inputs: &[Fr; N]) -> Fr;
        fn hash_gadget<B: Builder>(builder: &mut B, inputs: &[B::Num; N]) -> Result<B::Num, Unsatisfied>;
    }

    pub(crate) fn with_capacity<const N: usize, const T: usize>(
        inputs: &[Fr; N],
        parameters: &'static Parameters<T>,
    ) -> Fr {
        let mut state = [Fr::default(); T];
        state[1..].copy_from_slice(inputs);
        super::native::permute(parameters, &mut state);
        state[0]
    }
}

macro_rules! widths {
    ($($inputs:literal => $width:literal $parameters:ident),*) => {$(
        impl Width<$inputs> for Inputs {}
        impl private::Sealed<$inputs> for Inputs {
            fn hash(inputs: &[Fr; $inputs]) -> Fr {
                private::with_capacity(inputs, &constants::$parameters)
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
