//! `quotapass slash`.

use std::path::PathBuf;

use alloy_primitives::{Address, U256};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::{
    signal::Receiver,
    slash::{Slash, slash},
};
use quotapass_registry::{ContractRefusal, MemberStatus, RegistryError, RegistryEvent, RegistryReader, RegistryWriter};
use rand::rngs::OsRng;
use serde_json::json;

use super::{
    address, amount,
    context::Context,
    evidence,
    failure::refused,
    keys::{prover, require_test_chain, warn_of},
    prompt::confirm,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Evidence of a double post, written by `quotapass verify --evidence`
    #[arg(long, value_name = "FILE")]
    evidence: PathBuf,
    /// Account that receives the reward [default: the wallet]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    receiver: Option<Address>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let secret = evidence::read(&arguments.evidence)?.secret().context("this evidence does not yield a secret")?;
    let payer = context.payer()?;
    let registry = &payer.registry;
    let id = registry.id();
    require_test_chain(context.config(), id.chain_id)?;
    let commitment = secret.commitment();
    let slots = registry.slots_of(commitment)?;
    let Some(last) = slots.last().copied() else {
        bail!(refused(format!(
            "the secret of this evidence has the commitment {commitment}, which was never in this registry"
        )));
    };
    // All deposits for the commitment are slashed, whoever made them: with one left, the member could go on posting.
    let mut liable = Vec::new();
    for index in slots {
        let record = registry.record(index)?;
        if matches!(record.status, MemberStatus::Active | MemberStatus::Exiting { .. }) {
            liable.push((index, record));
        }
    }
    if liable.is_empty() {
        return Err(RegistryError::Refused(ContractRefusal::MemberGone(U256::from(last.0))).into());
    }
    let info = registry.info()?;
    let receiver = arguments.receiver.unwrap_or(payer.address);
    let at_stake: Vec<_> = liable
        .iter()
        .map(|(index, record)| format!("member {index}, who has {} at stake", amount::of_deposit(&info, record)))
        .collect();
    confirm(&format!("Slash {}? The reward goes to {receiver}.", at_stake.join(", and ")), arguments.yes)?;
    let prover = prover::<Slash>(&context.keys()?)?;
    let (public, witness) = slash(&secret, Receiver::new(&id, &receiver.into_array()));
    let proof = prover.prove(&public, &witness, &mut OsRng)?;
    for (index, _) in liable {
        let receipt = registry.slash(payer.address, index, receiver, &proof)?;
        let reward = receipt.events.iter().find_map(|logged| match logged.event {
            RegistryEvent::Slashed { reward, .. } => Some(reward),
            _ => None,
        });
        let is_credited = receipt
            .events
            .iter()
            .any(|logged| matches!(logged.event, RegistryEvent::Credited { account, .. } if account == receiver));
        let paid = reward.map_or_else(|| "an unknown reward".into(), |reward| amount::show(reward, &info.token));
        let how = if is_credited {
            "credited, because the token refused the payment (see `quotapass registry claim`)"
        } else {
            "paid"
        };
        context.output().result(
            &format!(
                "Slashed member {index}: {paid} {how} to {receiver}, in block {} ({} gas).",
                receipt.block, receipt.gas_used
            ),
            json!({
                "index": index,
                "commitment": commitment,
                "receiver": receiver,
                "reward": reward.map(|reward| reward.to_string()),
                "credited": is_credited,
                "transaction": receipt.transaction,
                "block": receipt.block,
                "gas_used": receipt.gas_used,
                "keys": prover.origin().to_string(),
            }),
        )?;
    }
    warn_of(prover.origin());
    Ok(())
}
