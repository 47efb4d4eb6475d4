//! `quotapass registry info`.

use anyhow::Result;
use quotapass_registry::{Provenance, RegistryReader, provenance::ContractKind};
use serde_json::json;

use crate::{amount, context::Context, time::duration};

pub(super) fn run(context: &Context) -> Result<()> {
    let registry = context.registry()?;
    // The terms that an unknown registry contract states prove nothing, so they are not shown.
    let provenance = registry.provenance()?;
    let trusted = context.require_trusted(&registry);
    let is_readable = provenance.contracts.iter().all(|code| code.kind != ContractKind::Registry || code.is_known);
    if trusted.is_ok() || is_readable {
        show(&registry, &provenance, trusted.is_ok(), context)?;
    }
    trusted
}

fn show(registry: &dyn RegistryReader, provenance: &Provenance, is_trusted: bool, context: &Context) -> Result<()> {
    let (info, head) = (registry.info()?, registry.head()?);
    let id = registry.id();
    if context.output().is_json() {
        return context.output().json(&json!({
            "chain_id": id.chain_id,
            "registry": alloy_primitives::Address::from(id.address),
            "info": info,
            "provenance": provenance,
            "is_trusted": is_trusted,
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
    output.line(format!("slashing      {share} % to the slasher, the rest to {}", info.treasury))?;
    output.line(format!("verifier      {}", info.verifier))?;
    let key = provenance.key.map_or_else(|| "not stated by the verifier".into(), |key| key.to_string());
    output.line(format!("slash key     {key}{}", if is_trusted { ", which is in force here" } else { "" }))?;
    for code in &provenance.contracts {
        let known = if code.is_known { "of this version".into() } else { format!("unknown, SHA-256 {}", code.hash) };
        output.line(format!("code          {known} ({} at {})", code.kind, code.address))?;
    }
    if let Some(gate) = info.gate {
        let price = amount::show(gate.stake_price, &info.token);
        output.line(format!("gate          {} decides who joins; {price} per unit of stake", gate.address))?;
    }
    output.line(format!("fee           {}, not paid back", amount::show(info.fee, &info.token)))?;
    output.line(format!("root          {} at block {}", head.root, head.block.number))?;
    for (number, tier) in info.tiers.iter().enumerate() {
        output.line(format!(
            "tier {number:<9}{}: stake {}, {} messages per epoch and scope",
            amount::show(tier.amount, &info.token),
            tier.stake,
            tier.message_limit
        ))?;
    }
    Ok(())
}
