//! `quotapass keys export-app`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{badge::Badge, constraints::CircuitKind, post::Post, slash::Slash};
use quotapass_setup::{iden3::Zkey, proving_key};
use quotapass_wallet::{KeyFileHash, files::create_new};
use serde_json::json;

use super::file::{circuit_of, read};
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
    let key = match circuit {
        CircuitKind::Post => proving_key(Post::STANDARD, &file),
        CircuitKind::Badge => proving_key(Badge::STANDARD, &file),
        CircuitKind::Slash => proving_key(Slash, &file),
    };
    let content = key.with_context(named)?.to_bytes();
    create_new(&arguments.out, &content).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    let hash = KeyFileHash::of(&content).to_string();
    context.output().result(
        &format!(
            "Wrote the key of `{circuit}` to {}.\nSHA-256 {hash}\nApps trust the key by this hash, which differs from \
             the hash of the .zkey file. Check the ceremony first (`quotapass keys check`).",
            arguments.out.display()
        ),
        json!({ "circuit": circuit.name(), "file": arguments.out, "sha256": hash }),
    )
}
