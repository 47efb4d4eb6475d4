//! `H4` in coordinates that make it cheap on the EVM. They do not change the hash.
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
//! So eight constants serve all rounds, while the sparse matrices of the Poseidon paper need nine per round.
//!
//! **Scaled lanes.** (s y)^5 = s^5 y^5, so each lane may be stored multiplied by a constant s. With s0^4 = `mds[0][0]`
//! and s_i = s0^5 / `mds[i][0]` the first column of the matrix is all ones, and so is the coefficient of x above.
//!
//! **Constants before the matrix.** M v + c = M (v + M^-1 c). After the S-boxes only lane 0 has to be reduced again,
//! because the column of ones adds it unchanged. The other lanes are factors of a modular product, which need no
//! reduction.

use ark_bn254::Fr;
use ark_ff::{Field, One, Zero};

use super::Parameters;
use super::parameters::{Matrix, apply, invert, multiply};
use super::recurrence::controller_form;

pub const WIDTH: usize = 5;
pub const DEGREE: usize = WIDTH - 1;

/// All constants of the hash in these coordinates.
pub struct Rounds {
    /// Added to the inputs, lanes 1..=4.
    pub input: Vec<Fr>,
    /// First round, columns 1..=4: lane 0 is a constant there and is part of `entry_constants`.
    pub entry: Matrix,
    /// Added after the first round's matrix.
    pub entry_constants: Vec<Fr>,
    /// The scaled matrix; column 0 is all ones.
    pub full: Matrix,
    /// Added after the S-boxes of rounds 2 and 3.
    pub early: Matrix,
    /// Round 4: from the lanes to y and w[-1] ..= w[-4]. Column 0 is one, one, and zeros.
    pub into_partial: Matrix,
    /// Added after the S-boxes of round 4.
    pub into_partial_constants: Vec<Fr>,
    pub feedback: Vec<Fr>,
    pub output: Vec<Fr>,
    /// Added to x in each partial round.
    pub partial: Vec<Fr>,
    /// From the last four w to lanes 1..=4; column 0 is all ones.
    pub out_of_partial: Matrix,
    /// Added before the S-boxes of the first full round after the partial ones.
    pub out_of_partial_constants: Vec<Fr>,
    /// Added after the S-boxes of the three rounds that follow.
    pub late: Matrix,
    /// Last round: the row of lane 0.
    pub exit: Vec<Fr>,
}

impl Rounds {
    /// Derives the constants from the parameters `p` of five lanes.
    pub fn derive(p: &Parameters) -> Self {
        assert_eq!(p.width, WIDTH);
        let mds = &p.mds;
        let scale0 = mds[0][0].sqrt().and_then(|root| root.sqrt()).expect("mds[0][0] is not a fourth power");
        let scale0_fifth = fifth(scale0);
        let scale: Vec<Fr> = mds.iter().map(|row| scale0_fifth / row[0]).collect();
        let scaled = |v: &[Fr]| -> Vec<Fr> { v.iter().zip(&scale).map(|(a, s)| *a * s).collect() };
        let unscale: Vec<Fr> = scale.iter().map(|s| fifth(*s).inverse().expect("not zero")).collect();

        let entry: Matrix = mds.iter().zip(&scale).map(|(row, s)| row.iter().map(|m| *m * s).collect()).collect();
        let full: Matrix =
            entry.iter().map(|row| row.iter().zip(&unscale).map(|(m, u)| *m * u).collect::<Vec<_>>()).collect();

        let mut entry_constants = scaled(&p.first[1]);
        let lane0 = fifth(p.first[0][0]);
        for (constant, row) in entry_constants.iter_mut().zip(&entry) {
            *constant += row[0] * lane0;
        }
        let before_full = |constants: &Vec<Fr>| apply(&invert(&full), &scaled(constants));

        // Lanes 1..=4 of a partial round: v' = minor v + column x, y' = mds[0][0] x + row v.
        let minor: Matrix = mds[1..].iter().map(|row| row[1..].to_vec()).collect();
        let column: Vec<Fr> = mds[1..].iter().map(|row| row[0]).collect();
        let (feedback, basis) = controller_form(&minor, &column);
        // basis[j] multiplies w[k-1-j] in v; x is stored multiplied by scale0^5.
        let basis: Matrix = (0..DEGREE).map(|i| basis.iter().map(|t| t[i] / scale0_fifth).collect()).collect();
        let row: Vec<Fr> = mds[0][1..].iter().map(|m| *m * scale0).collect();
        let output = multiply(&vec![row], &basis).remove(0);

        // The output of round 4, in the coordinates of the partial rounds.
        let mut change = vec![vec![Fr::zero(); WIDTH]; WIDTH];
        change[0][0] = scale0;
        for (to, from) in change[1..].iter_mut().zip(invert(&basis)) {
            to[1..].copy_from_slice(&from);
        }
        let into_partial = multiply(&change, mds);
        let into_partial: Matrix =
            into_partial.iter().map(|row| row.iter().zip(&unscale).map(|(m, u)| *m * u).collect()).collect();
        let into_partial_constants = apply(&invert(&into_partial), &apply(&change, &p.before_partial));

        let rounds = Self {
            input: p.first[0][1..].to_vec(),
            entry: entry.iter().map(|row| row[1..].to_vec()).collect(),
            entry_constants,
            early: p.first[2..].iter().map(before_full).collect(),
            into_partial,
            into_partial_constants,
            feedback,
            output,
            partial: p.partial.iter().map(|constant| *constant * scale0_fifth).collect(),
            out_of_partial: basis
                .iter()
                .zip(&scale[1..])
                .map(|(row, s)| row.iter().map(|b| *b * s).collect())
                .collect(),
            out_of_partial_constants: scaled(&p.last[0]),
            late: p.last[1..].iter().map(before_full).collect(),
            exit: mds[0].iter().zip(&unscale).map(|(m, u)| *m * u).collect(),
            full,
        };
        rounds.assert_first_columns();
        rounds
    }

    /// Asserts the first columns, whose products the program leaves out.
    fn assert_first_columns(&self) {
        let (one, zero) = (Fr::one(), Fr::zero());
        let first = |matrix: &Matrix| -> Vec<Fr> { matrix.iter().map(|row| row[0]).collect() };
        assert_eq!(first(&self.full), [one; WIDTH]);
        assert_eq!(first(&self.into_partial), [one, one, zero, zero, zero]);
        assert_eq!(first(&self.out_of_partial), [one; DEGREE]);
    }
}

fn fifth(x: Fr) -> Fr {
    x.square().square() * x
}
