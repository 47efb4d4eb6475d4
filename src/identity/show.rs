//! `quotapass identity show`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{Name, describe, new::wallet_of};
use crate::context::Context;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    name: Name,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let name = arguments.name.get(context)?;
    let identity = context.open_identity(&name)?;
    let account = context.account()?;
    let registry = context.registry_id_if_known()?;
    let commitment = match &registry {
        Some(registry) => Some(identity.seed.secret(registry, account)?.commitment()),
        None => None,
    };
    let wallet = wallet_of(&identity);
    if context.output().is_json() {
        return context.output().json(&json!({
            "identity": name,
            "kind": if wallet.is_some() { "wallet" } else { "mnemonic" },
            "wallet": wallet,
            "device": describe(identity.device),
            "account": account,
            "commitment": commitment,
        }));
    }
    let output = context.output();
    output.line(format!("identity    {name}"))?;
    match wallet {
        Some(wallet) => output.line(format!("seed        signature of the wallet {wallet}"))?,
        None => output.line("seed        mnemonic of 24 words")?,
    }
    output.line(format!("device      {}", describe(identity.device)))?;
    output.line(format!("account     {account}"))?;
    match commitment {
        Some(commitment) => output.line(format!("commitment  {commitment}")),
        None => output.line("commitment  differs by registry; set `registry` and `chain_id` to see it"),
    }
}
