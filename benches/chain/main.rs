//! Gas of a registry on a real node, and the speed of a new copy: real deposits on anvil, gas from their receipts, and
//! a first sync.
//!
//! `cargo bench --bench chain` fills a registry with 100,000 members (another number after `--members`), which takes
//! some minutes, and writes the tables of docs/chain.md. `-- --test` does everything once with few members and writes
//! nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod gas;
#[path = "../page/mod.rs"]
mod page;
mod report;
mod stage;
mod sync;

use std::env;

use stage::Stage;

fn main() {
    let arguments: Vec<_> = env::args().collect();
    // `cargo test --benches` and the short mode run everything once.
    let short = arguments.iter().any(|argument| argument == "--test");
    let given = arguments.iter().skip_while(|argument| *argument != "--members").nth(1);
    let members = match given {
        Some(given) => given.parse().expect("invalid --members: expected a number"),
        None if short => 200,
        None => 100_000,
    };
    let sample = if short { 40 } else { 512 };
    let mut sizes: Vec<u64> = [1, 1_000].into_iter().filter(|size| *size < members).collect();
    sizes.push(members);

    let mut stage = Stage::new();
    let mut costs = Vec::new();
    for size in sizes {
        stage.grow_to(size);
        costs.push(gas::measure(&mut stage, sample));
    }
    let sync = sync::measure(&mut stage);
    let tables = report::tables(&costs, &sync, &stage);
    println!("{tables}");
    if !short {
        page::write("chain.md", "chain", &tables);
    }
}
