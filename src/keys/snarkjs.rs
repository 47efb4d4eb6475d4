//! Verification of a ceremony with snarkjs, which shares no code with this program.

use std::{io, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

/// Verifies a key with snarkjs. Returns `None` if there is no program of this name.
pub(super) fn verify(program: &Path, r1cs: &Path, ptau: &Path, key: &Path) -> Result<Option<()>> {
    let output = match Command::new(program).args(["zkey", "verify"]).args([r1cs, ptau, key]).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot run {}", program.display())),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    // The exit code alone is not reliable in every version of snarkjs.
    if output.status.success() && said.contains("ZKey Ok!") && !said.contains("INVALID") {
        return Ok(Some(()));
    }
    let error = String::from_utf8_lossy(&output.stderr);
    bail!("snarkjs does not accept the key:\n{}{}", said.trim_end(), error.trim_end())
}
