//! `quotapass moderate send`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use quotapass_text::EndpointUrl;

use super::{action::Action, client::RelayClient, signing::deliver};
use crate::{context::Context, failure::usage, output::note, prompt::confirm};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// File with an entry that enough moderators signed
    file: PathBuf,
    /// Relay that writes the log
    #[arg(long, value_name = "URL")]
    relay: EndpointUrl,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { file, relay, yes } = arguments;
    let action = Action::read(file)?;
    if action.signatures() == 0 {
        bail!(usage(format!("{} has no signature; `quotapass moderate sign` adds one", file.display())));
    }
    let client = RelayClient::new(relay, action.log.id(), &context.relay_options()?)?;
    note(action.describe());
    confirm(&format!("Send this to {}?", client.name()), *yes)?;
    deliver(&action, &client, context)
}
