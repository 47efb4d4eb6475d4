//! `quotapass deposit`.

use alloy_primitives::{Bytes, U256};
use anyhow::{Context as _, Result, anyhow, bail};
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
    registry::{MemberStatus, Permit, Receipt, Registry, RegistryError, RegistryInfo, TierNumber, rpc::AccountError},
    wallet::ledger::{History, Ledger, LedgerError, LedgerOwner},
};

/// How long a permit holds: long enough for a transaction that is slow to be included.
const PERMIT_SECONDS: u64 = 3_600;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which tier; `quotapass registry info` lists them
    #[arg(long, required_unless_present = "gate_data", conflicts_with = "gate_data")]
    tier: Option<u8>,
    /// In a registry with a gate: what the gate wants to see, in hexadecimal digits; may be empty
    #[arg(long, value_name = "HEX", requires = "max_amount")]
    gate_data: Option<String>,
    /// With --gate-data: the most to lock, in tokens, for the gate decides the stake
    #[arg(long, value_name = "AMOUNT", requires = "gate_data")]
    max_amount: Option<String>,
    /// Approve the amount in a transaction of its own, for wallets and tokens that know no permits
    #[arg(long)]
    approve: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// How to join.
enum Way {
    /// For a tier.
    Tier(TierNumber),
    /// By the gate, which sees this.
    Gate(Bytes),
}

/// What a deposit takes.
struct Price {
    /// Locked, or the most that may be.
    locked: U256,
    /// Locked and paid.
    all: U256,
    /// In words.
    text: String,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let payer = context.payer()?;
    let registry = &payer.registry;
    context.require_trusted(registry)?;
    let info = registry.info()?;
    let (way, terms, locked) = way(arguments, &info)?;
    let all = locked.checked_add(info.fee).context("the deposit and the fee are too much for any account")?;
    let text = match info.fee.is_zero() {
        true => amount::show(locked, &info.token),
        false => format!("{} and a fee of {}", amount::show(locked, &info.token), amount::show(info.fee, &info.token)),
    };
    let price = Price { locked, all, text };
    let identity = context.open_identity(&context.identity_name()?)?;
    let commitment = identity.seed.secret(&registry.id(), context.account()?)?.commitment();
    if let Some(index) = registry.index_of(commitment, payer.address)? {
        bail!("{}", taken(index, &registry.record(index)?.status));
    }
    let balance = registry.balance_of(payer.address)?;
    if balance < price.all {
        bail!(
            "{} holds {} and the deposit takes {}; get more of the token ({}) first",
            payer.address,
            amount::show(balance, &info.token),
            price.text,
            info.token.address
        );
    }
    confirm(
        &format!(
            "Lock {} of {} for {terms}? The deposit comes back {} after you ask for it, unless you exceed a quota{}.",
            price.text,
            payer.address,
            duration(info.exit_delay.into()),
            if info.fee.is_zero() { "" } else { "; the fee does not" }
        ),
        arguments.yes,
    )?;
    // The ledger is there before the deposit. Until the deposit is in a block, that nobody has posted with this commitment
    // is an endpoint's word alone, and the ledger does not take it. One that is there already will do.
    let owner = LedgerOwner { registry: registry.id(), commitment };
    let mut ledger =
        match Ledger::create(&context.ledger_files(&owner)?, &owner, identity.device, now()?, History::Unknown) {
            Ok(ledger) => Some(ledger),
            Err(LedgerError::Exists(_)) => None,
            Err(error) => return Err(error.into()),
        };
    let receipt = send(arguments, &payer, &info, &way, &price, commitment)?;
    let index = receipt.added().context("the deposit's receipt names no member; see `quotapass status`")?;
    context.keep_index(&owner, index)?;
    // The commitment's first membership: it could not post before this block.
    if let Some(ledger) = &mut ledger
        && registry.slots_of(commitment)? == [index]
    {
        ledger.confirm_first()?;
    }
    let record = registry.record(index)?;
    let deposited = amount::of_deposit(&info, &record);
    context.output().result(
        &format!("Deposited {deposited} as member {index}, in block {} ({} gas).", receipt.block, receipt.gas_used),
        json!({
            "index": index,
            "commitment": commitment,
            "tier": record.tier,
            "stake": record.stake,
            "message_limit": record.message_limit,
            "amount": info.deposit_of(&record).map(|amount| amount.to_string()),
            "fee": info.fee.to_string(),
            "transaction": receipt.transaction,
            "block": receipt.block,
            "gas_used": receipt.gas_used,
        }),
    )
}

/// How to join, for what in words, and the most that is locked.
fn way(arguments: &Arguments, info: &RegistryInfo) -> Result<(Way, String, U256)> {
    match (arguments.tier, &arguments.gate_data, &arguments.max_amount, info.gate) {
        (Some(_), _, _, Some(gate)) => {
            bail!(
                "this registry has the gate {} in place of tiers; pass what it wants to see with --gate-data",
                gate.address
            )
        }
        (Some(number), _, _, None) => {
            let number = TierNumber(number);
            let Some(tier) = info.tier(number) else {
                bail!(
                    "this registry has no tier {number}; it has 0 to {}, which `quotapass registry info` lists",
                    info.tiers.len().saturating_sub(1)
                );
            };
            let terms = format!("stake {} and {} messages an epoch and scope", tier.stake, tier.message_limit);
            Ok((Way::Tier(number), terms, tier.amount))
        }
        (None, Some(data), Some(max), Some(gate)) => {
            let bytes = hex::decode(data.trim_start_matches("0x"));
            let bytes = bytes.map_err(|_| anyhow!("--gate-data `{data}` is not in hexadecimal digits"))?;
            let terms = format!("what the gate {} decides, at most", gate.address);
            Ok((Way::Gate(bytes.into()), terms, amount::parse(max, info.token.decimals)?))
        }
        (None, _, _, None) => bail!("this registry has no gate; choose one of its tiers with --tier"),
        (None, _, _, Some(_)) => {
            bail!("pass what the gate wants to see with --gate-data, and the most to lock with --max-amount")
        }
    }
}

fn send(
    arguments: &Arguments,
    payer: &Payer,
    info: &RegistryInfo,
    way: &Way,
    price: &Price,
    commitment: IdentityCommitment,
) -> Result<Receipt> {
    let Payer { registry, address, .. } = payer;
    if registry.allowance(*address)? < price.all {
        if !arguments.approve
            && let Way::Tier(number) = way
            && let Some(permit) = permit(payer, price.all)?
        {
            return Ok(registry.deposit_with_permit(*address, commitment, *number, &permit)?);
        }
        note(format!("Approving {} first, in a transaction of its own.", amount::show(price.all, &info.token)));
        registry.approve(*address, price.all)?;
    }
    Ok(match way {
        Way::Tier(number) => registry.deposit(*address, commitment, *number)?,
        Way::Gate(data) => registry.deposit_gated(*address, commitment, price.locked, data.clone())?,
    })
}

/// A permit for an amount; none if the token knows no permits, or the wallet signs none.
fn permit(Payer { registry, wallet, address }: &Payer, amount: U256) -> Result<Option<Permit>> {
    let deadline = now()?.max(registry.latest_block()?.timestamp) + PERMIT_SECONDS;
    let digest = match registry.permit_digest(*address, amount, deadline) {
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
