//! `quotapass moderate answer`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use quotapass_log::moderation::EntryId;
use quotapass_protocol::moderation::{ActionAnswer, RefusalRequest};
use serde_json::json;

use super::{key_file, place::Place};
use crate::{context::Context, failure::usage, prompt::confirm};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Id of the strike that the appeal is about
    strike: EntryId,
    /// Why the strike stays; its author reads this
    #[arg(long)]
    text: String,
    #[command(flatten)]
    place: Place,
    /// File with your private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { strike, text, place, key, yes } = arguments;
    if text.trim().is_empty() {
        bail!(usage("a refusal has a text; to grant the appeal, use `quotapass moderate lift --because appeal`"));
    }
    let key = key_file::read(key)?;
    let client = place.client(context)?;
    confirm(&format!("Refuse the appeal against the strike {strike}?"), *yes)?;
    let request = RefusalRequest { strike: strike.to_string(), text: text.clone() };
    let answer: ActionAnswer = client.post("answers", &request, Some(&key))?;
    context.output().result(
        "The appeal is refused, and its author can read why.",
        json!({ "strike": request.strike, "result": answer.result }),
    )
}
