//! `quotapass slash`.

use std::path::PathBuf;

use alloy_primitives::Address;
use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{
    signal::Receiver,
    slash::{Slash, slash},
};
use rand::rngs::OsRng;
use serde_json::json;

use super::{
    amount,
    context::Context,
    evidence,
    keys::{prover, require_test_chain, warn_of},
    prompt::confirm,
};
use crate::registry::{Registry, RegistryEvent};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Evidence of a double post, as `quotapass verify --evidence` writes it
    #[arg(long, value_name = "FILE")]
    evidence: PathBuf,
    /// Who gets the reward, in place of the wallet that sends
    #[arg(long, value_name = "ADDRESS")]
    receiver: Option<Address>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let secret = evidence::read(&arguments.evidence)?.secret().context("the shares of this evidence give no secret")?;
    let payer = context.payer()?;
    let registry = &payer.registry;
    let id = registry.id();
    require_test_chain(context.config(), id.chain_id)?;
    let commitment = secret.commitment();
    let index = registry.index_of(commitment)?.with_context(|| {
        format!("the secret behind this evidence has the commitment {commitment}, which this registry never had")
    })?;
    let (info, record) = (registry.info()?, registry.record(index)?);
    let deposit = info.tier(record.tier).map(|tier| amount::show(tier.amount, &info.token)).unwrap_or_default();
    let receiver = arguments.receiver.unwrap_or(payer.address);
    confirm(
        &format!("Slash member {index}, who has {deposit} at stake? The reward goes to {receiver}."),
        arguments.yes,
    )?;
    let prover = prover::<Slash>(&context.keys()?)?;
    let (public, witness) = slash(&secret, Receiver::new(&id, &receiver.into_array()));
    let proof = prover.prove(&public, &witness, &mut OsRng)?;
    let receipt = registry.slash(payer.address, index, receiver, &proof)?;
    let reward = receipt.events.iter().find_map(|logged| match logged.event {
        RegistryEvent::Slashed { reward, .. } => Some(reward),
        _ => None,
    });
    let paid = reward.map(|reward| amount::show(reward, &info.token)).unwrap_or_default();
    warn_of(prover.origin());
    context.output().result(
        &format!(
            "Slashed member {index}: {paid} to {receiver}, in block {} ({} gas).",
            receipt.block, receipt.gas_used
        ),
        json!({
            "index": index,
            "commitment": commitment,
            "receiver": receiver,
            "reward": reward.map(|reward| reward.to_string()),
            "transaction": receipt.transaction,
            "block": receipt.block,
            "gas_used": receipt.gas_used,
            "keys": prover.origin().to_string(),
        }),
    )
}
