//! `quotapass registry info`.

use anyhow::Result;
use serde_json::json;

use crate::{
    cli::{amount, context::Context, time::duration},
    registry::Registry,
};

pub(super) fn run(context: &Context) -> Result<()> {
    let registry = context.registry()?;
    let (info, head) = (registry.info()?, registry.head()?);
    let id = registry.id();
    if context.output().is_json() {
        return context.output().json(&json!({
            "chain_id": id.chain_id,
            "registry": alloy_primitives::Address::from(id.address),
            "info": info,
            "root": head.root,
            "block": head.block,
        }));
    }
    let output = context.output();
    output.line(format!("registry      {} on chain {}", alloy_primitives::Address::from(id.address), id.chain_id))?;
    output.line(format!("token         {} ({})", info.token.symbol, info.token.address))?;
    output.line(format!("members       {} ever added", info.member_count))?;
    output.line(format!("holds         {}", amount::show(info.total_owed, &info.token)))?;
    output.line(format!("exit delay    {}", duration(info.exit_delay.into())))?;
    let share = f64::from(info.reward_bps) / 100.0;
    output.line(format!("slashing      {share} % to whoever proves it, the rest to {}", info.treasury))?;
    output.line(format!("verifier      {}", info.verifier))?;
    output.line(format!("root          {} at block {}", head.root, head.block.number))?;
    for (number, tier) in info.tiers.iter().enumerate() {
        output.line(format!(
            "tier {number:<9}{}: stake {}, {} messages an epoch and scope",
            amount::show(tier.amount, &info.token),
            tier.stake,
            tier.message_limit
        ))?;
    }
    Ok(())
}
