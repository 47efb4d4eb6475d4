//! Proofs in two parts: a part of the circuit whose values stay the same for many proofs, and the rest.
//!
//! The sums of a proof are linear in the values of the variables, and the polynomials of the quotient are linear in the
//! rows. So the first part is summed and evaluated once. Each proof then adds the second part, which stands last in the
//! circuit: its variables are the last private variables and a few public inputs, and its rows are the last rows.

use ark_bn254::Fr;
use ark_ff::Zero;
use quotapass_bn254::threads;
use zeroize::Zeroizing;

use super::{ProveError, Prover, blinding::Sums, prove::Part, quotient::Evaluations};
use crate::constraints::{
    Circuit,
    assignment::{Assignment, Rows},
};

/// The prepared first part of a proof. It reveals the secret, so it is zeroized on drop.
pub(super) struct FirstPart<C> {
    prover: Prover<C>,
    /// The constant 1, the public inputs and all private variables. The variables of the second part are zero.
    values: Zeroizing<Vec<Fr>>,
    sums: Sums,
    evaluations: Evaluations,
}

/// The values of the second part of a proof.
pub(super) struct SecondPart<'a> {
    /// The indices and values of its public inputs.
    pub(super) public: &'a [(usize, Fr)],
    /// Its private variables and rows, which are the last ones of the circuit.
    pub(super) private: &'a Assignment,
}

/// Returns the values and rows of a first part, with zeros in the place of the second part, which has `variables` private
/// variables and `constraints` rows. `public` has the indices and values of the public inputs of the first part.
///
/// # Errors
/// [`ProveError::WrongSize`] if the parts do not fit the key.
pub(super) fn first_part<C>(
    prover: &Prover<C>,
    public: impl IntoIterator<Item = (usize, Fr)>,
    private: &Assignment,
    (variables, constraints): (usize, usize),
) -> Result<(Zeroizing<Vec<Fr>>, Rows), ProveError> {
    let circuit = &prover.key.circuit;
    let mut rows = private.rows().clone();
    let private = private.values();
    let fits = circuit.public + private.len() + variables == circuit.variables
        && rows.a.len() + constraints == circuit.constraints;
    if !fits {
        return Err(ProveError::WrongSize);
    }
    let mut values = Zeroizing::new(vec![Fr::zero(); circuit.variables]);
    values[0] = Fr::from(1);
    for (input, value) in public {
        values[input] = value;
    }
    values[circuit.public..][..private.len()].copy_from_slice(private);
    // The rows of the second part stay zero. The rows of the public inputs come last.
    rows.skip_to(circuit.constraints);
    rows.extend_public(&values[..circuit.public]);
    Ok((values, rows))
}

impl<C: Circuit> FirstPart<C> {
    /// Sums and evaluates values and rows of a [`first_part`].
    pub(super) fn new(prover: Prover<C>, values: Zeroizing<Vec<Fr>>, rows: &Rows) -> Self {
        let (mut sums, evaluations) = threads::join(
            || prover.sum(Part::All, &values, Vec::new, Fr::zero()),
            || Evaluations::new(&prover.coset, rows, 0),
        );
        sums += &prover.constants();
        Self { prover, values, sums, evaluations }
    }

    /// The prover.
    pub(super) fn prover(&self) -> &Prover<C> {
        &self.prover
    }

    /// Moves to other values and rows of a [`first_part`]. Only the changed variables are summed again.
    pub(super) fn replace(&mut self, values: Zeroizing<Vec<Fr>>, rows: &Rows) {
        let differences = values.iter().zip(&*self.values).map(|(new, old)| *new - old);
        let differences = Zeroizing::new(differences.collect::<Vec<_>>());
        let (sums, evaluations) = threads::join(
            || self.prover.sum(Part::All, &differences, Vec::new, Fr::zero()),
            || Evaluations::new(&self.prover.coset, rows, 0),
        );
        self.sums += &sums;
        self.evaluations = evaluations;
        self.values = values;
    }

    /// Returns the sums of a whole proof, with `delta` times the point delta added to B.
    ///
    /// # Errors
    /// [`ProveError::WrongSize`] if the second part does not fit the key.
    pub(super) fn sums_with(
        &self,
        SecondPart { public, private }: SecondPart<'_>,
        delta: Fr,
    ) -> Result<Sums, ProveError> {
        let circuit = &self.prover.key.circuit;
        let mut rows = private.rows().clone();
        let first_variable = circuit.variables.checked_sub(private.values().len()).ok_or(ProveError::WrongSize)?;
        let first_row = circuit.constraints.checked_sub(rows.a.len()).ok_or(ProveError::WrongSize)?;
        let mut values = Zeroizing::new(vec![Fr::zero(); circuit.variables]);
        for (input, value) in public {
            values[*input] = *value;
        }
        values[first_variable..].copy_from_slice(private.values());
        rows.extend_public(&values[..circuit.public]);
        let quotient = || Evaluations::new(&self.prover.coset, &rows, first_row).quotient_with(&self.evaluations);
        let mut sums = self.prover.sum(Part::Message, &values, quotient, delta);
        sums += &self.sums;
        Ok(sums)
    }
}
