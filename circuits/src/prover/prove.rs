//! The prover.

use std::sync::Arc;

use ark_bn254::{Fr, G1Projective};
use ark_ff::Zero;
use ark_relations::gr1cs::SynthesisError;
use ark_std::rand::{CryptoRng, RngCore};
use quotapass_bn254::{msm, threads, transform::OddCoset};
use zeroize::Zeroizing;

use super::{
    KeyOrigin, ProvingKey, Tables, TablesError,
    blinding::{Blinding, Sums},
    quotient::Evaluations,
};
use crate::{
    constraints::{
        Circuit, CircuitKind, Unsatisfied,
        assignment::{Assignment, Rows},
    },
    moderation::record::RecordError,
    post::PostError,
    proof::{Proof, ProofError},
    verifier::{Verifier, VerifyingKey, WrongKey},
};

/// Errors of proving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The witness does not satisfy the statement.
    #[error(transparent)]
    Unsatisfied(#[from] Unsatisfied),
    /// The member may not post this message, or does not meet the requirement.
    #[error(transparent)]
    Post(#[from] PostError),
    /// The secret did not write the post, or wrote a listed one.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A list has a segment of 128 entries, and the prover of `record128` is not loaded.
    #[error("the list needs the proving key of `record128`, which is not loaded; load it, and prove again")]
    LargeKeyMissing,
    /// The key is for another circuit.
    #[error("the proving key is for the circuit `{found}`, not `{expected}`; load the key of `{expected}`")]
    WrongCircuit {
        /// The key's circuit.
        found: CircuitKind,
        /// The expected circuit.
        expected: CircuitKind,
    },
    /// The key's number of points does not match the circuit's variables and constraints.
    #[error("the proving key does not match its circuit; make or fetch it again")]
    WrongSize,
    /// arkworks failed.
    #[error("the proving system failed: {0}")]
    Synthesis(#[from] SynthesisError),
    /// A point of the proof is invalid. This happens with probability 2^-253.
    #[error("the proof is degenerate ({0}); prove again")]
    Degenerate(#[from] ProofError),
}

/// A prover of one circuit. Clones share the key.
pub struct Prover<C> {
    pub(super) key: Arc<ProvingKey>,
    pub(super) coset: Arc<OddCoset>,
    tables: Option<Arc<Tables>>,
    pub(super) circuit: C,
}

impl<C: Copy> Clone for Prover<C> {
    fn clone(&self) -> Self {
        let (key, coset) = (Arc::clone(&self.key), Arc::clone(&self.coset));
        Self { key, coset, tables: self.tables.clone(), circuit: self.circuit }
    }
}

/// The variables of a sum.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All variables.
    All,
    /// Only the variables that differ between two proofs of a prepared prover.
    Message,
}

impl<C: Circuit> Prover<C> {
    /// Creates a prover from a key.
    ///
    /// # Errors
    /// [`ProveError::WrongCircuit`] if the key is for another circuit, [`ProveError::WrongSize`] if it is damaged.
    pub fn new(key: ProvingKey) -> Result<Self, ProveError> {
        let found = key.circuit.kind;
        if found != C::KIND {
            return Err(ProveError::WrongCircuit { found, expected: C::KIND });
        }
        let circuit = C::of_variant(key.circuit.variant).ok_or(ProveError::WrongSize)?;
        let coset = OddCoset::new(key.circuit.domain()).map_err(|_| SynthesisError::PolynomialDegreeTooLarge)?;
        if key.quotient.len() != coset.size() {
            return Err(ProveError::WrongSize);
        }
        Ok(Self { key: Arc::new(key), coset: Arc::new(coset), tables: None, circuit })
    }

    /// Adds tables. With them, a proof needs fewer additions than with the key alone.
    ///
    /// # Errors
    /// [`TablesError::OtherKey`] if the tables belong to another key.
    pub fn with_tables(mut self, tables: Tables) -> Result<Self, TablesError> {
        if !tables.belong_to(&self.key) {
            return Err(TablesError::OtherKey);
        }
        self.tables = Some(Arc::new(tables));
        Ok(self)
    }

    /// The circuit.
    pub fn circuit(&self) -> C {
        self.circuit
    }

    /// The key.
    pub fn key(&self) -> &ProvingKey {
        &self.key
    }

    /// The key's origin.
    pub fn origin(&self) -> KeyOrigin {
        self.key.origin()
    }

    /// The verifying key.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Creates the verifier for this prover's key.
    ///
    /// # Errors
    /// [`WrongKey`] if the key's verifying part does not fit the circuit.
    pub fn verifier(&self) -> Result<Verifier<C>, WrongKey> {
        Verifier::new(self.key.verifying_key())
    }

    /// Proves a statement. Each call draws fresh randomness, so two proofs of the same statement are independent.
    ///
    /// The proof is computed as in Groth16 ([2016/260](https://eprint.iacr.org/2016/260)) with `r = s = 0`, and then
    /// rerandomised ([2020/811](https://eprint.iacr.org/2020/811)). The result has the same distribution as a proof
    /// blinded with `r` and `s`, and needs no sum for B in G1.
    ///
    /// # Errors
    /// [`ProveError::Unsatisfied`] if the witness does not satisfy the statement.
    pub fn prove(
        &self,
        public: &C::Public,
        witness: &C::Witness,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Proof, ProveError> {
        let assignment = Assignment::compute(self.circuit, public, witness)?;
        let blinding = Blinding::random(rng);
        Ok(blinding.apply(&self.sums(&assignment, blinding.delta())?)?)
    }

    /// Returns the sums of a whole assignment, with `delta` times the point delta added to B.
    pub(super) fn sums(&self, assignment: &Assignment, delta: Fr) -> Result<Sums, ProveError> {
        let circuit = &self.key.circuit;
        let values = assignment.values();
        let mut rows: Rows = assignment.rows().clone();
        if values.len() != circuit.variables || rows.a.len() != circuit.constraints {
            return Err(ProveError::WrongSize);
        }
        rows.extend_public(&values[..circuit.public]);
        let quotient = || Evaluations::new(&self.coset, &rows, 0).quotient();
        let mut sums = self.sum(Part::All, values, quotient, delta);
        sums += &self.constants();
        Ok(sums)
    }

    /// The constant terms of every proof: alpha in A and beta in B.
    pub(super) fn constants(&self) -> Sums {
        let verifying = &self.key.verifying;
        Sums { a: verifying.alpha_g1.into(), b: verifying.beta_g2.into(), c: G1Projective::zero() }
    }

    /// Sums all queries over the values of the variables, and the quotient's points over its scalars, and adds the
    /// multiple of delta to B.
    pub(super) fn sum(&self, part: Part, values: &[Fr], quotient: impl Fn() -> Vec<Fr> + Sync, delta: Fr) -> Sums {
        let quotient = || Zeroizing::new(quotient());
        let (b, (a, c)) = match self.tables.as_deref() {
            Some(tables) => {
                let (a, b) = match part {
                    Part::All => (&tables.a, &tables.b),
                    Part::Message => (&tables.message_a, &tables.message_b),
                };
                let sum_b = || {
                    let mut terms = terms(&b.variables, values, 0);
                    terms.push((b.variables.len() as u32, delta));
                    b.bases.sum(&terms)
                };
                let sum_a = || a.bases.sum(&terms(&a.variables, values, 0));
                let sum_c = || {
                    let quotient = quotient();
                    let mut terms = terms(&tables.c.variables, values, self.key.quotient.len() as u32);
                    terms.extend((0..).zip(quotient.iter().copied()));
                    tables.c.bases.sum(&terms)
                };
                threads::join(sum_b, || threads::join(sum_a, sum_c))
            }
            None => {
                let key = &*self.key;
                let sum_b = || {
                    let mut terms = terms(&key.b.variables, values, 0);
                    terms.push((key.b.variables.len() as u32, delta));
                    msm::sum(|base| *key.b.points.get(base).unwrap_or(&key.verifying.delta_g2), &terms)
                };
                let sum_a = || msm::sum(|base| key.a.points[base], &terms(&key.a.variables, values, 0));
                let sum_c = || {
                    let (quotient, size) = (quotient(), key.quotient.len());
                    let mut terms = terms(&key.c.variables, values, size as u32);
                    terms.extend((0..).zip(quotient.iter().copied()));
                    msm::sum(|base| if base < size { key.quotient[base] } else { key.c.points[base - size] }, &terms)
                };
                threads::join(sum_b, || threads::join(sum_a, sum_c))
            }
        };
        Sums { a, b, c }
    }
}

/// Returns the terms of the variables whose value is not zero. A term is the number of a base and a value.
fn terms(variables: &[u32], values: &[Fr], first: u32) -> Zeroizing<Vec<(u32, Fr)>> {
    // Enough capacity for the quotient too: a vector that grows would leave copies of values in memory.
    let mut terms = Vec::with_capacity(2 * values.len() + 1);
    let values = (first..).zip(variables).map(|(base, variable)| (base, values[*variable as usize]));
    terms.extend(values.filter(|(_, value)| !value.is_zero()));
    Zeroizing::new(terms)
}
