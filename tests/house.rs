//! What tests of single crates cannot see: the drawing of the crates is true, small devices compile no relay, and a page has
//! the names that a type has.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, env, fs, process::Command};

use quotapass_protocol::PossessionError;
use serde_json::Value;

/// Returns the output of cargo. Nothing is compiled. `tree` reads the manifests of all platforms, so it may fetch some.
fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = cargo.args(arguments).arg("--locked").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Dependencies of the workspace's packages on each other, without those of tests.
fn dependencies() -> BTreeSet<(String, String)> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let ours: BTreeSet<_> = packages.iter().map(name).collect();
    let arrows = packages.iter().flat_map(|package| {
        let used = package["dependencies"].as_array().unwrap().iter();
        used.filter(|used| used["kind"].is_null()).map(|used| (name(package), name(used)))
    });
    arrows.filter(|(_, used)| ours.contains(used)).collect()
}

#[test]
fn the_drawing_of_the_crates_is_true() {
    let page = fs::read_to_string("docs/architecture.md").unwrap();
    let drawn = page.lines().filter_map(|line| line.trim().split_once(" --> "));
    let drawn: BTreeSet<_> = drawn.map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
    assert_eq!(drawn, dependencies());
}

#[test]
fn the_page_for_operators_has_the_names_of_wrong_answers_to_challenges() {
    let page = fs::read_to_string("docs/operators.md").unwrap();
    for error in PossessionError::ALL {
        assert!(page.contains(&format!("`{}`", error.name())), "{error:?}");
    }
}

/// The example that CI runs: `cargo xtask web first-proof`.
const FIRST_PROOF: &str = include_str!("../bindings/web/examples/first-proof/first-proof.mjs");

#[test]
fn the_first_proof_in_the_documents_is_the_one_that_runs() {
    for page in ["README.md", "bindings/web/README.md"] {
        let text = fs::read_to_string(page).unwrap();
        assert!(
            text.contains(&format!("```js\n{FIRST_PROOF}```\n")),
            "the example of {page} differs from first-proof.mjs"
        );
    }
    // Each statement begins at the beginning of a line, as other lines do not.
    let begins = |line: &&str| line.starts_with(|first: char| first.is_ascii_alphabetic());
    assert!(FIRST_PROOF.lines().filter(begins).count() <= 15);
}

#[test]
fn browsers_and_phones_compile_no_relay_no_chain_client_and_no_ceremonies() {
    for package in ["quotapass-web", "quotapass-mobile"] {
        let tree = cargo(&["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--target", "all"]);
        let compiled: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(compiled.contains("quotapass-circuits"), "{tree}");
        let ours = ["quotapass-relay", "quotapass-registry", "quotapass-setup"];
        for unwanted in ours.into_iter().chain(["revm", "alloy-provider", "axum", "redis", "clap"]) {
            assert!(!compiled.contains(unwanted), "{package} compiles {unwanted}");
        }
    }
}
