//! Tests of the registry: its trait, its contract, the embedded chain and the follower.
//!
//! `suite` is written against the trait and a `Bench`, and runs on every backend.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod differential;
mod embedded;
mod fixture;
mod follower;
mod hasher;
mod state_file;
mod suite;

use quotapass_registry::deployment::RegistryConfig;

mod over_http {
    crate::suite_on!(quotapass_testkit::bench::AnvilBench::http());
}

mod over_ws {
    crate::suite_on!(quotapass_testkit::bench::AnvilBench::ws();
        the_terms_are_those_of_the_deployment, deposits_in_several_tiers_show_everywhere,
        a_deposit_is_refused_for_a_reason, blocks_follow_one_another);
}

#[cfg(unix)]
mod over_ipc {
    crate::suite_on!(quotapass_testkit::bench::AnvilBench::ipc();
        deposits_in_several_tiers_show_everywhere, a_deposit_is_refused_for_a_reason, an_exit_waits_for_its_delay);
}

/// A configuration with one thing changed.
fn with(config: &RegistryConfig, change: impl FnOnce(&mut RegistryConfig)) -> RegistryConfig {
    let mut config = config.clone();
    change(&mut config);
    config
}
