//! Members, their tree and provers, a policy, and posts and badges of the members.

use core::num::{NonZeroU16, NonZeroU32};
use std::sync::OnceLock;

use quotapass_circuits::{
    badge::{Badge, badge},
    formats::{
        recorded::RecordedPass,
        wire::{BadgePass, PostPass},
    },
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Membership, Terms},
    post::{Post, post},
    prover::{Prover, development_setup},
    registry_id::RegistryId,
    requirement::Requirement,
    share::Line,
    signal::{ChatKeyHash, Epoch, ExternalNullifier, Scope, SignalHash},
    verifier::Verifier,
};
use quotapass_protocol::{Evidence, Policy, UnixSeconds};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use serde_json::{Value, json};

pub const REGISTRY: RegistryId = RegistryId { chain_id: 31337, address: [0x51; 20] };
/// Noon of 20 November 2026 (UTC), at which an epoch of ten minutes or of an hour begins.
pub const NOW: UnixSeconds = UnixSeconds(1_795_176_000);
pub const TODAY: Day = Day(20_777);
pub const SCOPE: &str = "room";
pub const MESSAGE: &[u8] = b"good morning";
pub const SECOND_MESSAGE: &[u8] = b"good evening";

pub struct World {
    pub tree: MemberTree,
    pub secrets: Vec<IdentitySecret>,
    posts: Prover<Post>,
    badges: Prover<Badge>,
}

/// Eight members with a stake of 100, a limit of 8 messages, and deposits 30 days old. Made once in a process.
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
            posts: Prover::new(development_setup(Post { levels }).unwrap()).unwrap(),
            badges: Prover::new(development_setup(Badge { levels }).unwrap()).unwrap(),
        }
    })
}

impl World {
    /// Returns the verifiers of posts and of badges, as a relay takes them.
    pub fn verifiers(&self) -> (Verifier<Post>, Verifier<Badge>) {
        (self.posts.verifier().unwrap(), self.badges.verifier().unwrap())
    }

    fn with_membership<T>(&self, member: usize, run: impl FnOnce(Membership<'_>) -> T) -> T {
        let index = MemberIndex(member as u32);
        let (record, path) = (self.tree.member(index).unwrap(), self.tree.path(index).unwrap());
        run(Membership { secret: &self.secrets[member], member: &record, path: &path })
    }
}

/// A policy of five messages in ten minutes, for a stake of at least 10 and a deposit at least seven days old.
pub fn policy() -> Policy {
    Policy {
        name: SCOPE.into(),
        epoch_seconds: NonZeroU32::new(600).unwrap(),
        limit_cap: cap(5),
        min_stake: 10,
        min_age_days: 7,
        root_window: 3600,
        max_clock_skew: 20,
        stake_levels: Vec::new(),
        moderation: None,
    }
}

pub fn cap(cap: u16) -> NonZeroU16 {
    NonZeroU16::new(cap).unwrap()
}

pub fn epoch() -> Epoch {
    policy().epoch_at(NOW)
}

pub fn scope() -> Scope {
    Scope::new(&REGISTRY, SCOPE)
}

/// A post to prove; by default with the values of the policy.
#[derive(Clone)]
pub struct Posting {
    /// The scope's name.
    pub scope: String,
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
    let limit_cap = policy.limit_cap;
    Posting { scope: SCOPE.into(), member, message_id, message: message.into(), epoch, requirement, limit_cap }
}

impl Posting {
    pub fn pass(&self) -> PostPass {
        let scope = Scope::new(&REGISTRY, &self.scope);
        let external = ExternalNullifier::new(scope, self.epoch);
        let x = SignalHash::new(scope, self.epoch, &self.message).unwrap();
        let (public, witness) = world().with_membership(self.member, |membership| {
            post(membership, external, x, self.requirement, self.limit_cap, self.message_id).unwrap()
        });
        let mut rng = ChaCha20Rng::seed_from_u64(u64::from(self.message_id));
        PostPass::new(self.epoch, &public, world().posts.prove(&public, &witness, &mut rng).unwrap())
    }

    pub fn prove(&self) -> Sent {
        Sent { scope: self.scope.clone(), ..Sent::new(&self.message, self.pass().to_bytes().to_vec()) }
    }
}

/// A message with its pass.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The scope's name.
    pub scope: String,
    pub message: Vec<u8>,
    pub pass: Vec<u8>,
}

impl Sent {
    /// A message to the scope.
    pub fn new(message: &[u8], pass: Vec<u8>) -> Self {
        Self { scope: SCOPE.into(), message: message.into(), pass }
    }

    /// Returns the post as `quotapass post` writes it.
    pub fn json(&self) -> Value {
        let alone = PostPass::from_bytes(&self.pass).map(|pass| pass.to_text());
        let pass = alone.or_else(|_| RecordedPass::from_bytes(&self.pass).map(|pass| pass.to_text()));
        let pass = pass.unwrap_or_else(|_| "AQID".into());
        match str::from_utf8(&self.message) {
            Ok(text) => json!({ "scope": self.scope, "message": text, "pass": pass }),
            Err(_) => json!({ "scope": self.scope, "message_hex": hex::encode(&self.message), "pass": pass }),
        }
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
    SECOND.get_or_init(|| posting(0, 0, SECOND_MESSAGE).prove())
}

pub fn badge_pass(member: usize, chat_key: &[u8], requirement: Requirement) -> BadgePass {
    let (public, witness) = world().with_membership(member, |membership| {
        badge(membership, scope(), ChatKeyHash::new(chat_key), requirement).unwrap()
    });
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    BadgePass::new(&public, chat_key.into(), world().badges.prove(&public, &witness, &mut rng).unwrap()).unwrap()
}

/// Returns the evidence of two messages under one message id, in the scope of a registry.
pub fn evidence(registry: &RegistryId, secret: &IdentitySecret) -> Evidence {
    let (scope, epoch) = (Scope::new(registry, SCOPE), epoch());
    let line = Line::new(secret, ExternalNullifier::new(scope, epoch), 0);
    let share = |message: &[u8]| line.share(SignalHash::new(scope, epoch, message).unwrap());
    Evidence { scope, epoch, nullifier: line.nullifier(), recorded: share(MESSAGE), second: share(SECOND_MESSAGE) }
}
