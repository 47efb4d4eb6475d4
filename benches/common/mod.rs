//! What the benchmarks share: arguments, rounds in alternation, medians, and the figures as JSON.
//!
//! Each benchmark answers one question. Under `cargo bench` it measures; with `--short`, or without `--bench` as under
//! `cargo test`, it runs everything once. `--no-growth` leaves out the growth of the cost, and `--json PATH` writes the
//! figures to a file. `RAYON_NUM_THREADS` sets the number of threads. `cargo xtask bench` does all of this.
#![allow(dead_code, reason = "no benchmark needs all of it")]

pub mod ours;
pub mod theirs;
#[path = "../turns/mod.rs"]
mod turns;

use std::{env, fs, path::PathBuf, process::Command};

use serde_json::{Value, json};
pub use turns::Work;

/// Flag that tells a child process what to build before it reads its memory.
const MEMORY_OF: &str = "--memory-of";

/// One run of a benchmark.
pub struct Run {
    question: &'static str,
    short: bool,
    growth: bool,
    json: Option<PathBuf>,
    figures: Vec<Value>,
}

impl Run {
    /// Reads the arguments.
    pub fn new(question: &'static str) -> Self {
        let arguments: Vec<_> = env::args().collect();
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let json = arguments.iter().skip_while(|argument| *argument != "--json").nth(1);
        let short = !has("--bench") || has("--short") || has("--test");
        println!("{question}: {:<44}{:>15}{:>15}{:>8}", "", "quotapass", "rln", "ratio");
        Self { question, short, growth: !has("--no-growth"), json: json.map(PathBuf::from), figures: Vec::new() }
    }

    /// Returns whether everything runs only once, on minimal input, to check that it works.
    pub fn is_short(&self) -> bool {
        self.short
    }

    /// Returns whether to measure the growth of the cost.
    pub fn with_growth(&self) -> bool {
        self.growth
    }

    /// Measures both sides in turns, in milliseconds for each of `parts` equal parts of the work.
    pub fn compare(&mut self, what: &str, parts: usize, ours: Work<'_>, theirs: Work<'_>) {
        let [ours, theirs] = self.alternate([ours, theirs]).map(|time| time / parts as f64);
        self.row(what, "ms", Some(ours), Some(theirs));
    }

    /// Measures two works of our side in turns, in milliseconds for each of `parts` equal parts of each work.
    pub fn beside(&mut self, parts: usize, [first, second]: [(&str, Work<'_>); 2]) {
        let [(what, work), (other, beside)] = [first, second];
        let [time, time_beside] = self.alternate([work, beside]).map(|time| time / parts as f64);
        self.row(what, "ms", Some(time), None);
        self.row(other, "ms", Some(time_beside), None);
        println!("  ratio {:.2}", time / time_beside);
    }

    /// Measures our side alone.
    pub fn alone(&mut self, what: &str, ours: Work<'_>) {
        let [ours] = self.alternate([ours]);
        self.row(what, "ms", Some(ours), None);
    }

    /// Measures a point of a curve, for each given side, in milliseconds for each of `parts` equal parts of the work.
    pub fn point(&mut self, curve: &str, x: usize, parts: usize, ours: Option<Work<'_>>, theirs: Option<Work<'_>>) {
        let (ours, theirs) = match (ours, theirs) {
            (Some(ours), Some(theirs)) => {
                let [ours, theirs] = self.alternate([ours, theirs]);
                (Some(ours), Some(theirs))
            }
            (Some(ours), None) => (Some(self.alternate([ours])[0]), None),
            (None, Some(theirs)) => (None, Some(self.alternate([theirs])[0])),
            (None, None) => return,
        };
        self.curve(curve, x, "ms", ours.map(|time| time / parts as f64), theirs.map(|time| time / parts as f64));
    }

    /// Adds a figure that is not a time.
    pub fn row(&mut self, what: &str, unit: &str, ours: Option<f64>, theirs: Option<f64>) {
        self.print(what, unit, ours, theirs);
        self.figures.push(json!({ "what": what, "unit": unit, "ours": ours, "theirs": theirs }));
    }

    /// Adds a figure of a curve that is not a time.
    pub fn curve(&mut self, curve: &str, x: usize, unit: &str, ours: Option<f64>, theirs: Option<f64>) {
        self.print(&format!("{curve}, {x}"), unit, ours, theirs);
        self.figures.push(json!({ "curve": curve, "x": x, "unit": unit, "ours": ours, "theirs": theirs }));
    }

    fn print(&self, what: &str, unit: &str, ours: Option<f64>, theirs: Option<f64>) {
        let cell = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3} {unit}"));
        let ratio = ours.zip(theirs).map_or_else(String::new, |(ours, theirs)| format!("{:.2}", theirs / ours));
        println!("{:<width$}{:>15}{:>15}{ratio:>8}", what, cell(ours), cell(theirs), width = self.question.len() + 46);
    }

    /// Returns medians in milliseconds.
    fn alternate<const N: usize>(&self, sides: [Work<'_>; N]) -> [f64; N] {
        turns::alternate(self.short, sides)
    }

    /// Runs this benchmark in a child process that [builds `what`](memory_of), and returns its resident memory after
    /// that and its peak, in MiB. Returns none on systems without `/proc`.
    pub fn memory(&self, what: &str, argument: &str) -> Option<(f64, f64)> {
        let program = env::current_exe().unwrap();
        let output = Command::new(program).args([MEMORY_OF, what, argument]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
        Some((numbers.next()?, numbers.next()?))
    }

    /// Writes the figures to the file of `--json`, if given.
    pub fn finish(self) {
        if let Some(path) = self.json {
            let threads = env::var("RAYON_NUM_THREADS").ok();
            let run =
                json!({ "question": self.question, "threads": threads, "short": self.short, "figures": self.figures });
            fs::write(path, serde_json::to_string_pretty(&run).unwrap()).unwrap();
        }
    }
}

/// In a child process of [`Run::memory`], builds the requested value, prints the memory, and returns true.
pub fn memory_of(build: impl FnOnce(&str, &str) -> Box<dyn core::any::Any>) -> bool {
    let arguments: Vec<_> = env::args().collect();
    let [_, flag, what, argument, ..] = &arguments[..] else { return false };
    if flag != MEMORY_OF {
        return false;
    }
    let built = build(what, argument);
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let mebibytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
        };
        println!("{} {}", mebibytes("VmRSS"), mebibytes("VmHWM"));
    }
    drop(built);
    true
}
