//! Tests of a relay with its chain, as a library and as a program: roots that follow the registry, the slashing worker,
//! and `quotapass relay` with real stores and a real chain.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../registry/anvil.rs"]
#[allow(dead_code)]
mod anvil;
#[path = "../registry/bench.rs"]
#[allow(dead_code)]
mod bench;
mod chain;
#[path = "../common/mod.rs"]
mod common;
mod node;
mod program;
mod slasher;
mod upkeep;

use core::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use quotapass_circuits::{
    badge::Badge,
    identity::IdentitySecret,
    membership::Levels,
    post::Post,
    prover::{Prover, development_setup},
    registry_id::RegistryId,
    share::Line,
    signal::{Epoch, ExternalNullifier, Scope, SignalHash},
};
use quotapass_protocol::{Evidence, Policy, PolicyTable, RootHistory};
use quotapass_relay::{MemoryLog, Relay};

const ROOM: &str = "room";
const WINDOW: u32 = 3_600;

fn policy() -> Policy {
    Policy {
        name: ROOM.into(),
        epoch_seconds: NonZeroU32::new(600).unwrap(),
        limit_cap: NonZeroU16::new(5).unwrap(),
        min_stake: 1,
        min_age_days: 0,
        root_window: WINDOW,
        max_clock_skew: 20,
    }
}

/// Returns a relay without roots. It gives no verdicts, so the size of its circuits does not matter.
fn relay_on(registry: RegistryId, log: Arc<MemoryLog>) -> Arc<Relay> {
    let levels = Levels::new(1).unwrap();
    let posts = Prover::new(development_setup::<Post>(levels).unwrap()).unwrap();
    let badges = Prover::new(development_setup::<Badge>(levels).unwrap()).unwrap();
    let policies = PolicyTable::new(registry, [policy()]).unwrap();
    Arc::new(Relay::new(posts.verifier().unwrap(), badges.verifier().unwrap(), policies, RootHistory::new(), log))
}

/// Returns the evidence of two messages under one message id.
fn evidence(registry: &RegistryId, secret: &IdentitySecret) -> Evidence {
    let (scope, epoch) = (Scope::new(registry, ROOM), Epoch::at(policy().epoch_seconds, bench::START));
    let line = Line::new(secret, ExternalNullifier::new(scope, epoch), 0);
    let share = |message: &[u8]| line.share(SignalHash::new(scope, epoch, message).unwrap());
    Evidence { scope, epoch, nullifier: line.nullifier(), recorded: share(b"one"), second: share(b"two") }
}
