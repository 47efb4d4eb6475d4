//! Helpers for benchmarks that write tables.

use std::{fs, path::Path, process::Command};

/// Returns a number with commas between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    parts.join(",")
}

/// Returns the first line that a program prints.
pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Returns a line with commit, compiler and machine.
pub fn circumstances() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    format!(
        "Commit {}, {}; {} with {threads} threads",
        output("git", &["rev-parse", "--short", "HEAD"]),
        output("rustc", &["--version"]),
        processor.trim_start_matches([' ', '\t', ':']),
    )
}

/// Writes tables between the marks for `cargo bench --bench NAME` in a page of docs/.
pub fn write(page: &str, bench: &str, tables: &str) {
    let mark = |word| format!("<!-- written by `cargo bench --bench {bench}`: {word} -->");
    let (begin, end) = (mark("begin"), mark("end"));
    // The repository's root: benchmarks belong to several packages.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|folder| folder.join("Cargo.lock").exists());
    let path = root.expect("the folders above have no Cargo.lock").join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(&begin).expect("the page has no mark for the beginning of the tables");
    let (_, after) = rest.split_once(&end).expect("the page has no mark for the end of the tables");
    fs::write(&path, format!("{before}{begin}\n\n{tables}\n{end}{after}")).unwrap();
}
