//! Test data: members, their tree, provers, and passes made with them.

use core::num::{NonZeroU16, NonZeroU32};
use std::sync::{Arc, OnceLock};

use quotapass_circuits::{
    badge::{Badge, badge},
    formats::wire::{BadgePass, PostPass},
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Membership, Root, Terms},
    post::{Post, post},
    prover::{Prover, development_setup},
    registry_id::RegistryId,
    requirement::Requirement,
    signal::{ChatKeyHash, Epoch, ExternalNullifier, Scope, SignalHash},
};
use quotapass_protocol::{Evidence, Policy, PolicyTable, RootHistory, Verdict};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{BadgeRequest, MemoryLog, PostRequest, Relay, RelayStore};

pub const REGISTRY: RegistryId = RegistryId { chain_id: 31337, address: [0x51; 20] };

/// Noon of 20 November 2026 (UTC), at which an epoch of ten minutes begins.
pub const NOW: u64 = 1_795_176_000;
pub const TODAY: Day = Day(20_777);
pub const ROOM: &str = "room";
pub const MESSAGE: &[u8] = b"good morning";

pub struct World {
    pub tree: MemberTree,
    pub secrets: Vec<IdentitySecret>,
    posts: Prover<Post>,
    badges: Prover<Badge>,
}

/// Eight members with a stake of 100, a limit of 8 messages, and deposits 30 days old.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let levels = Levels::new(4).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let secrets: Vec<_> = (0..8).map(|_| IdentitySecret::generate(&mut rng)).collect();
        let terms = Terms::new(100, 8, Day(TODAY.0 - 30)).unwrap();
        let member = |secret: &IdentitySecret| Some(Member { commitment: secret.commitment(), terms });
        World {
            tree: MemberTree::build(levels, secrets.iter().map(member)).unwrap(),
            secrets,
            posts: Prover::new(development_setup::<Post>(levels).unwrap()).unwrap(),
            badges: Prover::new(development_setup::<Badge>(levels).unwrap()).unwrap(),
        }
    })
}

/// A policy of five messages in ten minutes, for a stake of at least 10 and a deposit at least seven days old.
pub fn policy() -> Policy {
    Policy {
        name: ROOM.into(),
        epoch_seconds: NonZeroU32::new(600).unwrap(),
        limit_cap: cap(5),
        min_stake: 10,
        min_age_days: 7,
        root_window: 3600,
        max_clock_skew: 20,
    }
}

pub fn cap(cap: u16) -> NonZeroU16 {
    NonZeroU16::new(cap).unwrap()
}

pub fn epoch() -> Epoch {
    policy().epoch_at(NOW)
}

pub fn scope() -> Scope {
    Scope::new(&REGISTRY, ROOM)
}

pub fn root(number: u8) -> Root {
    let mut bytes = [0; 32];
    bytes[31] = number;
    Root::from_be_bytes(&bytes).unwrap()
}

/// Returns a relay with an empty log in memory.
pub fn relay_with(policies: Vec<Policy>, roots: RootHistory) -> Relay {
    let table = PolicyTable::new(REGISTRY, policies).unwrap();
    let log = Arc::new(MemoryLog::new());
    Relay::new(world().posts.verifier().unwrap(), world().badges.verifier().unwrap(), table, roots, log)
}

/// Returns a relay of one room that knows the current root.
pub fn relay() -> Relay {
    relay_on(Arc::new(MemoryLog::new()))
}

/// Returns a relay like [`relay`], on a log.
pub fn relay_on(log: Arc<dyn RelayStore>) -> Relay {
    let (roots, table) =
        (RootHistory::starting_at(world().tree.root()), PolicyTable::new(REGISTRY, [policy()]).unwrap());
    Relay::new(world().posts.verifier().unwrap(), world().badges.verifier().unwrap(), table, roots, log)
}

/// Returns the number of recorded nullifiers.
pub fn recorded(relay: &Relay) -> u64 {
    relay.log().statistics().unwrap().nullifiers
}

/// A post to prove; by default with the values of the room's policy.
#[derive(Clone)]
pub struct Posting {
    pub member: usize,
    pub message_id: u16,
    pub message: Vec<u8>,
    pub epoch: Epoch,
    pub requirement: Requirement,
    pub limit_cap: NonZeroU16,
}

pub fn posting(member: usize, message_id: u16, message: &[u8]) -> Posting {
    posting_for(&policy(), epoch(), member, message_id, message)
}

pub fn posting_for(policy: &Policy, epoch: Epoch, member: usize, message_id: u16, message: &[u8]) -> Posting {
    let requirement = policy.requirement(epoch);
    Posting { member, message_id, message: message.into(), epoch, requirement, limit_cap: policy.limit_cap }
}

impl Posting {
    pub fn pass(&self) -> PostPass {
        let World { tree, secrets, posts, .. } = world();
        let index = MemberIndex(self.member as u32);
        let (member, path) = (tree.member(index).unwrap(), tree.path(index).unwrap());
        let (public, witness) = post(
            Membership { secret: &secrets[self.member], member: &member, path: &path },
            ExternalNullifier::new(scope(), self.epoch),
            SignalHash::new(scope(), self.epoch, &self.message).unwrap(),
            self.requirement,
            self.limit_cap,
            self.message_id,
        )
        .unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(u64::from(self.message_id));
        PostPass::new(self.epoch, &public, posts.prove(&public, &witness, &mut rng).unwrap())
    }

    pub fn prove(&self) -> Sent {
        Sent { message: self.message.clone(), pass: self.pass().to_bytes().to_vec() }
    }
}

/// A message with its pass.
#[derive(Clone)]
pub struct Sent {
    pub message: Vec<u8>,
    pub pass: Vec<u8>,
}

impl Sent {
    pub fn request(&self) -> PostRequest<'_> {
        PostRequest { scope: ROOM, message: &self.message, pass: &self.pass }
    }

    pub fn to(&self, relay: &Relay, now: u64) -> Verdict {
        relay.verify_post(self.request(), now)
    }
}

/// Returns the honest post of member 0, with which most tests begin.
pub fn honest() -> &'static Sent {
    static HONEST: OnceLock<Sent> = OnceLock::new();
    HONEST.get_or_init(|| posting(0, 0, MESSAGE).prove())
}

/// Returns another message of member 0 under the same message id.
pub fn second() -> &'static Sent {
    static SECOND: OnceLock<Sent> = OnceLock::new();
    SECOND.get_or_init(|| posting(0, 0, b"good evening").prove())
}

pub fn badge_pass(member: usize, chat_key: &[u8], requirement: Requirement) -> BadgePass {
    let World { tree, secrets, badges, .. } = world();
    let index = MemberIndex(member as u32);
    let (holder, path) = (tree.member(index).unwrap(), tree.path(index).unwrap());
    let (public, witness) = badge(
        Membership { secret: &secrets[member], member: &holder, path: &path },
        scope(),
        ChatKeyHash::new(chat_key),
        requirement,
    )
    .unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    BadgePass::new(&public, chat_key.into(), badges.prove(&public, &witness, &mut rng).unwrap()).unwrap()
}

pub fn badge_request(pass: &[u8]) -> BadgeRequest<'_> {
    BadgeRequest { scope: ROOM, pass }
}

/// Returns the evidence of two messages of member 0.
pub fn evidence() -> Evidence {
    let pass = |sent: &Sent| PostPass::from_bytes(&sent.pass).unwrap();
    let share = |sent: &Sent| pass(sent).public(scope(), &sent.message).unwrap().share;
    let nullifier = pass(honest()).nullifier;
    Evidence { scope: scope(), epoch: epoch(), nullifier, recorded: share(honest()), second: share(second()) }
}
