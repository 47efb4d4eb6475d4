//! The tables of docs/benchmarks.md.

use std::{fmt::Write as _, fs, path::Path, process::Command, time::SystemTime};

use anyhow::{Context, Result};

use super::{
    figures::{Figures, Pair, Row, Variant},
    read,
};
use crate::{marks, root};

/// The tasks whose marks the page has.
const TABLES: &str = "cargo xtask bench";
const PHONE: &str = "cargo xtask bench --only phone";
const RECORD: &str = "cargo xtask bench --only record";

/// Writes the tables between the marks of the page.
pub fn write(figures: &Figures, path: &Path) -> Result<()> {
    replace(path, TABLES, &tables(figures)?)
}

/// Writes the table of the benchmark `phone` between its own marks.
pub fn write_phone(figures: &Figures, path: &Path) -> Result<()> {
    let mut text = circumstances()?;
    text += "\n| on one thread | |\n|---|--:|\n";
    for row in figures.rows.values().flatten() {
        let figure = row.pairs.get(&1).and_then(|pair| pair.ours).context("a row without a figure")?;
        writeln!(text, "| {} | {} {} |", row.what, rounded(figure), row.unit)?;
    }
    replace(path, PHONE, &text)
}

/// Writes the table of the benchmark `record` between its own marks.
pub fn write_records(figures: &Figures, path: &Path) -> Result<()> {
    let mut text = circumstances()?;
    text += "\n| | 1 thread | 2 threads |\n|---|--:|--:|\n";
    for row in figures.rows.values().flatten() {
        let cell = |threads| {
            let figure = row.pairs.get(&threads).and_then(|pair| pair.ours);
            figure.map_or_else(String::new, |figure| format!("{} {}", rounded(figure), row.unit))
        };
        writeln!(text, "| {} | {} | {} |", row.what, cell(1), cell(2))?;
    }
    replace(path, RECORD, &text)
}

fn replace(path: &Path, task: &str, text: &str) -> Result<()> {
    let page = marks::replace(&read(path)?, task, text)
        .with_context(|| format!("{} has no marks for its tables", path.display()))?;
    fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
}

fn tables(figures: &Figures) -> Result<String> {
    let mut text = circumstances()?;
    for (variant, rows) in &figures.rows {
        write!(text, "\n### {}\n\n", heading(*variant))?;
        text += "| | 1 thread | `rln` | ratio | 2 threads | `rln` | ratio |\n|---|--:|--:|--:|--:|--:|--:|\n";
        for row in rows {
            let [one, two] = [1, 2].map(|threads| cells(row, threads));
            writeln!(text, "| {} | {one} | {two} |", row.what)?;
        }
    }
    Ok(text)
}

fn heading(variant: Variant) -> &'static str {
    match variant {
        Variant::Default => "Compiled for any processor",
        Variant::Native => "Compiled with target-cpu=native",
    }
}

/// Returns the cells of our figure, the figure of `rln`, and the ratio.
fn cells(row: &Row, threads: usize) -> String {
    let pair = row.pairs.get(&threads).copied().unwrap_or(Pair { ours: None, theirs: None });
    let cell = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{} {}", rounded(value), row.unit));
    let ratio = pair.ratio().map_or_else(String::new, |ratio| format!("**{ratio:.1}**"));
    format!("{} | {} | {ratio}", cell(pair.ours), cell(pair.theirs))
}

/// Returns a number with three significant digits.
fn rounded(value: f64) -> String {
    let digits = 2 - value.abs().max(1e-6).log10().floor() as i32;
    format!("{value:.*}", digits.max(0) as usize)
}

/// Returns a line with date, machine, commit and versions.
fn circumstances() -> Result<String> {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let ifma = if processor.contains("avx512ifma") { "with" } else { "without" };
    let cores = std::thread::available_parallelism()?;
    let changed = if output("git", &["status", "--porcelain"])?.is_empty() { "" } else { " and changes" };
    let peer = output("cargo", &["pkgid", "rln"])?;
    Ok(format!(
        "Medians of a run on {date}: {model}, {ifma} AVX-512 IFMA, {cores} cores; commit {commit}{changed}; {rustc}; `rln` \
         {peer}. The release profile of Cargo.toml. A ratio above one means that quotapass is that many times faster, or \
         smaller.\n",
        date = &humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10],
        model = model.trim_start_matches(['\t', ' ', ':']),
        commit = output("git", &["rev-parse", "--short=12", "HEAD"])?,
        rustc = output("rustc", &["--version"])?,
        peer = peer.rsplit(['@', '#']).next().unwrap_or(&peer),
    ))
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
