//! The linear layers, with about two thirds of the usual number of products.
//!
//! a0 b0 + a1 b1 = (a0 + b1) (a1 + b0) - a0 a1 - b0 b1 (Winograd, *A New Algorithm for Inner Product*, 1968). The
//! product of the constants is itself a constant. The product of the variables is used in all rows of a matrix, or in
//! two steps of the recurrence. This is an identity of integers: the sums are exactly equal to the sums of the plain
//! products.

use ark_bn254::Fr;

use super::arithmetic::{Residue, Sum};

/// A matrix of constants.
pub(super) struct Matrix<const T: usize> {
    pub(super) rows: [[Fr; T]; T],
    /// For each row, the sum of the products of paired entries.
    paired: [Sum; T],
}

impl<const T: usize> Matrix<T> {
    pub(super) const fn new(rows: [[Fr; T]; T]) -> Self {
        let mut paired = [Sum::ZERO; T];
        let mut i = 0;
        while i < T {
            paired[i] = plus_pairs(Sum::ZERO, &rows[i]);
            i += 1;
        }
        Self { rows, paired }
    }

    /// Returns the matrix times the lanes, as least residues. The lanes must be below 1.61 r, and at most five.
    #[inline(always)]
    pub(super) fn times(&self, lanes: &[Residue; T]) -> [Residue; T] {
        // A row is less than 5 * 1.61 r^2, or 2.53 r after reduction. Intermediate sums are at most
        // (2 * 2.61^2 + 1.61) r^2 = 15.3 r^2.
        let mut crossed = Sum::ZERO;
        for [a, b] in lanes.as_chunks().0 {
            crossed = crossed.plus_product(*a, *b);
        }
        core::array::from_fn(|i| {
            let sum = plus_crosswise(Sum::ZERO, &self.rows[i], lanes);
            sum.minus(crossed).minus(self.paired[i]).reduce().least()
        })
    }

    /// Returns the first entry of the product.
    #[inline(always)]
    pub(super) fn first_times(&self, lanes: &[Residue; T]) -> Residue {
        plus_products(Sum::ZERO, &self.rows[0], lanes).reduce().least()
    }
}

/// Coefficients of the last n S-box outputs and inputs, latest first.
pub(super) struct Taps<const N: usize> {
    pub(super) outputs: [Fr; N],
    pub(super) inputs: [Fr; N],
    /// The sum of the products of paired coefficients.
    paired: Sum,
}

impl<const N: usize> Taps<N> {
    pub(super) const fn new(outputs: [Fr; N], inputs: [Fr; N]) -> Self {
        let paired = plus_pairs(plus_pairs(Sum::ZERO, &outputs), &inputs);
        Self { outputs, inputs, paired }
    }
}

/// The last n S-box outputs and inputs of the partial rounds, latest first.
pub(super) struct History<const N: usize> {
    outputs: [Residue; N],
    inputs: [Residue; N],
    /// The product of the latest two outputs plus the product of the latest two inputs; then the same value of the
    /// previous round, and of the round before it. The first and the third entry cover all pairs of the last four.
    crossed: [Sum; 3],
}

impl<const N: usize> History<N> {
    /// Whether products are paired. Computing two new pairs per round is worth its cost only if the sum has four pairs.
    const PAIRED: bool = N == 4;

    /// Creates the history before the first partial round, from outputs below 1.61 r and the first input. Earlier
    /// inputs are zero.
    #[inline(always)]
    pub(super) fn new(outputs: [Residue; N], input: Residue) -> Self {
        let mut inputs = [Residue::ZERO; N];
        inputs[0] = input;
        let mut crossed = [Sum::ZERO; 3];
        if Self::PAIRED {
            for (crossed, [a, b]) in crossed.iter_mut().zip(outputs.array_windows()) {
                *crossed = Sum::product(*a, *b);
            }
        }
        Self { outputs, inputs, crossed }
    }

    /// The latest S-box input.
    #[inline(always)]
    pub(super) fn input(&self) -> Residue {
        self.inputs[0]
    }

    /// Adds the coefficients times the outputs and inputs.
    #[inline(always)]
    pub(super) fn plus_sum(&self, sum: Sum, taps: &Taps<N>) -> Sum {
        if Self::PAIRED {
            let sum = plus_crosswise(sum, &taps.outputs, &self.outputs);
            let sum = plus_crosswise(sum, &taps.inputs, &self.inputs);
            sum.minus(taps.paired).minus(self.crossed[0]).minus(self.crossed[2])
        } else {
            plus_products(plus_products(sum, &taps.outputs, &self.outputs), &taps.inputs, &self.inputs)
        }
    }

    /// Moves to the next round, with the output of this round and the input of the next one.
    #[inline(always)]
    pub(super) fn push(&mut self, output: Residue, input: Residue) {
        self.outputs.copy_within(..N - 1, 1);
        self.outputs[0] = output;
        self.inputs.copy_within(..N - 1, 1);
        self.inputs[0] = input;
        if Self::PAIRED {
            self.crossed.copy_within(..2, 1);
            self.crossed[0] = Sum::product(output, self.outputs[1]).plus_product(input, self.inputs[1]);
        }
    }
}

/// Adds the inner product of constants and values.
#[inline(always)]
fn plus_products<const N: usize>(sum: Sum, constants: &[Fr; N], values: &[Residue; N]) -> Sum {
    constants.iter().zip(values).fold(sum, |sum, (a, b)| sum.plus_product(Residue::new(a), *b))
}

/// Adds (a0 + b1) (a1 + b0) for each pair, and the product of an entry without a pair.
#[inline(always)]
fn plus_crosswise<const N: usize>(mut sum: Sum, constants: &[Fr; N], values: &[Residue; N]) -> Sum {
    let (pairs, single) = constants.as_chunks();
    let (value_pairs, single_value) = values.as_chunks();
    for ([a0, a1], [b0, b1]) in pairs.iter().zip(value_pairs) {
        sum = sum.plus_product(Residue::new(a0).plus(*b1), Residue::new(a1).plus(*b0));
    }
    for (a, b) in single.iter().zip(single_value) {
        sum = sum.plus_product(Residue::new(a), *b);
    }
    sum
}

/// Adds a0 a1 + a2 a3 + ..., without an entry that has no pair.
const fn plus_pairs<const N: usize>(mut sum: Sum, constants: &[Fr; N]) -> Sum {
    let mut i = 0;
    while i + 1 < N {
        sum = sum.plus_constant_product(Residue::new(&constants[i]), Residue::new(&constants[i + 1]));
        i += 2;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::{array::uniform, prelude::*};

    use super::{
        super::arithmetic::tests::{element, residue},
        *,
    };

    fn dot(left: &[Fr], right: &[Fr]) -> Fr {
        left.iter().zip(right).map(|(a, b)| *a * b).sum()
    }

    /// Checks random matrices, and lanes below 1.5 r.
    fn products_are_those_of_the_field<const T: usize>() {
        let case = (uniform::<_, T>(uniform::<_, T>(element())), uniform::<_, T>(residue()));
        proptest!(|((rows, lanes) in case)| {
            let (lanes, values) = (lanes.map(|(lane, _)| lane), lanes.map(|(_, value)| value));
            let matrix = Matrix::new(rows);
            let expected = rows.map(|row| dot(&row, &values));
            prop_assert_eq!(matrix.times(&lanes).map(Residue::into_field), expected);
            prop_assert_eq!(matrix.first_times(&lanes).into_field(), expected[0]);
        });
    }

    #[test]
    fn matrices_multiply_as_in_the_field() {
        products_are_those_of_the_field::<2>();
        products_are_those_of_the_field::<3>();
        products_are_those_of_the_field::<4>();
        products_are_those_of_the_field::<5>();
    }

    /// Compares sums over a history, while outputs and inputs are pushed, with sums over lists of all of them.
    fn history_slides<const N: usize>() {
        let taps = (uniform::<_, N>(element()), uniform::<_, N>(element()));
        let past = (uniform::<_, N>(residue()), element());
        let pushed = prop::collection::vec((residue(), element()), 0..8);
        proptest!(|((outputs, inputs) in taps, (past, input) in past, pushed in pushed)| {
            let taps = Taps::new(outputs, inputs);
            let mut history = History::new(past.map(|(output, _)| output), Residue::new(&input));
            // Latest first, as in the taps.
            let mut all_outputs: Vec<Fr> = past.iter().map(|(_, value)| *value).collect();
            let mut all_inputs = vec![Fr::default(); N];
            all_inputs.insert(0, input);
            for ((output, value), input) in pushed {
                let sum = history.plus_sum(Sum::new(output), &taps).reduce();
                let expected = value + dot(&outputs, &all_outputs) + dot(&inputs, &all_inputs);
                prop_assert_eq!(sum.least().into_field(), expected);
                prop_assert_eq!(history.input().into_field(), all_inputs[0]);
                history.push(output, Residue::new(&input));
                all_outputs.insert(0, value);
                all_inputs.insert(0, input);
            }
        });
    }

    #[test]
    fn histories_sum_the_latest() {
        history_slides::<1>();
        history_slides::<2>();
        history_slides::<3>();
        history_slides::<4>();
    }
}
