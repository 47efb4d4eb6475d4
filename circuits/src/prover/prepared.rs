//! A prover for many messages of one member under one root.

use core::num::NonZeroU16;

use ark_bn254::Fr;
use ark_std::rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{
    ProveError, Prover,
    blinding::{Blinding, Sums},
    parts::{FirstPart, SecondPart, first_part},
};
use crate::{
    constraints::assignment::{Assignment, Rows, Value},
    identity::IdentitySecret,
    membership::{Member, MemberPath, Membership, Root, gadget::MembershipWitness},
    post::{self, MemberNums, MessageNums, Post, PostError, PostPublic},
    proof::Proof,
    requirement::Requirement,
    share::Line,
    signal::{ExternalNullifier, SignalHash},
};

/// A prover that has already summed the variables that are the same in all messages of one member under one root: the
/// path, the terms and the identity. These are seven eighths of all variables. A message then costs the sums over its
/// own variables, and the quotient.
///
/// Its proofs have the same distribution as the proofs of [`Prover::prove`]: the sums do not depend on the order of
/// their terms, and each proof is blinded with fresh randomness. It does not check which message ids are used: as with
/// `prove`, never use a message id twice within an epoch and scope.
///
/// It contains the identity secret and values that reveal the secret. All of them are zeroized on drop.
pub struct PreparedProver {
    /// The constant 1, the public inputs and all private variables except those of the message.
    first: FirstPart<Post>,
    secret: IdentitySecret,
    member: Member,
    root: Root,
    requirement: Requirement,
    limit_cap: NonZeroU16,
}

impl Prover<Post> {
    /// Prepares a prover for messages of a member under the root that its path leads to.
    ///
    /// # Errors
    /// [`ProveError::Post`] if the member does not meet the requirement, [`ProveError::WrongSize`] if the key is
    /// damaged.
    pub fn prepare(
        &self,
        membership: Membership<'_>,
        requirement: Requirement,
        limit_cap: NonZeroU16,
    ) -> Result<PreparedProver, ProveError> {
        let Membership { secret, member, path } = membership;
        let state = MemberState::compute(self, secret, member, path, requirement, limit_cap)?;
        let MemberState { root, values, rows } = state;
        let first = FirstPart::new(self.clone(), values, &rows);
        Ok(PreparedProver { first, secret: secret.clone(), member: *member, root, requirement, limit_cap })
    }
}

/// The values of the part of the circuit before the message.
struct MemberState {
    root: Root,
    values: Zeroizing<Vec<Fr>>,
    rows: Rows,
}

impl MemberState {
    fn compute(
        prover: &Prover<Post>,
        secret: &IdentitySecret,
        member: &Member,
        path: &MemberPath,
        requirement: Requirement,
        limit_cap: NonZeroU16,
    ) -> Result<Self, ProveError> {
        requirement.check(Membership { secret, member, path }).map_err(PostError::from)?;
        let membership = MembershipWitness::new(member, path);
        let root = path.root(member);
        let [min_stake, since_max]: [Fr; 2] = [requirement.min_stake.into(), requirement.since_max.0.into()];
        let assignment = Assignment::part::<Post>(|builder| {
            let public = [root.to_field(), min_stake, since_max].map(Value);
            let [root, min_stake, since_max] = &public;
            let witness = Some((secret.to_field(), &membership));
            let member = MemberNums { root, min_stake, since_max };
            post::constrain_member(builder, prover.circuit.levels, member, witness).map(|_| ())
        })?;
        let public = [(1, root.to_field()), (4, min_stake), (5, since_max), (6, Fr::from(limit_cap.get()))];
        let of_message = (post::MESSAGE_VARIABLES, post::MESSAGE_CONSTRAINTS);
        let (values, rows) = first_part(prover, public, &assignment, of_message)?;
        Ok(Self { root, values, rows })
    }
}

impl PreparedProver {
    /// The root of the proofs.
    pub fn root(&self) -> Root {
        self.root
    }

    /// Moves to a new root, with the new path of the same member. Mostly the upper levels of a path change. Only the
    /// changed variables are summed again.
    ///
    /// Before proving, the caller must check that the new path leads to a root on the chain: see [`MemberPath::root`].
    ///
    /// # Errors
    /// [`ProveError`] if the path is of another tree or member. The prover is then unchanged.
    pub fn update(&mut self, path: &MemberPath) -> Result<(), ProveError> {
        let state = MemberState::compute(
            self.first.prover(),
            &self.secret,
            &self.member,
            path,
            self.requirement,
            self.limit_cap,
        )?;
        self.first.replace(state.values, &state.rows);
        self.root = state.root;
        Ok(())
    }

    /// Proves a message.
    ///
    /// # Errors
    /// [`PostError::OverQuota`] if the message id is not below the member's limit and the scope's cap.
    pub fn prove(
        &self,
        external_nullifier: ExternalNullifier,
        x: SignalHash,
        message_id: u16,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(PostPublic, Proof), ProveError> {
        let limit = self.member.terms.message_limit.min(self.limit_cap.get());
        if message_id >= limit {
            return Err(PostError::OverQuota { message_id, limit }.into());
        }
        let line = Line::new(&self.secret, external_nullifier, message_id);
        let public = PostPublic {
            root: self.root,
            external_nullifier,
            requirement: self.requirement,
            limit_cap: self.limit_cap,
            share: line.share(x),
            nullifier: line.nullifier(),
        };
        let blinding = Blinding::random(rng);
        let sums = self.sums(&public, message_id, blinding.delta())?;
        Ok((public, blinding.apply(&sums)?))
    }

    /// Returns the sums of a whole proof, with `delta` times the point delta added to B.
    pub(super) fn sums(&self, public: &PostPublic, message_id: u16, delta: Fr) -> Result<Sums, ProveError> {
        let [external, x, y, nullifier] = [
            public.external_nullifier.to_field(),
            public.share.x.to_field(),
            public.share.y.to_field(),
            public.nullifier.to_field(),
        ];
        let assignment = Assignment::part::<Post>(|builder| {
            let message = MessageNums {
                secret: Value(self.secret.to_field()),
                message_limit: Value(self.member.terms.message_limit.into()),
                external: &Value(external),
                x: &Value(x),
                limit_cap: &Value(self.limit_cap.get().into()),
                y: &Value(y),
                nullifier: &Value(nullifier),
            };
            post::constrain_message(builder, message, || message_id.into())
        })?;
        let public = &[(2, external), (3, x), (7, y), (8, nullifier)];
        self.first.sums_with(SecondPart { public, private: &assignment }, delta)
    }
}
