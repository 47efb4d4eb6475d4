//! `quotapass deposit`.

mod checks;

use alloy_primitives::{BlockNumber, Bytes, TxHash, U256};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::{identity::IdentityCommitment, membership::MemberIndex};
use quotapass_registry::{
    MemberRecord, MemberStatus, Permit, Receipt, RegistryError, RegistryInfo, RegistryReader, RegistryWriter, Tier,
    TierNumber, rpc::AccountError,
};
use quotapass_wallet::ledger::{DeviceShare, History, Ledger, LedgerOwner};
use serde_json::json;

use super::{
    amount,
    context::{Context, Payer},
    failure::{refused, usage},
    outbox::deposited,
    output::note,
    prompt::confirm,
    time::{duration, moment, now},
};

/// How long a permit is valid: long enough for a transaction that is slow to be included.
const PERMIT_SECONDS: u64 = 3_600;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Number of the tier; `quotapass registry info` lists them
    #[arg(long, required_unless_present = "gate_data", conflicts_with = "gate_data")]
    tier: Option<u8>,
    /// Data for the gate of a registry that has one, in hexadecimal; may be empty
    #[arg(long, value_name = "HEX", requires = "max_amount", hide_short_help = true)]
    gate_data: Option<String>,
    /// Highest amount to lock, in tokens; the gate decides the stake
    #[arg(long, value_name = "AMOUNT", requires = "gate_data", hide_short_help = true)]
    max_amount: Option<String>,
    /// Approve the amount in a separate transaction, for wallets and tokens without permits (ERC-2612)
    #[arg(long, hide_short_help = true)]
    approve: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// How the member joins.
enum Way {
    /// In a tier.
    Tier(TierNumber),
    /// Through the gate, which receives this data.
    Gate(Bytes),
}

/// The price of a deposit.
struct Price {
    /// The amount locked; with a gate, its maximum.
    locked: U256,
    /// The amount locked plus the fee.
    all: U256,
    /// The price as text.
    text: String,
}

/// A depositor at a registry, and what is needed before and after the transaction.
struct Depositor<'a> {
    context: &'a Context,
    payer: &'a Payer,
    info: &'a RegistryInfo,
    owner: LedgerOwner,
    device: DeviceShare,
}

/// The transaction of a deposit.
#[derive(Clone, Copy)]
struct Mined {
    transaction: TxHash,
    block: BlockNumber,
    gas_used: u64,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let payer = context.payer()?;
    let registry = &payer.registry;
    context.require_trusted(registry)?;
    let info = registry.info()?;
    let (way, terms, locked) = way(arguments, &info)?;
    let all = locked.checked_add(info.fee).context("the sum of the deposit and the fee exceeds 256 bits")?;
    let text = match info.fee.is_zero() {
        true => amount::show(locked, &info.token),
        false => format!("{} and a fee of {}", amount::show(locked, &info.token), amount::show(info.fee, &info.token)),
    };
    let price = Price { locked, all, text };
    let identity = context.open_identity(&context.identity_name()?)?;
    let commitment = identity.seed.secret(&registry.id(), context.account()?)?.commitment();
    let owner = LedgerOwner { registry: registry.id(), commitment };
    let depositor = Depositor { context, payer: &payer, info: &info, owner, device: identity.device };
    let earlier = depositor.settle()?;
    if let Some(index) = registry.index_of(commitment, payer.address)? {
        return depositor.take_up(index, earlier);
    }
    depositor.check(way.tier(&info))?;
    let balance = registry.balance_of(payer.address)?;
    if balance < price.all {
        bail!(refused(format!(
            "{} holds {} and the deposit takes {}; get more of the token ({}) first",
            payer.address,
            amount::show(balance, &info.token),
            price.text,
            info.token.address
        )));
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
    let mut ledger = depositor.new_ledger()?;
    let receipt = send(arguments, &payer, &info, &way, &price, commitment)?;
    let index = receipt.added().context("the receipt of the deposit names no member; run `quotapass status`")?;
    // This is the commitment's first membership, so it could not post before this block.
    if let Some(ledger) = &mut ledger
        && registry.slots_of(commitment)? == [index]
    {
        ledger.confirm_first()?;
    }
    context.keep_index(&owner, index)?;
    let mined = Mined { transaction: receipt.transaction, block: receipt.block, gas_used: receipt.gas_used };
    depositor.report("Deposited", index, &registry.record(index)?, Some(mined), false)
}

impl Depositor<'_> {
    /// Waits for the transactions that earlier runs have sent. Returns the deposit for this identity, if any.
    fn settle(&self) -> Result<Option<Mined>> {
        let (registry, commitment) = (self.owner.registry.address.into(), self.owner.commitment);
        let commitment = U256::from_be_bytes(commitment.to_be_bytes());
        let mut mined = None;
        for settled in self.payer.registry.node().settle(self.payer.address)? {
            if deposited(&settled.transaction, registry) != Some(commitment) {
                continue;
            }
            match settled.outcome {
                Ok((_, receipt)) => {
                    let (transaction, block, gas_used) = (receipt.transaction, receipt.block, receipt.gas_used);
                    mined = Some(Mined { transaction, block, gas_used });
                }
                Err(error) => note(format!("The deposit of an earlier run failed: {}", RegistryError::from(error))),
            }
        }
        Ok(mined)
    }

    /// Completes a deposit that an earlier run sent. If that run was completed, this is an error.
    fn take_up(&self, index: MemberIndex, mined: Option<Mined>) -> Result<()> {
        let record = self.payer.registry.record(index)?;
        let is_here = self.context.ledger_files(&self.owner)?.exists()?;
        let is_complete = self.context.kept_index(&self.owner)? == Some(index);
        if !is_here || is_complete || record.status != MemberStatus::Active {
            bail!(refused(taken(index, &record.status)));
        }
        // Its history stays unknown: only the run that created it knows that there was none before.
        self.context.ledger(&self.owner, self.device)?;
        self.context.keep_index(&self.owner, index)?;
        self.report("An earlier run deposited", index, &record, mined, true)
    }

    /// Creates the ledger before the deposit. Until the deposit is in a block, only the endpoint states that the
    /// commitment has never posted, and the ledger does not rely on it. An existing ledger is used as it is.
    fn new_ledger(&self) -> Result<Option<Ledger>> {
        let files = self.context.ledger_files(&self.owner)?;
        if files.exists()? {
            return Ok(None);
        }
        Ok(Some(Ledger::create(&files, &self.owner, self.device, now()?, History::Unknown)?))
    }

    fn report(
        &self,
        what: &str,
        index: MemberIndex,
        record: &MemberRecord,
        mined: Option<Mined>,
        is_resumed: bool,
    ) -> Result<()> {
        let book = self.context.ledger_files(&self.owner)?.read_book(&self.owner, self.device, now()?)?;
        if let Some(until) = book.suspect_until() {
            note(format!(
                "The ledger does not know whether this identity posted before {}: posting begins when the epoch of that \
                 time and the next are over.",
                moment(until)
            ));
        }
        let amount = amount::of_deposit(self.info, record);
        let place = mined.map(|mined| format!(", in block {} ({} gas)", mined.block, mined.gas_used));
        self.context.output().result(
            &format!("{what} {amount} as member {index}{}.", place.unwrap_or_default()),
            json!({
                "index": index,
                "commitment": self.owner.commitment,
                "tier": record.tier,
                "stake": record.stake,
                "message_limit": record.message_limit,
                "amount": self.info.deposit_of(record).map(|amount| amount.to_string()),
                "fee": self.info.fee.to_string(),
                "transaction": mined.map(|mined| mined.transaction),
                "block": mined.map(|mined| mined.block),
                "gas_used": mined.map(|mined| mined.gas_used),
                "resumed": is_resumed,
            }),
        )
    }
}

impl Way {
    /// The tier, if the registry has tiers.
    fn tier<'a>(&self, info: &'a RegistryInfo) -> Option<&'a Tier> {
        match self {
            Self::Tier(number) => info.tier(*number),
            Self::Gate(_) => None,
        }
    }
}

/// Returns how to join, the terms as text, and the highest amount that is locked.
fn way(arguments: &Arguments, info: &RegistryInfo) -> Result<(Way, String, U256)> {
    match (arguments.tier, &arguments.gate_data, &arguments.max_amount, info.gate) {
        (Some(_), _, _, Some(gate)) => {
            bail!(usage(format!(
                "this registry has the gate {} instead of tiers; pass the data for the gate with --gate-data",
                gate.address
            )))
        }
        (Some(number), _, _, None) => {
            let number = TierNumber(number);
            let Some(tier) = info.tier(number) else {
                bail!(usage(format!(
                    "this registry has no tier {number}; it has 0 to {} (see `quotapass registry info`)",
                    info.tiers.len().saturating_sub(1)
                )));
            };
            let terms = format!("stake {} and {} messages per epoch and scope", tier.stake, tier.message_limit);
            Ok((Way::Tier(number), terms, tier.amount))
        }
        (None, Some(data), Some(max), Some(gate)) => {
            let bytes = hex::decode(data.trim_start_matches("0x"));
            let bytes = bytes.map_err(|_| usage(format!("--gate-data `{data}` is not hexadecimal")))?;
            let terms = format!("what the gate {} decides, at most", gate.address);
            Ok((Way::Gate(bytes.into()), terms, amount::parse(max, info.token.decimals)?))
        }
        (None, _, _, None) => bail!(usage("this registry has no gate; choose one of its tiers with --tier")),
        (None, _, _, Some(_)) => bail!(usage(
            "pass the data for the gate with --gate-data, and the highest amount to lock with --max-amount"
        )),
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
        note(format!("Approving {} first, in a separate transaction.", amount::show(price.all, &info.token)));
        registry.approve(*address, price.all)?;
    }
    Ok(match way {
        Way::Tier(number) => registry.deposit(*address, commitment, *number)?,
        Way::Gate(data) => registry.deposit_gated(*address, commitment, price.locked, data.clone())?,
    })
}

/// Signs a permit for an amount; returns `None` if the token or the wallet does not support permits of ERC-2612.
fn permit(Payer { registry, wallet, address }: &Payer, amount: U256) -> Result<Option<Permit>> {
    let deadline = now()?.max(registry.latest_block()?.timestamp) + PERMIT_SECONDS;
    let digest = match registry.permit_digest(*address, amount, deadline) {
        Ok(digest) => digest,
        Err(RegistryError::Refused(_) | RegistryError::Unexpected(_)) => return Ok(None),
        Err(other @ RegistryError::OtherPermit(_)) => {
            note(format!("Note: {other}."));
            return Ok(None);
        }
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
        MemberStatus::Active => "is already a member",
        MemberStatus::Exiting { .. } => "was a member and has requested its exit",
        MemberStatus::Withdrawn => "was a member and has withdrawn its deposit",
        MemberStatus::Slashed => "was a member and was slashed",
    };
    format!(
        "this account of the identity {state} ({index}); a wallet can deposit for a commitment only once: use another \
         account of the same identity (--account 1), or another identity"
    )
}
