//! A circuit is described once and run in two ways.
//!
//! A circuit is a function over a [`Builder`]. [`shape`] runs it to collect its R1CS (for setup, export and the
//! prover's matrices); [`assignment`] runs it only to compute the values of all variables (for proving). Both receive
//! the same calls in the same order, so variables and constraints always correspond.

pub mod assignment;
mod gadgets;
pub mod shape;

use core::ops::{Add, Mul, Sub};

use ark_bn254::Fr;

pub(crate) use gadgets::{bind, enforce_bits, enforce_boolean, enforce_one_of, select_pair};

/// A clause of a statement of the protocol; every constraint belongs to exactly one.
pub type Clause = &'static str;

/// The witness does not satisfy a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the witness does not satisfy the clause `{clause}`")]
pub struct Unsatisfied {
    /// The clause the first violated constraint belongs to.
    pub clause: Clause,
}

/// A receiver of a circuit's variables and constraints, in order.
///
/// Private variables get their values from closures, which are called only by builders that compute values.
pub trait Builder {
    /// A linear combination of variables.
    type Num: Clone + Add<Output = Self::Num> + Sub<Output = Self::Num> + Mul<Fr, Output = Self::Num>;

    /// Returns the constant linear combination `value`.
    fn constant(value: Fr) -> Self::Num;

    /// Returns the inner product of coefficients and linear combinations.
    fn sum_of_products<const T: usize>(coefficients: &[Fr; T], terms: &[Self::Num; T]) -> Self::Num;

    /// Begins a clause. The constraints and variables that follow belong to it.
    fn clause(&mut self, clause: Clause);

    /// Adds a private variable.
    fn witness(&mut self, value: impl FnOnce() -> Fr) -> Self::Num;

    /// Adds a private variable whose value is computed from the value of `from`.
    fn hint(&mut self, from: &Self::Num, value: impl FnOnce(Fr) -> Fr) -> Self::Num;

    /// Adds a private variable and constrains it to a * b.
    fn product(&mut self, a: &Self::Num, b: &Self::Num) -> Result<Self::Num, Unsatisfied>;

    /// Adds the constraint a * b = c.
    fn enforce(&mut self, a: &Self::Num, b: &Self::Num, c: &Self::Num) -> Result<(), Unsatisfied>;

    /// Adds the constraint a = b.
    fn enforce_equal(&mut self, a: &Self::Num, b: &Self::Num) -> Result<(), Unsatisfied>;
}

/// A statement that can be proved: its public inputs, its witness, and its constraints.
///
/// A value of the type has all that the constraints depend on: the levels of the member tree for a circuit that proves
/// membership, and nothing for one that does not.
pub trait Circuit: Copy + PartialEq + Send + Sync {
    /// The circuit's kind.
    const KIND: CircuitKind;
    /// The circuit that ceremonies make keys for and that is [pinned](crate::pins).
    const STANDARD: Self;
    /// Number of public inputs, at the end of all, that many statements share: the listed posts of a
    /// [`record`](crate::moderation::record). A verifier sums their part of the combination of public inputs in advance.
    const SHARED_INPUTS: usize = 0;
    /// An upper bound of the numbers of variables and of rows. The vectors of an assignment begin with this capacity: a
    /// vector that grows leaves copies in memory that are not zeroized.
    const ROOM: usize = 8192;
    /// The public inputs.
    type Public;
    /// The private inputs.
    type Witness;

    /// Returns the public inputs as field elements, in the order of the protocol.
    fn public_inputs(public: &Self::Public) -> Vec<Fr>;

    /// Returns the names of the public inputs, in the same order.
    fn public_names() -> &'static [&'static str];

    /// The number that tells the circuits of this kind apart, in key files and their names.
    fn variant(self) -> u8;

    /// Returns the circuit of this kind with this number, if there is one.
    fn of_variant(variant: u8) -> Option<Self>;

    /// Describes the circuit. `public` has as many entries as [`public_names`](Self::public_names). `witness` is absent
    /// if the builder collects only the shape.
    fn constrain<B: Builder>(
        self,
        builder: &mut B,
        public: &[B::Num],
        witness: Option<&Self::Witness>,
    ) -> Result<(), Unsatisfied>;
}

/// The circuits of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CircuitKind {
    /// Proves that an anonymous message is within its quota.
    Post,
    /// Proves that a chat key has a pseudonym.
    Badge,
    /// Proves knowledge of a member's secret.
    Slash,
    /// Proves that the author of a post takes an action.
    Author,
    /// Proves that the author of a post wrote none of 16 listed posts.
    Record16,
    /// Proves that the author of a post wrote none of 128 listed posts.
    Record128,
}

impl CircuitKind {
    /// All circuits.
    pub const ALL: [Self; 6] = [Self::Post, Self::Badge, Self::Slash, Self::Author, Self::Record16, Self::Record128];

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Badge => "badge",
            Self::Slash => "slash",
            Self::Author => "author",
            Self::Record16 => "record16",
            Self::Record128 => "record128",
        }
    }
}

impl core::fmt::Display for CircuitKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
