//! A Rust toolchain that compiles for WebAssembly.

use std::{
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, Result};

use super::TARGET;
use crate::{
    debian, folders,
    process::{cargo_command, install_package},
};

/// Packages that Debian's toolchain needs installed, and a file of each.
const INSTALLED: [(&str, &str); 2] =
    [("lld-22", "/usr/bin/wasm-ld-22"), ("libgit2-1.5", "/usr/lib/x86_64-linux-gnu/libgit2.so.1.5")];
const ADVICE: &str = "this toolchain cannot compile for WebAssembly; run `rustup target add wasm32-unknown-unknown` and \
                      `rustup component add rust-src`";

/// Flags that make modules smaller: a panic ends the module without a message, because no user would read it, and the
/// rounds of hashes are loops. Without the places of panics, a module does not contain paths of the machine that built it.
const SMALL: &str = "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none \
                     --cfg=sha2_backend_soft=\"compact\"";
/// Flags that let threads share the memory. wasm-bindgen uses the exported symbols to create the threads' own data. The
/// memory limit still fits in a phone's address space, and is several times the memory that is used.
const SHARED: &str = "-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals -Clink-arg=--shared-memory \
                      -Clink-arg=--import-memory -Clink-arg=--max-memory=536870912 \
                      -Clink-arg=--export=__wasm_init_tls -Clink-arg=--export=__tls_size \
                      -Clink-arg=--export=__tls_align -Clink-arg=--export=__tls_base";

/// Compiler of the crate.
pub enum Toolchain {
    /// The toolchain in use, which has the target and the sources of the standard library.
    Installed,
    /// The toolchain from Debian's packages.
    Debian(debian::Toolchain),
}

impl Toolchain {
    /// Returns the toolchain in use if it can compile for WebAssembly. Otherwise fetches Debian's with apt-get, once.
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

    /// Returns the toolchain's cargo, for a module with threads or without.
    pub fn cargo(&self, threads: bool) -> Result<Command> {
        let mut cargo = match self {
            Self::Installed => cargo_command(),
            Self::Debian(toolchain) => {
                let mut cargo = toolchain.cargo()?;
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22");
                cargo
            }
        };
        let mut flags: Vec<String> = SMALL.split_whitespace().map(str::to_owned).collect();
        if threads {
            flags.extend(SHARED.split_whitespace().map(str::to_owned));
        }
        // Published modules name no folder of this machine.
        flags.extend(folders::flags(&folders::prefixes()?, "--remap-path-prefix"));
        cargo
            // Compile the standard library with these flags too; threads require this.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join(folders::BETWEEN_FLAGS));
        Ok(cargo)
    }
}
