//! The members of `quotapass_testkit`, a scope with epochs of an hour, and posts to it.

use core::num::NonZeroU32;
use std::sync::{
    Arc, Condvar, LazyLock, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use quotapass_circuits::{formats::wire::BadgePass, share::Nullifier, signal::Epoch};
use quotapass_protocol::{LogError, Policy, PolicyTable, RootHistory, UnixSeconds};
use quotapass_relay::{
    BadgeBook, Conviction, Entry, LogEpoch, LogStatistics, MemoryLog, ModerationStore, NullifierLog, Outcome, Recorded,
    Relay, RelayStore, SlashClaims,
};

pub use quotapass_testkit::world::*;

/// The scope, with epochs of an hour.
pub fn policy() -> Policy {
    Policy { epoch_seconds: NonZeroU32::new(3600).unwrap(), ..quotapass_testkit::world::policy() }
}

pub fn epoch() -> Epoch {
    policy().epoch_at(NOW)
}

pub fn prove(member: usize, message_id: u16, message: &[u8]) -> Sent {
    posting_for(&policy(), epoch(), member, message_id, message).prove()
}

pub fn prove_badge(member: usize, chat_key: &[u8]) -> BadgePass {
    badge_pass(member, chat_key, policy().requirement_on(TODAY))
}

/// Seven honest posts of members 1 to 7; the first message is not text.
pub static HONEST: LazyLock<Vec<Sent>> = LazyLock::new(|| {
    let message = |member: u8| if member == 1 { vec![0xff, 0x00] } else { format!("message {member}").into_bytes() };
    (1..8).map(|member| prove(member.into(), 0, &message(member))).collect()
});

/// Two messages of member 0 under one message id.
pub static HALVES: LazyLock<[Sent; 2]> = LazyLock::new(|| [prove(0, 0, MESSAGE), prove(0, 0, SECOND_MESSAGE)]);

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

    fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        self.inner.expire(now)
    }

    fn reopen(&self, now: UnixSeconds) -> Result<UnixSeconds, LogError> {
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

    fn moderation(&self) -> &dyn ModerationStore {
        &self.inner
    }
}

/// Creates a relay of one scope that knows the tree's root.
pub fn relay(log: Arc<Gated>) -> Arc<Relay> {
    let (table, roots) =
        (PolicyTable::new(REGISTRY, [policy()]).unwrap(), RootHistory::starting_at(world().tree.root()));
    let (posts, badges) = world().verifiers();
    Arc::new(Relay::new(posts, badges, table, roots, log).with_author(quotapass_testkit::authors::author_verifier()))
}
