//! `quotapass moderate sign`. It works without a network: a root key stays on a machine that has none.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{action::Action, key_file, signing::count};
use crate::{context::Context, output::note, prompt::confirm};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// File that another moderator wrote with --out
    file: PathBuf,
    /// File with the private key that signs
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { file, key, yes } = arguments;
    let mut action = Action::read(file)?;
    let key = key_file::read(key)?;
    note(action.describe());
    confirm(&format!("Sign this as `{}`?", key.public().name()), *yes)?;
    action.sign(&key)?;
    action.replace(file)?;
    let text = format!("{} has {}.", file.display(), count(action.signatures()));
    let mut answer = action.to_json()?;
    answer["file"] = json!(file);
    context.output().result(&text, answer)
}
