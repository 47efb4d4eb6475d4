//! The prover, proving keys, and the setup of development keys.
//!
//! [`Prover::prove`] computes a proof from a witness in these steps, each in its own file:
//!
//! 1. The [assignment](crate::constraints::assignment) computes all variables, and the values of the factors of each
//!    constraint.
//! 2. `quotient` evaluates these on the odd coset, which gives the quotient's scalars.
//! 3. [`quotapass_bn254::msm`] sums the key's points over the variables and the quotient, with [`Tables`] if they are
//!    loaded.
//! 4. `blinding` turns the sums into a zero-knowledge proof.
//!
//! A [`PreparedProver`] does most of this work in advance for a member and a root, and a [`PreparedRecord`] for a secret
//! and a segment of a list ([`PreparedList`]: for all segments). Each message then needs only the rest (`parts`).
//!
//! Proving is not constant-time: see the note in [`quotapass_bn254::msm`].

mod blinding;
mod development;
mod file;
mod key;
mod list;
mod parts;
mod prepared;
mod prove;
mod quotient;
mod record;
mod tables;
#[cfg(test)]
mod tests;

pub use development::{DEVELOPMENT_SEED, development_setup};
pub use file::VERSION as KEY_VERSION;
pub use key::{CeremonyHash, KeyError, KeyOrigin, ProvingKey, WrongPoints};
pub use list::{PreparedList, RecordProvers};
pub use prepared::PreparedProver;
pub use prove::{ProveError, Prover};
pub use record::PreparedRecord;
pub use tables::{Tables, TablesError};
