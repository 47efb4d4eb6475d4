//! The wallet of a poster.
//!
//! - [`ledger`]: the used message ids. An id is durably reserved there before a proof is made with it.
//! - [`members`]: the path of a member, from a relay that does not learn which member it is, or from a copy of the
//!   tree.

mod bytes;
pub mod ledger;
pub mod members;
