//! Figures of the benchmarks.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

use super::read;

/// Compilation target of the code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// For any processor of the platform.
    Default,
    /// For this machine's processor.
    Native,
}

impl Variant {
    pub fn folder(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Native => "native",
        }
    }

    pub fn suffix(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Native => ", target-cpu=native",
        }
    }
}

/// A figure of each side.
#[derive(Clone, Copy)]
pub struct Pair {
    pub ours: Option<f64>,
    pub theirs: Option<f64>,
}

impl Pair {
    fn of(value: &Value) -> Self {
        Self { ours: value["ours"].as_f64(), theirs: value["theirs"].as_f64() }
    }

    /// Returns how many times smaller our figure is.
    pub fn ratio(self) -> Option<f64> {
        Some(self.theirs? / self.ours?)
    }
}

/// One row of a table, in the order in which it was measured.
pub struct Row {
    pub what: String,
    pub unit: String,
    /// By number of threads.
    pub pairs: BTreeMap<usize, Pair>,
}

/// One line of a plot: x and the figures, by number of threads.
pub type Curve = BTreeMap<usize, Vec<(f64, Pair)>>;

/// All figures.
#[derive(Default)]
pub struct Figures {
    pub rows: BTreeMap<Variant, Vec<Row>>,
    /// Curves by the name of the measured operation.
    pub curves: BTreeMap<String, Curve>,
}

impl Figures {
    /// Adds the figures of one run of one benchmark.
    pub fn add(&mut self, variant: Variant, threads: usize, json: &Path) -> Result<()> {
        let run: Value = serde_json::from_str(&read(json)?)?;
        for figure in run["figures"].as_array().context("no figures")? {
            let pair = Pair::of(figure);
            let unit = figure["unit"].as_str().context("a figure has no unit")?;
            if let (Some(curve), Some(x)) = (figure["curve"].as_str(), figure["x"].as_f64()) {
                self.curves.entry(curve.to_owned()).or_default().entry(threads).or_default().push((x, pair));
            } else if let Some(what) = figure["what"].as_str() {
                let rows = self.rows.entry(variant).or_default();
                match rows.iter_mut().find(|row| row.what == what) {
                    Some(row) => drop(row.pairs.insert(threads, pair)),
                    None => {
                        rows.push(Row { what: what.to_owned(), unit: unit.to_owned(), pairs: [(threads, pair)].into() })
                    }
                }
            }
        }
        Ok(())
    }
}
