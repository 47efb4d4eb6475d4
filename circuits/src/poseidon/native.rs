//! The permutation on field elements.

use ark_bn254::Fr;
use ark_ff::Field;

use super::{HALF_FULL_ROUNDS, Inputs, Parameters, Width};

/// Poseidon of one to four inputs: the protocol's `H1`, `H2`, `H3` and `H4`.
///
/// ```
/// use ark_bn254::Fr;
/// use quotapass_circuits::poseidon::hash;
/// let h2 = hash(&[Fr::from(1), Fr::from(2)]);
/// assert_eq!(h2.to_string(), "7853200120776062878684798364095072458815029376092732009249414926327459813530");
/// ```
pub fn hash<const N: usize>(inputs: &[Fr; N]) -> Fr
where
    Inputs: Width<N>,
{
    <Inputs as super::private::Sealed<N>>::hash(inputs)
}

pub(super) fn permute<const T: usize>(parameters: &Parameters<T>, state: &mut [Fr; T]) {
    for (round, constants) in parameters.first.iter().enumerate() {
        let last = round + 1 == HALF_FULL_ROUNDS;
        full_round(state, constants, if last { &parameters.transition } else { &parameters.mds });
    }
    for (lane, constant) in state.iter_mut().zip(&parameters.before_partial) {
        *lane += constant;
    }
    for round in parameters.partial {
        state[0] = sbox(state[0]) + round.constant;
        let first = Fr::sum_of_products(&round.row, state);
        for lane in 1..T {
            state[lane] += round.column[lane] * state[0];
        }
        state[0] = first;
    }
    for constants in &parameters.last {
        full_round(state, constants, &parameters.mds);
    }
}

fn full_round<const T: usize>(state: &mut [Fr; T], constants: &[Fr; T], matrix: &[[Fr; T]; T]) {
    for (lane, constant) in state.iter_mut().zip(constants) {
        *lane = sbox(*lane + constant);
    }
    *state = core::array::from_fn(|i| Fr::sum_of_products(&matrix[i], state));
}

/// x^5.
pub(super) fn sbox(x: Fr) -> Fr {
    x.square().square() * x
}
