//! Generates what is derived from the Poseidon parameters: the constants of the circuits crate.

mod parameters;
mod rust;

use std::path::PathBuf;

use parameters::Parameters;

/// The generated files, path from the repository's root and content.
pub fn generated_files() -> Vec<(PathBuf, String)> {
    let parameters: Vec<_> = (2..=5).map(Parameters::derive).collect();
    vec![(PathBuf::from("circuits/src/poseidon/constants.rs"), rust::source(&parameters))]
}
