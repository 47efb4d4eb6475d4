//! Capacity of a relay on this machine: posts accepted for good over HTTP, beside the batch verifier alone and `rln`'s
//! verify calls in the same run; the same under each attack, in turns; latency at half that load, also with as many
//! forgeries on top; and the cost of ten million nullifiers.
//!
//! `cargo bench --bench relay` writes the tables and the plots of docs/load.md, in about ten minutes on two cores.
//! The first run makes 27,000 real proofs, which takes ten minutes more, and keeps them in the target folder. `-- --test`
//! does everything once with few posts and writes nothing. `-- --skip-log` leaves out the ten million nullifiers, and
//! writes nothing either.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../xtask/src/bench/chart.rs"]
mod chart;
mod load;
mod log;
#[path = "../page/mod.rs"]
mod page;
mod plots;
mod report;
mod verify;

use std::{env, thread};

use load::{Attack, Backend};
use report::{Figures, OnCores, Share};

/// Size of the benchmark.
pub struct Extent {
    /// Number of rounds, in which all sides take turns.
    rounds: usize,
    /// Number of honest posts before a measurement: a relay that just started knows no source.
    warm_up: u32,
    /// Number of posts of a measurement.
    posts: u32,
    /// Number of passes of a batch.
    batch: u16,
    /// Number of nullifiers of the log.
    nullifiers: u64,
    /// Number of attacks.
    attacks: usize,
    /// Shares of forgeries, for the plot.
    shares: &'static [&'static str],
    /// Number of measurements of each point of a plot.
    points: usize,
}

const LONG: Extent = Extent {
    rounds: 5,
    warm_up: 2_048,
    posts: 24_576,
    batch: 256,
    nullifiers: 10_000_000,
    attacks: ATTACKS.len(),
    shares: &["0%", "1%", "5%", "10%", "20%", "35%", "50%"],
    points: 3,
};
const SHORT: Extent =
    Extent { rounds: 1, warm_up: 16, posts: 48, batch: 8, nullifiers: 20_000, attacks: 2, shares: &["50%"], points: 1 };

const ATTACKS: [Attack; 7] = [
    Attack { name: "1 % conflicts", arguments: &["--conflicts", "1%"], goal: Some(0.9), goal_while_honest: None },
    Attack {
        name: "5 % forgeries from 16 addresses",
        arguments: &["--forgeries", "5%"],
        goal: Some(0.7),
        goal_while_honest: None,
    },
    Attack {
        name: "20 % forgeries from 16 addresses",
        arguments: &["--forgeries", "20%"],
        goal: Some(0.4),
        goal_while_honest: None,
    },
    Attack {
        name: "20 % forgeries from one address",
        arguments: &["--forgeries", "20%", "--forgers", "1"],
        goal: Some(0.4),
        goal_while_honest: None,
    },
    Attack {
        name: "20 % forgeries from 70,000 addresses",
        arguments: &["--forgeries", "20%", "--forgers", "70000", "--forgeries-per-request", "4"],
        goal: Some(0.4),
        goal_while_honest: None,
    },
    Attack {
        name: "20 % forgeries from the /56 of one home line",
        arguments: &["--forgeries", "20%", "--forgers", "home"],
        goal: Some(0.4),
        goal_while_honest: Some(0.9),
    },
    Attack {
        name: "20 % forgeries from the addresses of the honest posters",
        arguments: &["--forgeries", "20%", "--forgers", "within"],
        goal: None,
        goal_while_honest: None,
    },
];

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let Some(answer) = log::child(&arguments) {
        return println!("{answer}");
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    // `cargo test --benches` and the short mode run everything once.
    let (short, skip_log) = (has("--test"), has("--skip-log"));
    let extent = if short { SHORT } else { LONG };

    let redis = load::Redis::start();
    let verifiers = verify::Verifiers::new(extent.batch);
    let attacks = &ATTACKS[..extent.attacks];
    let mut figures = Figures { attacks: vec![Vec::new(); attacks.len()], ..Figures::default() };
    for _ in 0..extent.rounds {
        figures.batch.push(verifiers.batch());
        let alone = load::highest_rate(Backend::Embedded, &extent);
        figures.embedded.push(alone);
        figures.rln.push(verifiers.rln());
        figures.redis.extend(redis.as_ref().map(|redis| load::highest_rate(Backend::Redis(redis), &extent)));
        for (attack, rates) in attacks.iter().zip(&mut figures.attacks) {
            rates.push(load::rate_under(attack.arguments, &extent));
        }
    }
    let half = figures.embedded_median() / 2.0;
    for _ in 0..extent.rounds {
        figures.latencies.push([false, true].map(|is_attacked| load::latency(half, &extent, is_attacked)));
    }
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    for cores in report::core_counts(cores) {
        let mut rates = OnCores { cores, batch: Vec::new(), relay: Vec::new() };
        for _ in 0..extent.points {
            rates.batch.push(verifiers.batch_on(cores));
            rates.relay.extend(load::rate_on_cores(&extent, cores));
        }
        figures.cores.push(rates);
    }
    for share in extent.shares {
        let rates = (0..extent.points).map(|_| load::rate_under(&["--forgeries", share], &extent));
        figures.shares.push(Share { percent: share.trim_end_matches('%').parse().unwrap(), rates: rates.collect() });
    }
    if !skip_log {
        figures.log = Some(log::measure(extent.nullifiers));
    }
    let tables = report::tables(&figures, attacks, &extent);
    println!("{tables}");
    if !short && !skip_log {
        plots::write(&figures);
        page::write("load.md", "relay", &tables);
    }
}
