//! `cargo xtask bench`: runs the benchmarks on one thread and on two, and writes their figures.

mod chart;
mod figures;
mod page;
mod plot;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use self::figures::{Figures, Variant};
use crate::{
    aarch64,
    process::{cargo_command, install, target},
    root,
};

/// Names of the benchmarks, each a file in `benches/`.
pub const NAMES: [&str; 6] = ["proof", "prepared", "verify", "tree", "key", "scaling"];
/// Benchmark that counts the instructions for phones: on one thread, with its own table, and only with `--only phone`.
pub const PHONE: &str = "phone";
/// Benchmark of records, with its own table: it has no peer.
pub const RECORD: &str = "record";
const ALL: [&str; 8] = ["proof", "prepared", "verify", "tree", "key", "scaling", RECORD, PHONE];
const THREADS: [usize; 2] = [1, 2];

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub struct Arguments {
    /// Run everything once, on minimal input, to check that it works; write neither page nor plots
    #[arg(long)]
    short: bool,
    /// Run only one benchmark, and write neither page nor plots; `record` and `phone` write their own tables
    #[arg(long, value_name = "NAME", value_parser = ALL)]
    only: Option<String>,
    /// Measure a second time with code for this machine's processor
    #[arg(long)]
    native: bool,
    /// Do not measure the growth of the cost, and do not change its plots
    #[arg(long)]
    no_growth: bool,
}

/// Runs the benchmarks.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.only.as_deref() == Some(PHONE) {
        return phone(arguments);
    }
    if arguments.only.as_deref() == Some(RECORD) {
        return records(arguments);
    }
    let names: Vec<_> =
        NAMES.into_iter().filter(|name| arguments.only.as_deref().is_none_or(|only| only == *name)).collect();
    let variants = if arguments.native { vec![Variant::Default, Variant::Native] } else { vec![Variant::Default] };
    let total = variants.len() * THREADS.len() * names.len();
    let mut figures = Figures::default();
    let mut done = 0;
    for variant in variants {
        for name in &names {
            for threads in THREADS {
                done += 1;
                println!("[{done}/{total}] {name}, threads: {threads}{}", variant.suffix());
                let json = measure(name, variant, threads, arguments, &[])?;
                figures.add(variant, threads, &json)?;
            }
        }
    }
    if arguments.only.is_none() {
        records(arguments)?;
    }
    if arguments.short || arguments.only.is_some() {
        println!("page and plots are not written: this was not a full run");
        return Ok(());
    }
    let docs = root().join("docs");
    if !arguments.no_growth {
        plot::write(&figures, &docs.join("benchmarks"))?;
    }
    page::write(&figures, &docs.join("benchmarks.md"))
}

/// Counts instructions, and writes their table. Installs valgrind if it is missing.
fn phone(arguments: &Arguments) -> Result<()> {
    install(
        "valgrind",
        &["--version"],
        "valgrind",
        "install valgrind (https://valgrind.org), which counts instructions",
    )?;
    let mut options = Vec::new();
    if !arguments.short && !cfg!(target_arch = "aarch64") {
        options = vec!["--aarch64".to_owned(), aarch64::build_bench(PHONE)?];
    }
    let mut figures = Figures::default();
    figures.add(Variant::Default, 1, &measure(PHONE, Variant::Default, 1, arguments, &options)?)?;
    if arguments.short { Ok(()) } else { page::write_phone(&figures, &root().join("docs/benchmarks.md")) }
}

/// Measures records on one thread and on two, and writes their table.
fn records(arguments: &Arguments) -> Result<()> {
    let mut figures = Figures::default();
    for threads in THREADS {
        println!("{RECORD}, threads: {threads}");
        figures.add(Variant::Default, threads, &measure(RECORD, Variant::Default, threads, arguments, &[])?)?;
    }
    if arguments.short { Ok(()) } else { page::write_records(&figures, &root().join("docs/benchmarks.md")) }
}

/// Runs one benchmark, and returns the path of its figures.
fn measure(name: &str, variant: Variant, threads: usize, arguments: &Arguments, options: &[String]) -> Result<PathBuf> {
    let folder = target().join("bench").join(variant.folder()).join(threads.to_string());
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let json = folder.join(format!("{name}.json"));
    let mut command = cargo_command();
    command
        .env("RAYON_NUM_THREADS", threads.to_string())
        .args(["bench", "--quiet", "--package", "quotapass-circuits", "--bench", name, "--", "--json"])
        .arg(&json)
        .args(options);
    if arguments.short {
        command.arg("--short");
    }
    // Only the default variant has plots of the growth of the cost.
    if arguments.no_growth || matches!(variant, Variant::Native) {
        command.arg("--no-growth");
    }
    if let Variant::Native = variant {
        // A separate target folder: different flags in one folder would compile everything again each time.
        command.env("RUSTFLAGS", "-C target-cpu=native").env("CARGO_TARGET_DIR", target().join("native"));
    }
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the benchmark `{name}` failed");
    }
    Ok(json)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RUN: &str = r#"{ "figures": [
        { "what": "full proof", "unit": "ms", "ours": 50.0, "theirs": 400.0 },
        { "what": "key file", "unit": "MiB", "ours": 1.05, "theirs": null },
        { "curve": "build a tree", "x": 1024, "unit": "ms", "ours": 10.0, "theirs": 20.5 },
        { "curve": "build a tree", "x": 2048, "unit": "ms", "ours": 21.0, "theirs": null },
        { "curve": "constraints", "x": 8, "unit": "", "ours": 3000.0, "theirs": null },
        { "curve": "constraints", "x": 9, "unit": "", "ours": 3300.0, "theirs": null }
    ] }"#;

    #[test]
    fn figures_become_tables_and_plots() {
        let folder = std::env::temp_dir().join(format!("quotapass-xtask-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let json = folder.join("run.json");
        fs::write(&json, RUN).unwrap();
        let mut figures = Figures::default();
        for threads in THREADS {
            figures.add(Variant::Default, threads, &json).unwrap();
        }

        let records = folder.join("records.md");
        let task = "cargo xtask bench --only record";
        fs::write(&records, format!("<!-- written by `{task}`: begin --><!-- written by `{task}`: end -->")).unwrap();
        page::write_records(&figures, &records).unwrap();
        let text = fs::read_to_string(&records).unwrap();
        assert!(text.contains("\n| full proof | 50.0 ms | 50.0 ms |\n| key file | 1.05 MiB | 1.05 MiB |\n"), "{text}");

        let page = folder.join("page.md");
        let begin = "before <!-- written by `cargo xtask bench`: begin --> old";
        fs::write(&page, format!("{begin} <!-- written by `cargo xtask bench`: end --> after")).unwrap();
        page::write(&figures, &page).unwrap();
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.contains("| full proof | 50.0 ms | 400 ms | **8.0** | 50.0 ms | 400 ms | **8.0** |"), "{text}");
        assert!(text.contains("| key file | 1.05 MiB |  |  | 1.05 MiB |  |  |"), "{text}");
        assert!(text.starts_with("before") && text.ends_with("after") && !text.contains("old"), "{text}");

        plot::write(&figures, &folder).unwrap();
        for name in ["levels", "constraints", "batch", "members"] {
            let plot = fs::read_to_string(folder.join(name).with_extension("svg"));
            assert_eq!(plot.is_ok(), ["constraints", "members"].contains(&name), "{name}");
        }
        let plot = fs::read_to_string(folder.join("members.svg")).unwrap();
        assert!(plot.contains("rln: build a tree, 2 threads"), "{plot}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
