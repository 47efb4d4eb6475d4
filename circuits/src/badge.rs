//! The statement `badge`: a chat key belongs to a member, and this is the member's only pseudonym in the scope.
//!
//! Public inputs, in this order: `root, scope, chat_key_hash, min_stake, since_max, pseudonym`. Private: the secret,
//! the terms, and the path.
//!
//! The clauses of membership, stake and age are the same as in [`post`](crate::post). `message_limit` lies in
//! `[0, 2^16)`: the decoding of the word needs a bound, and no other clause bounds it here.
//! `pseudonym = H2(a0, scope)`. `chat_key_hash` takes part in a constraint, so that a proof is valid for one chat key
//! only.

use ark_bn254::Fr;
use zeroize::Zeroize;

use crate::{
    constraints::{Builder, Circuit, CircuitKind, Clause, Unsatisfied, bind, enforce_bits},
    membership::{
        Levels, Membership, Root,
        gadget::{self, MembershipWitness, enforce_membership},
    },
    poseidon::hash_gadget,
    requirement::{Ineligible, Requirement},
    share::Pseudonym,
    signal::{ChatKeyHash, Scope},
};

/// The clauses that `badge` adds to the membership clauses.
pub mod clause {
    use super::Clause;

    /// `message_limit` lies in `[0, 2^16)`.
    pub const LIMIT: Clause = "terms: message_limit in [0, 2^16)";
    /// `pseudonym = H2(a0, scope)`.
    pub const PSEUDONYM: Clause = "pseudonym = H2(a0, scope)";
    /// The chat key takes part in a constraint.
    pub const CHAT_KEY: Clause = "chat key: its hash is bound";
}

/// The public inputs of `badge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadgePublic {
    /// Root of the member tree.
    pub root: Root,
    /// The scope.
    pub scope: Scope,
    /// Hash of the chat key.
    pub chat_key_hash: ChatKeyHash,
    /// The scope's requirements.
    pub requirement: Requirement,
    /// The member's pseudonym in the scope.
    pub pseudonym: Pseudonym,
}

/// The private inputs of `badge`; the secret is zeroized on drop.
pub struct BadgeWitness {
    pub(crate) secret: Fr,
    pub(crate) membership: MembershipWitness,
}

impl Drop for BadgeWitness {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Returns the statement that a chat key belongs to a member: public and private inputs, ready to be proved.
///
/// # Errors
/// [`Ineligible`] if the member does not meet the requirements.
pub fn badge(
    membership: Membership<'_>,
    scope: Scope,
    chat_key_hash: ChatKeyHash,
    requirement: Requirement,
) -> Result<(BadgePublic, BadgeWitness), Ineligible> {
    requirement.check(membership)?;
    let Membership { secret, member, path } = membership;
    let public = BadgePublic {
        root: path.root(member),
        scope,
        chat_key_hash,
        requirement,
        pseudonym: Pseudonym::new(secret, scope),
    };
    let witness = BadgeWitness { secret: secret.to_field(), membership: MembershipWitness::new(member, path) };
    Ok((public, witness))
}

/// The circuit `badge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Badge {
    /// Levels of the member tree.
    pub levels: Levels,
}

impl Badge {
    /// The circuit for the standard tree.
    pub const STANDARD: Self = Self { levels: Levels::STANDARD };
}

impl Circuit for Badge {
    const KIND: CircuitKind = CircuitKind::Badge;
    const STANDARD: Self = Self::STANDARD;
    type Public = BadgePublic;
    type Witness = BadgeWitness;

    fn public_inputs(public: &BadgePublic) -> Vec<Fr> {
        let BadgePublic { root, scope, chat_key_hash, requirement, pseudonym } = public;
        vec![
            root.to_field(),
            scope.to_field(),
            chat_key_hash.to_field(),
            requirement.min_stake.into(),
            requirement.since_max.0.into(),
            pseudonym.to_field(),
        ]
    }

    fn public_names() -> &'static [&'static str] {
        &["root", "scope", "chat_key_hash", "min_stake", "since_max", "pseudonym"]
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
        witness: Option<&BadgeWitness>,
    ) -> Result<(), Unsatisfied> {
        let [root, scope, chat_key_hash, min_stake, since_max, pseudonym] = public else {
            return Err(Unsatisfied { clause: "six public inputs" });
        };
        builder.clause("private inputs");
        let secret = builder.witness(|| witness.map(|w| w.secret).unwrap_or_default());
        let membership = witness.map(|w| &w.membership);
        let terms = gadget::terms(builder, membership);

        enforce_membership(builder, self.levels, &secret, &terms, root, membership)?;

        builder.clause(clause::LIMIT);
        enforce_bits(builder, &terms.message_limit, 16)?;
        builder.clause(gadget::clause::STAKE);
        enforce_bits(builder, &(terms.stake - min_stake.clone()), 32)?;
        builder.clause(gadget::clause::AGE);
        enforce_bits(builder, &(since_max.clone() - terms.since), 16)?;

        builder.clause(clause::PSEUDONYM);
        let hashed = hash_gadget(builder, &[secret, scope.clone()])?;
        builder.enforce_equal(&hashed, pseudonym)?;

        builder.clause(clause::CHAT_KEY);
        bind(builder, chat_key_hash)
    }
}
