//! The permutation as constraints.
//!
//! An S-box has three constraints, x*x = x2, x2*x = x3, x2*x3 = x5. In the last one, x2 is on the A side and x3 on the
//! B side. So x3 never occurs in A and x2 never occurs in B, and each of the two queries of the proving key lacks a
//! third of the variables. Linear layers need no constraints.

use ark_bn254::Fr;
use ark_ff::{Field, Zero};

use super::{
    HALF_FULL_ROUNDS, Inputs, Parameters, Width,
    linear::{Matrix, Taps},
};
use crate::constraints::{Builder, Unsatisfied};

/// Computes Poseidon of one to four inputs, with 213, 240, 261 or 297 constraints.
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
    parameters: &Parameters<N, T>,
    inputs: &[B::Num; N],
) -> Result<B::Num, Unsatisfied> {
    let mut state: [B::Num; T] =
        core::array::from_fn(|lane| if lane == 0 { B::constant(Fr::zero()) } else { inputs[lane - 1].clone() });

    for (round, constants) in parameters.first.iter().enumerate() {
        for (lane, constant) in constants.iter().enumerate() {
            state[lane] = if round == 0 && lane == 0 {
                // The capacity lane is still the constant 0, so its S-box is a constant too.
                B::constant(constant.square().square() * constant)
            } else {
                sbox(builder, &(state[lane].clone() + B::constant(*constant)))?
            };
        }
        let last = round + 1 == HALF_FULL_ROUNDS;
        state = mix::<B, T>(if last { &parameters.transition } else { &parameters.mds }, &state);
    }
    for (lane, constant) in state.iter_mut().zip(&parameters.before_partial) {
        *lane = lane.clone() + B::constant(*constant);
    }
    // The last S-box outputs and inputs, the latest first.
    let mut outputs: [B::Num; N] = core::array::from_fn(|i| state[i + 1].clone());
    let mut s_inputs: [B::Num; N] = core::array::from_fn(|_| B::constant(Fr::zero()));
    s_inputs[0] = state[0].clone();
    let sum = |taps: &Taps<N>, outputs: &[B::Num; N], s_inputs: &[B::Num; N]| {
        B::sum_of_products(&taps.outputs, outputs) + B::sum_of_products(&taps.inputs, s_inputs)
    };
    for constant in parameters.partial {
        let output = sbox(builder, &s_inputs[0])?;
        let input =
            sum(&parameters.taps, &outputs, &s_inputs) + output.clone() * parameters.latest + B::constant(*constant);
        outputs.rotate_right(1);
        outputs[0] = output;
        s_inputs.rotate_right(1);
        s_inputs[0] = input;
    }
    state[0] = s_inputs[0].clone();
    for (lane, taps) in state[1..].iter_mut().zip(&parameters.exit) {
        *lane = sum(taps, &outputs, &s_inputs);
    }
    for constants in &parameters.last {
        for (lane, constant) in constants.iter().enumerate() {
            state[lane] = sbox(builder, &(state[lane].clone() + B::constant(*constant)))?;
        }
        state = mix::<B, T>(&parameters.mds, &state);
    }
    Ok(state[0].clone())
}

fn mix<B: Builder, const T: usize>(matrix: &Matrix<T>, state: &[B::Num; T]) -> [B::Num; T] {
    core::array::from_fn(|i| B::sum_of_products(&matrix.rows[i], state))
}

fn sbox<B: Builder>(builder: &mut B, x: &B::Num) -> Result<B::Num, Unsatisfied> {
    let x2 = builder.product(x, x)?;
    let x3 = builder.product(&x2, x)?;
    builder.product(&x2, &x3)
}
