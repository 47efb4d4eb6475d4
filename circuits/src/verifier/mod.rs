//! Verification of single proofs and of batches.

mod batch;
mod costs;
mod key;
mod search;
mod single;

pub use batch::BatchError;
pub use costs::VerifierCosts;
pub use key::{VerifyingKey, VerifyingKeyHash};
pub use single::{InvalidProof, Verifier, WrongKey};
