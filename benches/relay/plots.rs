//! The plots of docs/load.md.

use std::{fs, path::Path};

use crate::{
    chart::{Chart, Line},
    report::{Figures, OnCores, Share, median},
};

/// Writes the plots to docs/plots.
pub fn write(figures: &Figures) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plots");
    fs::create_dir_all(&folder).unwrap();
    let line = |name: &str, points: Vec<(f64, f64)>| Line { name: name.into(), points };

    let of = |rate: fn(&Share) -> f64| figures.shares.iter().map(|share| (share.percent, rate(share))).collect();
    let lines = [
        line("until every post is decided, forgeries included", of(Share::overall)),
        line("until the last honest post", of(Share::while_honest)),
    ];
    let (title, x) =
        ("Posts accepted for good, by share of forgeries", "% of all posts that are forged, from 16 addresses");
    Chart { title, x, y: "accepted a second", doubling: false }
        .write(&lines, &folder.join("load-forgeries.svg"))
        .unwrap();

    let of = |rates: fn(&OnCores) -> &Vec<f64>| -> Vec<_> {
        let measured = figures.cores.iter().filter(|on| !rates(on).is_empty());
        measured.map(|on| (on.cores as f64, median(rates(on)))).collect()
    };
    let lines = [
        line("batch verifier alone", of(|on| &on.batch)),
        line("relay over HTTP, with the load generator on the same cores", of(|on| &on.relay)),
    ];
    // A machine with one core has no curve.
    if figures.cores.len() > 1 {
        let (title, x) = ("Posts accepted for good, by cores", "cores");
        Chart { title, x, y: "a second", doubling: false }.write(&lines, &folder.join("load-cores.svg")).unwrap();
    }
}
