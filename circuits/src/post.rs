//! The statement `post`: a message comes from a member, within the member's quota.
//!
//! Public inputs, in this order: `root, ext, x, min_stake, since_max, limit_cap, y, nullifier`. Private: the secret
//! `a0`, the terms `stake, message_limit, since`, the `message_id`, and the siblings on the path.
//!
//! 1. `idc = H1(a0)` and `word = stake + 2^40 message_limit + 2^64 since`.
//! 2. `(idc, word)` is a member of the tree with this `root`.
//! 3. `message_id`, `message_limit - 1 - message_id` and `limit_cap - 1 - message_id` lie in `[0, 2^16)`, so that
//!    `message_id < min(message_limit, limit_cap)`.
//! 4. `stake - min_stake` lies in `[0, 2^32)` and `since_max - since` in `[0, 2^16)`.
//! 5. `a1 = H3(a0, ext, message_id)`, `y = a0 + a1 x`, `nullifier = H1(a1)`: share and nullifier of RLN-V2.
//!
//! The decoding of `word` is unique. Verifiers check `min_stake < 2^32`, `since_max < 2^16` and `limit_cap < 2^16`.
//! Therefore clause 4 implies `stake < 2^33`, so the stake does not reach bit 40. Clause 3 implies
//! `message_limit < 2^17 + 1`, so the limit, from bit 40 on, does not reach bit 64. A negative `since` would give a
//! word near the field's order, and no word of a registry is in that range.

use core::num::NonZeroU16;

use ark_bn254::Fr;
use ark_ff::One;
use zeroize::Zeroize;

use crate::{
    constraints::{Builder, Circuit, CircuitKind, Clause, Unsatisfied, enforce_bits},
    membership::{
        Levels, Membership, Root,
        gadget::{self, MembershipWitness, enforce_membership},
    },
    poseidon::hash_gadget,
    requirement::{Ineligible, Requirement},
    share::{Line, Nullifier, Share},
    signal::{ExternalNullifier, SignalHash},
};

/// The clauses that `post` adds to those of [membership](crate::membership).
pub mod clause {
    use super::Clause;

    /// `message_id` lies in `[0, 2^16)`.
    pub const MESSAGE_ID: Clause = "quota: message_id in [0, 2^16)";
    /// The message id is below the member's own limit.
    pub const LIMIT: Clause = "quota: message_limit - 1 - message_id in [0, 2^16)";
    /// The message id is below the scope's cap.
    pub const CAP: Clause = "quota: limit_cap - 1 - message_id in [0, 2^16)";
    /// `a1 = H3(a0, ext, message_id)`.
    pub const SLOPE: Clause = "share: a1 = H3(a0, ext, message_id)";
    /// `y = a0 + a1 x`.
    pub const SHARE: Clause = "share: y = a0 + a1 * x";
    /// `nullifier = H1(a1)`.
    pub const NULLIFIER: Clause = "share: nullifier = H1(a1)";
}

/// The public inputs of `post`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostPublic {
    /// Root of the member tree.
    pub root: Root,
    /// External nullifier of epoch and scope.
    pub external_nullifier: ExternalNullifier,
    /// Stake and age that the scope requires.
    pub requirement: Requirement,
    /// The scope's cap on messages per epoch. It applies in addition to the member's own limit.
    pub limit_cap: NonZeroU16,
    /// The share: signal hash and ordinate.
    pub share: Share,
    /// The nullifier of the message id.
    pub nullifier: Nullifier,
}

/// The private inputs of `post`. The secret and the message id are zeroized on drop.
pub struct PostWitness {
    pub(crate) secret: Fr,
    pub(crate) message_id: Fr,
    pub(crate) membership: MembershipWitness,
}

impl Drop for PostWitness {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.message_id.zeroize();
    }
}

/// Reasons why a post cannot be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// The secret is not the member's, or the stake or the age does not meet the scope's requirement.
    #[error(transparent)]
    Ineligible(#[from] Ineligible),
    /// The message id is not below the lower of the member's limit and the scope's cap.
    #[error("message id {message_id} is not below the limit of {limit} messages per epoch")]
    OverQuota {
        /// The requested id.
        message_id: u16,
        /// The lower of the member's limit and the scope's cap.
        limit: u16,
    },
}

/// Returns the statement that a member posts a message: public and private inputs, ready to be proved.
///
/// # Errors
/// [`PostError`] if the member does not meet the requirements, or if the message id is not below the limit.
pub fn post(
    membership: Membership<'_>,
    external_nullifier: ExternalNullifier,
    x: SignalHash,
    requirement: Requirement,
    limit_cap: NonZeroU16,
    message_id: u16,
) -> Result<(PostPublic, PostWitness), PostError> {
    requirement.check(membership)?;
    let Membership { secret, member, path } = membership;
    let limit = member.terms.message_limit.min(limit_cap.get());
    if message_id >= limit {
        return Err(PostError::OverQuota { message_id, limit });
    }
    let line = Line::new(secret, external_nullifier, message_id);
    let public = PostPublic {
        root: path.root(member),
        external_nullifier,
        requirement,
        limit_cap,
        share: line.share(x),
        nullifier: line.nullifier(),
    };
    let witness = PostWitness {
        secret: secret.to_field(),
        message_id: message_id.into(),
        membership: MembershipWitness::new(member, path),
    };
    Ok((public, witness))
}

/// The circuit `post`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post {
    /// Levels of the member tree.
    pub levels: Levels,
}

impl Post {
    /// The circuit for the standard tree.
    pub const STANDARD: Self = Self { levels: Levels::STANDARD };
}

impl Circuit for Post {
    const KIND: CircuitKind = CircuitKind::Post;
    const STANDARD: Self = Self::STANDARD;
    type Public = PostPublic;
    type Witness = PostWitness;

    fn public_inputs(public: &PostPublic) -> Vec<Fr> {
        let PostPublic { root, external_nullifier, requirement, limit_cap, share, nullifier } = public;
        vec![
            root.to_field(),
            external_nullifier.to_field(),
            share.x.to_field(),
            requirement.min_stake.into(),
            requirement.since_max.0.into(),
            limit_cap.get().into(),
            share.y.to_field(),
            nullifier.to_field(),
        ]
    }

    fn public_names() -> &'static [&'static str] {
        &["root", "ext", "x", "min_stake", "since_max", "limit_cap", "y", "nullifier"]
    }

    fn variant(self) -> u8 {
        self.levels.get() as u8
    }

    fn of_variant(variant: u8) -> Option<Self> {
        Some(Self { levels: Levels::new(variant.into()).ok()? })
    }

    fn constrain<B: Builder>(
        self,
        builder: &mut B,
        public: &[B::Num],
        witness: Option<&PostWitness>,
    ) -> Result<(), Unsatisfied> {
        let [root, external, x, min_stake, since_max, limit_cap, y, nullifier] = public else {
            return Err(Unsatisfied { clause: "eight public inputs" });
        };
        let member = MemberNums { root, min_stake, since_max };
        let witness_of_member = witness.map(|w| (w.secret, &w.membership));
        let (secret, message_limit) = constrain_member(builder, self.levels, member, witness_of_member)?;
        let message = MessageNums { secret, message_limit, external, x, limit_cap, y, nullifier };
        constrain_message(builder, message, || witness.map(|w| w.message_id).unwrap_or_default())
    }
}

/// Number of private variables that differ between two messages of one member under one root. They are the last
/// variables of the circuit.
pub(crate) const MESSAGE_VARIABLES: usize = 520;
/// Number of constraints that contain these variables. They are the last constraints of the circuit.
pub(crate) const MESSAGE_CONSTRAINTS: usize = 524;

/// Returns whether a variable differs between two messages of one member under one root: `ext`, `x`, `y`, `nullifier`
/// and the last private variables. `variables` is the number of all variables.
pub(crate) fn is_of_message(variable: usize, variables: usize) -> bool {
    matches!(variable, 2 | 3 | 7 | 8) || variable + MESSAGE_VARIABLES >= variables
}

/// The public inputs of the member's constraints.
pub(crate) struct MemberNums<'a, N> {
    pub(crate) root: &'a N,
    pub(crate) min_stake: &'a N,
    pub(crate) since_max: &'a N,
}

/// Enforces clauses 1, 2 and 4, and returns the secret and the message limit. The witness consists of the secret and
/// the membership.
pub(crate) fn constrain_member<B: Builder>(
    builder: &mut B,
    levels: Levels,
    MemberNums { root, min_stake, since_max }: MemberNums<'_, B::Num>,
    witness: Option<(Fr, &MembershipWitness)>,
) -> Result<(B::Num, B::Num), Unsatisfied> {
    builder.clause("private inputs");
    let secret = builder.witness(|| witness.map(|(secret, _)| secret).unwrap_or_default());
    let membership = witness.map(|(_, membership)| membership);
    let terms = gadget::terms(builder, membership);

    enforce_membership(builder, levels, &secret, &terms, root, membership)?;
    builder.clause(gadget::clause::STAKE);
    enforce_bits(builder, &(terms.stake - min_stake.clone()), 32)?;
    builder.clause(gadget::clause::AGE);
    enforce_bits(builder, &(since_max.clone() - terms.since), 16)?;
    Ok((secret, terms.message_limit))
}

/// The inputs of a message's constraints.
pub(crate) struct MessageNums<'a, N> {
    pub(crate) secret: N,
    pub(crate) message_limit: N,
    pub(crate) external: &'a N,
    pub(crate) x: &'a N,
    pub(crate) limit_cap: &'a N,
    pub(crate) y: &'a N,
    pub(crate) nullifier: &'a N,
}

/// Enforces clauses 3 and 5: all private variables and constraints that differ between two messages of one member under
/// one root. They come last, so that the prover can prepare the part before them.
pub(crate) fn constrain_message<B: Builder>(
    builder: &mut B,
    MessageNums { secret, message_limit, external, x, limit_cap, y, nullifier }: MessageNums<'_, B::Num>,
    message_id: impl FnOnce() -> Fr,
) -> Result<(), Unsatisfied> {
    let one = B::constant(Fr::one());
    builder.clause("message id");
    let message_id = builder.witness(message_id);
    builder.clause(clause::MESSAGE_ID);
    enforce_bits(builder, &message_id, 16)?;
    builder.clause(clause::LIMIT);
    enforce_bits(builder, &(message_limit - one.clone() - message_id.clone()), 16)?;
    builder.clause(clause::CAP);
    enforce_bits(builder, &(limit_cap.clone() - one - message_id.clone()), 16)?;

    builder.clause(clause::SLOPE);
    let slope = hash_gadget(builder, &[secret.clone(), external.clone(), message_id])?;
    builder.clause(clause::SHARE);
    builder.enforce(&slope, x, &(y.clone() - secret))?;
    builder.clause(clause::NULLIFIER);
    let hashed = hash_gadget(builder, &[slope])?;
    builder.enforce_equal(&hashed, nullifier)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{constraints::shape::Shape, soundness::MembershipStatement};

    #[test]
    fn what_differs_between_two_messages_stands_last() {
        let shape = Shape::of(Post::STANDARD).unwrap();
        let first = shape.clauses.iter().find(|clause| clause.clause == "message id").unwrap();
        assert_eq!(shape.variables - first.variables.start, MESSAGE_VARIABLES);
        assert_eq!(shape.constraints() - first.constraints.start, MESSAGE_CONSTRAINTS);

        // The rows before the message's rows contain none of its variables, private or public.
        for row in 0..first.constraints.start {
            for matrix in &shape.matrices {
                assert!(
                    matrix[row].iter().all(|(_, variable)| !is_of_message(*variable, shape.variables)),
                    "row {row}"
                );
            }
        }
        let (public, _) = Post::honest();
        assert_eq!(Post::public_inputs(&public).len() + 1, shape.public);
    }
}
