//! Logs that outlive the process.
//!
//! | log | feature | for |
//! |---|---|---|
//! | [`EmbeddedLog`](embedded::EmbeddedLog) | `relay-embedded` | one relay, on its own disk |
//! | [`ValkeyLog`](valkey::ValkeyLog) | `relay-valkey` | many relays, on a Valkey or Redis server, or a cluster |
//!
//! All keep the same [records](Record), and all are [`RelayStore`](super::RelayStore)s.

#[cfg(feature = "relay-embedded")]
pub mod embedded;
mod fields;
mod record;
#[cfg(feature = "relay-valkey")]
pub mod valkey;

pub use fields::{FieldTooLong, Fields};
pub use record::{Record, RecordError, VERSION};
