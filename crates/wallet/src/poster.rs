//! Messages of one member in one scope.

use quotapass_circuits::{
    formats::wire::PostPass,
    identity::IdentitySecret,
    membership::{Member, MemberPath, Membership, Root},
    post::Post,
    prover::{PreparedProver, ProveError, Prover},
    requirement::Requirement,
    signal::{ExternalNullifier, SignalHash, ZeroSignal},
};
use quotapass_protocol::UnixSeconds;
use rand::{CryptoRng, RngCore};

use super::BoundPolicy;
use crate::ledger::{LedgerOwner, Quota, Reservation};

/// Error of a [`Poster`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PosterError {
    /// The proof failed.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The message cannot be proved.
    #[error(transparent)]
    Signal(#[from] ZeroSignal),
    /// The path belongs to another member.
    #[error("the path is another member's; prepare for that member")]
    OtherMember,
}

/// Prover of messages of one member in one scope. It prepares everything that does not depend on the message.
///
/// The policy's requirement on the age of a deposit depends on the day, so yesterday's preparation is not valid today:
/// [`ready`](Self::ready) renews it. The poster holds the identity secret, which is zeroized on drop.
pub struct Poster {
    prover: Prover<Post>,
    policy: BoundPolicy,
    secret: IdentitySecret,
    member: Member,
    path: MemberPath,
    requirement: Requirement,
    prepared: PreparedProver,
}

impl Poster {
    /// Prepares for messages at `now`.
    ///
    /// The caller must check first that the path leads to a root of the chain;
    /// [`LightMembers`](crate::members::LightMembers) does this.
    ///
    /// # Errors
    /// [`PosterError::Prove`] if the member does not meet the policy's requirement.
    pub fn new(
        prover: &Prover<Post>,
        policy: BoundPolicy,
        membership: Membership<'_>,
        now: UnixSeconds,
    ) -> Result<Self, PosterError> {
        let requirement = policy.requirement_at(now);
        let prepared = prover.prepare(membership, requirement, policy.values().limit_cap)?;
        let Membership { secret, member, path } = membership;
        let (prover, secret, path) = (prover.clone(), secret.clone(), path.clone());
        Ok(Self { prover, policy, secret, member: *member, path, requirement, prepared })
    }

    /// The policy that messages are proved under.
    pub fn policy(&self) -> &BoundPolicy {
        &self.policy
    }

    /// The root that messages are proved against.
    pub fn root(&self) -> Root {
        self.prepared.root()
    }

    /// The owner of the ledger that message ids are reserved in.
    pub fn owner(&self) -> LedgerOwner {
        LedgerOwner { registry: *self.policy.registry(), commitment: self.member.commitment }
    }

    /// The quota that message ids are reserved from.
    pub fn quota(&self) -> Quota {
        self.policy.quota(&self.member.terms)
    }

    /// Whether the preparation is valid at `now`, so that [`ready`](Self::ready) has nothing to do.
    pub fn is_ready(&self, now: UnixSeconds) -> bool {
        self.policy.requirement_at(now) == self.requirement
    }

    /// Prepares again if the policy's requirement at `now` differs from the prepared one. Call it before an id is
    /// reserved: everything that can fail fails here, before an id is used up.
    ///
    /// # Errors
    /// [`PosterError::Prove`] if the member does not meet the policy's requirement; nothing changes then.
    pub fn ready(&mut self, now: UnixSeconds) -> Result<(), PosterError> {
        self.prepare(self.policy.requirement_at(now))
    }

    fn prepare(&mut self, requirement: Requirement) -> Result<(), PosterError> {
        if requirement != self.requirement {
            let membership = Membership { secret: &self.secret, member: &self.member, path: &self.path };
            self.prepared = self.prover.prepare(membership, requirement, self.policy.values().limit_cap)?;
            self.requirement = requirement;
        }
        Ok(())
    }

    /// Moves to another root of the tree, which the caller has checked.
    ///
    /// # Errors
    /// [`PosterError`] if the path belongs to another member or tree; nothing changes then.
    pub fn update(&mut self, member: &Member, path: &MemberPath) -> Result<(), PosterError> {
        if (member, path.index()) != (&self.member, self.path.index()) {
            return Err(PosterError::OtherMember);
        }
        self.prepared.update(path)?;
        self.path = path.clone();
        Ok(())
    }

    /// Proves a message with a message id that was durably reserved from [`quota`](Self::quota) in the ledger of
    /// [`owner`](Self::owner).
    ///
    /// # Errors
    /// [`PosterError`]; the id is used up.
    pub fn prove(
        &mut self,
        reservation: Reservation,
        message: &[u8],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<PostPass, PosterError> {
        let (epoch, message_id) = (reservation.epoch(), reservation.message_id());
        let scope = self.policy.scope();
        self.prepare(self.policy.values().requirement(epoch))?;
        let x = SignalHash::new(scope, epoch, message)?;
        let (public, proof) = self.prepared.prove(ExternalNullifier::new(scope, epoch), x, message_id, rng)?;
        Ok(PostPass::new(epoch, &public, proof))
    }
}

#[cfg(test)]
mod tests {
    use quotapass_circuits::{
        membership::{Day, Levels, MemberTree, Terms},
        prover::development_setup,
        registry_id::RegistryId,
    };
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        RecoverFailure,
        ledger::{Book, DeviceShare},
        recover, verify_post,
    };
    use quotapass_protocol::{Evidence, Policy, RootHistory, Verdict};

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    fn policy() -> BoundPolicy {
        let values = Policy {
            name: "lobby".into(),
            epoch_seconds: 600.try_into().unwrap(),
            limit_cap: 5.try_into().unwrap(),
            min_stake: 10,
            min_age_days: 1,
            root_window: 3_600,
            max_clock_skew: 20,
        };
        BoundPolicy::new(RegistryId { chain_id: 1, address: [7; 20] }, values).unwrap()
    }

    #[test]
    fn posts_of_a_book_are_verified_and_follow_days_and_roots() {
        let mut rng = StdRng::seed_from_u64(1);
        let prover = Prover::<Post>::new(development_setup(Post::STANDARD).unwrap()).unwrap();
        let verifier = prover.verifier().unwrap();
        let secret = IdentitySecret::generate(&mut rng);
        let terms = Terms::new(100, 20, Day::at(NOW - 10 * 86_400)).unwrap();
        let member = Member { commitment: secret.commitment(), terms };
        let mut tree = MemberTree::new(Levels::STANDARD);
        let index = tree.append(member).unwrap().index;
        let path = tree.path(index).unwrap();
        let membership = Membership { secret: &secret, member: &member, path: &path };
        let mut poster = Poster::new(&prover, policy(), membership, NOW).unwrap();
        let mut book = Book::new(poster.owner(), DeviceShare::SOLE);
        let verdict = |pass: &PostPass, root, now| {
            verify_post(&verifier, &policy(), b"hello", &pass.to_bytes(), &[root][..], now)
        };

        let reservation = book.reserve(NOW, &poster.quota()).unwrap();
        let pass = poster.prove(reservation, b"hello", &mut rng).unwrap();
        let verified = verdict(&pass, tree.root(), NOW).unwrap();
        assert_eq!(verdict(&pass, tree.root(), NOW + 620).unwrap_err().name(), "epoch_out_of_range");

        // On the next day the proof states another age. A call at too early a time fails and changes nothing.
        assert!(poster.ready(NOW - 11 * 86_400).is_err());
        let tomorrow = NOW + 86_400;
        assert!(poster.is_ready(NOW) && !poster.is_ready(tomorrow));
        poster.ready(tomorrow).unwrap();
        assert!(poster.is_ready(tomorrow));
        let other = Member { commitment: IdentitySecret::generate(&mut rng).commitment(), terms };
        let other_index = tree.append(other).unwrap().index;
        poster.update(&member, &tree.path(index).unwrap()).unwrap();
        assert_eq!(poster.root(), tree.root());
        let other_path = tree.path(other_index).unwrap();
        assert!(matches!(poster.update(&other, &other_path), Err(PosterError::OtherMember)));
        let reservation = book.reserve(tomorrow, &poster.quota()).unwrap();
        let pass = poster.prove(reservation, b"hello", &mut rng).unwrap();
        assert!(verdict(&pass, tree.root(), tomorrow).is_ok());
        assert_eq!(verdict(&pass, path.root(&member), tomorrow), Err(Verdict::UnknownRoot));
        let mut roots = RootHistory::starting_at(path.root(&member));
        let judged =
            |roots: &RootHistory| verify_post(&verifier, &policy(), b"hello", &pass.to_bytes(), roots, tomorrow).err();
        assert_eq!(judged(&roots), Some(Verdict::UnknownRoot));
        roots.advance(tree.root(), tomorrow);
        assert_eq!(judged(&roots), None);

        // A second ledger of the same member gives out the same message id.
        let twice = Book::new(poster.owner(), DeviceShare::SOLE).reserve(NOW, &poster.quota()).unwrap();
        let second = poster.prove(twice, b"another", &mut rng).unwrap();
        let second = second.public(policy().scope(), b"another").unwrap();
        let evidence = Evidence {
            scope: policy().scope(),
            epoch: verified.epoch,
            nullifier: verified.public.nullifier,
            recorded: verified.public.share,
            second: second.share,
        };
        let cap = policy().values().limit_cap;
        assert_eq!(recover(&evidence, cap).unwrap().commitment(), member.commitment);
        let invented = Evidence { nullifier: second.nullifier, recorded: second.share, ..evidence.clone() };
        assert!(matches!(recover(&invented, cap), Err(RecoverFailure::Shares(_))));
        let mut moved = evidence;
        moved.recorded.y = moved.second.y;
        assert_eq!(recover(&moved, cap), Err(RecoverFailure::OtherNullifier));
    }
}
