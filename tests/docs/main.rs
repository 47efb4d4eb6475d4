//! The commands in the documents: each block of shell commands runs here, or says why it does not.
//!
//! The first line of a block decides:
//! - `sh run=NAME`: the blocks of one name run one after the other in one shell, in a new home folder, on a new chain. With
//!   `background` the block keeps running, as in a terminal of its own; with `expect="WORDS"` its output contains these
//!   words.
//! - `sh skip="REASON"`: the block does not run here.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod blocks;
mod session;

use std::{fs, path::PathBuf};

use blocks::{Block, Decision, blocks};

/// The documents whose commands are decided about.
fn documents() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    for (folder, name) in [("docs", ""), ("bindings", "README.md")] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let path = if name.is_empty() { path } else { path.join(name) };
            if path.is_file() && path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn all_blocks() -> Vec<Block> {
    documents().iter().flat_map(|path| blocks(path)).collect()
}

/// Runs the blocks of this name, in the order of the documents.
fn run(name: &str) {
    let blocks: Vec<_> = all_blocks()
        .into_iter()
        .filter(|block| matches!(&block.decision, Decision::Run { name: found, .. } if found == name))
        .collect();
    assert!(!blocks.is_empty(), "no block has run={name}");
    session::run(&blocks);
}

#[test]
fn every_block_of_commands_runs_or_says_why_not() {
    let all = all_blocks();
    assert!(documents().len() > 10 && all.len() > 30, "{} documents, {} blocks", documents().len(), all.len());
    let undecided: Vec<_> = all.iter().filter(|block| matches!(block.decision, Decision::Missing(_))).collect();
    let lines: Vec<_> = undecided.iter().map(|block| format!("{}: {:?}", block.place, block.decision)).collect();
    assert!(lines.is_empty(), "add run=NAME or skip=\"REASON\":\n{}", lines.join("\n"));
    // Each name has a test below.
    for block in &all {
        if let Decision::Run { name, .. } = &block.decision {
            assert!(
                ["depositors", "moderation", "quickstart"].contains(&&**name),
                "{}: no test runs `{name}`",
                block.place
            );
        }
    }
}

#[test]
fn the_quickstart_ends_with_an_accepted_post() {
    run("quickstart");
}

#[test]
fn the_depositors_page_deposits_posts_slashes_and_withdraws() {
    run("depositors");
}

#[test]
fn the_moderation_page_makes_keys_and_policies() {
    run("moderation");
}
