//! Tests of a registry behind JSON-RPC, against a real anvil: endpoints that fail and lie, stuck transactions, and
//! interrupted and reorganised copies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accounts;
mod endpoints;
mod history;
mod interruptions;
mod pending;
mod reorganisations;
mod stores;
mod sync;
mod transactions;
