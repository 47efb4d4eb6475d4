//! Poseidon parameters from their definition: the Grain LFSR of the Poseidon paper (2019/458, appendix E) gives round
//! constants and the MDS matrix; the constants of partial rounds then move to lane 0, as in its appendix B.

use ark_bn254::Fr;
use ark_crypto_primitives::sponge::poseidon::find_poseidon_ark_and_mds;
use ark_ff::{Field, One, PrimeField, Zero};

pub type Matrix = Vec<Vec<Fr>>;

/// Full rounds of every width, half of them before the partial rounds.
pub const FULL_ROUNDS: usize = 8;

/// Partial rounds by width t = 2..=5 (circomlib).
pub const PARTIAL_ROUNDS: [usize; 4] = [56, 57, 56, 60];

/// All constants of one width.
pub struct Parameters {
    pub width: usize,
    /// Constants added before the S-boxes of the first four rounds.
    pub first: Matrix,
    /// The MDS matrix, row by row.
    pub mds: Matrix,
    /// Constants added before the first partial round.
    pub before_partial: Vec<Fr>,
    /// Added to lane 0 after the S-box of each partial round, before the matrix.
    pub partial: Vec<Fr>,
    /// Constants added before the S-boxes of the last four rounds.
    pub last: Matrix,
}

impl Parameters {
    /// Derives the parameters for `width` lanes (2 to 5).
    pub fn derive(width: usize) -> Self {
        let partial_rounds = PARTIAL_ROUNDS[width - 2];
        let (constants, mds) = find_poseidon_ark_and_mds::<Fr>(
            Fr::MODULUS_BIT_SIZE as u64,
            width - 1,
            FULL_ROUNDS as u64,
            partial_rounds as u64,
            0,
        );
        let half = FULL_ROUNDS / 2;
        let last_partial = half + partial_rounds - 1;

        // Lanes 1.. of a partial round are linear, so constants added to them move back through the matrix before it.
        // Their part on lane 0 stays after that round's S-box as one scalar.
        let inverse = invert(&mds);
        let mut scalars = vec![Fr::zero(); partial_rounds];
        let mut carried = constants[last_partial].clone();
        for round in (half..last_partial).rev() {
            let moved = apply(&inverse, &carried);
            scalars[round - half] = moved[0];
            carried = constants[round].clone();
            for lane in 1..width {
                carried[lane] += moved[lane];
            }
        }

        Self {
            width,
            first: constants[..half].to_vec(),
            before_partial: carried,
            mds,
            partial: scalars,
            last: constants[last_partial + 1..].to_vec(),
        }
    }
}

pub fn identity(size: usize) -> Matrix {
    (0..size).map(|i| (0..size).map(|j| if i == j { Fr::one() } else { Fr::zero() }).collect()).collect()
}

pub fn apply(matrix: &Matrix, vector: &[Fr]) -> Vec<Fr> {
    matrix.iter().map(|row| row.iter().zip(vector).map(|(a, b)| *a * b).sum()).collect()
}

pub fn multiply(left: &Matrix, right: &Matrix) -> Matrix {
    let columns = right[0].len();
    left.iter().map(|row| (0..columns).map(|j| row.iter().zip(right).map(|(a, r)| *a * r[j]).sum()).collect()).collect()
}

/// Inverts a matrix by Gauss-Jordan elimination. The matrices here are Cauchy matrices and their products, which are
/// always invertible.
pub fn invert(matrix: &Matrix) -> Matrix {
    let size = matrix.len();
    let mut left = matrix.clone();
    let mut right = identity(size);
    for pivot in 0..size {
        let swap = (pivot..size).find(|&row| !left[row][pivot].is_zero()).expect("matrix is not invertible");
        left.swap(pivot, swap);
        right.swap(pivot, swap);
        let scale = left[pivot][pivot].inverse().expect("pivot is zero");
        for column in 0..size {
            left[pivot][column] *= scale;
            right[pivot][column] *= scale;
        }
        for row in 0..size {
            let factor = left[row][pivot];
            if row == pivot || factor.is_zero() {
                continue;
            }
            for column in 0..size {
                let (l, r) = (left[pivot][column], right[pivot][column]);
                left[row][column] -= factor * l;
                right[row][column] -= factor * r;
            }
        }
    }
    right
}
