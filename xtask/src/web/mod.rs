//! The npm package: `cargo xtask web`.

mod bundles;
mod demo;
mod first_proof;
mod toolchain;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use clap::Subcommand;

use crate::{
    npm,
    process::{cargo, cargo_command, check, target},
    root,
};
pub use bundles::test as test_bundles;
use toolchain::Toolchain;

const TARGET: &str = "wasm32-unknown-unknown";
/// Folders of the modules in the package, and whether the module has threads.
const MODULES: [(&str, bool); 2] = [("wasm", false), ("wasm/threads", true)];
/// WebAssembly file in each of these folders.
const MODULE: &str = "quotapass_web_bg.wasm";
/// Upper limit for the size of an optimised module, in bytes. See docs/decisions/0019-one-module-with-moderation.md.
const MOST_BYTES: u64 = 1_250_000;

/// Arguments of `wasm-opt`. The features are those that the compiler enables by itself.
const OPTIMISATION: [&str; 13] = [
    "-O3",
    "--dae-optimizing",
    "--duplicate-function-elimination",
    "--reorder-functions",
    "--strip-target-features",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
    "--enable-threads",
];

/// Types of the module's JavaScript as a function.
const INSTANCE_TYPES: &str = "\
/** Returns a new copy of the module's JavaScript, which holds one instance of the module. */
export default function instance(): typeof import(\"./quotapass_web.js\");
";

/// Subcommands of `cargo xtask web`.
#[derive(Subcommand)]
pub enum Task {
    /// Build bindings/web: the WebAssembly, its JavaScript, and the compiled TypeScript
    Build {
        /// Optimise the WebAssembly as for publication; takes minutes
        #[arg(long)]
        release: bool,
    },
    /// Build the page of `quotapass demo --web` into bindings/web/demo/built, which is committed
    Demo,
    /// Build the package without the last optimisation, and test it in Node.js and in Chromium
    Test,
    /// Build and pack the package, install it as from a registry, and test it with bundlers and versions of Node.js
    Bundles {
        /// Also test with older versions of Vite
        #[arg(long)]
        long: bool,
    },
    /// Run the example of README.md with the built package and the built program: from `npm install` to `accepted`
    FirstProof,
    /// Build the package as for publication, and measure it in Chromium beside snarkjs
    Bench,
}

/// Runs a task.
pub fn run(task: &Task) -> Result<()> {
    match task {
        Task::Build { release } => build(*release),
        Task::Demo => demo::build(),
        Task::Test => test(&prepare()?),
        Task::Bundles { long } => bundles::test(&prepare()?, *long),
        Task::FirstProof => first_proof(),
        Task::Bench => bench(),
    }
}

/// The native side of the tests.
pub struct Native {
    /// The program, which verifies passes.
    program: PathBuf,
    /// The folder of its files: keys, members, passes.
    fixture: PathBuf,
}

/// Builds the package without the last optimisation, and the native side of its tests.
pub fn prepare() -> Result<Native> {
    demo::check_built()?;
    build(false)?;
    native()
}

/// Runs the tests of the package in Node.js and Chromium, with passes that are made and verified natively.
pub fn test(native: &Native) -> Result<()> {
    // anvil, for the helpers of chains.
    npm::install(&root().join("contracts"))?;
    let mut node = Command::new("node");
    node.args(["--test", "--test-concurrency=1"]);
    node.args(
        ["node", "handles", "moderation", "file-ledgers", "viem", "package", "browser"]
            .map(|name| format!("test/{name}.test.js")),
    );
    check(native.for_tests(&mut node), "node --test in bindings/web")
}

impl Native {
    /// The folder of the native side's files.
    pub fn fixture(&self) -> &Path {
        &self.fixture
    }

    /// Sets folder and environment of tests.
    fn for_tests<'a>(&self, node: &'a mut Command) -> &'a mut Command {
        node.current_dir(package()).env("NATIVE", &self.program).env("FIXTURE", &self.fixture)
    }
}

/// Runs the example of README.md against `quotapass dev`. Package and program must have been built.
pub fn first_proof() -> Result<()> {
    first_proof::run()
}

/// Measures proofs of the package and of snarkjs in one page.
fn bench() -> Result<()> {
    build(true)?;
    let Native { program, fixture } = native()?;
    check(Command::new(program).arg("lists").arg(&fixture), "native lists")?;
    check(
        Command::new("node").arg("bench/run.js").current_dir(package()).env("FIXTURE", fixture),
        "node bench/run.js in bindings/web",
    )
}

/// Compiles the native side of the tests, and runs it to write its files.
pub fn native() -> Result<Native> {
    cargo(["build", "--package", "quotapass-web", "--example", "native"])?;
    let program = target().join("debug/examples").join(format!("native{}", std::env::consts::EXE_SUFFIX));
    let fixture = target().join("web-fixture");
    check(Command::new(&program).arg("make").arg(&fixture), "native make")?;
    Ok(Native { program, fixture })
}

/// Builds the package in its folder, from nothing, and writes `built.json`, without which it cannot be packed.
pub fn build(release: bool) -> Result<()> {
    let package = package();
    npm::install(&package)?;
    let toolchain = Toolchain::find()?;
    for folder in ["dist", "wasm"].map(|name| package.join(name)) {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    for (folder, threads) in MODULES {
        let module = compile(&toolchain, threads)?;
        let generated = package.join(folder);
        bindgen(&module, &generated)?;
        if release {
            optimise(&package, &generated.join(MODULE))?;
        }
    }
    instance(&package)?;
    check(Command::new("node").arg("node_modules/typescript/bin/tsc").current_dir(&package), "tsc in bindings/web")?;
    let mut built = Command::new("node");
    built.arg("scripts/built.js").args(release.then_some("--release"));
    check(built.current_dir(&package), "scripts/built.js in bindings/web")
}

/// Writes the module's JavaScript a second time, as a function that returns a new copy of it: its state is in global
/// variables, and Node.js needs a copy for each client, also in a bundle.
fn instance(package: &Path) -> Result<()> {
    let mut bundle = Command::new(package.join("node_modules/.bin/esbuild"));
    bundle.current_dir(package).args([
        "wasm/quotapass_web.js",
        "--bundle",
        "--format=iife",
        "--global-name=copy",
        "--banner:js=export default function instance() {",
        "--footer:js=return copy;\n}",
        "--target=es2022",
        "--log-level=warning",
        "--outfile=wasm/instance.js",
    ]);
    check(&mut bundle, "esbuild in bindings/web")?;
    let types = package.join("wasm/instance.d.ts");
    fs::write(&types, INSTANCE_TYPES).with_context(|| format!("cannot write {}", types.display()))
}

/// Returns the package's folder.
pub fn package() -> PathBuf {
    root().join("bindings/web")
}

/// Compiles the crate to WebAssembly, and returns the path of the module.
fn compile(toolchain: &Toolchain, threads: bool) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo(threads)?;
    cargo.args(["build", "--package", "quotapass-web", "--profile", "wasm", "--target", TARGET]);
    if threads {
        cargo.args(["--features", "threads"]);
    }
    check(cargo.current_dir(root()), "cargo build of quotapass-web for WebAssembly")?;
    Ok(target().join(TARGET).join("wasm/quotapass_web.wasm"))
}

/// Writes the module's JavaScript, with the program `bindgen` of this crate, which is compiled only for this purpose.
fn bindgen(module: &Path, out: &Path) -> Result<()> {
    let mut bindgen = cargo_command();
    bindgen.args(["run", "--quiet", "--package", "xtask", "--features", "bindgen", "--bin", "bindgen", "--"]);
    check(bindgen.arg(module).arg(out), "wasm-bindgen")
}

/// Optimises the module, and checks that it is small enough.
fn optimise(package: &Path, module: &Path) -> Result<()> {
    let mut optimiser = Command::new("node");
    optimiser.arg(package.join("node_modules/binaryen/bin/wasm-opt")).args(OPTIMISATION);
    check(optimiser.arg(module).arg("-o").arg(module), "wasm-opt")?;
    let bytes = fs::metadata(module).with_context(|| format!("cannot read {}", module.display()))?.len();
    println!("{} bytes of WebAssembly", bytes);
    ensure!(bytes <= MOST_BYTES, "the module has {bytes} bytes, limit {MOST_BYTES}; find out which part has grown");
    Ok(())
}
