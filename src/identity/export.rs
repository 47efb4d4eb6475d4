//! `quotapass identity export`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_wallet::files::create_new;
use serde_json::json;

use super::Name;
use crate::{context::Context, prompt::confirm};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    name: Name,
    /// Copy the encrypted file to this path instead of showing the words
    #[arg(long, value_name = "FILE")]
    encrypted: Option<PathBuf>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let name = arguments.name.get(context)?;
    let output = context.output();
    if let Some(path) = &arguments.encrypted {
        let file = context.identities()?.read(&name)?;
        create_new(path, &file).with_context(|| format!("cannot write {}", path.display()))?;
        return output.result(
            &format!("Copied identity `{name}`, still encrypted, to {}.", path.display()),
            json!({ "identity": name, "file": path }),
        );
    }
    let identity = context.open_identity(&name)?;
    let words = identity.seed.words().with_context(|| {
        format!("identity `{name}` has no words: restore it with `identity new --from-wallet` and the same wallet")
    })?;
    confirm("Show the words that restore this identity?", arguments.yes)?;
    output.result(&words, json!({ "identity": name, "mnemonic": words.as_str() }))
}
