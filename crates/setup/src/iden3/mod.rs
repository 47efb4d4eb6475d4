//! The file formats of iden3's tools (circom, snarkjs). With them these tools can check our proofs and make keys for
//! our circuits.
//!
//! The constraints are another such file, `.r1cs`. A circuit is identified by it, so
//! [`Shape::to_r1cs`](quotapass_circuits::constraints::shape::Shape::to_r1cs) writes it.

mod json;
mod proof;
mod ptau;
mod sections;
mod wtns;
mod zkey;

pub use json::{proof_json, public_json, verification_key_json};
pub use proof::{ProofJsonError, proof_from_json};
pub use ptau::{Ptau, PtauContribution};
pub use sections::{Iden3Error, SectionFault};
pub use wtns::wtns;
pub use zkey::{Contribution, ContributionKind, TranscriptHash, Zkey};

pub(crate) use ptau::{Lagrange, MOST_POWER, Powers};
pub(crate) use zkey::{Coefficient, uncompressed_g1, uncompressed_g2};
