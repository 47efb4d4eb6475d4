//! Tests of a registry behind JSON-RPC, against a real anvil: endpoints that fail and lie, stuck transactions, and
//! interrupted and reorganised copies.
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
