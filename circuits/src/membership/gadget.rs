//! The constraints that check a membership.

use ark_bn254::Fr;
use ark_ff::Zero;

use super::{ARITY, Levels, Member, MemberPath};
use crate::{
    constraints::{Builder, Unsatisfied, enforce_boolean, enforce_one_of, select_pair},
    poseidon::hash_gadget,
};

/// The clauses of the statements `post` and `badge` that concern membership (protocol, 5.1).
pub mod clause {
    use crate::constraints::Clause;

    /// `idc = H1(a0)`.
    pub const IDENTITY: Clause = "identity: idc = H1(a0)";
    /// The selector of the bottom node is 0 or 1.
    pub const SELECTOR: Clause = "bottom node: the selector is 0 or 1";
    /// The member's pair is at the selected place of the bottom node.
    pub const SELECTION: Clause = "bottom node: our pair stands at the selected place";
    /// The bottom node is the hash of its two pairs.
    pub const BOTTOM_HASH: Clause = "bottom node: hash of two pairs";
    /// A node's hash is one of the four children of the node above.
    pub const CHILD: Clause = "upper nodes: our hash is one of the children";
    /// An upper node is the hash of its children.
    pub const NODE_HASH: Clause = "upper nodes: hash of four children";
    /// The top hash is the root.
    pub const ROOT: Clause = "root: the top hash is the root";
    /// `stake - min_stake` lies in `[0, 2^32)`.
    pub const STAKE: Clause = "stake: stake - min_stake in [0, 2^32)";
    /// `since_max - since` lies in `[0, 2^16)`.
    pub const AGE: Clause = "age: since_max - since in [0, 2^16)";
}

/// A member as the circuits take it: terms and path as field elements. An honest witness takes them from typed values.
#[derive(Clone)]
pub(crate) struct MembershipWitness {
    pub(crate) stake: Fr,
    pub(crate) message_limit: Fr,
    pub(crate) since: Fr,
    pub(crate) is_right: Fr,
    pub(crate) neighbour: [Fr; 2],
    pub(crate) children: Vec<[Fr; ARITY]>,
}

impl MembershipWitness {
    pub(crate) fn new(member: &Member, path: &MemberPath) -> Self {
        Self {
            stake: member.terms.stake.into(),
            message_limit: member.terms.message_limit.into(),
            since: member.terms.since.0.into(),
            is_right: path.is_right().into(),
            neighbour: path.neighbour(),
            children: path.climb(member).0,
        }
    }
}

/// The terms as variables of a circuit.
pub(crate) struct TermsNum<N> {
    pub(crate) stake: N,
    pub(crate) message_limit: N,
    pub(crate) since: N,
}

/// Allocates the variables of the terms.
pub(crate) fn terms<B: Builder>(builder: &mut B, witness: Option<&MembershipWitness>) -> TermsNum<B::Num> {
    let value = |of: fn(&MembershipWitness) -> Fr| witness.map(of).unwrap_or_default();
    TermsNum {
        stake: builder.witness(|| value(|w| w.stake)),
        message_limit: builder.witness(|| value(|w| w.message_limit)),
        since: builder.witness(|| value(|w| w.since)),
    }
}

/// Returns `stake + 2^40 * message_limit + 2^64 * since`.
fn word<N>(terms: &TermsNum<N>) -> N
where
    N: Clone + core::ops::Add<Output = N> + core::ops::Mul<Fr, Output = N>,
{
    terms.stake.clone()
        + terms.message_limit.clone() * Fr::from(1u128 << 40)
        + terms.since.clone() * Fr::from(1u128 << 64)
}

/// Enforces clauses 1 and 2: the holder of `secret`, with these terms, is a member of the tree with this root.
pub(crate) fn enforce_membership<B: Builder>(
    builder: &mut B,
    levels: Levels,
    secret: &B::Num,
    terms: &TermsNum<B::Num>,
    root: &B::Num,
    witness: Option<&MembershipWitness>,
) -> Result<(), Unsatisfied> {
    builder.clause(clause::IDENTITY);
    let commitment = hash_gadget(builder, core::array::from_ref(secret))?;
    let word = word(terms);

    builder.clause(clause::SELECTOR);
    let is_right = builder.witness(|| witness.map(|w| w.is_right).unwrap_or_default());
    enforce_boolean(builder, &is_right)?;

    builder.clause(clause::SELECTION);
    let [neighbour_commitment, neighbour_word] =
        core::array::from_fn(|i| builder.witness(|| witness.map(|w| w.neighbour[i]).unwrap_or_default()));
    let (left, right) = select_pair(builder, &is_right, &commitment, &neighbour_commitment)?;
    let (left_word, right_word) = select_pair(builder, &is_right, &word, &neighbour_word)?;

    builder.clause(clause::BOTTOM_HASH);
    let mut hash = hash_gadget(builder, &[left, left_word, right, right_word])?;

    for level in 0..levels.get() - 1 {
        builder.clause(clause::CHILD);
        let children = core::array::from_fn(|child| {
            builder.witness(|| {
                let children = witness.and_then(|w| w.children.get(level));
                children.map_or(Fr::zero(), |children| children[child])
            })
        });
        enforce_one_of(builder, &hash, &children)?;
        builder.clause(clause::NODE_HASH);
        hash = hash_gadget(builder, &children)?;
    }

    builder.clause(clause::ROOT);
    builder.enforce_equal(&hash, root)
}
