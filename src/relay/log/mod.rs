//! Logs that outlive the process.
//!
//! | log | feature | for |
//! |---|---|---|
//! | [`EmbeddedLog`](embedded::EmbeddedLog) | `relay-embedded` | one relay, on its own disk |
//!
//! All keep the same [records](Record), and all are [`RelayStore`](super::RelayStore)s.

#[cfg(feature = "relay-embedded")]
pub mod embedded;
mod record;

pub use record::Record;
