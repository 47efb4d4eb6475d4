//! `quotapass keys check`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::constraints::CircuitKind;
use quotapass_setup::{
    ceremony::InitialKey,
    iden3::{Ptau, Zkey},
};
use quotapass_wallet::files::write_atomically;
use rand::rngs::OsRng;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    file::{circuit_of, import, object, parse_circuit, read, sentence, shape},
    published::require_published,
    snarkjs,
};
use crate::{context::Context, output::note};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Final key, a .zkey file
    #[arg(value_name = "KEY")]
    key: PathBuf,
    /// Powers of tau that the ceremony is based on, a .ptau file
    #[arg(long, value_name = "FILE")]
    ptau: PathBuf,
    /// Published BLAKE2b hash of the powers of tau, in hexadecimal; not needed for the perpetual powers of tau
    #[arg(long, value_name = "HEX", hide_short_help = true)]
    ptau_hash: Option<String>,
    /// Circuit of the key [default: detected by the number of public inputs]
    #[arg(long, value_parser = parse_circuit, hide_short_help = true)]
    circuit: Option<CircuitKind>,
    /// snarkjs program, which checks the key as well
    #[arg(long, value_name = "PROGRAM", default_value = "snarkjs", hide_short_help = true)]
    snarkjs: PathBuf,
    /// Fail if snarkjs is not installed
    #[arg(long)]
    require_snarkjs: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let file = read(&arguments.key)?;
    let zkey = Zkey::from_bytes(&file).with_context(|| arguments.key.display().to_string())?;
    let powers = read(&arguments.ptau)?;
    let ptau = Ptau::from_bytes(&powers).with_context(|| arguments.ptau.display().to_string())?;
    let hash = ptau.hash().to_string();
    let published = require_published(&ptau, arguments.ptau_hash.as_deref())?;
    let circuit = match arguments.circuit {
        Some(circuit) => circuit,
        None => circuit_of(&zkey)?,
    };
    let shape = shape(circuit)?;
    note(format!("Computing the initial key of `{circuit}` from its constraints and the powers of tau ..."));
    let initial = InitialKey::new(&shape, &ptau, &mut OsRng)?;
    initial.check(&zkey, &mut OsRng)?;

    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let constraints = folder.path().join("circuit.r1cs");
    write_atomically(&constraints, &shape.to_r1cs()).context("cannot write a temporary file")?;
    let judged = snarkjs::verify(&arguments.snarkjs, &constraints, &arguments.ptau, &arguments.key)?.is_some();
    if !judged && arguments.require_snarkjs {
        bail!("{} was not found; install it with `npm install --global snarkjs`", arguments.snarkjs.display());
    }

    let id = import(circuit, &file)?.id();
    let sha256 = hex::encode(Sha256::digest(&file));
    if context.output().is_json() {
        return context.output().json(&json!({
            "circuit": circuit.name(),
            "circuit_hash": shape.hash().to_string(),
            "transcript_hash": zkey.circuit_hash().to_string(),
            "ptau": { "hash": hash, "power": ptau.power(), "contributions": ptau.contributions().len(), "published_as": published },
            "contributions": zkey.contributions().iter().map(object).collect::<Vec<_>>(),
            "snarkjs": judged,
            "id": id,
            "sha256": sha256,
        }));
    }
    let output = context.output();
    output.line(format!("circuit       {circuit} {}", shape.hash()))?;
    let known = published.unwrap_or("the hash of --ptau-hash");
    output.line(format!("powers of tau {hash} ({known}; {} contributions)", ptau.contributions().len()))?;
    for (number, contribution) in (1..).zip(zkey.contributions()) {
        output.line(sentence(number, contribution))?;
    }
    output.line(format!("final key     id {id}"))?;
    output.line(format!("              SHA-256 of the file {sha256}"))?;
    output.line(match judged {
        true => "The ceremony is valid: this program and snarkjs agree.",
        false => "The ceremony is valid. snarkjs did not check it: it is not installed here (--snarkjs names it).",
    })?;
    output.line(
        "It is sound if at least one of these contributors drew a random secret and deleted it. Ask them whether the \
         hashes above are theirs.",
    )
}
