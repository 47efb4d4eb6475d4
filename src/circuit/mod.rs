//! `quotapass circuit`: information about the circuits, and their files for other tools.

mod export;
mod info;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use quotapass_circuits::{constraints::Circuit, membership::Levels, prover::Prover};

use super::{context::Context, keys};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show each circuit's size, its hash, and its keys
    Info {
        /// Levels of the member tree, 1 to 16
        #[arg(long, default_value = "11", value_parser = levels)]
        levels: Levels,
    },
    /// Write each circuit's constraints, verification key and one real proof for iden3's tools
    Export {
        /// Folder to write to, with one folder per circuit: CIRCUIT.r1cs, witness.wtns, verification_key.json,
        /// proof.json, public.json
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Levels of the member tree, 1 to 16
        #[arg(long, default_value = "11", value_parser = levels)]
        levels: Levels,
    },
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::Info { levels } => info::run(context, *levels),
        Verb::Export { out, levels } => export::run(context, *levels, out),
    }
}

/// Returns the prover of a circuit: with the keys in force for the standard tree, the only one with ceremonies, and
/// with development keys for trees of other sizes.
fn prover<C: Circuit>(context: &Context, circuit: C, levels: Levels) -> Result<Prover<C>> {
    match levels {
        Levels::STANDARD => keys::prover(&context.keys()?),
        _ => keys::development_prover(&context.development_keys()?, circuit),
    }
}

fn levels(text: &str) -> Result<Levels, String> {
    let number = text.parse().map_err(|error| format!("{error}"))?;
    Levels::new(number).map_err(|error| error.to_string())
}
