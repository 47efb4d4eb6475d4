//! Checking proofs, one by one or many at once.

mod batch;
mod coefficient;
mod combination;
mod key;
mod single;

pub use batch::BatchError;
pub use key::{KeyHash, VerifyingKey};
pub use single::{InvalidProof, Verifier, WrongKey};
