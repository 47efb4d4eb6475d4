//! The registry: its trait, its contract, the embedded chain and the follower.
//!
//! `suite` is written against the trait and a `Bench`, and runs on every backend.
#![cfg(feature = "registry")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod differential;
mod embedded;
mod fixture;
mod follower;
mod state_file;
mod suite;

use quotapass::registry::deployment::RegistryConfig;

/// A configuration with one thing changed.
fn with(config: &RegistryConfig, change: impl FnOnce(&mut RegistryConfig)) -> RegistryConfig {
    let mut config = config.clone();
    change(&mut config);
    config
}
