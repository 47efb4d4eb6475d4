//! What the test suites share. Only tests and benchmarks depend on this crate.
//!
//! - [`world`]: members, their tree, provers, and a policy, with posts and badges of the members.
//! - [`records`]: records of these posts for lists of moderation logs.
//! - [`bench`](mod@bench): registries with a token and tiers, on the embedded chain and on [`anvil`].
//! - [`proxy`]: an endpoint that fails as a test says; [`crowd`]: many deposits at once; [`certificates`] of an authority
//!   of a test.
//! - [`process`]: tests in child processes, which can be killed, and waits.
//!
//! ```
//! use quotapass_testkit::bench::{Bench, EmbeddedBench, SMALL, join};
//!
//! // A registry on an embedded chain, in which account 0 deposits for the secret with the number 1.
//! let bench = EmbeddedBench::new();
//! let index = join(&bench, 0, 1, SMALL);
//! assert!(bench.registry().member_at(index).unwrap().is_some());
//! ```
//!
//! It does not depend on the relay or the wallet, so that the unit tests of these crates can use it: a crate that depends
//! on the tested one brings a second copy of its types.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "only tests use this crate")]
#![allow(clippy::new_without_default, reason = "a new chain is no default value")]

pub mod anvil;
pub mod authors;
pub mod bench;
pub mod certificates;
pub mod crowd;
pub mod process;
pub mod proxy;
pub mod records;
pub mod world;
