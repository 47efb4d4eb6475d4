//! Generates the files that derive from the Poseidon parameters: the constants of the circuits crate and the contracts'
//! hash.

mod coordinates;
mod evm;
mod hasher;
mod parameters;
mod recurrence;
mod rust;
mod solidity;

use std::path::PathBuf;

use coordinates::{Rounds, WIDTH};
use parameters::Parameters;

/// Returns the generated files: path from the repository's root, and content.
pub fn generated_files() -> Vec<(PathBuf, String)> {
    let parameters: Vec<_> = (2..=5).map(Parameters::derive).collect();
    let widest = parameters.last().expect("there are four widths");
    vec![
        (PathBuf::from("circuits/src/poseidon/constants.rs"), rust::source(&parameters)),
        (PathBuf::from("contracts/src/libraries/PoseidonT5.sol"), solidity::source(widest)),
    ]
}

/// Returns the code of the contracts' hash on a chain.
pub fn hasher_code() -> Vec<u8> {
    hasher::runtime(&Rounds::derive(&Parameters::derive(WIDTH))).code().to_vec()
}
