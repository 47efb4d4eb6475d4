//! The tables of docs/chain.md.

use serde_json::json;

use crate::{
    gas::Costs,
    page::{self, grouped},
    stage::Stage,
    sync::Sync,
};

/// Gas of other projects, with the operation.
const ELSEWHERE: [(&str, u64); 9] = [
    ("Tornado Cash: deposit", 1_088_354),
    ("Status: estimate for a deposit for zero-knowledge proofs", 1_050_000),
    ("WakuRlnV2: approve and register", 277_614),
    ("WakuRlnV2: erase", 1_303_567),
    ("vacp2p/rln-contract: register, without a tree on chain", 135_845),
    ("vacp2p/rln-contract: register, lazy binary tree", 210_499),
    ("Status RLN.sol: slash", 542_065),
    ("Semaphore v4: addMember", 133_880),
    ("Semaphore v4: a proof checked on chain", 288_798),
];

/// Name of a row, and the function that returns its figure.
type Row = (&'static str, fn(&Costs) -> u64);

pub fn tables(costs: &[Costs], sync: &Sync, stage: &Stage) -> String {
    let sizes: Vec<_> = costs.iter().map(|cost| members(cost.members)).collect();
    let mut text = format!("| gas, from receipts | {} |\n|---|{}\n", sizes.join(" | "), "---:|".repeat(costs.len()));
    let rows: [Row; 6] = [
        ("deposit, token transfer included: average", |cost| cost.deposit_average),
        ("deposit: 99th percentile", |cost| cost.deposit_99th),
        ("deposit: highest", |cost| cost.deposit_highest),
        ("exit", |cost| cost.exit),
        ("slash, proof verified", |cost| cost.slash),
        ("withdraw", |cost| cost.withdraw),
    ];
    for (name, figure) in rows {
        let cells: Vec<_> = costs.iter().map(|cost| grouped(figure(cost))).collect();
        text += &format!("| {name} | {} |\n", cells.join(" | "));
    }
    text += &format!(
        "\nDeposits are {} in a row, starting at the given number of members; exit and withdraw are the highest of the \
         first, the middle and the last member.\n\n| elsewhere | gas |\n|---|---:|\n",
        costs[0].sample
    );
    for (name, gas) in ELSEWHERE {
        text += &format!("| {name} | {} |\n", grouped(gas));
    }
    let seconds = sync.time.as_secs_f64();
    text += &format!(
        "\n| a new copy | quotapass | peers |\n|---|---:|---:|\n\
         | members | {} | 2,653 |\n| requests | {} | 702 |\n| calls in them | {} | |\n| received | {:.1} MB | |\n\
         | time | {seconds:.1} s | 4 min |\n| members a second | {} | 11 |\n\
         | file | {:.1} MB | |\n| reopen the copy | {:.0} ms | |\n\
         | look up a member and check its path | {:.1} ms | |\n\
         | sync one new block | {:.0} ms, {} requests | |\n\n",
        grouped(sync.members),
        grouped(sync.requests),
        grouped(sync.calls),
        sync.bytes as f64 / 1e6,
        grouped((sync.members as f64 / seconds) as u64),
        sync.file_bytes as f64 / 1e6,
        sync.reopen.as_secs_f64() * 1e3,
        sync.path.as_secs_f64() * 1e3,
        sync.one_block.as_secs_f64() * 1e3,
        sync.one_block_requests,
    );
    text += &format!(
        "{} deposits in {} blocks, made in {:.0} s. {}\n",
        grouped(sync.members),
        grouped(sync.blocks),
        stage.filling.as_secs_f64(),
        circumstances(stage)
    );
    text
}

fn members(count: u64) -> String {
    if count == 1 { "1 member".into() } else { format!("{} members", grouped(count)) }
}

/// Returns a line with machine, commit and versions.
fn circumstances(stage: &Stage) -> String {
    let anvil = stage.anvil.rpc("web3_clientVersion", json!([]));
    format!("{}, which {} and the client share.", page::circumstances(), anvil.as_str().unwrap_or("anvil"))
}
