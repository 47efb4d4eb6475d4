//! quotapass for browsers: what the npm package `@quotapass/web` runs as WebAssembly.
//!
//! It wraps [`quotapass::client`], and adds no rule of its own. Secrets stay in the module's memory: JavaScript holds
//! handles, and `free()` overwrites what is behind them. What is structured crosses as JSON, what is long as bytes.
//! Errors carry a stable `code`. The package's own classes, in `js/`, are what apps use: they keep message ids in
//! IndexedDB, and nothing of this crate is exported to apps.

mod argument;
mod error;
mod identity;
mod ledger;
mod membership;
mod prepared;
mod prover;
#[cfg(feature = "threads")]
mod threads;
mod verify;

pub use identity::{Account, Identity};
pub use ledger::{Ledger, Reserved};
pub use membership::Membership;
pub use prepared::PreparedProver;
pub use prover::Prover;
#[cfg(feature = "threads")]
pub use threads::{module, run_thread, start_threads};
pub use verify::{recover, recover_secret};

/// JSON of a value that has one.
fn to_json(value: &serde_json::Value) -> String {
    value.to_string()
}
