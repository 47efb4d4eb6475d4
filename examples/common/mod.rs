//! A scope with one member, and its keys. Development keys are insecure: they come from a public seed.
#![allow(dead_code)]

use std::error::Error;

use quotapass_circuits::{
    badge::Badge,
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Membership, Terms},
    post::Post,
    prover::{Prover, development_setup},
    registry_id::RegistryId,
};
use quotapass_protocol::{Policy, PolicyTable, UnixSeconds};
use quotapass_wallet::{
    BoundPolicy, Poster,
    ledger::{Book, DeviceShare},
};
use rand::rngs::OsRng;

/// The time of all examples.
pub const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

pub struct Scene {
    pub registry: RegistryId,
    pub tree: MemberTree,
    pub posts: Prover<Post>,
    secret: IdentitySecret,
    member: Member,
}

impl Scene {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let registry = RegistryId { chain_id: 1, address: [0x11; 20] };
        let secret = IdentitySecret::generate(&mut OsRng);
        // A stake of 100, 20 messages an epoch, a deposit 30 days old.
        let terms = Terms::new(100, 20, Day(Day::at(NOW).0 - 30))?;
        let member = Member { commitment: secret.commitment(), terms };
        let mut tree = MemberTree::new(Levels::STANDARD);
        tree.append(member)?;
        let posts = Prover::new(development_setup(Post::STANDARD)?)?;
        Ok(Self { registry, tree, posts, secret, member })
    }

    pub fn policy(&self) -> Result<Policy, Box<dyn Error>> {
        Ok(Policy {
            name: "lobby".into(),
            epoch_seconds: 600.try_into()?,
            limit_cap: 5.try_into()?,
            min_stake: 10,
            min_age_days: 7,
            root_window: 3_600,
            max_clock_skew: 20,
            stake_levels: Vec::new(),
            moderation: None,
        })
    }

    pub fn bound_policy(&self) -> Result<BoundPolicy, Box<dyn Error>> {
        Ok(BoundPolicy::new(self.registry, self.policy()?)?)
    }

    pub fn policies(&self) -> Result<PolicyTable, Box<dyn Error>> {
        Ok(PolicyTable::new(self.registry, [self.policy()?])?)
    }

    pub fn badges(&self) -> Result<Prover<Badge>, Box<dyn Error>> {
        Ok(Prover::new(development_setup(Badge::STANDARD)?)?)
    }

    /// What proves posts of the member.
    pub fn poster(&self) -> Result<Poster, Box<dyn Error>> {
        let path = self.tree.path(MemberIndex(0))?;
        let membership = Membership { secret: &self.secret, member: &self.member, path: &path };
        Ok(Poster::new(&self.posts, self.bound_policy()?, membership, NOW)?)
    }

    /// A pass for each message, under message ids that follow each other.
    pub fn passes<const N: usize>(&self, messages: [&str; N]) -> Result<[Vec<u8>; N], Box<dyn Error>> {
        let mut poster = self.poster()?;
        // In memory. An app keeps it in files (`Ledger`): an id that is used twice gives away the secret.
        let mut ledger = Book::new(poster.owner(), DeviceShare::SOLE);
        let mut passes = core::array::from_fn(|_| Vec::new());
        for (pass, message) in passes.iter_mut().zip(messages) {
            let reservation = ledger.reserve(NOW, &poster.quota())?;
            *pass = poster.prove(reservation, message.as_bytes(), &mut OsRng)?.to_bytes();
        }
        Ok(passes)
    }
}
