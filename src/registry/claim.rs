//! `quotapass registry claim`.

use alloy_primitives::Address;
use anyhow::Result;
use clap::Args;
use quotapass_registry::{RegistryReader, RegistryWriter};
use serde_json::json;

use crate::{address, amount, context::Context, prompt::confirm};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Account to claim for; any wallet may send the transaction [default: the wallet]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    account: Option<Address>,
    /// Account that receives the tokens, if the wallet claims for itself [default: the account]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    to: Option<Address>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let payer = context.payer()?;
    let registry = &payer.registry;
    let account = arguments.account.unwrap_or(payer.address);
    let to = arguments.to.unwrap_or(account);
    let amount = registry.claimable(account)?;
    let text = amount::show(amount, &registry.info()?.token);
    confirm(&format!("Pay {text}, which {account} can claim, to {to}?"), arguments.yes)?;
    let receipt = registry.claim(payer.address, account, to)?;
    context.output().result(
        &format!("Paid {text} to {to}, in block {}.", receipt.block),
        json!({
            "account": account,
            "to": to,
            "amount": amount.to_string(),
            "transaction": receipt.transaction,
            "block": receipt.block,
            "gas_used": receipt.gas_used,
        }),
    )
}
