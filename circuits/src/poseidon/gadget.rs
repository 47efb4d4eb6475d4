//! The permutation as constraints.
//!
//! An S-box is three constraints, x*x = x2, x2*x = x3, x2*x3 = x5, with x2 on the A side and x3 on the B side of the
//! last: x3 then never occurs in A and x2 never in B, which leaves a third of the variables out of either query of the
//! proving key. Linear layers cost nothing.

use ark_bn254::Fr;
use ark_ff::Zero;

use super::{HALF_FULL_ROUNDS, Inputs, Parameters, Width, native};
use crate::constraints::{Builder, Unsatisfied};

/// Poseidon of one to four inputs; 213, 240, 261 or 297 constraints.
pub(crate) fn hash_gadget<B: Builder, const N: usize>(
    builder: &mut B,
    inputs: &[B::Num; N],
) -> Result<B::Num, Unsatisfied>
where
    Inputs: Width<N>,
{
    <Inputs as super::private::Sealed<N>>::hash_gadget(builder, inputs)
}

pub(super) fn hash_with<B: Builder, const N: usize, const T: usize>(
    builder: &mut B,
    parameters: &Parameters<T>,
    inputs: &[B::Num; N],
) -> Result<B::Num, Unsatisfied> {
    let mut state: [B::Num; T] =
        core::array::from_fn(|lane| if lane == 0 { B::constant(Fr::zero()) } else { inputs[lane - 1].clone() });

    for (round, constants) in parameters.first.iter().enumerate() {
        for (lane, constant) in constants.iter().enumerate() {
            state[lane] = if round == 0 && lane == 0 {
                // The capacity lane is still the constant 0: its S-box is a constant too.
                B::constant(native::sbox(*constant))
            } else {
                sbox(builder, &(state[lane].clone() + B::constant(*constant)))?
            };
        }
        let last = round + 1 == HALF_FULL_ROUNDS;
        state = mix::<B, T>(if last { &parameters.transition } else { &parameters.mds }, &state);
    }
    for (lane, constant) in parameters.before_partial.iter().enumerate() {
        state[lane] = state[lane].clone() + B::constant(*constant);
    }
    for round in parameters.partial {
        state[0] = sbox(builder, &state[0])? + B::constant(round.constant);
        let first = B::sum_of_products(&round.row, &state);
        for lane in 1..T {
            state[lane] = state[lane].clone() + state[0].clone() * round.column[lane];
        }
        state[0] = first;
    }
    for constants in &parameters.last {
        for (lane, constant) in constants.iter().enumerate() {
            state[lane] = sbox(builder, &(state[lane].clone() + B::constant(*constant)))?;
        }
        state = mix::<B, T>(&parameters.mds, &state);
    }
    Ok(state[0].clone())
}

fn mix<B: Builder, const T: usize>(matrix: &[[Fr; T]; T], state: &[B::Num; T]) -> [B::Num; T] {
    core::array::from_fn(|i| B::sum_of_products(&matrix[i], state))
}

fn sbox<B: Builder>(builder: &mut B, x: &B::Num) -> Result<B::Num, Unsatisfied> {
    let x2 = builder.product(x, x)?;
    let x3 = builder.product(&x2, x)?;
    builder.product(&x2, &x3)
}
