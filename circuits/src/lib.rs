//! Anonymous rate limiting with deposits.

pub mod badge;
pub mod constraints;
pub mod field;
pub mod formats;
pub mod identity;
pub mod membership;
pub mod poseidon;
pub mod post;
pub mod proof;
pub mod prover;
pub mod registry_id;
pub mod requirement;
pub mod share;
pub mod signal;
pub mod slash;
#[cfg(test)]
mod soundness;
pub mod verifier;
