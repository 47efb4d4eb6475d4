//! The statement `author`: the prover wrote this post, and says this about it.
//!
//! Public inputs, in this order: `x, y, nullifier, action`. Private: the secret `a0`, and the slope `t`.
//!
//! 1. `t x = y - a0`.
//! 2. `H1(t) = nullifier`.
//! 3. `action` takes part in a constraint, so that a proof is valid for one action only.
//!
//! The statement says nothing about the post itself: the verifier must know that the post was accepted. Verifiers check
//! that x is not zero, which the type [`Entry`] guarantees. With x = 0 clause 1 would hold for every t.

use ark_bn254::Fr;
use zeroize::Zeroize;

use super::{ActionHash, Entry, NotTheAuthor};
use crate::{
    constraints::{Builder, Circuit, CircuitKind, Clause, Unsatisfied, bind},
    identity::IdentitySecret,
    poseidon::hash_gadget,
};

/// The clauses of `author`.
pub mod clause {
    use super::Clause;

    /// `t x = y - a0`.
    pub const LINE: Clause = "author: t * x = y - a0";
    /// `H1(t) = nullifier`.
    pub const NULLIFIER: Clause = "author: H1(t) = nullifier";
    /// The action takes part in a constraint.
    pub const ACTION: Clause = "action: its hash is bound";
}

/// The public inputs of `author`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorPublic {
    /// The entry of the post.
    pub entry: Entry,
    /// The hash of the action.
    pub action: ActionHash,
}

/// The private inputs of `author`, zeroized on drop.
pub struct AuthorWitness {
    pub(crate) secret: Fr,
    pub(crate) slope: Fr,
}

impl Drop for AuthorWitness {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.slope.zeroize();
    }
}

/// Returns the statement that the author of a post takes an action: public and private inputs, ready to be proved.
///
/// # Errors
/// [`NotTheAuthor`] if the secret did not write the post.
pub fn author(
    secret: &IdentitySecret,
    entry: Entry,
    action: ActionHash,
) -> Result<(AuthorPublic, AuthorWitness), NotTheAuthor> {
    let slope = entry.slope(secret)?.to_field();
    Ok((AuthorPublic { entry, action }, AuthorWitness { secret: secret.to_field(), slope }))
}

/// The circuit `author`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author;

/// The number of the only variant.
const VARIANT: u8 = 1;

impl Circuit for Author {
    const KIND: CircuitKind = CircuitKind::Author;
    const STANDARD: Self = Self;
    type Public = AuthorPublic;
    type Witness = AuthorWitness;

    fn public_inputs(AuthorPublic { entry, action }: &AuthorPublic) -> Vec<Fr> {
        let [x, y, nullifier] = entry.to_fields();
        vec![x, y, nullifier, action.to_field()]
    }

    fn public_names() -> &'static [&'static str] {
        &["x", "y", "nullifier", "action"]
    }

    fn variant(self) -> u8 {
        VARIANT
    }

    fn of_variant(variant: u8) -> Option<Self> {
        (variant == VARIANT).then_some(Self)
    }

    fn constrain<B: Builder>(
        self,
        builder: &mut B,
        public: &[B::Num],
        witness: Option<&AuthorWitness>,
    ) -> Result<(), Unsatisfied> {
        let [x, y, nullifier, action] = public else {
            return Err(Unsatisfied { clause: "four public inputs" });
        };
        builder.clause("private inputs");
        let secret = builder.witness(|| witness.map(|w| w.secret).unwrap_or_default());
        enforce_author(builder, secret, EntryNums { x, y, nullifier }, || {
            witness.map(|w| w.slope).unwrap_or_default()
        })?;
        builder.clause(clause::ACTION);
        bind(builder, action)
    }
}

/// An entry as variables of a circuit.
pub(super) struct EntryNums<'a, N> {
    pub(super) x: &'a N,
    pub(super) y: &'a N,
    pub(super) nullifier: &'a N,
}

/// Enforces clauses 1 and 2: the secret wrote the post with this entry.
pub(super) fn enforce_author<B: Builder>(
    builder: &mut B,
    secret: B::Num,
    EntryNums { x, y, nullifier }: EntryNums<'_, B::Num>,
    slope: impl FnOnce() -> Fr,
) -> Result<(), Unsatisfied> {
    builder.clause(clause::LINE);
    let slope = builder.witness(slope);
    builder.enforce(&slope, x, &(y.clone() - secret))?;
    builder.clause(clause::NULLIFIER);
    let hashed = hash_gadget(builder, &[slope])?;
    builder.enforce_equal(&hashed, nullifier)
}
