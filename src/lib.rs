//! Spam protection for anonymous chat: a deposit once, then a proof with every message that its sender is within quota.
//!
//! The code that a phone needs is in [`circuits`]; the code that does input and output is here:
//!
//! - [`registry`] (feature `registry`): access to the chain. One trait, contract bindings, a copy of the members that
//!   follows the events, an embedded EVM that runs the real bytecode, and (feature `rpc`) any chain behind a JSON-RPC
//!   endpoint.
//! - [`relay`] (feature `relay`): the relay. Policies, root history, nullifier log, and a typed verdict on every pass;
//!   batches and bounded queues for high load (feature `relay-engine`), and the HTTP service (feature `relay-http`).
//! - [`identity`] (feature `mnemonic`): the member's identity. Seeds, and (feature `identity`) their encrypted files.
//! - [`note`] (feature `notes`): signed statements, such as a relay's policies.
//! - [`keys`] and [`files`] (feature `keys`): proving keys on disk.
//! - [`wallet`] (feature `wallet-core`): the poster's side. The quota ledger (in files with the feature `wallet`), and
//!   the Merkle path of a member from a relay (over HTTP with the feature `wallet-http`) or from a copy of the tree.
//! - [`client`] (feature `client`): the API for apps. Posts, badges and their verdicts in one room, without files.
//! - [`cli`] (feature `cli`, the default): the program `quotapass`.
//!
//! To embed a relay, enable `relay` alone, with `default-features = false`: this pulls in no chain client and no
//! command line.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(any(feature = "keys", feature = "relay-embedded"))]
pub mod files;
#[cfg(feature = "mnemonic")]
pub mod identity;
#[cfg(feature = "keys")]
pub mod keys;
#[cfg(feature = "notes")]
pub mod note;
#[cfg(feature = "registry")]
pub mod registry;
#[cfg(any(feature = "client", feature = "relay"))]
pub mod relay;
#[cfg(feature = "wallet-core")]
pub mod wallet;

pub use quotapass_circuits as circuits;
