//! Runs a circuit to collect its constraints.

use core::ops::{Add, Mul, Sub};

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField, Zero};
use ark_r1cs_std::{
    GR1CSVar,
    alloc::AllocVar,
    eq::EqGadget,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, Matrix, OptimizationGoal, R1CS_PREDICATE_LABEL,
    SynthesisError, SynthesisMode,
};
use sha2::{Digest, Sha256};

use super::{Builder, Circuit, CircuitKind, Clause, Unsatisfied};

/// The part of a circuit that belongs to one clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseShape {
    /// Name of the clause.
    pub clause: Clause,
    /// The rows of its constraints.
    pub constraints: core::ops::Range<usize>,
    /// The indices, among all variables, of the private variables that the clause adds.
    pub variables: core::ops::Range<usize>,
}

/// A circuit as rank-1 constraints: for each row i, (A_i z)(B_i z) = (C_i z), with z = (1, public inputs, private
/// variables).
#[derive(Clone, Debug)]
pub struct Shape {
    /// The circuit's kind.
    pub kind: CircuitKind,
    /// The circuit's number among those of its kind.
    pub variant: u8,
    /// Number of public variables, the constant 1 included.
    pub public: usize,
    /// Number of all variables.
    pub variables: usize,
    /// A, B and C: for each row, pairs of coefficient and variable index, by ascending index.
    pub matrices: [Matrix<Fr>; 3],
    /// The constraints and variables of each clause, in order.
    pub clauses: Vec<ClauseShape>,
}

impl Shape {
    /// Collects the constraints of a circuit.
    pub fn of<C: Circuit>(circuit: C) -> Result<Self, SynthesisError> {
        let system = ConstraintSystem::new_ref();
        system.set_optimization_goal(OptimizationGoal::Constraints);
        system.set_mode(SynthesisMode::Setup);
        let clauses = describe(circuit, &system)?;
        system.finalize();
        let matrices = system
            .to_matrices()?
            .remove(R1CS_PREDICATE_LABEL)
            .and_then(|matrices| <[Matrix<Fr>; 3]>::try_from(matrices).ok())
            .ok_or(SynthesisError::Unsatisfiable)?;
        Ok(Self {
            kind: C::KIND,
            variant: circuit.variant(),
            public: system.num_instance_variables(),
            variables: system.num_instance_variables() + system.num_witness_variables(),
            matrices,
            clauses,
        })
    }

    /// Number of constraints.
    pub fn constraints(&self) -> usize {
        self.matrices[0].len()
    }

    /// Size of the QAP domain: the smallest power of two that holds the constraints and one row for each public
    /// variable.
    pub fn domain(&self) -> usize {
        (self.constraints() + self.public).next_power_of_two()
    }

    /// The constraints as an `.r1cs` file, version 1 (iden3/r1csfile, doc/r1cs_bin_format.md), which circom and snarkjs
    /// read. Wire 0 is the constant 1, followed by the public inputs and the private variables. There are no outputs.
    /// All integers are little-endian.
    pub fn to_r1cs(&self) -> Vec<u8> {
        let number = |number: usize| (number as u32).to_le_bytes();

        let field = Fr::MODULUS.to_bytes_le();
        let mut header = [&number(field.len())[..], &field].concat();
        for count in [self.variables, 0, self.public - 1, self.variables - self.public] {
            header.extend(number(count));
        }
        header.extend((self.variables as u64).to_le_bytes());
        header.extend(number(self.constraints()));

        let mut constraints = Vec::new();
        for row in 0..self.constraints() {
            for matrix in &self.matrices {
                constraints.extend(number(matrix[row].len()));
                for (coefficient, wire) in &matrix[row] {
                    constraints.extend(number(*wire));
                    constraints.extend(coefficient.into_bigint().to_bytes_le());
                }
            }
        }
        let labels = (0..self.variables as u64).flat_map(u64::to_le_bytes).collect();

        let sections = [header, constraints, labels];
        let mut file = [&b"r1cs"[..], &number(1), &number(sections.len())].concat();
        for (section, content) in (1..).zip(sections) {
            file.extend(number(section));
            file.extend((content.len() as u64).to_le_bytes());
            file.extend(content);
        }
        file
    }

    /// The circuit's hash: SHA-256 of its [`.r1cs` file](Self::to_r1cs), so that anyone can recompute it with other
    /// tools.
    pub fn hash(&self) -> CircuitHash {
        CircuitHash(Sha256::digest(self.to_r1cs()).into())
    }

    /// The circuit's summary, without its constraints.
    pub fn info(&self) -> CircuitInfo {
        CircuitInfo {
            kind: self.kind,
            variant: self.variant,
            hash: self.hash(),
            public: self.public,
            variables: self.variables,
            constraints: self.constraints(),
        }
    }

    /// The rows that an assignment violates.
    #[cfg(test)]
    pub(crate) fn violated(&self, values: &[Fr]) -> Vec<usize> {
        let product = |row: &[(Fr, usize)]| row.iter().map(|(c, i)| *c * values[*i]).sum::<Fr>();
        let [a, b, c] = &self.matrices;
        (0..self.constraints()).filter(|&i| product(&a[i]) * product(&b[i]) != product(&c[i])).collect()
    }

    /// The clause a row belongs to.
    #[cfg(test)]
    pub(crate) fn clause_of(&self, row: usize) -> Clause {
        self.clauses.iter().find(|c| c.constraints.contains(&row)).map_or("", |c| c.clause)
    }
}

/// A circuit's kind, hash and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitInfo {
    /// The circuit's kind.
    pub kind: CircuitKind,
    /// The circuit's number among those of its kind, see [`Circuit::variant`].
    pub variant: u8,
    /// The circuit's hash, see [`Shape::hash`].
    pub hash: CircuitHash,
    /// Number of public variables, the constant 1 included.
    pub public: usize,
    /// Number of all variables.
    pub variables: usize,
    /// Number of constraints.
    pub constraints: usize,
}

impl CircuitInfo {
    /// Size of the QAP domain: the smallest power of two that holds the constraints and one row for each public
    /// variable.
    pub fn domain(&self) -> usize {
        (self.constraints + self.public).next_power_of_two()
    }
}

/// Hash that identifies a circuit; see [`Shape::hash`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CircuitHash(pub [u8; 32]);

impl core::fmt::Display for CircuitHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl core::fmt::Debug for CircuitHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CircuitHash({self})")
    }
}

/// A circuit in the form that arkworks' setup takes.
pub(crate) struct Synthesizer<C>(pub(crate) C);

impl<C: Circuit> ConstraintSynthesizer<Fr> for Synthesizer<C> {
    fn generate_constraints(self, system: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        describe(self.0, &system).map(|_| ())
    }
}

fn describe<C: Circuit>(circuit: C, system: &ConstraintSystemRef<Fr>) -> Result<Vec<ClauseShape>, SynthesisError> {
    let public = C::public_names()
        .iter()
        .map(|_| FpVar::new_input(system.clone(), || Ok(Fr::zero())).map(Linear))
        .collect::<Result<Vec<_>, _>>()?;
    let mut builder = Constraints::new(system.clone());
    let described = circuit.constrain(&mut builder, &public, None);
    match (builder.failure.take(), described) {
        (Some(error), _) => Err(error),
        (None, Err(_)) => Err(SynthesisError::Unsatisfiable),
        (None, Ok(())) => Ok(builder.finish()),
    }
}

/// A builder on an arkworks constraint system.
pub(crate) struct Constraints {
    system: ConstraintSystemRef<Fr>,
    clauses: Vec<ClauseShape>,
    failure: Option<SynthesisError>,
}

impl Constraints {
    pub(crate) fn new(system: ConstraintSystemRef<Fr>) -> Self {
        Self { system, clauses: Vec::new(), failure: None }
    }

    fn finish(mut self) -> Vec<ClauseShape> {
        self.end_clause();
        self.clauses
    }

    fn position(&self) -> (usize, usize) {
        let variables = self.system.num_instance_variables() + self.system.num_witness_variables();
        (self.system.num_constraints(), variables)
    }

    fn end_clause(&mut self) {
        let (constraints, variables) = self.position();
        if let Some(last) = self.clauses.last_mut() {
            last.constraints.end = constraints;
            last.variables.end = variables;
        }
    }

    /// Keeps the first error of arkworks, because [`Unsatisfied`] describes only witnesses.
    fn keep<T>(&mut self, result: Result<T, SynthesisError>) -> Result<T, Unsatisfied> {
        result.map_err(|error| {
            self.failure.get_or_insert(error);
            Unsatisfied { clause: self.clauses.last().map_or("", |c| c.clause) }
        })
    }

    /// The first error of arkworks, if any.
    pub(crate) fn failure(self) -> Option<SynthesisError> {
        self.failure
    }
}

/// A linear combination over arkworks' variables.
#[derive(Clone)]
pub(crate) struct Linear(pub(crate) FpVar<Fr>);

impl Add for Linear {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Linear {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Mul<Fr> for Linear {
    type Output = Self;
    fn mul(self, factor: Fr) -> Self {
        Self(self.0 * factor)
    }
}

impl Builder for Constraints {
    type Num = Linear;

    fn constant(value: Fr) -> Linear {
        Linear(FpVar::Constant(value))
    }

    fn sum_of_products<const T: usize>(coefficients: &[Fr; T], terms: &[Linear; T]) -> Linear {
        coefficients
            .iter()
            .zip(terms)
            .fold(Self::constant(Fr::zero()), |sum, (coefficient, term)| sum + term.clone() * *coefficient)
    }

    fn clause(&mut self, clause: Clause) {
        self.end_clause();
        let (constraints, variables) = self.position();
        self.clauses.push(ClauseShape {
            clause,
            constraints: constraints..constraints,
            variables: variables..variables,
        });
    }

    fn witness(&mut self, value: impl FnOnce() -> Fr) -> Linear {
        let system = self.system.clone();
        match FpVar::new_witness(system, || Ok(value())) {
            Ok(variable) => Linear(variable),
            Err(error) => {
                self.failure.get_or_insert(error);
                Self::constant(Fr::zero())
            }
        }
    }

    fn hint(&mut self, from: &Linear, value: impl FnOnce(Fr) -> Fr) -> Linear {
        let from = from.0.value().unwrap_or_default();
        self.witness(|| value(from))
    }

    fn product(&mut self, a: &Linear, b: &Linear) -> Result<Linear, Unsatisfied> {
        Ok(Linear(&a.0 * &b.0))
    }

    fn enforce(&mut self, a: &Linear, b: &Linear, c: &Linear) -> Result<(), Unsatisfied> {
        let enforced = a.0.mul_equals(&b.0, &c.0);
        self.keep(enforced)
    }

    fn enforce_equal(&mut self, a: &Linear, b: &Linear) -> Result<(), Unsatisfied> {
        let enforced = a.0.enforce_equal(&b.0);
        self.keep(enforced)
    }
}
