//! `quotapass withdraw`.

use alloy_primitives::Address;
use anyhow::{Result, bail};
use clap::Args;
use quotapass_registry::{MemberStatus, RegistryReader, RegistryWriter};
use serde_json::json;

use super::{
    address, amount,
    context::Context,
    failure::refused,
    prompt::confirm,
    time::{duration, moment},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Index of the member, instead of the identity's
    #[arg(long)]
    index: Option<u32>,
    /// Account that receives the tokens [default: the wallet]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    to: Option<Address>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let payer = context.payer()?;
    let registry = &payer.registry;
    let index = context.member_index(&payer, arguments.index)?;
    let (info, record) = (registry.info()?, registry.record(index)?);
    if let MemberStatus::Exiting { withdrawable_at } = record.status {
        let time = registry.latest_block()?.timestamp;
        if time < withdrawable_at {
            bail!(refused(format!(
                "member {index} can withdraw from {} on, which is in {} by the chain's clock",
                moment(withdrawable_at),
                duration(withdrawable_at.since(time))
            )));
        }
    }
    let deposit = amount::of_deposit(&info, &record);
    let to = arguments.to.unwrap_or(payer.address);
    confirm(&format!("Pay {deposit} of member {index} to {to}?"), arguments.yes)?;
    let receipt = registry.withdraw(payer.address, index, to)?;
    context.output().result(
        &format!("Paid {deposit} to {to}, in block {}.", receipt.block),
        json!({
            "index": index,
            "to": to,
            "amount": info.deposit_of(&record).map(|amount| amount.to_string()),
            "transaction": receipt.transaction,
            "block": receipt.block,
            "gas_used": receipt.gas_used,
        }),
    )
}
