//! The relay on real proofs.

mod badges;
mod inputs;
mod posts;
mod slashing;
mod verdicts;
mod world;

pub(super) use world::evidence;
