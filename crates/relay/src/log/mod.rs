//! Logs that outlive the process.
//!
//! | log | feature | for |
//! |---|---|---|
//! | [`EmbeddedLog`](embedded::EmbeddedLog) | `embedded` | one relay, on its own disk |
//! | [`ValkeyLog`](valkey::ValkeyLog) | `valkey` | many relays, on a Valkey or Redis server, or a cluster |
//!
//! All keep the same [records](Record), and all are [`RelayStore`](super::RelayStore)s.

#[cfg(feature = "embedded")]
pub mod embedded;
mod fields;
#[cfg(any(feature = "embedded", feature = "valkey"))]
mod identity;
mod record;
#[cfg(feature = "valkey")]
pub mod valkey;

pub use fields::{FieldTooLong, Fields};
#[cfg(any(feature = "embedded", feature = "valkey"))]
pub use identity::{LogChoice, LogIdentity, LogIdentityError};
pub use record::{Record, RecordError, VERSION};
