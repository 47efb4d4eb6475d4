//! `quotapass deposit`.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::{identity::IdentityCommitment, membership::MemberIndex};
use serde_json::json;

use super::{
    amount,
    context::{Context, Payer},
    output::note,
    prompt::confirm,
    time::{duration, now},
};
use crate::{
    registry::{
        MemberStatus, Permit, Receipt, Registry, RegistryError, RegistryInfo, Tier, TierNumber, rpc::AccountError,
    },
    wallet::ledger::{History, Ledger, LedgerError, LedgerOwner},
};

/// How long a permit holds: long enough for a transaction that is slow to be included.
const PERMIT_SECONDS: u64 = 3_600;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which tier; `quotapass registry info` lists them
    #[arg(long)]
    tier: u8,
    /// Approve the amount in a transaction of its own, for wallets and tokens that know no permits
    #[arg(long)]
    approve: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let payer = context.payer()?;
    let registry = &payer.registry;
    let info = registry.info()?;
    let number = TierNumber(arguments.tier);
    let Some(tier) = info.tier(number) else {
        bail!(
            "this registry has no tier {number}; it has 0 to {}, which `quotapass registry info` lists",
            info.tiers.len() - 1
        );
    };
    let identity = context.open_identity(&context.identity_name()?)?;
    let commitment = identity.seed.secret(&registry.id(), context.account()?)?.commitment();
    if let Some(index) = registry.index_of(commitment)? {
        bail!("{}", taken(index, &registry.record(index)?.status));
    }
    let balance = registry.balance_of(payer.address)?;
    if balance < tier.amount {
        bail!(
            "{} holds {} and tier {number} takes {}; get more of the token ({}) first",
            payer.address,
            amount::show(balance, &info.token),
            amount::show(tier.amount, &info.token),
            info.token.address
        );
    }
    let price = amount::show(tier.amount, &info.token);
    confirm(
        &format!(
            "Lock {price} of {} for stake {} and {} messages an epoch and scope? It comes back {} after you ask for it, \
             unless you exceed a quota.",
            payer.address,
            tier.stake,
            tier.message_limit,
            duration(info.exit_delay.into())
        ),
        arguments.yes,
    )?;
    // Nobody has posted with this commitment yet, as it is no member: the one moment when a ledger can begin with the
    // current epoch. A ledger that is there already will do.
    let owner = LedgerOwner { registry: registry.id(), commitment };
    match Ledger::create(&context.ledger_files(&owner)?, &owner, identity.device, now()?, History::None) {
        Ok(_) | Err(LedgerError::Exists(_) | LedgerError::AnotherLedger { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let receipt = send(arguments, &payer, &info, tier, number, commitment)?;
    let index = receipt.added().context("the deposit's receipt names no member; see `quotapass status`")?;
    context.keep_index(&owner, index)?;
    context.output().result(
        &format!("Deposited {price} as member {index}, in block {} ({} gas).", receipt.block, receipt.gas_used),
        json!({
            "index": index,
            "commitment": commitment,
            "tier": number,
            "amount": tier.amount.to_string(),
            "transaction": receipt.transaction,
            "block": receipt.block,
            "gas_used": receipt.gas_used,
        }),
    )
}

fn send(
    arguments: &Arguments,
    payer: &Payer,
    info: &RegistryInfo,
    tier: &Tier,
    number: TierNumber,
    commitment: IdentityCommitment,
) -> Result<Receipt> {
    let Payer { registry, address, .. } = payer;
    if registry.allowance(*address)? < tier.amount {
        if !arguments.approve
            && let Some(permit) = permit(payer, tier)?
        {
            return Ok(registry.deposit_with_permit(*address, commitment, number, &permit)?);
        }
        note(format!("Approving {} first, in a transaction of its own.", amount::show(tier.amount, &info.token)));
        registry.approve(*address, tier.amount)?;
    }
    Ok(registry.deposit(*address, commitment, number)?)
}

/// A permit for the tier's amount; none if the token knows no permits, or the wallet signs none.
fn permit(Payer { registry, wallet, address }: &Payer, tier: &Tier) -> Result<Option<Permit>> {
    let deadline = now()?.max(registry.latest_block()?.timestamp) + PERMIT_SECONDS;
    let digest = match registry.permit_digest(*address, tier.amount, deadline) {
        Ok(digest) => digest,
        Err(RegistryError::Refused(_) | RegistryError::Unexpected(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match wallet.sign_hash(&digest.0) {
        Ok(signature) => Ok(Some(Permit { deadline, signature })),
        Err(AccountError::HashUnsupported) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn taken(index: MemberIndex, status: &MemberStatus) -> String {
    let state = match status {
        MemberStatus::Active => "is member already",
        MemberStatus::Exiting { .. } => "was a member and is on its way out",
        MemberStatus::Withdrawn => "was a member and has withdrawn",
        MemberStatus::Slashed => "was a member and was slashed",
    };
    format!(
        "this account of the identity {state} ({index}); a commitment serves once: take another account of the same \
         identity (--account 1), or another identity"
    )
}
