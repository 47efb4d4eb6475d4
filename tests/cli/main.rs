//! The program as its users run it, with a real chain (anvil).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod checks;
mod depositor;
mod dev;
mod ledger;
mod light;
mod log_server;
mod moderate;
mod moderation;
mod offline;
mod pending;
mod relay;
mod relay_init;
mod scripts;
mod settings;
mod story;
mod strangers;
mod together;
mod world;
