//! Messages of one member in one scope.

use quotapass_circuits::{
    formats::{
        recorded::{ListVersion, RecordsError},
        wire::PostPass,
    },
    identity::IdentitySecret,
    membership::{Member, MemberPath, Membership, Root},
    moderation::Entry,
    post::Post,
    prover::{PreparedProver, ProveError, Prover, RecordProvers},
    requirement::Requirement,
    signal::{ExternalNullifier, SignalHash, ZeroSignal},
};
use quotapass_protocol::{ReportScope, UnixSeconds};
use rand::{CryptoRng, RngCore};

use super::{BoundPolicy, MessagePass};
use crate::{
    ledger::{LedgerOwner, Quota, Reservation},
    moderation::{CurrentList, PreparedRecords, RecordProgress},
};

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
    /// The message id was reserved for another message. Two messages under one id reveal the secret.
    #[error("the message id was reserved for another message; reserve one for this message")]
    OtherMessage,
    /// The scope has lists, and the poster is not prepared for exactly these.
    #[error("`{0}` takes posts with records for its lists; read the lists, and prepare for them")]
    ListsMissing(String),
    /// There are too many records.
    #[error(transparent)]
    Records(#[from] RecordsError),
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
    records: PreparedRecords,
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
        let records = PreparedRecords::default();
        Ok(Self { prover, policy, secret, member: *member, path, requirement, prepared, records })
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

    /// Prepares the records for these versions of the scope's lists, in the policy's order. A version that is prepared
    /// already costs nothing, and a new one what changed in it. Scopes without lists need no call.
    ///
    /// # Errors
    /// [`PosterError::Prove`] if the member wrote a listed post, or the key of large segments is needed and missing;
    /// [`PosterError::ListsMissing`] if these are not the policy's lists. Then there are no posts until a call succeeds.
    pub fn set_lists(
        &mut self,
        provers: &RecordProvers,
        lists: &[CurrentList],
        progress: impl FnMut(RecordProgress),
    ) -> Result<(), PosterError> {
        self.records.update(&self.secret, provers, lists, progress)?;
        self.check_lists()
    }

    /// The versions of the lists that records are proved for.
    pub fn list_versions(&self) -> Vec<ListVersion> {
        self.records.versions()
    }

    fn check_lists(&self) -> Result<(), PosterError> {
        let values = self.policy.values();
        match self.records.are_for(values.lists()) {
            true => Ok(()),
            false => Err(PosterError::ListsMissing(values.name.clone())),
        }
    }

    /// Whether the preparation is valid at `now`, so that [`ready`](Self::ready) has nothing to do.
    pub fn is_ready(&self, now: UnixSeconds) -> bool {
        self.policy.requirement_at(now) == self.requirement && self.check_lists().is_ok()
    }

    /// Prepares again if the policy's requirement at `now` differs from the prepared one. Call it before an id is
    /// reserved: everything that can fail fails here, before an id is used up.
    ///
    /// # Errors
    /// [`PosterError::Prove`] if the member does not meet the policy's requirement, [`PosterError::ListsMissing`] if the
    /// scope's lists are not prepared; nothing changes then.
    pub fn ready(&mut self, now: UnixSeconds) -> Result<(), PosterError> {
        self.check_lists()?;
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
    /// [`owner`](Self::owner). In a scope with lists the pass has records, otherwise it is the post alone.
    ///
    /// # Errors
    /// [`PosterError`]; an id that was reserved for any message is used up. One that was reserved for this message can be
    /// reserved for it again.
    pub fn prove(
        &mut self,
        reservation: Reservation,
        message: &[u8],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<MessagePass, PosterError> {
        // **Attack prevented**: a relay announces a room with the name of the reports of a post. The one id there is that of
        // the report, which the member may have made: another message under it would reveal the secret.
        let report = self.policy.values().name.parse::<ReportScope>();
        if report.is_ok_and(|report| message != report.message()) {
            return Err(PosterError::OtherMessage);
        }
        let (epoch, message_id) = (reservation.epoch(), reservation.message_id());
        let scope = self.policy.scope();
        let x = SignalHash::new(scope, epoch, message)?;
        if reservation.signal().is_some_and(|reserved| reserved != x) {
            return Err(PosterError::OtherMessage);
        }
        self.check_lists()?;
        // A report's requirement is that of the day on which it was made ready.
        if let Some(requirement) = self.policy.requirement_of(epoch) {
            self.prepare(requirement)?;
        }
        let (public, proof) = self.prepared.prove(ExternalNullifier::new(scope, epoch), x, message_id, rng)?;
        let records = self.records.prove(Entry::of(&public), rng)?;
        Ok(MessagePass::new(PostPass::new(epoch, &public, proof), records)?)
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
        BoundPolicyError, RecoverFailure,
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
            stake_levels: vec![10, 40, 100],
            moderation: None,
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
        let verdict = |pass: &MessagePass, root, now| {
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
        let second = second.post().public(policy().scope(), b"another").unwrap();
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

    /// A ledger that gives the id of a message again gives it for this message alone. Otherwise a caller could prove two
    /// messages under one id.
    #[test]
    fn an_id_of_a_message_proves_no_other_and_a_second_pass_is_no_second_post() {
        let mut rng = StdRng::seed_from_u64(2);
        let prover = Prover::<Post>::new(development_setup(Post::STANDARD).unwrap()).unwrap();
        let secret = IdentitySecret::generate(&mut rng);
        let terms = Terms::new(50, 20, Day::at(NOW - 10 * 86_400)).unwrap();
        let member = Member { commitment: secret.commitment(), terms };
        let mut tree = MemberTree::new(Levels::STANDARD);
        let index = tree.append(member).unwrap().index;
        let path = tree.path(index).unwrap();
        let membership = Membership { secret: &secret, member: &member, path: &path };
        let mut poster = Poster::new(&prover, policy(), membership, NOW).unwrap();
        let mut book = Book::new(poster.owner(), DeviceShare::SOLE);
        let mut reserve = |message: &[u8]| book.reserve_message(NOW, &policy().quota(&terms), message).unwrap();

        let other = poster.prove(reserve(b"hello"), b"hullo", &mut rng);
        assert!(matches!(other, Err(PosterError::OtherMessage)));
        let [first, second] = [0, 1].map(|_| poster.prove(reserve(b"hello"), b"hello", &mut rng).unwrap());
        let public = |pass: &MessagePass| pass.post().public(policy().scope(), b"hello").unwrap();
        assert_ne!(first, second);
        assert_eq!(public(&first), public(&second));

        // A level that the member does not meet, one that the policy does not have, and a level that passes state.
        let at = |level| policy().at_level(level);
        assert!(matches!(Poster::new(&prover, at(100).unwrap(), membership, NOW), Err(PosterError::Prove(_))));
        assert!(matches!(at(11), Err(BoundPolicyError::NoSuchLevel { level: 11, .. })));
        let mut higher = Poster::new(&prover, at(40).unwrap(), membership, NOW).unwrap();
        assert_eq!(higher.prove(reserve(b"high"), b"high", &mut rng).unwrap().post().requirement.min_stake, 40);
    }
}
