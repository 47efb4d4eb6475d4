//! `quotapass keys export-app`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{
    badge::Badge,
    constraints::CircuitKind,
    moderation::{author::Author, record::Record},
    post::Post,
    slash::Slash,
};
use quotapass_setup::iden3::Zkey;
use quotapass_wallet::files::create_new;
use serde_json::json;

use super::{
    app_file::KeyFile,
    development_prover,
    file::{circuit_of, import, parse_circuit, read},
};
use crate::{context::Context, failure::usage};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Final key of a ceremony, a .zkey file
    #[arg(value_name = "KEY", required_unless_present = "development")]
    key: Option<PathBuf>,
    /// Instead, the development key of this circuit, which is INSECURE: anyone can forge proofs for it
    #[arg(long, value_name = "CIRCUIT", value_parser = parse_circuit, conflicts_with = "key")]
    development: Option<CircuitKind>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let (circuit, file, advice) = match (&arguments.key, arguments.development) {
        (Some(path), _) => {
            let (circuit, file) = of_ceremony(path)?;
            let advice = "Apps trust the key by this id, which is that of the .zkey file. Check the ceremony first \
                          (`quotapass keys check`).";
            (circuit, file, advice)
        }
        (None, Some(circuit)) => {
            (circuit, of_development(circuit, context)?, "INSECURE, for tests only: apps use it if they trust no ids.")
        }
        (None, None) => return Err(usage("name a key, or a circuit with --development").into()),
    };
    create_new(&arguments.out, file.content()).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    let (id, sha256) = (file.id(), file.sha256());
    context.output().result(
        &format!(
            "Wrote the key of `{circuit}` to {}.\nid {id}\n{advice}\nSHA-256 of the file, to check a download: {sha256}",
            arguments.out.display()
        ),
        json!({
            "circuit": circuit.name(),
            "file": arguments.out,
            "id": id,
            "sha256": sha256,
            "development": arguments.development.is_some(),
        }),
    )
}

fn of_ceremony(path: &Path) -> Result<(CircuitKind, KeyFile)> {
    let file = read(path)?;
    let named = || path.display().to_string();
    let circuit = circuit_of(&Zkey::from_bytes(&file).with_context(named)?)?;
    let key = import(circuit, &file).with_context(named)?;
    Ok((circuit, KeyFile::new(circuit, &key)))
}

fn of_development(circuit: CircuitKind, context: &Context) -> Result<KeyFile> {
    let store = context.development_keys()?;
    let file = match circuit {
        CircuitKind::Post => KeyFile::new(circuit, development_prover(&store, Post::STANDARD)?.key()),
        CircuitKind::Badge => KeyFile::new(circuit, development_prover(&store, Badge::STANDARD)?.key()),
        CircuitKind::Slash => KeyFile::new(circuit, development_prover(&store, Slash)?.key()),
        CircuitKind::Author => KeyFile::new(circuit, development_prover(&store, Author)?.key()),
        CircuitKind::Record16 => KeyFile::new(circuit, development_prover(&store, Record::<16>)?.key()),
        CircuitKind::Record128 => KeyFile::new(circuit, development_prover(&store, Record::<128>)?.key()),
    };
    Ok(file)
}
