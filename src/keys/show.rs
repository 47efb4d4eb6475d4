//! `quotapass keys show`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{badge::Badge, constraints::Circuit, pins::pin, post::Post, prover::KeyOrigin, slash::Slash};
use quotapass_setup::iden3::Zkey;
use quotapass_wallet::keys::KeyStore;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::file::{circuit_of, object, read, read_zkey, sentence};
use crate::context::Context;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Key to show the contributions of, a .zkey file [default: the installed keys]
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
    let zkey = Zkey::from_bytes(&file).with_context(|| path.display().to_string())?;
    let (circuit, sha256) = (circuit_of(&zkey)?, hex::encode(Sha256::digest(&file)));
    let output = context.output();
    if output.is_json() {
        return output.json(&json!({
            "circuit": circuit.name(),
            "sha256": sha256,
            "transcript_hash": zkey.circuit_hash().to_string(),
            "contributions": zkey.contributions().iter().map(object).collect::<Vec<_>>(),
        }));
    }
    output.line(format!("a key of `{circuit}`, SHA-256 {sha256}"))?;
    output.line(format!("begins with\n  {}", zkey.circuit_hash()))?;
    for (number, contribution) in (1..).zip(zkey.contributions()) {
        output.line(sentence(number, contribution))?;
    }
    output.line("None of this is verified here; run `quotapass keys check` to verify it.")
}

fn show_installed(context: &Context) -> Result<()> {
    let store = context.keys()?;
    let all = [installed::<Post>(&store)?, installed::<Badge>(&store)?, installed::<Slash>(&store)?];
    let output = context.output();
    if output.is_json() {
        return output.json(&Value::Array(all.map(|(key, _)| key).to_vec()));
    }
    for (key, contributions) in &all {
        let text = |field: &str| key[field].as_str().unwrap_or("none").to_owned();
        output.line(text("circuit"))?;
        output.line(format!("  circuit hash  {}", text("circuit_hash")))?;
        output.line(format!("  installed     {}", text("installed")))?;
        output.line(format!("  key hash      {}", text("key_hash")))?;
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
    let hash = key.as_ref().and_then(|key| match key.origin() {
        KeyOrigin::Ceremony(hash) => Some(hash),
        _ => None,
    });
    let in_force = match hash {
        Some(hash) if store.trusted().contains(&hash) => KeyOrigin::Ceremony(hash).to_string(),
        Some(_) if !store.trusted().is_empty() => "none: the installed key is not among `trusted_keys`".into(),
        None if !store.trusted().is_empty() => "none: `trusted_keys` is set, and no key is installed".into(),
        _ => KeyOrigin::Development.to_string(),
    };
    let value = json!({
        "circuit": C::KIND.name(),
        "circuit_hash": pin(C::KIND).circuit.to_string(),
        "installed": hash.map(|hash| hash.to_string()),
        "key_hash": key.as_ref().map(|key| key.verifying_key().hash()),
        "in_force": in_force,
        "contributions": contributions.iter().map(object).collect::<Vec<_>>(),
    });
    Ok((value, (1..).zip(contributions).map(|(number, contribution)| sentence(number, contribution)).collect()))
}
