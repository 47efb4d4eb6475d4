//! Tests of the package as a registry would serve it: `cargo xtask web bundles`.

use std::process::Command;

use anyhow::Result;

use super::Native;
use crate::process::{check, target};

/// Installs the packed package into clean folders, builds a small app there with each bundler, and runs it in Chromium and in
/// Node.js. The long form also takes the older versions of Vite.
pub fn test(native: &Native, long: bool) -> Result<()> {
    let mut node = Command::new("node");
    node.args(["--test", "--test-concurrency=1"]);
    node.args(["browser", "server"].map(|name| format!("test/bundles/{name}.test.js")));
    native.for_tests(&mut node).env("WORK", target().join("bundles"));
    if long {
        node.env("LONG", "1");
    }
    check(&mut node, "node --test in bindings/web/test/bundles")
}
