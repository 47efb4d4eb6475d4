//! A registry behind JSON-RPC: endpoints that fail and lie, transactions that get stuck, and copies that are interrupted
//! and reorganised, all against a real anvil.
#![cfg(feature = "rpc")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
#[path = "../registry/anvil.rs"]
#[allow(dead_code)]
mod anvil;
#[path = "../registry/bench.rs"]
#[allow(dead_code)]
mod bench;
#[path = "../common/mod.rs"]
mod common;
mod endpoints;
mod interruptions;
mod reorganisations;
mod stores;
mod sync;
mod transactions;
