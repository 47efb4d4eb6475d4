//! Tests of the relay with real proofs.

mod badges;
#[cfg(feature = "relay-engine")]
mod engine;
mod inputs;
mod policies;
mod posts;
mod slashing;
mod verdicts;
mod world;

pub(super) use world::{REGISTRY, evidence, policy};
