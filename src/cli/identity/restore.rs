//! `quotapass identity restore`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{Device, Name, describe};
use crate::{
    cli::{
        context::Context,
        output::note,
        prompt::{new_passphrase, words},
    },
    identity::{Identity, Seed},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    device: Device,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let name = arguments.name.get(context)?;
    context.identities()?.must_be_free(&name)?;
    let seed = Seed::from_words(&words()?)?;
    let identity = Identity { seed, device: arguments.device.device };
    let passphrase = new_passphrase(context.config())?;
    let path = context.identities()?.add(&name, &identity, &passphrase)?;
    note(
        "This device does not know which messages of this hour or day the identity has posted elsewhere. If it has posted \
         in the current epoch, or still does on another device with the same share, wait until the next epoch is over, and enrol \
         devices with --device 1/2 and 2/2.",
    );
    context.output().result(
        &format!("Restored identity `{name}`, kept encrypted in {}.", path.display()),
        json!({ "identity": name, "file": path, "device": describe(identity.device) }),
    )
}
