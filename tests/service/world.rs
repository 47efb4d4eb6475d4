//! Members, their tree, provers, a room, and posts to it.

use core::num::{NonZeroU16, NonZeroU32};
use std::sync::{
    Arc, Condvar, LazyLock, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use quotapass_circuits::{
    badge::{Badge, badge},
    formats::wire::{BadgePass, PostPass},
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Membership, Terms},
    post::{Post, post},
    prover::{Prover, development_setup},
    registry_id::RegistryId,
    share::Nullifier,
    signal::{ChatKeyHash, Epoch, ExternalNullifier, Scope, SignalHash},
};
use quotapass_protocol::{LogError, Policy, PolicyTable, RootHistory};
use quotapass_relay::{
    BadgeBook, Conviction, Entry, LogEpoch, LogStatistics, MemoryLog, NullifierLog, Outcome, Recorded, Relay,
    RelayStore, SlashClaims,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub const REGISTRY: RegistryId = RegistryId { chain_id: 31337, address: [0x51; 20] };
/// Noon of 20 November 2026 (UTC), at which an epoch of an hour begins.
pub const NOW: u64 = 1_795_176_000;
pub const ROOM: &str = "room";

pub struct World {
    pub tree: MemberTree,
    pub secrets: Vec<IdentitySecret>,
    posts: Prover<Post>,
    badges: Prover<Badge>,
}

/// Eight members with deposits 30 days old.
pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let levels = Levels::new(4).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let secrets: Vec<_> = (0..8).map(|_| IdentitySecret::generate(&mut rng)).collect();
    let terms = Terms::new(100, 8, Day(Day::at(NOW).0 - 30)).unwrap();
    let member = |secret: &IdentitySecret| Some(Member { commitment: secret.commitment(), terms });
    World {
        tree: MemberTree::build(levels, secrets.iter().map(member)).unwrap(),
        secrets,
        posts: Prover::new(development_setup::<Post>(levels).unwrap()).unwrap(),
        badges: Prover::new(development_setup::<Badge>(levels).unwrap()).unwrap(),
    }
});

pub fn policy() -> Policy {
    Policy {
        name: ROOM.into(),
        epoch_seconds: NonZeroU32::new(3600).unwrap(),
        limit_cap: NonZeroU16::new(5).unwrap(),
        min_stake: 10,
        min_age_days: 7,
        root_window: 3600,
        max_clock_skew: 20,
    }
}

pub fn epoch() -> Epoch {
    policy().epoch_at(NOW)
}

pub fn scope() -> Scope {
    Scope::new(&REGISTRY, ROOM)
}

/// A message with its pass.
#[derive(Clone, Debug)]
pub struct Sent {
    pub scope: String,
    pub message: Vec<u8>,
    pub pass: Vec<u8>,
}

impl Sent {
    /// Returns the post as `quotapass post` writes it.
    pub fn json(&self) -> serde_json::Value {
        let pass = PostPass::from_bytes(&self.pass).map_or_else(|_| "AQID".into(), |pass| pass.to_text());
        match str::from_utf8(&self.message) {
            Ok(text) => serde_json::json!({ "scope": self.scope, "message": text, "pass": pass }),
            Err(_) => {
                let digits: String = self.message.iter().map(|byte| format!("{byte:02x}")).collect();
                serde_json::json!({ "scope": self.scope, "message_hex": digits, "pass": pass })
            }
        }
    }
}

fn membership<T>(member: usize, run: impl FnOnce(Membership<'_>) -> T) -> T {
    let index = MemberIndex(member as u32);
    let (record, path) = (WORLD.tree.member(index).unwrap(), WORLD.tree.path(index).unwrap());
    run(Membership { secret: &WORLD.secrets[member], member: &record, path: &path })
}

pub fn prove(member: usize, message_id: u16, message: &[u8]) -> Sent {
    let (public, witness) = membership(member, |membership| {
        post(
            membership,
            ExternalNullifier::new(scope(), epoch()),
            SignalHash::new(scope(), epoch(), message).unwrap(),
            policy().requirement(epoch()),
            policy().limit_cap,
            message_id,
        )
        .unwrap()
    });
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(message_id));
    let pass = PostPass::new(epoch(), &public, WORLD.posts.prove(&public, &witness, &mut rng).unwrap());
    Sent { scope: ROOM.into(), message: message.into(), pass: pass.to_bytes().to_vec() }
}

pub fn prove_badge(member: usize, chat_key: &[u8]) -> BadgePass {
    let requirement = policy().requirement_on(Day::at(NOW));
    let (public, witness) =
        membership(member, |membership| badge(membership, scope(), ChatKeyHash::new(chat_key), requirement).unwrap());
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    BadgePass::new(&public, chat_key.into(), WORLD.badges.prove(&public, &witness, &mut rng).unwrap()).unwrap()
}

/// Seven honest posts of members 1 to 7; the first message is not text.
pub static HONEST: LazyLock<Vec<Sent>> = LazyLock::new(|| {
    let message = |member: u8| if member == 1 { vec![0xff, 0x00] } else { format!("message {member}").into_bytes() };
    (1..8).map(|member| prove(member.into(), 0, &message(member))).collect()
});

/// Two messages of member 0 under one message id.
pub static HALVES: LazyLock<[Sent; 2]> = LazyLock::new(|| [prove(0, 0, b"good morning"), prove(0, 0, b"good evening")]);

/// Returns a post whose proof is for another message.
pub fn forged() -> Sent {
    Sent { message: b"forged".into(), ..HONEST[6].clone() }
}

/// A log in memory whose lookups wait while a gate is shut.
#[derive(Debug, Default)]
pub struct Gated {
    pub inner: MemoryLog,
    is_shut: Mutex<bool>,
    changed: Condvar,
    waiting: AtomicUsize,
    fails: AtomicBool,
}

impl Gated {
    pub fn shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.changed.notify_all();
    }

    /// Sets whether the log fails from now on, as on a full disk.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    /// Returns the number of batches that wait at the gate.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl NullifierLog for Gated {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        self.inner.record(entry)
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        self.inner.lookup(epoch, nullifier)
    }

    fn lookup_all(&self, nullifiers: &[(LogEpoch, Nullifier)]) -> Vec<Result<Option<Recorded>, LogError>> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let mut is_shut = self.is_shut.lock().unwrap();
        while *is_shut {
            is_shut = self.changed.wait(is_shut).unwrap();
        }
        drop(is_shut);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.inner.lookup_all(nullifiers)
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        self.inner.convict(conviction)
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(LogError::Unavailable("disk full".into()));
        }
        self.inner.convictions(from)
    }

    fn expire(&self, now: u64) -> Result<(), LogError> {
        self.inner.expire(now)
    }

    fn reopen(&self, now: u64) -> Result<u64, LogError> {
        self.inner.reopen(now)
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        self.inner.statistics()
    }
}

impl RelayStore for Gated {
    fn cases(&self) -> &dyn SlashClaims {
        &self.inner
    }

    fn badges(&self) -> &dyn BadgeBook {
        &self.inner
    }
}

/// Creates a relay of one room that knows the tree's root.
pub fn relay(log: Arc<Gated>) -> Arc<Relay> {
    Arc::new(Relay::new(
        WORLD.posts.verifier().unwrap(),
        WORLD.badges.verifier().unwrap(),
        PolicyTable::new(REGISTRY, [policy()]).unwrap(),
        RootHistory::starting_at(WORLD.tree.root()),
        log,
    ))
}
