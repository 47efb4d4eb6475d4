//! A Rust toolchain that compiles for WebAssembly.

use std::{
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, Result};

use super::TARGET;
use crate::{debian, process::install_package};

/// What Debian's packages need and cannot bring themselves.
const INSTALLED: [(&str, &str); 2] =
    [("lld-22", "/usr/bin/wasm-ld-22"), ("libgit2-1.5", "/usr/lib/x86_64-linux-gnu/libgit2.so.1.5")];
const ADVICE: &str = "this toolchain cannot compile for WebAssembly; run `rustup target add wasm32-unknown-unknown` and \
                      `rustup component add rust-src`";

/// What makes modules smaller: panics that end them without a message, which nobody would read, and hashes whose rounds
/// are loops.
const SMALL: &str = "-Zunstable-options -Cpanic=immediate-abort --cfg=sha2_backend_soft=\"compact\"";
/// What makes the memory one that threads can share. The symbols are what wasm-bindgen makes their own data with; the
/// most memory is what a phone still has addresses for, and several times what is used.
const SHARED: &str = "-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals -Clink-arg=--shared-memory \
                      -Clink-arg=--import-memory -Clink-arg=--max-memory=536870912 \
                      -Clink-arg=--export=__wasm_init_tls -Clink-arg=--export=__tls_size \
                      -Clink-arg=--export=__tls_align -Clink-arg=--export=__tls_base";

/// How the crate is compiled.
pub enum Toolchain {
    /// By the toolchain in use, which has the target and the sources of the standard library.
    Installed,
    /// By Debian's packages.
    Debian(debian::Toolchain),
}

impl Toolchain {
    /// The toolchain in use if it has what it takes. Otherwise, where there is apt-get, Debian's, fetched once.
    pub fn find() -> Result<Self> {
        let [libraries, root] = [["target-libdir", "--target", TARGET].as_slice(), &["sysroot"]].map(|printed| {
            let Output { stdout, .. } = Command::new("rustc").arg("--print").args(printed).output()?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&stdout).trim().to_owned())
        });
        let (libraries, root) = (libraries.context("cannot run rustc")?, root.context("cannot run rustc")?);
        if Path::new(&libraries).exists() && Path::new(&root).join("lib/rustlib/src/rust/library").exists() {
            return Ok(Self::Installed);
        }
        let toolchain = debian::Toolchain::fetch(ADVICE)?;
        for (package, file) in INSTALLED {
            if !Path::new(file).exists() {
                install_package(package, ADVICE)?;
            }
        }
        Ok(Self::Debian(toolchain))
    }

    /// Its cargo, for a module with threads or without.
    pub fn cargo(&self, threads: bool) -> Result<Command> {
        let mut cargo = match self {
            Self::Installed => Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Self::Debian(toolchain) => {
                let mut cargo = toolchain.cargo()?;
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22");
                cargo
            }
        };
        let flags = if threads { format!("{SMALL} {SHARED}") } else { SMALL.to_owned() };
        cargo
            // The standard library is compiled along with these flags; for threads there is no other way.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
        Ok(cargo)
    }
}
