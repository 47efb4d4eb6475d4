//! How cost grows, as SVG.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow};
use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};

use super::figures::{Curve, Figures};

const SIZE: (u32, u32) = (760, 460);

/// One plot: its file, what it says, and the curves in it.
struct Plot {
    file: &'static str,
    title: &'static str,
    x: &'static str,
    y: &'static str,
    /// Names of curves, and whether x doubles from tick to tick.
    curves: &'static [&'static str],
    doubling: bool,
}

const PLOTS: [Plot; 4] = [
    Plot {
        file: "levels.svg",
        title: "A proof, by levels of the tree",
        x: "levels, of four children each",
        y: "ms",
        curves: &["full proof", "prepare", "message"],
        doubling: false,
    },
    Plot {
        file: "constraints.svg",
        title: "Constraints, by levels of the tree",
        x: "levels, of four children each",
        y: "constraints",
        curves: &["constraints"],
        doubling: false,
    },
    Plot {
        file: "batch.svg",
        title: "Decode and verify a pass of a batch",
        x: "passes in the batch",
        y: "ms a pass",
        curves: &["decode and verify a batch, each"],
        doubling: true,
    },
    Plot {
        file: "members.svg",
        title: "Build a tree",
        x: "members",
        y: "ms",
        curves: &["build a tree"],
        doubling: true,
    },
];

/// A line of a plot.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Writes all plots into a folder.
pub fn write(figures: &Figures, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for plot in &PLOTS {
        let curves = plot.curves.iter().filter_map(|name| Some((*name, figures.curves.get(*name)?)));
        let lines: Vec<_> = curves.flat_map(|(name, curve)| lines(name, curve)).collect();
        if lines.is_empty() {
            continue;
        }
        let path = folder.join(plot.file);
        if plot.doubling {
            let (x, y) = bounds(&lines);
            draw(plot, &lines, &path, (x.0..x.1).log_scale().base(2.0), (y.0..y.1).log_scale())
        } else {
            let (x, y) = bounds(&lines);
            draw(plot, &lines, &path, x.0..x.1, 0.0..y.1)
        }
        .map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
    }
    Ok(())
}

/// Our line and theirs for each number of threads.
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

/// The least and the greatest x and y.
fn bounds(lines: &[Line]) -> ((f64, f64), (f64, f64)) {
    let points = || lines.iter().flat_map(|line| &line.points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (y_low, y_high) = range(&mut points().map(|point| point.1));
    (range(&mut points().map(|point| point.0)), (y_low * 0.8, y_high * 1.2))
}

fn draw<X, Y>(
    plot: &Plot,
    lines: &[Line],
    path: &Path,
    x: impl AsRangedCoord<CoordDescType = X, Value = f64>,
    y: impl AsRangedCoord<CoordDescType = Y, Value = f64>,
) -> Result<(), Box<dyn std::error::Error>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(plot.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(plot.x)
            .y_desc(plot.y)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| if *y < 10.0 { format!("{y:.1}") } else { format!("{y:.0}") })
            .draw()?;
        for (number, line) in lines.iter().enumerate() {
            let color = Palette99::pick(number).to_rgba();
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), color.stroke_width(2)).point_size(3))?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
    }
    fs::write(path, svg)?;
    Ok(())
}
