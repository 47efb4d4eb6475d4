//! The examples run, and what they assert holds.
#![allow(clippy::unwrap_used)]

use std::{env::consts::EXE_SUFFIX, path::Path, process::Command};

/// Runs an example that `cargo test` has built beside the program.
fn run(name: &str) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_quotapass")).parent().unwrap();
    let program = programs.join("examples").join(format!("{name}{EXE_SUFFIX}"));
    assert!(program.exists(), "{} is not built; run `cargo build --examples`", program.display());
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_example_does_what_it_says() {
    assert!(run("poster").starts_with("message 1 of this epoch, 4 left\n"));
    assert!(run("verify_pass").starts_with("accepted, nullifier "));
    assert!(run("relay").starts_with("caught the member with the commitment "));
    assert_eq!(run("custom_log"), "2 nullifiers recorded\n");
}
