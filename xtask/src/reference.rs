//! Readers by others: the reference code of Go's checksum database reads a log.

use std::path::Path;

use anyhow::Result;

use crate::process::{cargo, install, install_package};

/// Sources of the package `golang.org/x/mod`, as Debian installs them.
const SOURCES: &str = "/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog";

/// Installs Go and the reference code if they are missing, and runs the tests.
pub fn test() -> Result<()> {
    install("go", &["version"], "golang-go", "install golang-go (Go 1.19 or newer)")?;
    if !Path::new(SOURCES).exists() {
        install_package(
            "golang-golang-x-mod-dev",
            "install golang-golang-x-mod-dev (the sources of golang.org/x/mod)",
        )?;
    }
    cargo(["test", "--package", "quotapass-log", "--test", "reference", "--", "--ignored"])
}
