//! The formats of iden3's tools (circom, snarkjs), so that what we prove can be checked with them.

mod json;
mod r1cs;

pub use json::{proof_json, public_json, verification_key_json};
pub use r1cs::r1cs;
