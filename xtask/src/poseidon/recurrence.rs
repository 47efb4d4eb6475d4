//! The partial rounds as a linear recurrence. This does not change the hash.
//!
//! Between the first and the last partial round lanes 1.. are a linear system of order n = t - 1, driven by the S-box
//! outputs x and read by the S-box inputs y. With the matrix split into its corner m, row, column and minor,
//!
//! ```text
//! y[k+1] = m x[k] + row v[k]        v[k+1] = minor v[k] + column x[k]
//! ```
//!
//! and by Cayley and Hamilton the lanes v drop out (Kailath, *Linear Systems*, 2.1):
//!
//! ```text
//! y[k+1] = m x[k] + output[1] x[k-1] + ... + output[n] x[k-n] + feedback[1] y[k] + ... + feedback[n] y[k+1-n] + constant[k]
//! ```
//!
//! Each round is one sum of 2n + 1 products, with the same coefficients in all rounds. The sparse matrices of the
//! Poseidon paper's appendix B take t products and n more with a reduction each, and separate constants in each round.

use ark_bn254::Fr;
use ark_ff::Zero;

use super::Parameters;
use super::parameters::{Matrix, apply, identity, invert, multiply};

/// Coefficients of the partial rounds of one width.
pub struct Recurrence {
    /// Replaces the MDS matrix in the fourth round: from the lanes to `y[0]`, `x[-1]`, ..., `x[-n]`. These past values
    /// are fictitious: with `y[-1]`, ..., `y[1-n]` zero they give the same continuation as the lanes.
    pub transition: Matrix,
    /// Added after `transition`.
    pub before_partial: Vec<Fr>,
    /// The coefficient of `x[k]`.
    pub latest: Fr,
    /// The coefficients of `x[k-1]`, ..., `x[k-n]` and of `y[k]`, ..., `y[k+1-n]`.
    pub taps: [Vec<Fr>; 2],
    /// Constant added in each round.
    pub constants: Vec<Fr>,
    /// From `x[k-1]`, ..., `x[k-n]` and `y[k]`, ..., `y[k+1-n]` after the last partial round to lanes 1...
    pub exit: Vec<[Vec<Fr>; 2]>,
    /// Constants added before the S-boxes of the last four rounds.
    pub last: Matrix,
}

impl Recurrence {
    pub fn derive(p: &Parameters) -> Self {
        let order = p.width - 1;
        let corner = p.mds[0][0];
        let row = p.mds[0][1..].to_vec();
        let column: Vec<Fr> = p.mds[1..].iter().map(|row| row[0]).collect();
        let minor: Matrix = p.mds[1..].iter().map(|row| row[1..].to_vec()).collect();

        let (feedback, basis) = controller_form(&minor, &column);
        let mut output = vec![corner];
        output.extend(basis.iter().zip(&feedback).map(|(vector, feedback)| dot(&row, vector) - corner * feedback));

        // powers[i] = minor^i; observed[i] = row minor^i.
        let powers: Vec<Matrix> = core::iter::successors(Some(identity(order)), |power| Some(multiply(power, &minor)))
            .take(order + 1)
            .collect();
        let observed: Matrix =
            powers[..order].iter().map(|power| multiply(&vec![row.clone()], power).remove(0)).collect();

        // Without x[0], x[1], ..., y[k+1] is observed[k] v[0] for k = 0, ..., n-1, which ties the past to y[0] and v[0]:
        // sum over i of output[k+i] x[-i] = observed[k] v[0] - sum over j of feedback[j] y[k+1-j].
        let hankel: Matrix =
            (0..order).map(|k| (1..=order).map(|i| output.get(k + i).copied().unwrap_or_default()).collect()).collect();
        // Each y as a combination of y[0] and v[0].
        let mut inputs = vec![unit(p.width, 0)];
        inputs.extend(observed.iter().map(|observed| [&[Fr::zero()], &observed[..]].concat()));
        let tied: Matrix = (0..order)
            .map(|k| {
                let fed: Matrix = (0..=k).map(|j| scale(&inputs[k - j], feedback[j])).collect();
                fed.iter().fold(inputs[k + 1].clone(), |left, fed| subtract(&left, fed))
            })
            .collect();
        let mut into = vec![unit(p.width, 0)];
        into.extend(multiply(&invert(&hankel), &tied));

        // With w = v[k-n], y[k-n+1+i] - corner x[k-n+i] = observed[i] w + the contributions of x[k-n], ..., x[k-n+i-1]
        // since then; that gives w, and w and the last n outputs give v[k]. `driven[j]` is the contribution of an
        // output j rounds later.
        let driven: Matrix = powers.iter().map(|power| apply(power, &column)).collect();
        let mut of_outputs = vec![vec![Fr::zero(); order]; order];
        for i in 0..order {
            for l in 0..=i {
                // x[k-n+l] is the (n-l)-th latest output.
                of_outputs[i][order - 1 - l] = if l == i { corner } else { dot(&row, &driven[i - 1 - l]) };
            }
        }
        let from_inputs = multiply(&powers[order], &invert(&observed));
        let from_outputs = multiply(&from_inputs, &of_outputs);
        let exit: Vec<[Vec<Fr>; 2]> = (0..order)
            .map(|lane| {
                let outputs = (0..order).map(|j| driven[j][lane] - from_outputs[lane][j]).collect();
                let inputs = from_inputs[lane].iter().rev().copied().collect();
                [outputs, inputs]
            })
            .collect();

        // In `p` a constant follows each S-box. Here x has no constant: the effect of the constants on later y is added
        // to these y, and their effect on the lanes is added at the end.
        let rounds = p.partial.len();
        let constants =
            (0..rounds).map(|k| (0..=order.min(k)).map(|j| output[j] * p.partial[k - j]).sum::<Fr>()).collect();
        let mut last = p.last.clone();
        for (constant, [outputs, _]) in last[0][1..].iter_mut().zip(&exit) {
            *constant += outputs.iter().zip(p.partial.iter().rev()).map(|(a, b)| *a * b).sum::<Fr>();
        }
        Self {
            transition: multiply(&into, &p.mds),
            before_partial: apply(&into, &p.before_partial),
            latest: corner,
            taps: [output[1..].to_vec(), feedback],
            constants,
            exit,
            last,
        }
    }
}

/// Returns the controller form of v' = a v + c x: the characteristic polynomial's coefficients, negated, and the
/// vectors that w[k-1], w[k-2], ... contribute to v, by Faddeev and LeVerrier.
pub fn controller_form(a: &Matrix, c: &[Fr]) -> (Vec<Fr>, Vec<Vec<Fr>>) {
    let size = a.len();
    let mut feedback = Vec::new();
    let mut vectors = Vec::new();
    let mut power: Matrix = identity(size);
    for step in 1..=size {
        vectors.push(apply(&power, c));
        power = multiply(a, &power);
        let trace: Fr = (0..size).map(|i| power[i][i]).sum();
        let coefficient = trace / Fr::from(step as u64);
        for (i, row) in power.iter_mut().enumerate() {
            row[i] -= coefficient;
        }
        feedback.push(coefficient);
    }
    (feedback, vectors)
}

fn dot(left: &[Fr], right: &[Fr]) -> Fr {
    left.iter().zip(right).map(|(a, b)| *a * b).sum()
}

fn unit(size: usize, at: usize) -> Vec<Fr> {
    identity(size).remove(at)
}

fn scale(vector: &[Fr], factor: Fr) -> Vec<Fr> {
    vector.iter().map(|a| *a * factor).collect()
}

fn subtract(left: &[Fr], right: &[Fr]) -> Vec<Fr> {
    left.iter().zip(right).map(|(a, b)| *a - b).collect()
}
