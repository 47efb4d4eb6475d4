//! Bindings of the contracts, generated from their compiled artifacts, bytecode included.
//!
//! They use the contracts' raw integers. Prefer [`RegistryReader`](super::RegistryReader) and [`RegistryWriter`](super::RegistryWriter), which
//! have typed values.
#![allow(missing_docs, clippy::too_many_arguments)]

pub use alloy_sol_types as sol_types;
use alloy_sol_types::sol;

sol!(
    #[derive(Debug, PartialEq, Eq)]
    RegistryAbi,
    "artifacts/Registry.json"
);

sol!(SlashVerifierAbi, "artifacts/SlashVerifier.json");

sol!(
    #[derive(Debug, PartialEq, Eq)]
    TokenAbi,
    "artifacts/DevToken.json"
);
