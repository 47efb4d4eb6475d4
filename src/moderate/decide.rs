//! `quotapass moderate keep` and `hide`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
pub(super) use quotapass_protocol::moderation::Decision;
use quotapass_protocol::moderation::{ActionAnswer, DecisionRequest};
use serde_json::json;

use super::{
    key_file,
    place::Place,
    post::{digits, nullifier},
};
use crate::{context::Context, prompt::confirm};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Nullifier of the post, as `queue` shows it
    nullifier: String,
    #[command(flatten)]
    place: Place,
    /// File with your private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, decision: Decision, context: &Context) -> Result<()> {
    let request = DecisionRequest { nullifier: nullifier(&arguments.nullifier)?, decision };
    let key = key_file::read(&arguments.key)?;
    let client = arguments.place.client(context)?;
    let (question, done) = match decision {
        Decision::Keep => {
            ("Show this post again, and close its reports?", "The post is visible, its reports are closed.")
        }
        Decision::Hide => ("Hide this post?", "The post is hidden."),
    };
    confirm(question, arguments.yes)?;
    let answer: ActionAnswer = client.post("decisions", &request, Some(&key))?;
    context
        .output()
        .result(done, json!({ "nullifier": digits(request.nullifier), "decision": decision, "result": answer.result }))
}
