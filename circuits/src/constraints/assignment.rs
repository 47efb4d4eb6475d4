//! Runs a circuit on values alone.

use core::ops::{Add, Mul, Sub};

use ark_bn254::Fr;
use ark_ff::One;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Builder, Circuit, Clause, Unsatisfied};
use crate::membership::Levels;

/// The values of all variables of a circuit: the constant one, the public inputs, then the private variables in the
/// order in which the circuit makes them. Zeroized on drop, for it holds the identity secret.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Assignment {
    values: Vec<Fr>,
    public: usize,
}

impl Assignment {
    /// Computes the assignment and checks every constraint on the way.
    ///
    /// # Errors
    /// [`Unsatisfied`] names the first clause that the witness violates.
    pub fn compute<C: Circuit>(levels: Levels, public: &C::Public, witness: &C::Witness) -> Result<Self, Unsatisfied> {
        Self::run::<C>(levels, public, witness, true)
    }

    fn run<C: Circuit>(
        levels: Levels,
        public: &C::Public,
        witness: &C::Witness,
        checked: bool,
    ) -> Result<Self, Unsatisfied> {
        let public_inputs = C::public_inputs(public);
        // Room for every circuit, for a vector that grows leaves copies behind that nobody zeroizes.
        let mut values = Vec::with_capacity(8192);
        values.push(Fr::one());
        values.extend_from_slice(&public_inputs);
        let public_count = values.len();
        let nums: Vec<_> = public_inputs.into_iter().map(Value).collect();
        let mut builder = Values { values, clause: "", checked };
        C::constrain(&mut builder, levels, &nums, Some(witness))?;
        Ok(Self { values: core::mem::take(&mut builder.values), public: public_count })
    }

    /// Computes the assignment of a witness that may violate constraints, to test that they matter.
    #[cfg(test)]
    pub(crate) fn forge<C: Circuit>(levels: Levels, public: &C::Public, witness: &C::Witness) -> Self {
        Self::run::<C>(levels, public, witness, false).unwrap_or_else(|error| unreachable!("{error}"))
    }

    /// All values: one, public inputs, private variables.
    pub fn values(&self) -> &[Fr] {
        &self.values
    }

    /// How many values are public, the constant one included.
    pub fn public_count(&self) -> usize {
        self.public
    }
}

struct Values {
    values: Vec<Fr>,
    clause: Clause,
    checked: bool,
}

impl Drop for Values {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

#[derive(Clone, Copy)]
struct Value(Fr);

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
        Ok(self.witness(|| a.0 * b.0))
    }

    fn enforce(&mut self, a: &Value, b: &Value, c: &Value) -> Result<(), Unsatisfied> {
        if self.checked && a.0 * b.0 != c.0 {
            return Err(Unsatisfied { clause: self.clause });
        }
        Ok(())
    }

    fn enforce_equal(&mut self, a: &Value, b: &Value) -> Result<(), Unsatisfied> {
        self.enforce(a, &Value(Fr::one()), b)
    }
}
