//! `quotapass exit`.

use anyhow::Result;
use clap::Args;
use quotapass_registry::{MemberStatus, RegistryReader, RegistryWriter};
use serde_json::json;

use super::{
    amount,
    context::Context,
    prompt::confirm,
    time::{duration, moment},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Index of the member, instead of the identity's
    #[arg(long)]
    index: Option<u32>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let payer = context.payer()?;
    let registry = &payer.registry;
    let index = context.member_index(&payer, arguments.index)?;
    let (info, record) = (registry.info()?, registry.record(index)?);
    let deposit = amount::of_deposit(&info, &record);
    confirm(
        &format!(
            "End membership {index}? It cannot post any more, and {deposit} can be withdrawn {} later.",
            duration(info.exit_delay.into())
        ),
        arguments.yes,
    )?;
    let receipt = registry.request_exit(payer.address, index)?;
    let withdrawable_at = match registry.record(index)?.status {
        MemberStatus::Exiting { withdrawable_at } => Some(withdrawable_at),
        _ => None,
    };
    let next = withdrawable_at.map_or_else(
        || format!("`quotapass status` shows from when on {deposit} can be withdrawn"),
        |at| format!("`quotapass withdraw` pays {deposit} back from {} on", moment(at)),
    );
    context.output().result(
        &format!("Member {index} has left the tree. {next}."),
        json!({
            "index": index,
            "withdrawable_at": withdrawable_at,
            "transaction": receipt.transaction,
            "block": receipt.block,
            "gas_used": receipt.gas_used,
        }),
    )
}
