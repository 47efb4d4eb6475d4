//! Packages from npm.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

/// Installs the packages in a folder's lock file, unless they are installed already.
pub fn install(folder: &Path) -> Result<()> {
    let modified = |path: &str| fs::metadata(folder.join(path)).and_then(|m| m.modified()).ok();
    // npm writes this file last.
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_some() && installed >= modified("package-lock.json") {
        return Ok(());
    }
    let status = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(folder)
        .status()
        .context("cannot run npm; install Node.js 20 or newer, which includes npm (https://nodejs.org)")?;
    if !status.success() {
        bail!("npm ci failed in {}", folder.display());
    }
    Ok(())
}
