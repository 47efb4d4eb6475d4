//! A circuit's key before the first contribution, as `snarkjs groth16 setup` makes it (`zkey_new.js`).

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{One, Zero};
use ark_relations::gr1cs::SynthesisError;
use ark_std::rand::{CryptoRng, RngCore};
use blake2::{Blake2b512, Digest};
use quotapass_bn254::threads;
use quotapass_circuits::constraints::shape::Shape;

use super::{CeremonyError, powers, quotient};
use crate::iden3::{Coefficient, Lagrange, Powers, Ptau, TranscriptHash, Zkey, uncompressed_g1, uncompressed_g2};

/// The key of a circuit from powers of tau, with delta = 1. A ceremony starts with it. Before the first contribution,
/// anyone can forge proofs under it.
#[derive(Clone, Debug)]
pub struct InitialKey {
    pub(super) zkey: Zkey,
}

impl InitialKey {
    /// Makes the key. First checks the powers that it needs; [`Ptau`] names what this check does not cover.
    ///
    /// Takes about ten seconds of one core for `post`.
    ///
    /// # Errors
    /// [`CeremonyError`] if the file has too few powers, or if they are damaged.
    pub fn new(shape: &Shape, ptau: &Ptau<'_>, rng: &mut (impl RngCore + CryptoRng)) -> Result<Self, CeremonyError> {
        let needed = Self::powers_needed(shape);
        if needed > ptau.power() {
            return Err(CeremonyError::TooFewPowers { needed, found: ptau.power() });
        }
        let power = shape.domain().trailing_zeros();
        let (powers, lagrange) = powers::verified(ptau, power, rng)?;
        Ok(Self { zkey: setup(shape, &powers, &lagrange) })
    }

    /// The smallest power of a file of powers of tau that suffices for a circuit: the power of the circuit's domain, and
    /// one more from 2^15 on.
    pub fn powers_needed(shape: &Shape) -> u32 {
        let power = shape.domain().trailing_zeros();
        if quotient::hashed(shape.domain()) < shape.domain() { power } else { power + 1 }
    }

    /// The key, to be written to a file.
    pub fn zkey(&self) -> &Zkey {
        &self.zkey
    }
}

/// Returns the entries of A and B in the order in which snarkjs writes them. After the rows of the constraints, A has
/// one row for each public variable, including the constant 1.
pub(crate) fn coefficients(shape: &Shape) -> Vec<Coefficient> {
    let mut entries = Vec::new();
    for row in 0..shape.constraints() {
        for (matrix, rows) in (0u32..2).zip(&shape.matrices) {
            entries.extend(rows[row].iter().map(|(value, variable)| Coefficient {
                matrix,
                row: row as u32,
                variable: *variable as u32,
                value: *value,
            }));
        }
    }
    let rows = shape.constraints() as u32;
    entries.extend((0..shape.public as u32).map(|variable| Coefficient {
        matrix: 0,
        row: rows + variable,
        variable,
        value: Fr::one(),
    }));
    entries
}

fn setup(shape: &Shape, powers: &Powers, lagrange: &Lagrange) -> Zkey {
    let [a, b, c] = columns(shape);
    let mut combined = sums(&lagrange.beta_g1, &a);
    for other in [sums(&lagrange.alpha_g1, &b), sums(&lagrange.tau_g1, &c)] {
        combined.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
    }
    let mut ic = G1Projective::normalize_batch(&combined);
    let private = ic.split_off(shape.public);
    let in_tau = |columns: &[Column]| G1Projective::normalize_batch(&sums(&lagrange.tau_g1, columns));
    let mut zkey = Zkey {
        variables: shape.variables as u32,
        public: shape.public as u32 - 1,
        domain: shape.domain() as u32,
        alpha_g1: powers.alpha_g1[0],
        beta_g1: powers.beta_g1[0],
        beta_g2: powers.beta_g2,
        gamma_g2: G2Affine::generator(),
        delta_g1: G1Affine::generator(),
        delta_g2: G2Affine::generator(),
        ic,
        coefficients: coefficients(shape),
        a: in_tau(&a),
        b_g1: in_tau(&b),
        b_g2: G2Projective::normalize_batch(&sums(&lagrange.tau_g2, &b)),
        c: private,
        h: lagrange.double_tau_g1.iter().skip(1).step_by(2).copied().collect(),
        circuit_hash: TranscriptHash([0; 64]),
        contributions: Vec::new(),
    };
    let (n, tau) = (shape.domain(), &powers.tau_g1);
    let quotient: Vec<_> = tau[n..n + quotient::hashed(n)].iter().zip(tau).map(|(high, low)| *high - low).collect();
    zkey.circuit_hash = zkey.hash_with(&G1Projective::normalize_batch(&quotient), Infinity::Zeros);
    zkey
}

/// The entries of one variable: rows and values.
type Column = Vec<(usize, Fr)>;

fn columns(shape: &Shape) -> [Vec<Column>; 3] {
    let mut columns = [(); 3].map(|()| vec![Column::new(); shape.variables]);
    for (columns, matrix) in columns.iter_mut().zip(&shape.matrices) {
        for (row, entries) in matrix.iter().enumerate() {
            for (value, variable) in entries {
                columns[*variable].push((row, *value));
            }
        }
    }
    for (variable, column) in columns[0].iter_mut().take(shape.public).enumerate() {
        column.push((shape.constraints() + variable, Fr::one()));
    }
    columns
}

/// Columns of at most this many terms are added term by term. Most terms have the factor 1.
const FEW: usize = 16;

/// Returns the sum of each column. First all short columns are added in parallel on all cores, then the long columns
/// one after the other: arkworks divides a long sum among the cores itself, and nesting both kinds of parallelism would
/// need a stack that grows with the number of columns.
fn sums<G: AffineRepr<ScalarField = Fr>>(basis: &[G], columns: &[Column]) -> Vec<G::Group>
where
    G::Group: VariableBaseMSM<MulBase = G>,
{
    let product = |(row, value): &(usize, Fr)| match value.is_one() {
        true => basis[*row].into_group(),
        false => basis[*row] * value,
    };
    let short = |column: &Column| match column.len() {
        ..=FEW => column.iter().map(product).sum(),
        _ => G::Group::zero(),
    };
    let mut sums = threads::map(columns, short);
    for (sum, column) in sums.iter_mut().zip(columns).filter(|(_, column)| column.len() > FEW) {
        let (points, scalars): (Vec<_>, Vec<_>) = column.iter().map(|(row, value)| (basis[*row], *value)).unzip();
        *sum = G::Group::msm_unchecked(&points, &scalars);
    }
    sums
}

/// The encoding of the point at infinity in a circuit hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Infinity {
    /// Zeros, as snarkjs 0.7.0 and later write it.
    Zeros,
    /// A first byte of 0x40, then zeros, as earlier versions write it.
    Flagged,
}

impl Infinity {
    fn encoded<const N: usize>(self, mut point: [u8; N]) -> [u8; N] {
        if self == Self::Flagged && point == [0; N] {
            point[0] = 0x40;
        }
        point
    }
}

impl Zkey {
    /// Computes the circuit hash of a key before its first contribution: the points of the header, then each list after
    /// its length. The list of the quotient is in the basis `tau^i (tau^n - 1)`, and its length is n - 1 whatever
    /// [`quotient::hashed`] returns.
    pub(super) fn computed_hash(&self, infinity: Infinity) -> Result<TranscriptHash, SynthesisError> {
        let quotient = quotient::in_powers(&self.h)?;
        Ok(self.hash_with(&quotient, infinity))
    }

    fn hash_with(&self, quotient: &[G1Affine], infinity: Infinity) -> TranscriptHash {
        fn list<T>(hasher: &mut Blake2b512, points: &[T], bytes: impl Fn(&mut Blake2b512, &T)) {
            hasher.update((points.len() as u32).to_be_bytes());
            points.iter().for_each(|point| bytes(hasher, point));
        }
        let g1 = |hasher: &mut Blake2b512, point: &G1Affine| hasher.update(infinity.encoded(uncompressed_g1(point)));
        let g2 = |hasher: &mut Blake2b512, point: &G2Affine| hasher.update(infinity.encoded(uncompressed_g2(point)));

        let mut hasher = Blake2b512::new();
        g1(&mut hasher, &self.alpha_g1);
        g1(&mut hasher, &self.beta_g1);
        g2(&mut hasher, &self.beta_g2);
        g2(&mut hasher, &self.gamma_g2);
        g1(&mut hasher, &self.delta_g1);
        g2(&mut hasher, &self.delta_g2);
        list(&mut hasher, &self.ic, g1);
        hasher.update((self.domain - 1).to_be_bytes());
        quotient.iter().for_each(|point| g1(&mut hasher, point));
        list(&mut hasher, &self.c, g1);
        list(&mut hasher, &self.a, g1);
        list(&mut hasher, &self.b_g1, g1);
        list(&mut hasher, &self.b_g2, g2);
        hasher.into()
    }
}

/// Checks the circuit hash of a key without contributions, which every later check compares.
///
/// # Errors
/// [`CeremonyError::FormerCircuitHash`] and [`CeremonyError::CircuitHash`].
pub(super) fn check_hash(zkey: &Zkey) -> Result<(), CeremonyError> {
    let quotient = quotient::in_powers(&zkey.h)?;
    if zkey.circuit_hash == zkey.hash_with(&quotient, Infinity::Zeros) {
        return Ok(());
    }
    Err(match zkey.circuit_hash == zkey.hash_with(&quotient, Infinity::Flagged) {
        true => CeremonyError::FormerCircuitHash,
        false => CeremonyError::CircuitHash,
    })
}
