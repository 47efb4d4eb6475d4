//! `quotapass keys export-app`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_setup::iden3::Zkey;
use quotapass_wallet::files::create_new;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::file::{circuit_of, import, read};
use crate::context::Context;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Final key of a ceremony, a .zkey file
    #[arg(value_name = "KEY")]
    key: PathBuf,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let file = read(&arguments.key)?;
    let named = || arguments.key.display().to_string();
    let circuit = circuit_of(&Zkey::from_bytes(&file).with_context(named)?)?;
    let key = import(circuit, &file).with_context(named)?;
    let (id, content) = (key.id(), key.to_bytes());
    create_new(&arguments.out, &content).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    let sha256 = hex::encode(Sha256::digest(&content));
    context.output().result(
        &format!(
            "Wrote the key of `{circuit}` to {}.\nid {id}\nApps trust the key by this id, which is that of the .zkey file. \
             Check the ceremony first (`quotapass keys check`).\nSHA-256 of the file, to check a download: {sha256}",
            arguments.out.display()
        ),
        json!({ "circuit": circuit.name(), "file": arguments.out, "id": id, "sha256": sha256 }),
    )
}
