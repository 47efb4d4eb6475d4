//! `quotapass identity new`.

use anyhow::Result;
use clap::Args;
use quotapass_wallet::identity::{Identity, Seed, SeedKind, WalletSeedMessage};
use rand::rngs::OsRng;
use serde_json::json;

use super::{Device, Name, describe};
use crate::{
    context::Context,
    output::note,
    prompt::{confirm, new_passphrase},
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    name: Name,
    /// Derive the seed from a signature of the wallet, so that the wallet is its only backup
    ///
    /// Anyone who obtains the wallet's key, or this signature, can post in your name, recognise all your posts, and
    /// take your deposits.
    #[arg(long)]
    from_wallet: bool,
    #[command(flatten)]
    device: Device,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let name = arguments.name.get(context)?;
    context.identities()?.must_be_free(&name)?;
    let seed = if arguments.from_wallet { from_wallet(arguments, context)? } else { Seed::generate(&mut OsRng) };
    let identity = Identity { seed, device: arguments.device.device };
    let passphrase = new_passphrase(context.config())?;
    let path = context.identities()?.add(&name, &identity, &passphrase)?;

    let words = identity.seed.words();
    if context.output().is_json() {
        return context.output().json(&json!({
            "identity": name,
            "file": path,
            "device": describe(identity.device),
            "mnemonic": words.as_ref().map(|words| words.as_str()),
            "wallet": wallet_of(&identity),
        }));
    }
    let output = context.output();
    output.line(format!("Created identity `{name}`, encrypted in {}.", path.display()))?;
    match words {
        Some(words) => {
            output.line("\nThese 24 words restore it. Write them on paper; a lost copy cannot be replaced:\n")?;
            for (row, chunk) in words.split(' ').collect::<Vec<_>>().chunks(6).enumerate() {
                let numbered = chunk.iter().enumerate().map(|(i, word)| format!("{:>2} {word:<9}", 6 * row + i + 1));
                output.line(format!("  {}", numbered.collect::<String>().trim_end()))?;
            }
            output.line("")
        }
        None => output.line("The wallet is its only backup: `identity new --from-wallet` restores it."),
    }
}

/// Returns the address of the wallet that an identity is derived from, if any.
pub(super) fn wallet_of(identity: &Identity) -> Option<String> {
    match identity.seed.kind() {
        SeedKind::Wallet(address) => Some(address.to_string()),
        SeedKind::Mnemonic => None,
    }
}

fn from_wallet(arguments: &Arguments, context: &Context) -> Result<Seed> {
    let wallet = context.wallet()?;
    let address = wallet.address();
    note(
        "The seed will be a signature of this wallet. Anyone who obtains the wallet's key, or this signature, can \
         post in your name, recognise all your posts, and take your deposits. A mnemonic keeps wallet and identity \
         apart.",
    );
    confirm(&format!("Let the wallet {address} sign the seed message?"), arguments.yes)?;
    let message = WalletSeedMessage::default();
    // Signs twice, because a wallet with randomised signatures cannot restore the identity.
    let [first, second] = [(); 2].map(|()| wallet.sign_typed_data(&message.content, &message.domain));
    Ok(Seed::from_wallet(address, &first?, &second?)?)
}
