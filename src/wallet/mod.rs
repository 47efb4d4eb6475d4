//! What a poster runs.
//!
//! - [`ledger`]: which message ids are used up. An id is reserved there, durably, before a proof is made with it.
//! - [`members`]: the path of a member, from a relay that does not learn whose it is, or from a copy of the tree.

mod bytes;
pub mod ledger;
pub mod members;
