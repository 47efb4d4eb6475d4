//! The tables of docs/load.md.

use crate::{
    Extent,
    load::{LATENCY_CONNECTIONS, Latency},
    log::LogFigures,
    page::{circumstances, grouped},
};

/// What was measured; rates are a second, one for each round.
#[derive(Default)]
pub struct Figures {
    pub batch: Vec<f64>,
    pub embedded: Vec<f64>,
    pub redis: Vec<f64>,
    pub rln: Vec<f64>,
    pub latency: Option<Latency>,
    pub log: Option<LogFigures>,
}

impl Figures {
    pub fn embedded_median(&self) -> f64 {
        median(&self.embedded)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

pub fn tables(figures: &Figures, extent: &Extent) -> String {
    let alone = median(&figures.batch);
    let mut text = format!(
        "| a second, all cores | median | lowest | highest | of the batch verifier |\n|---|{}\n",
        "---:|".repeat(4)
    );
    let batch = format!("batch verifier alone, decoding included, batches of {}", extent.batch);
    let rows = [
        (&*batch, &figures.batch),
        ("posts accepted for good over HTTP, embedded store", &figures.embedded),
        ("the same, over a redis that syncs every write", &figures.redis),
        ("`verify` of `rln` 3.0.0, alone, nothing decoded or recorded", &figures.rln),
    ];
    for (name, rates) in rows.into_iter().filter(|(_, rates)| !rates.is_empty()) {
        let figure = |rate: f64| grouped(rate as u64);
        let lowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = rates.iter().copied().fold(0.0, f64::max);
        let part = median(rates) / alone * 100.0;
        let cells = [figure(median(rates)), figure(lowest), figure(highest), format!("{part:.0} %")];
        text += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    text += &format!(
        "\n{} posts a measurement, 64 a request on 16 connections, {} rounds in turns; the load generator runs on the same \
         cores.\n",
        grouped(extent.posts.into()),
        extent.rounds
    );
    if let Some(Latency { rate, p50, p99, p999, max }) = &figures.latency {
        text += &format!(
            "\n| latency of a post at {} posts a second, one a request, on up to {LATENCY_CONNECTIONS} connections | ms |\n|---|---:|\n| median | {p50:.1} |\n\
             | 99th percentile | {p99:.1} |\n| 99.9th percentile | {p999:.1} |\n| highest | {max:.1} |\n",
            grouped(*rate as u64)
        );
    }
    if let Some(log) = &figures.log {
        text += &format!(
            "\n| {} nullifiers of live epochs in the embedded store | |\n|---|---:|\n\
             | recorded a second, batches of {} | {} |\n| resident memory of the process that recorded them, at most | {} |\n\
             | on disk | {} |\n| opened again, until the first answer | {:.2} s |\n| resident memory then | {} |\n",
            grouped(log.nullifiers),
            crate::log::BATCH,
            grouped(log.recorded_a_second as u64),
            mebibytes(log.filling_bytes),
            mebibytes(log.disk_bytes),
            log.reopen_seconds,
            mebibytes(log.reopened_bytes),
        );
    }
    text + &format!("\n{}.\n", circumstances())
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", grouped(bytes >> 20))
}
