//! Folders of this machine, which compilers replace so that no published file names them.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{
    process::{output, target},
    root,
};

/// Separator of flags in `CARGO_ENCODED_RUSTFLAGS`, so that a path may contain spaces.
pub const BETWEEN_FLAGS: &str = "\x1f";

/// Folders that compilers write into their output, and what replaces each. A later one that is more specific goes before an
/// earlier one.
pub fn prefixes() -> Result<Vec<(PathBuf, &'static str)>> {
    let sysroot = output(std::process::Command::new("rustc").args(["--print", "sysroot"]))?;
    let cargo = cargo_home().context("neither CARGO_HOME nor HOME is set")?;
    Ok(vec![(root(), "/quotapass"), (target(), "/target"), (cargo, "/cargo"), (sysroot.into(), "/rust")])
}

/// A compiler's flag for each folder: `FLAG=FOLDER=REPLACEMENT`.
pub fn flags(prefixes: &[(PathBuf, &'static str)], flag: &str) -> Vec<String> {
    prefixes.iter().map(|(from, to)| format!("{flag}={}={to}", from.display())).collect()
}

/// Cargo's folder, with the sources of dependencies.
fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
}
