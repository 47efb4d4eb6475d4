//! `quotapass circuit info`.

use std::io::{self, Write};

use anyhow::Result;
use quotapass_circuits::{
    badge::Badge,
    constraints::{Circuit, CircuitKind},
    membership::Levels,
    moderation::{author::Author, record::Record},
    post::Post,
    proof::PROOF_BYTES,
    slash::Slash,
};
use serde::Serialize;

use super::prover;
use crate::context::Context;

/// The number of public inputs that are named for people. The inputs after them repeat their names.
const MOST_NAMES: usize = 9;

#[derive(Serialize)]
struct Info {
    circuit: &'static str,
    /// `None` for circuits that do not prove membership.
    levels: Option<usize>,
    members: Option<u64>,
    constraints: usize,
    public_inputs: &'static [&'static str],
    domain: usize,
    circuit_hash: String,
    proving_key_bytes: usize,
    verifying_key_bytes: usize,
    proof_bytes: usize,
    keys: String,
}

fn info<C: Circuit>(context: &Context, circuit: C, levels: Levels) -> Result<Info> {
    let prover = prover(context, circuit, levels)?;
    let circuit = prover.key().circuit();
    let in_a_tree = matches!(C::KIND, CircuitKind::Post | CircuitKind::Badge);
    Ok(Info {
        circuit: C::KIND.name(),
        levels: in_a_tree.then(|| levels.get()),
        members: in_a_tree.then(|| levels.capacity()),
        constraints: circuit.constraints,
        public_inputs: C::public_names(),
        domain: circuit.domain(),
        circuit_hash: circuit.hash.to_string(),
        proving_key_bytes: prover.key().to_bytes().len(),
        verifying_key_bytes: 32 * prover.verifying_key().to_evm_words().len(),
        proof_bytes: PROOF_BYTES,
        keys: prover.origin().to_string(),
    })
}

pub(super) fn run(context: &Context, levels: Levels) -> Result<()> {
    let post = info(context, Post { levels }, levels)?;
    let badge = info(context, Badge { levels }, levels)?;
    let all = [
        post,
        badge,
        info(context, Slash, levels)?,
        info(context, Author, levels)?,
        info(context, Record::<16>, levels)?,
        info(context, Record::<128>, levels)?,
    ];
    if context.output().is_json() {
        return all.iter().try_for_each(|info| context.output().json(&serde_json::to_value(info)?));
    }
    let mut out = io::stdout().lock();
    for info in &all {
        writeln!(out, "{}", info.circuit)?;
        match (info.levels, info.members) {
            (Some(levels), Some(members)) => writeln!(out, "  tree           {levels} levels, {members} members")?,
            _ => writeln!(out, "  tree           none")?,
        }
        writeln!(out, "  constraints    {} in a domain of {}", info.constraints, info.domain)?;
        // All names are in the JSON form.
        let (named, more) = match info.public_inputs.split_at_checked(MOST_NAMES) {
            Some((named, more)) if !more.is_empty() => (named, ", ..."),
            _ => (info.public_inputs, ""),
        };
        writeln!(out, "  public inputs  {}: {}{more}", info.public_inputs.len(), named.join(", "))?;
        writeln!(out, "  circuit hash   {}", info.circuit_hash)?;
        writeln!(out, "  proving key    {} bytes", info.proving_key_bytes)?;
        writeln!(out, "  verifying key  {} bytes", info.verifying_key_bytes)?;
        writeln!(out, "  proof          {} bytes", info.proof_bytes)?;
        writeln!(out, "  keys           {}", info.keys)?;
    }
    Ok(())
}
