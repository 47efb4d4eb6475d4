//! What a poster runs.
//!
//! - [`ledger`]: which message ids are used up. An id is reserved there, durably, before a proof is made with it.

mod bytes;
pub mod ledger;
