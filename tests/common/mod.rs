//! Helpers for several test targets.

pub mod anvil;
pub mod certificates;
pub mod crowd;
pub mod proxy;
