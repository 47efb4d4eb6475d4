//! Eight permutations at a time.
//!
//! The steps are the same as in the [native](super::native) permutation. A sum of products is reduced once, together
//! with the constant that is added to it. Unlike in the native permutation, products are not paired: the factors of
//! pairs are sums, and their limbs would need carry propagation first.
//!
//! Bounds, as multiples of r, which is less than 2^260 / 84:
//!
//! - Inputs times sixteen, with the first constants added, are below 17.
//! - The three products of an S-box are then below `1 + 17 * 17 / 84 < 4.5`, `1 + 4.5 * 4.5 / 84 < 1.25` and
//!   `1 + 1.25 * 17 / 84 < 1.26`.
//! - A row of a matrix with its constant is then below `1 + 5 * 1.26 / 84 + 1 < 2.1`, and the S-boxes of such lanes are
//!   below 1.1.
//! - The partial rounds begin with outputs and an input below 2.1. A step of the recurrence is below
//!   `1 + (4 * 2.1 + 1.1 + 4 * 2.3) / 84 + 1 < 2.3`.
//! - After the partial rounds, lane 0 with a constant added is below 3.3, and its S-box is below 1.1 as well.
//! - The result is below `1 + 5 * 1.1 / 84 < 2`.

use ark_bn254::{Fr, FrConfig};
use ark_ff::AdditiveGroup;
use quotapass_bn254::lanes::{self, Ifma, LANES, Limbs, NullaryFnOnce, from_rows, map, splat, words};

use super::{HALF_FULL_ROUNDS, Parameters, linear};

type Integers = lanes::Integers<FrConfig>;
type Products = lanes::Products<FrConfig>;

/// [`Parameters`] with `R = 2^260`.
pub(crate) struct Constants<const N: usize, const T: usize> {
    first: [[Limbs; T]; HALF_FULL_ROUNDS],
    mds: [[Limbs; T]; T],
    transition: [[Limbs; T]; T],
    before_partial: [Limbs; T],
    latest: Limbs,
    taps: Taps<N>,
    partial: Vec<Limbs>,
    exit: [Taps<N>; N],
    last: [[Limbs; T]; HALF_FULL_ROUNDS],
    /// The first row of `mds` with `R = 2^256`, so that the products with it also have `R = 2^256`.
    closing: [Limbs; T],
}

struct Taps<const N: usize> {
    outputs: [Limbs; N],
    inputs: [Limbs; N],
}

impl<const N: usize, const T: usize> Constants<N, T> {
    pub(super) fn new(parameters: &Parameters<N, T>) -> Self {
        Self {
            first: parameters.first.map(all_scaled),
            mds: parameters.mds.rows.map(all_scaled),
            transition: parameters.transition.rows.map(all_scaled),
            before_partial: all_scaled(parameters.before_partial),
            latest: scaled(parameters.latest),
            taps: Taps::new(&parameters.taps),
            partial: parameters.partial.iter().copied().map(scaled).collect(),
            exit: parameters.exit.each_ref().map(Taps::new),
            last: parameters.last.map(all_scaled),
            closing: parameters.mds.rows[0].map(|constant| Integers::limbs_of(&constant)),
        }
    }
}

impl<const N: usize> Taps<N> {
    fn new(taps: &linear::Taps<N>) -> Self {
        Self { outputs: all_scaled(taps.outputs), inputs: all_scaled(taps.inputs) }
    }
}

fn scaled(constant: Fr) -> Limbs {
    Integers::limbs_of(&(constant * Fr::from(16)))
}

fn all_scaled<const M: usize>(constants: [Fr; M]) -> [Limbs; M] {
    constants.map(scaled)
}

/// Returns lane 0 of the permutations of `[0, inputs...]`.
pub(super) fn hash_with<const N: usize, const T: usize>(
    simd: Ifma,
    constants: &Constants<N, T>,
    inputs: &[[Fr; N]; LANES],
) -> [Fr; LANES] {
    simd.vectorize(Permutation { simd, constants, inputs })
}

/// The computation of [`hash_with`], compiled with the vector instructions.
struct Permutation<'a, const N: usize, const T: usize> {
    simd: Ifma,
    constants: &'a Constants<N, T>,
    inputs: &'a [[Fr; N]; LANES],
}

impl<const N: usize, const T: usize> NullaryFnOnce for Permutation<'_, N, T> {
    type Output = [Fr; LANES];

    #[inline(always)]
    fn call(self) -> [Fr; LANES] {
        let Self { simd, constants, inputs } = self;
        let [entry, first @ ..] = &constants.first;
        let mut state = loaded(simd, inputs, entry);
        for added in first {
            state = times(simd, &constants.mds, &sboxes(simd, &state), added);
        }
        state = times(simd, &constants.transition, &sboxes(simd, &state), &constants.before_partial);

        let mut history = History::<N>::new(simd, &state);
        for added in &constants.partial {
            // Independent products are placed between the steps of the S-box, so that the processor computes them in
            // parallel.
            let x = history.inputs[0];
            let square = x.squared(simd);
            let sum = Products::new(simd, Integers::constant(simd, added));
            let sum = plus_products(simd, sum, &constants.taps.outputs, &history.outputs);
            let fourth = square.squared(simd);
            let sum = plus_products(simd, sum, &constants.taps.inputs, &history.inputs);
            let output = fourth.times(simd, x);
            let sum = sum.plus_product(simd, Integers::constant(simd, &constants.latest), output);
            history.push(output, sum.reduced(simd));
        }
        let [leaving, last @ ..] = &constants.last;
        state[0] = history.inputs[0].plus(simd, Integers::constant(simd, &leaving[0]));
        for i in 0..N {
            let sum = Products::new(simd, Integers::constant(simd, &leaving[i + 1]));
            state[i + 1] = history.plus_sum(simd, sum, &constants.exit[i]).reduced(simd);
        }

        for added in last {
            state = times(simd, &constants.mds, &sboxes(simd, &state), added);
        }
        let sum = plus_products(simd, Products::zero(simd), &constants.closing, &sboxes(simd, &state));
        sum.reduced(simd).subtracted::<1>(simd).elements(simd)
    }
}

/// Loads `[0, inputs...]`, and adds the constants of the first round.
#[inline(always)]
fn loaded<const N: usize, const T: usize>(
    simd: Ifma,
    inputs: &[[Fr; N]; LANES],
    constants: &[Limbs; T],
) -> [Integers; T] {
    let mut state = map(*constants, Integers::constant(simd, &constants[0]), |limbs| Integers::constant(simd, &limbs));
    for i in (0..N).step_by(2) {
        let (first, second) = from_rows(
            simd,
            map(inputs.each_ref(), splat(simd, 0), |inputs| {
                words(inputs[i], if i + 1 < N { inputs[i + 1] } else { Fr::ZERO })
            }),
        );
        state[i + 1] = state[i + 1].plus(simd, first.shifted::<4>(simd));
        if i + 1 < N {
            state[i + 2] = state[i + 2].plus(simd, second.shifted::<4>(simd));
        }
    }
    state
}

/// Computes the S-boxes of a full round, x^5. The squares of all lanes come one after the other, so that the processor
/// computes them in parallel.
#[inline(always)]
fn sboxes<const T: usize>(simd: Ifma, state: &[Integers; T]) -> [Integers; T] {
    let mut powers = *state;
    for _ in 0..2 {
        for power in &mut powers {
            *power = power.squared(simd);
        }
    }
    for i in 0..T {
        powers[i] = powers[i].times(simd, state[i]);
    }
    powers
}

/// Adds the inner product of constants and values.
#[inline(always)]
fn plus_products<const M: usize>(
    simd: Ifma,
    mut sum: Products,
    constants: &[Limbs; M],
    values: &[Integers; M],
) -> Products {
    for i in 0..M {
        sum = sum.plus_product(simd, Integers::constant(simd, &constants[i]), values[i]);
    }
    sum
}

/// Multiplies the state by a matrix, and adds the constants of the next round.
#[inline(always)]
fn times<const T: usize>(
    simd: Ifma,
    rows: &[[Limbs; T]; T],
    state: &[Integers; T],
    constants: &[Limbs; T],
) -> [Integers; T] {
    let mut product = *state;
    for i in 0..T {
        let sum = Products::new(simd, Integers::constant(simd, &constants[i]));
        product[i] = plus_products(simd, sum, &rows[i], state).reduced(simd);
    }
    product
}

/// The last n S-box outputs and inputs of the partial rounds, the latest first.
struct History<const N: usize> {
    outputs: [Integers; N],
    inputs: [Integers; N],
}

impl<const N: usize> History<N> {
    /// Creates the history before the first partial round. Lane 0 of the state is the first input, after inputs of
    /// zero; the other lanes are the outputs.
    #[inline(always)]
    fn new<const T: usize>(simd: Ifma, state: &[Integers; T]) -> Self {
        let zero = Integers::constant(simd, &Limbs::default());
        let (mut outputs, mut inputs) = ([zero; N], [zero; N]);
        inputs[0] = state[0];
        outputs.copy_from_slice(&state[1..]);
        Self { outputs, inputs }
    }

    /// Adds the coefficients times the outputs and inputs.
    #[inline(always)]
    fn plus_sum(&self, simd: Ifma, sum: Products, taps: &Taps<N>) -> Products {
        let sum = plus_products(simd, sum, &taps.outputs, &self.outputs);
        plus_products(simd, sum, &taps.inputs, &self.inputs)
    }

    /// Moves to the next round, with the output of this round and the input of the next one.
    #[inline(always)]
    fn push(&mut self, output: Integers, input: Integers) {
        for i in (1..N).rev() {
            self.outputs[i] = self.outputs[i - 1];
            self.inputs[i] = self.inputs[i - 1];
        }
        self.outputs[0] = output;
        self.inputs[0] = input;
    }
}
