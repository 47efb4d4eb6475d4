//! What several test targets stand on.

pub mod anvil;
pub mod certificates;
pub mod crowd;
pub mod proxy;
