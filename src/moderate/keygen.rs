//! `quotapass moderate keygen`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use quotapass_log::{CosignerKey, Origin};
use quotapass_protocol::note::NoteKey;
use rand::{RngCore, rngs::OsRng};
use serde_json::json;
use zeroize::Zeroizing;

use super::key_file;
use crate::{context::Context, failure::usage};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Signs strikes and other decisions
    Moderator,
    /// Signs policies, on a machine without a network
    Root,
    /// Signs checkpoints, on the relay; its name is the origin of the log
    Working,
    /// Cosigns the checkpoints of other logs, on the relay
    Witness,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What the key is for
    kind: Kind,
    /// Name of the key, without spaces and `+`: of the moderator, of the witness, or the origin of the log
    #[arg(long)]
    name: String,
    /// File to write the private key to; an existing file is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { kind, name, out } = arguments;
    let mut seed = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(&mut *seed);
    let named = || usage(format!("`{name}` cannot be the name of this key"));
    let (public, content) = match kind {
        Kind::Moderator | Kind::Root => {
            let key = NoteKey::from_seed(name, &seed).with_context(named)?;
            (key.public().to_string(), key_file::line(&key))
        }
        Kind::Working => {
            let origin: Origin = name.parse().with_context(named)?;
            let key = NoteKey::from_seed(origin.as_str(), &seed).with_context(named)?;
            (key.public().to_string(), key_file::digits(&seed))
        }
        Kind::Witness => {
            let key = CosignerKey::from_seed(name, &seed).with_context(named)?;
            (key.public().to_string(), key_file::digits(&seed))
        }
    };
    key_file::write(out, &content)?;
    context.output().result(&public, json!({ "public_key": public, "file": out }))
}
