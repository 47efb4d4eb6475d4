//! Making proofs: proving keys, their setup for development, and the prover.
//!
//! [`Prover::prove`] goes from a witness to a proof in these steps, each a file:
//!
//! 1. the [assignment](crate::constraints::assignment) computes all variables, and what the factors of each constraint
//!    come to;
//! 2. `transform` and `quotient` bring these to the odd coset, where the quotient's scalars are read off;
//! 3. `msm` sums the key's points over variables and quotient, with [`Tables`] if there are any;
//! 4. `blinding` makes the sums a proof that shows nothing else.
//!
//! A [`PreparedProver`] has done most of this for a member and a root, and adds one message.
//!
//! Proving is not constant-time: see the note in `msm`.

mod arithmetic;
mod blinding;
mod development;
mod file;
mod import;
mod key;
mod msm;
#[cfg(any(test, target_arch = "wasm32"))]
mod narrow;
mod pinned;
mod prepared;
mod prove;
mod quotient;
mod tables;
#[cfg(test)]
mod tests;
mod transform;

pub use development::{DEVELOPMENT_SEED, development_setup};
pub use file::VERSION as KEY_VERSION;
pub use import::ZkeyError;
pub use key::{CeremonyHash, KeyError, KeyOrigin, ProvingKey};
pub(crate) use pinned::DEVELOPMENT_ALPHA;
pub use pinned::{PINS, Pin, pin};
pub use prepared::PreparedProver;
pub use prove::{ProveError, Prover};
pub use tables::{Tables, TablesError};

use crate::threads;
