//! quotapass for browsers: the WebAssembly module of the npm package `@quotapass/web`.
//!
//! It wraps [`quotapass_wallet`] and adds no rules. Secrets stay in the module's memory: JavaScript holds handles, and
//! `free()` overwrites the data behind them. Structured data is passed as JSON, long data as bytes. Errors have a
//! stable `code`. Apps use the package's classes in `js/`, which store message ids in IndexedDB; this crate exports
//! nothing to apps directly.

mod argument;
mod author;
mod error;
mod identity;
mod ledger;
mod lists;
mod membership;
mod prepared;
mod prover;
#[cfg(feature = "threads")]
mod threads;
mod verify;

pub use author::{ReportForm, report_body};
pub use identity::{Account, Identity};
pub use ledger::{Ledger, Reserved};
pub use lists::{Lists, log_identity};
pub use membership::Membership;
pub use prepared::PreparedProver;
pub use prover::{Prover, badge_challenge_message};
#[cfg(feature = "threads")]
pub use threads::{module, run_thread, start_threads};
pub use verify::{recover, recover_secret};

/// Returns the JSON of a value.
fn to_json(value: &serde_json::Value) -> String {
    value.to_string()
}
