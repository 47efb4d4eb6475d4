//! Spam protection for anonymous chat: a deposit once, then a proof with every message that its sender is within quota.

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "keys")]
pub mod files;
#[cfg(feature = "keys")]
pub mod keys;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(feature = "relay")]
pub mod relay;

pub use quotapass_circuits as circuits;
