//! Line charts as SVG. The benchmark `relay` of the package quotapass includes this file too.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow};
use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};

const SIZE: (u32, u32) = (760, 460);

/// Title, axes and scale of a chart.
pub struct Chart<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    /// Whether x doubles from tick to tick, and y is logarithmic.
    pub doubling: bool,
}

/// One line of a chart.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

impl Chart<'_> {
    /// Draws lines, and writes the chart to a file.
    pub fn write(&self, lines: &[Line], path: &Path) -> Result<()> {
        let (x, y) = bounds(lines);
        let drawn = if self.doubling {
            self.draw(lines, (x.0..x.1).log_scale().base(2.0), (y.0..y.1).log_scale())
        } else {
            self.draw(lines, x.0..x.1, 0.0..y.1)
        };
        let svg = drawn.map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
        fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
    }

    fn draw<X, Y>(
        &self,
        lines: &[Line],
        x: impl AsRangedCoord<CoordDescType = X, Value = f64>,
        y: impl AsRangedCoord<CoordDescType = Y, Value = f64>,
    ) -> Result<String, Box<dyn std::error::Error>>
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&area)
                .caption(self.title, ("sans-serif", 20))
                .margin(12)
                .x_label_area_size(40)
                .y_label_area_size(64)
                .build_cartesian_2d(x, y)?;
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .x_desc(self.x)
                .y_desc(self.y)
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
        Ok(svg)
    }
}

/// Returns the smallest and the greatest x, and the same of y, with a margin for y.
fn bounds(lines: &[Line]) -> ((f64, f64), (f64, f64)) {
    let points = || lines.iter().flat_map(|line| &line.points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (y_low, y_high) = range(&mut points().map(|point| point.1));
    (range(&mut points().map(|point| point.0)), (y_low * 0.8, y_high * 1.2))
}
