//! Writes the Kotlin, Swift and Python sources that belong to the library: UniFFI's generator, and the changes of this
//! project to its sources.
//!
//! `cargo xtask mobile bindings` and maturin run it, so that an app and a Python package have the same sources.

mod handles;
mod texts;

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let arguments: Vec<OsString> = env::args_os().collect();
    uniffi::uniffi_bindgen_main();
    let Some(out) = value(&arguments, "--out-dir").map(PathBuf::from) else { return Ok(()) };
    match value(&arguments, "--language").and_then(OsStr::to_str) {
        Some("kotlin") => {
            change(&out.join("org/quotapass/quotapass.kt"), |source| texts::kotlin(&handles::checked(source)?))
        }
        Some("python") => change(&out.join("quotapass.py"), texts::python),
        Some("swift") => change(&out.join("Quotapass.swift"), texts::swift),
        _ => Ok(()),
    }
}

/// Returns the value of an option, which is the argument after it.
fn value<'a>(arguments: &'a [OsString], option: &str) -> Option<&'a OsStr> {
    let place = arguments.iter().position(|argument| argument == option)?;
    arguments.get(place + 1).map(OsString::as_os_str)
}

/// Changes a generated source.
fn change(path: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let source = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let changed = change(&source).with_context(|| format!("cannot adapt {}", path.display()))?;
    fs::write(path, changed).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_has_the_argument_after_it() {
        let arguments = ["generate", "--language", "python", "--out-dir"].map(OsString::from);
        assert_eq!(value(&arguments, "--language"), Some(OsStr::new("python")));
        assert_eq!(value(&arguments, "--out-dir"), None);
        assert_eq!(value(&arguments, "--config"), None);
    }
}
