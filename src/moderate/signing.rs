//! Signing an entry, and then sending it or writing it to a file.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use quotapass_log::{
    Trust,
    moderation::{Body, State},
};
use quotapass_protocol::{moderation::EntryAnswer, note::NoteKey};
use serde_json::json;

use super::{action::Action, client::RelayClient, follow, key_file, place::Place};
use crate::{context::Context, failure::usage, output::note, prompt::confirm, text::counted};

/// Who signs, and where the entry goes.
#[derive(Debug, Args)]
pub(super) struct Signing {
    #[command(flatten)]
    pub(super) place: Place,
    /// File with the private key that signs; without it, --out writes a file that others sign
    #[arg(long, value_name = "FILE", required_unless_present = "out")]
    pub(super) key: Option<PathBuf>,
    /// Write the entry to a new file, for `sign` and `send`, instead of sending it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

impl Signing {
    /// Reads the key.
    pub(super) fn key(&self) -> Result<Option<NoteKey>> {
        self.key.as_deref().map(key_file::read).transpose()
    }

    /// Shows an entry, signs it, and sends it or writes it.
    pub(super) fn finish(&self, mut action: Action, context: &Context) -> Result<()> {
        let key = self.key()?;
        let client = match self.place.relay()? {
            Some(_) => Some(self.place.client(context)?),
            None => None,
        };
        if let (Some(client), Some(key)) = (&client, &key) {
            let followed = follow::follow(context, client, Trust::of_witness(action.log.clone()))?;
            check_key(&action, key, followed.as_ref().map(follow::Followed::state), self.out.is_none())?;
        }
        note(action.describe());
        match (&self.out, client, key) {
            (Some(path), _, key) => {
                if let Some(key) = &key {
                    confirm("Sign this?", self.yes)?;
                    action.sign(key)?;
                }
                action.write_new(path)?;
                let text = format!(
                    "Wrote {} with {}. `quotapass moderate sign` adds one, `quotapass moderate send` delivers it.",
                    path.display(),
                    count(action.signatures())
                );
                let mut answer = action.to_json()?;
                answer["file"] = json!(path);
                context.output().result(&text, answer)
            }
            (None, Some(client), Some(key)) => {
                confirm(&format!("Sign this, and send it to {}?", client.name()), self.yes)?;
                action.sign(&key)?;
                deliver(&action, &client, context)
            }
            _ => bail!(usage("name the relay with --relay, or a file with --out")),
        }
    }
}

/// Refuses a key that may not sign an entry under the policy of the last checkpoint, and sending with too few signatures.
fn check_key(action: &Action, key: &NoteKey, state: Option<&State>, is_sent: bool) -> Result<()> {
    let public = key.public();
    let policy = state.and_then(State::policy);
    if matches!(action.entry.body, Body::Policy(_)) && public == action.log.root_key {
        return Ok(());
    }
    let Some(policy) = policy else {
        bail!(usage("the log has no policy yet; its first entry is a policy that the root key signs"));
    };
    if !policy.moderators.contains(&public) {
        bail!(usage(format!(
            "{public} is not a moderator of this log; sign with the key of one: {}",
            policy.moderators.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        )));
    }
    if is_sent && policy.threshold > 1 {
        bail!(usage(format!(
            "{} of {} moderators decide in this log: write a file with --out, let others sign it with `quotapass \
             moderate sign`, and deliver it with `quotapass moderate send`",
            policy.threshold,
            policy.moderators.len()
        )));
    }
    Ok(())
}

/// Sends a signed entry to the relay.
pub(super) fn deliver(action: &Action, client: &RelayClient, context: &Context) -> Result<()> {
    let EntryAnswer { index } = client.post("entries", &action.request()?, None)?;
    let kind = action.entry.body.kind();
    let text = format!(
        "The log has the {kind} {} at place {index}. It is in force with the log's next checkpoint.",
        action.entry.id
    );
    let mut answer = action.to_json()?;
    answer["index"] = json!(index.to_string());
    context.output().result(&text, answer)
}

/// Returns a number of signatures as text.
pub(super) fn count(signatures: usize) -> String {
    match signatures {
        0 => "no signature yet".into(),
        some => counted(some as u64, "signature"),
    }
}
