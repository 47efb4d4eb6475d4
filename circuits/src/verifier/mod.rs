//! Verification of single proofs and of batches.

mod batch;
mod costs;
mod key;
mod search;
mod segment;
mod single;

pub use batch::BatchError;
pub use costs::VerifierCosts;
pub use key::{VerifyingKey, VerifyingKeyHash};
pub use segment::{RecordToVerify, SegmentSum};
pub use single::{InvalidProof, Verifier, WrongKey};
