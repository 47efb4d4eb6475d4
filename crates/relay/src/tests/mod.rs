//! Tests of the relay with real proofs.

mod badges;
mod engine;
mod inputs;
mod lists;
mod moderation;
mod policies;
mod posts;
mod slashing;
mod verdicts;
mod world;
