//! What a relay bears on this machine: posts accepted for good over HTTP, beside the batch verifier alone and `rln`'s
//! verify calls in the same run; latency at half that load; and what ten million nullifiers take.
//!
//! `cargo bench --bench relay` writes the tables of docs/load.md. The first run makes 8,192 real proofs, which takes some
//! minutes, and keeps them in the target folder. `-- --test` does everything once with few posts and writes nothing.
//! `-- --skip-log` leaves out the ten million nullifiers, and writes nothing either.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod load;
mod log;
#[path = "../page/mod.rs"]
mod page;
mod report;
mod verify;

use std::env;

use load::Backend;
use report::Figures;

/// How much is done.
pub struct Extent {
    /// How often all sides take turns.
    rounds: usize,
    /// Posts of a measurement.
    posts: u32,
    /// Passes of a batch.
    batch: u16,
    /// Nullifiers of the log.
    nullifiers: u64,
}

const LONG: Extent = Extent { rounds: 5, posts: 8_192, batch: 256, nullifiers: 10_000_000 };
const SHORT: Extent = Extent { rounds: 1, posts: 48, batch: 8, nullifiers: 20_000 };

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
    let mut figures = Figures::default();
    for _ in 0..extent.rounds {
        figures.batch.push(verifiers.batch());
        figures.embedded.push(load::highest_rate(Backend::Embedded, extent.posts));
        figures.rln.push(verifiers.rln());
        figures.redis.extend(redis.as_ref().map(|redis| load::highest_rate(Backend::Redis(redis), extent.posts)));
    }
    let half = figures.embedded_median() / 2.0;
    figures.latency = Some(load::latency(half, extent.posts));
    if !skip_log {
        figures.log = Some(log::measure(extent.nullifiers));
    }
    let tables = report::tables(&figures, &extent);
    println!("{tables}");
    if !short && !skip_log {
        page::write("load.md", "relay", &tables);
    }
}
