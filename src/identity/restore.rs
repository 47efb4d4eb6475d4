//! `quotapass identity restore`.

use anyhow::Result;
use clap::Args;
use quotapass_wallet::identity::{Identity, Seed};
use serde_json::json;

use super::{Device, Name, describe};
use crate::{
    context::Context,
    output::note,
    prompt::{new_passphrase, words},
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
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
        "This device does not know which messages the identity has posted on other devices. If it has posted in the \
         current epoch, or still posts on another device with the same share, wait until the next epoch is over, and \
         give each device its own share with --device 1/2 and 2/2.",
    );
    context.output().result(
        &format!("Restored identity `{name}`, encrypted in {}.", path.display()),
        json!({ "identity": name, "file": path, "device": describe(identity.device) }),
    )
}
