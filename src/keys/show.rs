//! `quotapass keys show`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{
    badge::Badge,
    constraints::Circuit,
    moderation::{author::Author, record::Record},
    pins::pin,
    post::Post,
    prover::{KeyOrigin, ProvingKey},
    slash::Slash,
};
use quotapass_setup::iden3::{Iden3Error, Zkey};
use quotapass_wallet::keys::KeyStore;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    chosen::in_force,
    file::{circuit_of, import, object, read, read_key_file, read_zkey, sentence},
};
use crate::context::Context;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Key to show, a .zkey file or a key file of an app [default: the installed keys]
    #[arg(value_name = "KEY")]
    key: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    match &arguments.key {
        Some(path) => show_file(path, context),
        None => show_installed(context),
    }
}

fn show_file(path: &Path, context: &Context) -> Result<()> {
    let file = read(path)?;
    let named = || path.display().to_string();
    let zkey = match Zkey::from_bytes(&file) {
        Err(Iden3Error::Format(_)) => return show_key_file(&read_key_file(&file).with_context(named)?, &file, context),
        read => read.with_context(named)?,
    };
    let circuit = circuit_of(&zkey)?;
    let (key, sha256) = (import(circuit, &file), hex::encode(Sha256::digest(&file)));
    let output = context.output();
    if output.is_json() {
        return output.json(&json!({
            "circuit": circuit.name(),
            "id": key.ok().map(|key| key.id()),
            "sha256": sha256,
            "transcript_hash": zkey.circuit_hash().to_string(),
            "contributions": zkey.contributions().iter().map(object).collect::<Vec<_>>(),
        }));
    }
    output.line(match key {
        Ok(key) => format!("a key of `{circuit}`, id {}", key.id()),
        Err(reason) => format!("a key of `{circuit}` that cannot be used: {reason}"),
    })?;
    output.line(format!("SHA-256 of the file {sha256}"))?;
    output.line(format!("begins with\n  {}", zkey.circuit_hash()))?;
    for (number, contribution) in (1..).zip(zkey.contributions()) {
        output.line(sentence(number, contribution))?;
    }
    output.line("None of this is verified here; run `quotapass keys check` to verify it.")
}

/// Shows a key in the format of apps.
fn show_key_file(key: &ProvingKey, file: &[u8], context: &Context) -> Result<()> {
    let (circuit, id, sha256) = (key.circuit().kind, key.id(), hex::encode(Sha256::digest(file)));
    let zkey = key.ceremony().map(|zkey| zkey.to_string());
    let output = context.output();
    if output.is_json() {
        return output.json(&json!({ "circuit": circuit.name(), "id": id, "sha256": sha256, "zkey_sha256": zkey }));
    }
    output.line(format!("a key of `{circuit}`, id {id}"))?;
    output.line(format!("SHA-256 of the file {sha256}"))?;
    output.line(match zkey {
        Some(zkey) => format!("It says that it was made from the .zkey file with the SHA-256 {zkey}."),
        None => KeyOrigin::Development.to_string(),
    })
}

fn show_installed(context: &Context) -> Result<()> {
    let store = context.keys()?;
    let all = [
        installed::<Post>(&store)?,
        installed::<Badge>(&store)?,
        installed::<Slash>(&store)?,
        installed::<Author>(&store)?,
        installed::<Record<16>>(&store)?,
        installed::<Record<128>>(&store)?,
    ];
    let output = context.output();
    if output.is_json() {
        return all.iter().try_for_each(|(key, _)| output.json(key));
    }
    for (key, contributions) in &all {
        let text = |field: &str| key[field].as_str().unwrap_or("none").to_owned();
        output.line(text("circuit"))?;
        output.line(format!("  circuit hash  {}", text("circuit_hash")))?;
        output.line(format!("  installed     {}", text("installed")))?;
        output.line(format!("  verifying key {}", text("key_hash")))?;
        output.line(format!("  in force      {}", text("in_force")))?;
        for contribution in contributions {
            output.line(contribution)?;
        }
    }
    Ok(())
}

/// Returns the installed key of a circuit and the key in force as JSON, and the contributions as text.
fn installed<C: Circuit>(store: &KeyStore) -> Result<(Value, Vec<String>)> {
    let key = store.installed::<C>()?;
    let zkey = match &key {
        Some(_) => Some(read_zkey(&store.installed_path::<C>())?),
        None => None,
    };
    let contributions = zkey.as_ref().map(Zkey::contributions).unwrap_or_default();
    let id = key.as_ref().map(ProvingKey::id);
    let value = json!({
        "circuit": C::KIND.name(),
        "circuit_hash": pin(C::KIND).circuit.to_string(),
        "installed": id,
        "key_hash": key.as_ref().map(|key| key.verifying_key().hash()),
        "in_force": in_force(store, id),
        "contributions": contributions.iter().map(object).collect::<Vec<_>>(),
    });
    Ok((value, (1..).zip(contributions).map(|(number, contribution)| sentence(number, contribution)).collect()))
}
