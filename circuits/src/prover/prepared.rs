//! A prover for many messages of one member under one root.

use core::num::NonZeroU16;

use ark_bn254::Fr;
use ark_ff::{One, Zero};
use ark_std::rand::{CryptoRng, RngCore};
use quotapass_bn254::threads;
use zeroize::Zeroizing;

use super::{
    ProveError, Prover,
    blinding::{Blinding, Sums},
    prove::Part,
    quotient::Evaluations,
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
    prover: Prover<Post>,
    secret: IdentitySecret,
    member: Member,
    root: Root,
    requirement: Requirement,
    limit_cap: NonZeroU16,
    /// The constant 1, the public inputs and all private variables. The variables of the message are zero.
    values: Zeroizing<Vec<Fr>>,
    sums: Sums,
    evaluations: Evaluations,
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
        let (mut sums, evaluations) = threads::join(
            || self.sum(Part::All, &state.values, Vec::new, Fr::zero()),
            || Evaluations::new(&self.coset, &state.rows, 0),
        );
        sums += &self.constants();
        let (secret, member) = (secret.clone(), *member);
        let MemberState { root, values, .. } = state;
        Ok(PreparedProver {
            prover: self.clone(),
            secret,
            member,
            root,
            requirement,
            limit_cap,
            values,
            sums,
            evaluations,
        })
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
        let circuit = &prover.key.circuit;
        requirement.check(Membership { secret, member, path }).map_err(PostError::from)?;
        let membership = MembershipWitness::new(member, path);
        let root = path.root(member);
        let [min_stake, since_max]: [Fr; 2] = [requirement.min_stake.into(), requirement.since_max.0.into()];
        let assignment = Assignment::part(|builder| {
            let public = [root.to_field(), min_stake, since_max].map(Value);
            let [root, min_stake, since_max] = &public;
            let witness = Some((secret.to_field(), &membership));
            let member = MemberNums { root, min_stake, since_max };
            post::constrain_member(builder, prover.circuit.levels, member, witness).map(|_| ())
        })?;
        let mut values = Zeroizing::new(vec![Fr::zero(); circuit.variables]);
        let mut rows = assignment.rows().clone();
        let private = assignment.values();
        let fits = circuit.public + private.len() + post::MESSAGE_VARIABLES == circuit.variables
            && rows.a.len() + post::MESSAGE_CONSTRAINTS == circuit.constraints;
        if !fits {
            return Err(ProveError::WrongSize);
        }
        values[0] = Fr::one();
        values[1] = root.to_field();
        values[4] = min_stake;
        values[5] = since_max;
        values[6] = limit_cap.get().into();
        values[circuit.public..][..private.len()].copy_from_slice(private);
        // The rows of the message stay zero. The rows of the public inputs come last.
        rows.skip_to(circuit.constraints);
        rows.extend_public(&values[..circuit.public]);
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
        let state =
            MemberState::compute(&self.prover, &self.secret, &self.member, path, self.requirement, self.limit_cap)?;
        let differences = state.values.iter().zip(&*self.values).map(|(new, old)| *new - old);
        let differences = Zeroizing::new(differences.collect::<Vec<_>>());
        let (sums, evaluations) = threads::join(
            || self.prover.sum(Part::All, &differences, Vec::new, Fr::zero()),
            || Evaluations::new(&self.prover.coset, &state.rows, 0),
        );
        self.sums += &sums;
        self.evaluations = evaluations;
        self.root = state.root;
        self.values = state.values;
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
        let circuit = &self.prover.key.circuit;
        let [external, x, y, nullifier] = [
            public.external_nullifier.to_field(),
            public.share.x.to_field(),
            public.share.y.to_field(),
            public.nullifier.to_field(),
        ];
        let assignment = Assignment::part(|builder| {
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
        let mut values = Zeroizing::new(vec![Fr::zero(); circuit.variables]);
        for (input, value) in [(2, external), (3, x), (7, y), (8, nullifier)] {
            values[input] = value;
        }
        values[circuit.variables - post::MESSAGE_VARIABLES..].copy_from_slice(assignment.values());
        let mut rows = assignment.rows().clone();
        rows.extend_public(&values[..circuit.public]);
        let quotient = || {
            let first = circuit.constraints - post::MESSAGE_CONSTRAINTS;
            Evaluations::new(&self.prover.coset, &rows, first).quotient_with(&self.evaluations)
        };
        let mut sums = self.prover.sum(Part::Message, &values, quotient, delta);
        sums += &self.sums;
        Ok(sums)
    }
}
