//! Plots of the growth of the cost, as SVG.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::{
    chart::{Chart, Line},
    figures::{Curve, Figures},
};

/// One plot: its file, its chart, and the names of its curves.
struct Plot {
    file: &'static str,
    chart: Chart<'static>,
    curves: &'static [&'static str],
}

const PLOTS: [Plot; 4] = [
    Plot {
        file: "levels.svg",
        chart: Chart {
            title: "A proof, by levels of the tree",
            x: "levels, of four children each",
            y: "ms",
            doubling: false,
        },
        curves: &["full proof", "prepare", "message"],
    },
    Plot {
        file: "constraints.svg",
        chart: Chart {
            title: "Constraints, by levels of the tree",
            x: "levels, of four children each",
            y: "constraints",
            doubling: false,
        },
        curves: &["constraints"],
    },
    Plot {
        file: "batch.svg",
        chart: Chart {
            title: "Decode and verify a pass of a batch",
            x: "passes in the batch",
            y: "ms a pass",
            doubling: true,
        },
        curves: &["decode and verify a batch, each"],
    },
    Plot {
        file: "members.svg",
        chart: Chart { title: "Build a tree", x: "members", y: "ms", doubling: true },
        curves: &["build a tree"],
    },
];

/// Writes all plots into a folder.
pub fn write(figures: &Figures, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for plot in &PLOTS {
        let curves = plot.curves.iter().filter_map(|name| Some((*name, figures.curves.get(*name)?)));
        let lines: Vec<_> = curves.flat_map(|(name, curve)| lines(name, curve)).collect();
        if lines.is_empty() {
            continue;
        }
        plot.chart.write(&lines, &folder.join(plot.file))?;
    }
    Ok(())
}

/// Returns our line and the line of `rln` for each number of threads.
fn lines(name: &str, curve: &Curve) -> Vec<Line> {
    let mut lines = Vec::new();
    for (threads, points) in curve {
        let plural = if *threads == 1 { "thread" } else { "threads" };
        let ours = points.iter().filter_map(|(x, pair)| Some((*x, pair.ours?))).collect();
        let theirs = points.iter().filter_map(|(x, pair)| Some((*x, pair.theirs?))).collect();
        lines.push(Line { name: format!("{name}, {threads} {plural}"), points: ours });
        lines.push(Line { name: format!("rln: {name}, {threads} {plural}"), points: theirs });
    }
    lines.retain(|line| !line.points.is_empty());
    lines
}
