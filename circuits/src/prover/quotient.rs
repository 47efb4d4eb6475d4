//! The quotient of a proof, in the Lagrange basis of the odd coset.
//!
//! Let a, b, c be the polynomials of degree below n that interpolate the rows of a satisfied circuit. Then `ab - c` is
//! divisible by `t(X) = X^n - 1`. Let h be the quotient. Groth16 needs `h(tau) t(tau) / delta` in the exponent. The
//! product `h t = ab - c` has degree below 2n and is zero on the domain, so its values on the odd coset determine it.
//! Let L_i be the Lagrange polynomials of the domain of size 2n. Then `h t` is the sum of
//! `(ab - c)(z^(2i + 1)) L_(2i + 1)` over i below n. With the points `L_(2i + 1)(tau) / delta` in the key, the prover
//! needs neither a division nor the coefficients of h. snarkjs writes the same basis to section 9 of a `.zkey` file
//! (`zkey_new.js`, `groth16_prove.js`), so keys of its ceremonies need no conversion.

use ark_bn254::Fr;
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP};
use ark_poly::EvaluationDomain;
use ark_relations::gr1cs::{ConstraintSystemRef, Matrix, SynthesisError};
use quotapass_bn254::{arithmetic::Arithmetic, threads, transform::OddCoset};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::constraints::assignment::Rows;

/// The values of a, b and c on the odd coset. They are linear in the rows: the values of all rows are the sum of the
/// values of parts of the rows.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Evaluations {
    a: Vec<Fr>,
    b: Vec<Fr>,
    c: Vec<Fr>,
}

impl Evaluations {
    /// Evaluates the polynomials of the rows, which begin at `first` in the domain. All other rows are zero.
    pub(super) fn new(coset: &OddCoset, rows: &Rows, first: usize) -> Self {
        let place = |rows: &mut dyn Iterator<Item = Fr>| {
            let mut values = vec![Fr::default(); coset.size()];
            for (value, row) in values.iter_mut().skip(first).zip(rows) {
                *value = row;
            }
            values
        };
        let evaluated = |mut values: Vec<Fr>| {
            coset.evaluate(&mut values, first);
            values
        };
        let (a, (b, c)) = threads::join(
            || evaluated(place(&mut rows.a.iter().copied())),
            || {
                threads::join(
                    || evaluated(place(&mut rows.b.iter().copied())),
                    || evaluated(place(&mut rows.a.iter().zip(&rows.b).map(|(a, b)| *a * b))),
                )
            },
        );
        Self { a, b, c }
    }

    /// Returns the values of `ab - c`: the scalars of the key's quotient points.
    pub(super) fn quotient(&self) -> Vec<Fr> {
        self.a.iter().zip(&self.b).zip(&self.c).map(|((a, b), c)| a.times(*b).minus(*c)).collect()
    }

    /// Returns the quotient's scalars for these rows together with the rows of another part.
    pub(super) fn quotient_with(&self, other: &Self) -> Vec<Fr> {
        fn added<'a>(own: &'a [Fr], other: &'a [Fr]) -> impl Iterator<Item = Fr> + 'a {
            own.iter().zip(other).map(|(own, other)| own.plus(*other))
        }
        let (a, b, c) = (added(&self.a, &other.a), added(&self.b, &other.b), added(&self.c, &other.c));
        a.zip(b).zip(c).map(|((a, b), c)| a.times(b).minus(c)).collect()
    }
}

/// A reduction for arkworks, so that its setup makes the quotient points in this basis and its prover uses them.
pub(super) struct OddCosetReduction;

impl R1CSToQAP for OddCosetReduction {
    fn instance_map_with_evaluation<F: ark_ff::PrimeField, D: EvaluationDomain<F>>(
        system: ConstraintSystemRef<F>,
        tau: &F,
    ) -> Result<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize), SynthesisError> {
        LibsnarkReduction::instance_map_with_evaluation::<F, D>(system, tau)
    }

    /// Required by the trait. Our prover does not use it: it computes the quotient from recorded rows.
    fn witness_map_from_matrices<F: ark_ff::PrimeField, D: EvaluationDomain<F>>(
        matrices: &[Matrix<F>],
        public: usize,
        constraints: usize,
        values: &[F],
    ) -> Result<Vec<F>, SynthesisError> {
        let domain = D::new(constraints + public).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let root = F::get_root_of_unity(2 * domain.size() as u64).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let coset = domain.get_coset(root).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let [a, b, c] = matrices else { return Err(SynthesisError::ArityMismatch) };
        let product = |row: &Vec<(F, usize)>| row.iter().map(|(c, i)| *c * values[*i]).sum::<F>();
        let mut a: Vec<F> = a.iter().map(product).collect();
        a.extend_from_slice(&values[..public]);
        let evaluate = |rows: Vec<F>| coset.fft(&domain.ifft(&rows));
        let [a, b, c] = [a, b.iter().map(product).collect(), c.iter().map(product).collect()].map(evaluate);
        Ok(a.into_iter().zip(b).zip(c).map(|((a, b), c)| a * b - c).collect())
    }

    fn h_query_scalars<F: ark_ff::PrimeField, D: EvaluationDomain<F>>(
        max_power: usize,
        tau: F,
        _: F,
        delta_inverse: F,
    ) -> Result<Vec<F>, SynthesisError> {
        let domain = D::new(2 * (max_power + 1)).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let lagrange = domain.evaluate_all_lagrange_coefficients(tau);
        Ok(lagrange.into_iter().skip(1).step_by(2).map(|value| value * delta_inverse).collect())
    }
}
