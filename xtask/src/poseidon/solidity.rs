//! Writes `H4` as Solidity: straight-line Yul for the full rounds, a loop of four partial rounds a turn.
//!
//! Two changes of coordinates make it cheap; neither changes the hash.
//!
//! **Partial rounds as a recurrence.** Between the first and the last partial round lanes 1..=4 are a linear system of
//! order four, driven by the S-box outputs x and read by the S-box inputs y. Any such system has a controller form
//! (Kailath, *Linear Systems*, 2.1) whose coefficients do not depend on the round:
//!
//! ```text
//! w[k]   = x[k] + feedback[0] w[k-1] + ... + feedback[3] w[k-4]
//! y[k+1] = x[k] + output[0]   w[k-1] + ... + output[3]   w[k-4]
//! ```
//!
//! So eight constants serve all rounds, where the sparse matrices of the Poseidon paper need nine a round.
//!
//! **Scaled lanes.** (s y)^5 = s^5 y^5, so each lane may be kept multiplied by a constant s. With s0^4 = `mds[0][0]` and
//! s_i = s0^5 / `mds[i][0]` the first column of the matrix is all ones, and so is the coefficient of x above.

use std::fmt::Write;

use ark_bn254::Fr;
use ark_ff::{Field, PrimeField, Zero};

use super::Parameters;
use super::parameters::{Matrix, apply, invert, multiply};

const WIDTH: usize = 5;
const DEGREE: usize = WIDTH - 1;

/// Everything the Solidity source spells out.
struct Rounds {
    /// Added to the inputs, lanes 1..=4.
    input: Vec<Fr>,
    /// First round, columns 1..=4: lane 0 is a constant there and has gone into `early[0]`.
    entry: Matrix,
    /// Added before the S-boxes of rounds 2, 3 and 4.
    early: Matrix,
    /// Columns 1..=4 of the scaled matrix; column 0 is all ones.
    full: Matrix,
    /// Round 4: from the lanes to y and w[-1] ..= w[-4].
    into_partial: Matrix,
    into_partial_constants: Vec<Fr>,
    feedback: Vec<Fr>,
    output: Vec<Fr>,
    /// Added to x in each partial round.
    partial: Vec<Fr>,
    /// From the last four w to lanes 1..=4.
    out_of_partial: Matrix,
    /// Added before the S-boxes of the last four rounds.
    late: Matrix,
    /// Last round: the row of lane 0.
    exit: Vec<Fr>,
}

impl Rounds {
    fn derive(p: &Parameters) -> Self {
        let mds = &p.mds;
        let scale0 = mds[0][0].sqrt().and_then(|root| root.sqrt()).expect("mds[0][0] is a fourth power");
        let scale0_fifth = fifth(scale0);
        let scale: Vec<Fr> = mds.iter().map(|row| scale0_fifth / row[0]).collect();
        let scaled = |v: &[Fr]| -> Vec<Fr> { v.iter().zip(&scale).map(|(a, s)| *a * s).collect() };
        let unscale: Vec<Fr> = scale.iter().map(|s| fifth(*s).inverse().expect("not zero")).collect();

        let entry: Matrix = mds.iter().zip(&scale).map(|(row, s)| row.iter().map(|m| *m * s).collect()).collect();
        let full: Matrix =
            entry.iter().map(|row| row.iter().zip(&unscale).map(|(m, u)| *m * u).collect::<Vec<_>>()).collect();
        assert!(full.iter().all(|row| row[0] == Fr::from(1u64)));

        let mut early: Matrix = p.first[1..].iter().map(|c| scaled(c)).collect();
        let lane0 = fifth(p.first[0][0]);
        for (constant, row) in early[0].iter_mut().zip(&entry) {
            *constant += row[0] * lane0;
        }

        // Lanes 1..=4 of a partial round: v' = minor v + column x, y' = mds[0][0] x + row v.
        let minor: Matrix = mds[1..].iter().map(|row| row[1..].to_vec()).collect();
        let column: Vec<Fr> = mds[1..].iter().map(|row| row[0]).collect();
        let (feedback, basis) = controller_form(&minor, &column);
        // basis[j] multiplies w[k-1-j] in v; x is kept times scale0^5.
        let basis: Matrix = (0..DEGREE).map(|i| basis.iter().map(|t| t[i] / scale0_fifth).collect()).collect();
        let row: Vec<Fr> = mds[0][1..].iter().map(|m| *m * scale0).collect();
        let output = multiply(&vec![row], &basis).remove(0);

        // What comes out of round 4, in the coordinates of the partial rounds. `p` states it for the sparse form, whose
        // lanes 1..=4 differ from the plain ones by the matrix that `transition` carries beside the MDS matrix.
        let plain = multiply(mds, &invert(&p.transition));
        let mut change = vec![vec![Fr::zero(); WIDTH]; WIDTH];
        change[0][0] = scale0;
        for (to, from) in change[1..].iter_mut().zip(invert(&basis)) {
            to[1..].copy_from_slice(&from);
        }
        let into_partial = multiply(&change, mds);
        let into_partial =
            into_partial.iter().map(|row| row.iter().zip(&unscale).map(|(m, u)| *m * u).collect()).collect();
        let into_partial_constants = apply(&change, &apply(&plain, &p.before_partial));

        Self {
            input: p.first[0][1..].to_vec(),
            entry: without_first_column(&entry),
            early,
            full: without_first_column(&full),
            into_partial,
            into_partial_constants,
            feedback,
            output,
            partial: p.partial.iter().map(|round| round.constant * scale0_fifth).collect(),
            out_of_partial: basis
                .iter()
                .zip(&scale[1..])
                .map(|(row, s)| row.iter().map(|b| *b * s).collect())
                .collect(),
            late: p.last.iter().map(|c| scaled(c)).collect(),
            exit: mds[0].iter().zip(&unscale).map(|(m, u)| *m * u).collect(),
        }
    }
}

fn fifth(x: Fr) -> Fr {
    x.square().square() * x
}

fn without_first_column(matrix: &Matrix) -> Matrix {
    matrix.iter().map(|row| row[1..].to_vec()).collect()
}

/// The controller form of v' = a v + c x: the characteristic polynomial's coefficients, negated, and the vectors that
/// w[k-1], w[k-2], ... contribute to v, by Faddeev and LeVerrier.
fn controller_form(a: &Matrix, c: &[Fr]) -> (Vec<Fr>, Vec<Vec<Fr>>) {
    let size = a.len();
    let mut feedback = Vec::new();
    let mut vectors = Vec::new();
    let mut power: Matrix = super::parameters::identity(size);
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

const HEAD: &str = "\
// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// Generated by `cargo xtask generate`; do not edit. xtask/src/poseidon/solidity.rs explains the two changes of
// coordinates (recurrence for the partial rounds, scaled lanes) that make this cheap.

/// @title Poseidon of four inputs
/// @notice circomlib's parameters over the BN254 scalar field: five lanes, x^5, 8 full and 60 partial rounds.
library PoseidonT5 {
    /// @notice The field's order, r.
    uint256 internal constant ORDER = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    /// @notice H4(a, b, c, d). Inputs are below the field's order, and so is the output.
    // Values stay below 2^256 without a reduction after each addition: a sum of five reduced terms is below 5r < 2^256,
    // a sixth term needs addmod, and mulmod takes unreduced factors.
    // forgefmt: disable-next-item
    function hash4(uint256 a, uint256 b, uint256 c, uint256 d) internal pure returns (uint256 hash) {
        assembly (\"memory-safe\") {
";

pub fn source(p: &Parameters) -> String {
    assert_eq!(p.width, WIDTH);
    let r = Rounds::derive(p);
    let mut body = Body::default();

    body.line("let table := mload(0x40)");
    for (round, constant) in r.partial.iter().enumerate() {
        body.line(&format!("mstore(add(table, {:#x}), {})", 32 * round, hex(constant)));
    }
    let inputs = ["a", "b", "c", "d"];
    body.line("let t");
    body.comment("round 1; lane 0 is zero there, so its S-box is a constant");
    for (i, constant) in r.input.iter().enumerate() {
        body.line(&format!("{0} := add({0}, {1})", inputs[i], hex(constant)));
        body.sbox(inputs[i]);
    }
    for (i, (row, constant)) in r.entry.iter().zip(&r.early[0]).enumerate() {
        body.line(&format!("let x{i} := {}", sum(hex(constant), row, &inputs)));
    }
    body.comment("rounds 2 and 3");
    for constants in &r.early[1..] {
        body.full_round(&r.full, constants);
    }
    body.comment("round 4, into the recurrence");
    body.sboxes();
    let lanes = ["a", "b", "c", "d"];
    let one = Fr::from(1u64);
    assert_eq!(r.into_partial[0][0], one);
    for (i, row) in r.into_partial.iter().enumerate().skip(1) {
        let first = format!("mulmod(x0, {}, ORDER)", hex(&row[0]));
        let value = sum(first, &row[1..], &X[1..]);
        let to = lanes[i - 1];
        body.line(&format!("{to} := addmod({value}, {}, ORDER)", hex(&r.into_partial_constants[i])));
    }
    let value = sum("x0".into(), &r.into_partial[0][1..], &X[1..]);
    body.line(&format!("x0 := addmod({value}, {}, ORDER)", hex(&r.into_partial_constants[0])));

    body.comment("60 partial rounds");
    let mut w = lanes;
    body.line(&format!(
        "for {{ let end := add(table, {:#x}) }} lt(table, end) {{ table := add(table, 0x80) }} {{",
        32 * r.partial.len()
    ));
    body.depth += 1;
    for round in 0..DEGREE {
        let constant = if round == 0 { "mload(table)".into() } else { format!("mload(add(table, {:#x}))", 32 * round) };
        body.sbox("x0");
        body.line(&format!("x0 := addmod(x0, {constant}, ORDER)"));
        // The newest value takes the oldest one's place, after both sums have used it.
        body.line(&format!("x1 := {}", sum("x0".into(), &r.output, &w)));
        body.line(&format!("{} := {}", w[DEGREE - 1], sum("x0".into(), &r.feedback, &w)));
        body.line("x0 := x1");
        w.rotate_right(1);
    }
    assert_eq!(w, lanes);
    body.close();

    body.comment("rounds 65 to 68, out of the recurrence");
    body.line(&format!("x0 := addmod(x0, {}, ORDER)", hex(&r.late[0][0])));
    for (i, row) in r.out_of_partial.iter().enumerate() {
        body.line(&format!("x{} := {}", i + 1, sum(hex(&r.late[0][i + 1]), row, &lanes)));
    }
    for constants in &r.late[1..] {
        body.full_round(&r.full, constants);
    }
    body.sboxes();
    let first = format!("mulmod(x0, {}, ORDER)", hex(&r.exit[0]));
    body.line(&format!("hash := mod({}, ORDER)", sum(first, &r.exit[1..], &X[1..])));

    format!("{HEAD}{}        }}\n    }}\n}}\n", body.text)
}

const X: [&str; WIDTH] = ["x0", "x1", "x2", "x3", "x4"];

struct Body {
    text: String,
    depth: usize,
}

impl Default for Body {
    fn default() -> Self {
        Self { text: String::new(), depth: 3 }
    }
}

impl Body {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{:1$}{line}", "", 4 * self.depth).expect("writing to a string");
    }

    fn comment(&mut self, comment: &str) {
        self.line(&format!("// {comment}"));
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    fn sbox(&mut self, x: &str) {
        self.line(&format!("t := mulmod({x}, {x}, ORDER)"));
        self.line(&format!("{x} := mulmod({x}, mulmod(t, t, ORDER), ORDER)"));
    }

    fn sboxes(&mut self) {
        for x in X {
            self.sbox(x);
        }
    }

    /// S-boxes, the scaled matrix, and the constants of the next round; a to d hold the new lanes meanwhile.
    fn full_round(&mut self, matrix: &Matrix, constants: &[Fr]) {
        self.sboxes();
        let lanes = ["a", "b", "c", "d", "x0"];
        for (lane, i) in lanes.iter().zip([1, 2, 3, 4, 0]) {
            self.line(&format!(
                "{lane} := addmod({}, {}, ORDER)",
                sum("x0".into(), &matrix[i], &X[1..]),
                hex(&constants[i])
            ));
        }
        self.line("x1 := a");
        self.line("x2 := b");
        self.line("x3 := c");
        self.line("x4 := d");
    }
}

/// `first` plus the products of `coefficients` and `values`, at most four.
fn sum(first: String, coefficients: &[Fr], values: &[&str]) -> String {
    assert_eq!(coefficients.len(), values.len());
    coefficients
        .iter()
        .zip(values)
        .fold(first, |sum, (coefficient, value)| format!("add({sum}, mulmod({value}, {}, ORDER))", hex(coefficient)))
}

fn hex(value: &Fr) -> String {
    let limbs = value.into_bigint().0;
    format!("0x{:016x}{:016x}{:016x}{:016x}", limbs[3], limbs[2], limbs[1], limbs[0])
}
