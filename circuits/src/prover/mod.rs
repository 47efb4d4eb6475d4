//! Making proofs: proving keys, their setup for development, and the prover.

mod development;
mod key;
mod pinned;
mod prove;

pub use development::{DEVELOPMENT_SEED, development_setup};
pub use key::{KeyError, KeyOrigin, ProvingKey};
pub use pinned::{PINS, Pin, pin};
pub use prove::{ProveError, Prover};
