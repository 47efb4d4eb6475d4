//! Runs a circuit to compute the values of its variables.

use core::ops::{Add, Mul, Sub};

use ark_bn254::Fr;
use ark_ff::{One, Zero};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Builder, Circuit, Clause, Unsatisfied};

/// The values of all variables of a circuit: the constant 1, the public inputs, then the private variables in the order
/// in which the circuit creates them. It holds the identity secret, so it is zeroized on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Assignment {
    values: Vec<Fr>,
    public: usize,
    rows: Rows,
}

/// The values of the two factors of each constraint, `(A z)_i` and `(B z)_i`, in the order of the constraints. The
/// circuit computes them while it runs, so proving needs no matrix.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Rows {
    pub(crate) a: Vec<Fr>,
    pub(crate) b: Vec<Fr>,
}

impl Rows {
    fn with_capacity(rows: usize) -> Self {
        Self { a: Vec::with_capacity(rows), b: Vec::with_capacity(rows) }
    }

    fn push(&mut self, a: Fr, b: Fr) {
        self.a.push(a);
        self.b.push(b);
    }

    /// Adds the rows that a QAP has for its public inputs: the inputs in A, and zeros in B.
    pub(crate) fn extend_public(&mut self, values: &[Fr]) {
        self.a.extend_from_slice(values);
        self.b.resize(self.a.len(), Fr::zero());
    }

    /// Adds rows of zeros up to a row.
    pub(crate) fn skip_to(&mut self, row: usize) {
        self.a.resize(row, Fr::zero());
        self.b.resize(row, Fr::zero());
    }
}

impl Assignment {
    /// Computes the assignment and checks every constraint.
    ///
    /// # Errors
    /// [`Unsatisfied`] names the first clause that the witness violates.
    pub fn compute<C: Circuit>(circuit: C, public: &C::Public, witness: &C::Witness) -> Result<Self, Unsatisfied> {
        Self::run(circuit, public, witness, true)
    }

    fn run<C: Circuit>(
        circuit: C,
        public: &C::Public,
        witness: &C::Witness,
        checked: bool,
    ) -> Result<Self, Unsatisfied> {
        let public_inputs = C::public_inputs(public);
        let mut values = Vec::with_capacity(C::ROOM);
        values.push(Fr::one());
        values.extend_from_slice(&public_inputs);
        let public = values.len();
        let mut builder = Values { values, rows: Rows::with_capacity(C::ROOM), clause: "", checked };
        circuit.constrain(&mut builder, &public_inputs.into_iter().map(Value).collect::<Vec<_>>(), Some(witness))?;
        Ok(builder.finish(public))
    }

    /// Computes a part of a circuit that a function describes: only its private variables and its rows.
    pub(crate) fn part<C: Circuit>(
        describe: impl FnOnce(&mut Values) -> Result<(), Unsatisfied>,
    ) -> Result<Self, Unsatisfied> {
        let (values, rows) = (Vec::with_capacity(C::ROOM), Rows::with_capacity(C::ROOM));
        let mut builder = Values { values, rows, clause: "", checked: true };
        describe(&mut builder)?;
        Ok(builder.finish(0))
    }

    /// Computes the assignment of a witness that may violate constraints, to test that each constraint is needed.
    #[cfg(test)]
    pub(crate) fn forge<C: Circuit>(circuit: C, public: &C::Public, witness: &C::Witness) -> Self {
        Self::run(circuit, public, witness, false).unwrap_or_else(|error| unreachable!("{error}"))
    }

    /// All values: the constant 1, the public inputs, the private variables.
    pub fn values(&self) -> &[Fr] {
        &self.values
    }

    /// Number of public values, the constant 1 included.
    pub fn public_count(&self) -> usize {
        self.public
    }

    /// The values of the factors of each constraint.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }
}

/// A builder that computes values.
pub(crate) struct Values {
    values: Vec<Fr>,
    rows: Rows,
    clause: Clause,
    checked: bool,
}

impl Values {
    fn finish(mut self, public: usize) -> Assignment {
        Assignment { values: core::mem::take(&mut self.values), public, rows: core::mem::take(&mut self.rows) }
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

/// The value of a linear combination.
#[derive(Clone, Copy)]
pub(crate) struct Value(pub(crate) Fr);

impl Add for Value {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Value {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Mul<Fr> for Value {
    type Output = Self;
    fn mul(self, factor: Fr) -> Self {
        Self(self.0 * factor)
    }
}

impl Builder for Values {
    type Num = Value;

    fn constant(value: Fr) -> Value {
        Value(value)
    }

    fn sum_of_products<const T: usize>(coefficients: &[Fr; T], terms: &[Value; T]) -> Value {
        use ark_ff::Field;
        Value(Fr::sum_of_products(coefficients, &terms.map(|term| term.0)))
    }

    fn clause(&mut self, clause: Clause) {
        self.clause = clause;
    }

    fn witness(&mut self, value: impl FnOnce() -> Fr) -> Value {
        let value = value();
        self.values.push(value);
        Value(value)
    }

    fn hint(&mut self, from: &Value, value: impl FnOnce(Fr) -> Fr) -> Value {
        self.witness(|| value(from.0))
    }

    fn product(&mut self, a: &Value, b: &Value) -> Result<Value, Unsatisfied> {
        self.rows.push(a.0, b.0);
        Ok(self.witness(|| a.0 * b.0))
    }

    fn enforce(&mut self, a: &Value, b: &Value, c: &Value) -> Result<(), Unsatisfied> {
        if self.checked && a.0 * b.0 != c.0 {
            return Err(Unsatisfied { clause: self.clause });
        }
        self.rows.push(a.0, b.0);
        Ok(())
    }

    fn enforce_equal(&mut self, a: &Value, b: &Value) -> Result<(), Unsatisfied> {
        // The same constraint as in `shape`: (a - b) * 1 = 0.
        self.enforce(&Value(a.0 - b.0), &Value(Fr::one()), &Value(Fr::zero()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        badge::Badge,
        constraints::shape::Shape,
        post::Post,
        signal::Receiver,
        slash::{Slash, slash},
        soundness::MembershipStatement,
    };

    fn rows_are_those_of_the_matrices<C: Circuit>(public: &C::Public, witness: &C::Witness) {
        let shape = Shape::of(C::STANDARD).unwrap();
        let assignment = Assignment::compute(C::STANDARD, public, witness).unwrap();
        let product = |row: &Vec<(Fr, usize)>| row.iter().map(|(c, i)| *c * assignment.values()[*i]).sum::<Fr>();
        let [a, b, _] = &shape.matrices;
        assert_eq!(assignment.rows().a, a.iter().map(product).collect::<Vec<_>>(), "{}", C::KIND);
        assert_eq!(assignment.rows().b, b.iter().map(product).collect::<Vec<_>>(), "{}", C::KIND);
    }

    #[test]
    fn recorded_rows_are_the_products_of_matrices_and_values() {
        let (public, witness) = Post::honest();
        rows_are_those_of_the_matrices::<Post>(&public, &witness);
        let (public, witness) = Badge::honest();
        rows_are_those_of_the_matrices::<Badge>(&public, &witness);
        let secret = crate::identity::IdentitySecret::from_field(Fr::from(5)).unwrap();
        let (public, witness) = slash(&secret, Receiver::from_field(Fr::from(9)));
        rows_are_those_of_the_matrices::<Slash>(&public, &witness);
    }
}
