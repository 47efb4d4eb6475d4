//! The tables of docs/load.md.

use crate::{
    Extent,
    load::{Attack, LATENCY_CONNECTIONS, Latency, Rate},
    log::LogFigures,
    page::{circumstances, grouped},
};

/// Measured figures. Rates are per second, one for each round.
#[derive(Default)]
pub struct Figures {
    pub batch: Vec<f64>,
    pub embedded: Vec<f64>,
    pub redis: Vec<f64>,
    pub rln: Vec<f64>,
    /// Rates of each attack.
    pub attacks: Vec<Vec<Rate>>,
    /// Latencies of each round: without forgeries, and with as many forgeries on top.
    pub latencies: Vec<[Latency; 2]>,
    pub cores: Vec<OnCores>,
    pub shares: Vec<Share>,
    pub log: Option<LogFigures>,
}

/// Rates on a number of cores.
pub struct OnCores {
    pub cores: usize,
    pub batch: Vec<f64>,
    /// Empty if the system cannot bind a process to cores.
    pub relay: Vec<f64>,
}

/// Rates with a share of forgeries.
pub struct Share {
    pub percent: f64,
    pub rates: Vec<Rate>,
}

impl Share {
    pub fn overall(&self) -> f64 {
        median(&self.rates.iter().map(|rate| rate.overall).collect::<Vec<_>>())
    }

    pub fn while_honest(&self) -> f64 {
        median(&self.rates.iter().map(|rate| rate.while_honest).collect::<Vec<_>>())
    }
}

impl Figures {
    pub fn embedded_median(&self) -> f64 {
        median(&self.embedded)
    }
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Returns the powers of two below `all`, and `all`.
pub fn core_counts(all: usize) -> Vec<usize> {
    let mut counts: Vec<_> =
        std::iter::successors(Some(1), |cores| Some(cores * 2)).take_while(|cores| *cores < all).collect();
    counts.push(all);
    counts
}

pub fn tables(figures: &Figures, attacks: &[Attack], extent: &Extent) -> String {
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
        "\n{} posts a measurement, after {} honest ones that are not counted; 64 a request on 16 connections, {} rounds in \
         turns; the load generator runs on the same cores.\n",
        grouped(extent.posts.into()),
        grouped(extent.warm_up.into()),
        extent.rounds
    );
    text += &under_attack(figures, attacks);
    text += "\n![Posts accepted for good, by share of forgeries](plots/load-forgeries.svg)\n";
    text += &latencies(&figures.latencies);
    text += &by_cores(&figures.cores);
    if figures.cores.len() > 1 {
        text += "\n![Posts accepted for good, by cores](plots/load-cores.svg)\n";
    }
    if let Some(log) = &figures.log {
        text += &format!(
            "\n| {} nullifiers of live epochs in the embedded store | |\n|---|---:|\n\
             | recorded a second, batches of {} | {} |\n| resident memory of the process that recorded them, at most | {} |\n\
             | on disk | {} |\n| reopened, until the first answer | {:.2} s |\n\
             | resident memory after lookups, at most | {} |\n",
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

/// Returns the table of attacks, each relative to the same round without attack.
fn under_attack(figures: &Figures, attacks: &[Attack]) -> String {
    let mut text = String::from(
        "\n| under attack, relative to the posts accepted a second without it | until every post is decided | goal \
         | until the last honest post | goal |\n|---|---:|---:|---:|---:|\n",
    );
    for (attack, rates) in attacks.iter().zip(&figures.attacks) {
        let kept = |rate: fn(&Rate) -> f64| {
            let ratios: Vec<_> = rates.iter().zip(&figures.embedded).map(|(with, alone)| rate(with) / alone).collect();
            format!("{:.2}", median(&ratios))
        };
        let goal = |goal: Option<f64>| goal.map_or_else(String::new, |goal| format!("{goal:.1}"));
        let cells = [
            kept(|rate| rate.overall),
            goal(attack.goal),
            kept(|rate| rate.while_honest),
            goal(attack.goal_while_honest),
        ];
        text += &format!("| {} | {} |\n", attack.name, cells.join(" | "));
    }
    text + "\nMedians of the ratios of each round. Posts that are `overloaded` are sent again until they are decided.\n"
}

fn latencies(rounds: &[[Latency; 2]]) -> String {
    let Some([first, _]) = rounds.first() else { return String::new() };
    let mut text = format!(
        "\n| honest posts at {} a second, one a request, on up to {LATENCY_CONNECTIONS} connections | alone | with as many \
         forgeries on top | goal |\n|---|---:|---:|---:|\n",
        grouped(first.rate as u64)
    );
    let lost = |side: usize| rounds.iter().map(|round| round[side].lost).sum::<u64>();
    text += &format!("| not accepted, of all rounds | {} | {} | 0 |\n", lost(0), lost(1));
    let mut row = |name: &str, of: fn(&Latency) -> f64, goal: &str| {
        let [alone, attacked] =
            [0, 1].map(|side| median(&rounds.iter().map(|round| of(&round[side])).collect::<Vec<_>>()));
        text += &format!("| {name} | {alone:.1} | {attacked:.1} | {goal} |\n");
    };
    row("median, ms", |latency| latency.p50, "");
    row("99th percentile, ms", |latency| latency.p99, "100");
    row("99.9th percentile, ms", |latency| latency.p999, "");
    row("highest, ms", |latency| latency.max, "");
    text + "\nMedians of all rounds.\n"
}

fn by_cores(rates: &[OnCores]) -> String {
    let mut text = String::from(
        "\n| cores | batch verifier alone, a second | relay over HTTP, accepted a second | part | goal |\n|---:|---:|---:|---:|---:|\n",
    );
    for OnCores { cores, batch, relay } in rates.iter().filter(|on| !on.relay.is_empty()) {
        let (batch, relay) = (median(batch), median(relay));
        let part = relay / batch * 100.0;
        text += &format!("| {cores} | {} | {} | {part:.0} % | 80 % |\n", grouped(batch as u64), grouped(relay as u64));
    }
    text
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", grouped(bytes >> 20))
}
