//! Tests of a relay with its chain, as a library and as a program: roots that follow the registry, the slashing worker,
//! and `quotapass relay` with real stores and a real chain.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod node;
mod program;
mod slasher;
mod upkeep;

use std::sync::Arc;

use quotapass_circuits::registry_id::RegistryId;
use quotapass_protocol::{Policy, PolicyTable, RootHistory};
use quotapass_relay::{MemoryLog, Relay};
use quotapass_testkit::world::{self, world};

const WINDOW: u32 = 3_600;

fn policy() -> Policy {
    Policy { min_stake: 1, min_age_days: 0, root_window: WINDOW, ..world::policy() }
}

/// Returns a relay without roots. It gives no verdicts, so its circuits may have another size than the registry.
fn relay_on(registry: RegistryId, log: Arc<MemoryLog>) -> Arc<Relay> {
    let (policies, (posts, badges)) = (PolicyTable::new(registry, [policy()]).unwrap(), world().verifiers());
    Arc::new(Relay::new(posts, badges, policies, RootHistory::new(), log))
}
