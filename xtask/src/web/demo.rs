//! Builds the page of `quotapass demo --web`. The result is committed, so that the demo needs only Rust.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::{MODULE, MODULES, build as build_package, package};
use crate::{process::check, root};

/// Sources of the page, folders and files. Other changes of the module show in the pinned keys.
const SOURCES: [&str; 4] = ["bindings/web/demo/src", "bindings/web/js", "bindings/web/src", "circuits/src/pins.rs"];
/// File with the hash of the sources, in the folder of the built page.
const HASH: &str = "sources.sha256";

/// Builds the page.
pub(super) fn build() -> Result<()> {
    build_package(true)?;
    let (package, built) = (package(), built());
    let mut types = Command::new("node");
    types.args(["node_modules/typescript/bin/tsc", "--project", "demo/tsconfig.json"]);
    check(types.current_dir(&package), "tsc in bindings/web/demo")?;
    // A script or a program, depending on the platform.
    let mut bundle = Command::new(package.join("node_modules/.bin/esbuild"));
    bundle.current_dir(&package).args([
        "demo/src/demo.ts",
        "js/worker.ts",
        "--bundle",
        "--format=esm",
        "--target=es2022",
        "--minify",
    ]);
    bundle.args(["--log-level=warning", "--entry-names=[name]", "--outdir=demo/built"]);
    check(&mut bundle, "esbuild in bindings/web")?;
    for (folder, threads) in MODULES {
        let name = if threads { "quotapass_web_threads_bg.wasm" } else { MODULE };
        let (from, to) = (package.join(folder).join(MODULE), built.join(name));
        fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    let hash = built.join(HASH);
    fs::write(&hash, sources()?).with_context(|| format!("cannot write {}", hash.display()))
}

/// Checks that the committed page was built from the present sources.
pub(super) fn check_built() -> Result<()> {
    let path = built().join(HASH);
    let known = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(known == sources()?, "the page of the demo is older than its sources; run `cargo xtask web demo`");
    Ok(())
}

fn built() -> PathBuf {
    package().join("demo/built")
}

/// Returns the hash of the names and contents of all sources, as a line.
fn sources() -> Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root().join(source), &mut files)?;
    }
    files.sort();
    let mut hasher = Sha256::new();
    for file in files {
        let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(root()).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        hasher.update(name);
        hasher.update([0]);
        hasher.update((content.len() as u64).to_be_bytes());
        hasher.update(content);
    }
    Ok(format!("{}\n", hex::encode(hasher.finalize())))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
