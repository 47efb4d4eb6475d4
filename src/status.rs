//! `quotapass status`.

use core::num::NonZeroU16;

use anyhow::Result;
use clap::Args;
use quotapass_circuits::membership::MemberIndex;
use quotapass_protocol::{DatedPolicy, Policy, UnixSeconds};
use quotapass_registry::{
    MemberRecord, MemberStatus, RegistryReader,
    rpc::{JsonRpcNode, Standing},
};
use quotapass_wallet::ledger::{Book, DeviceShare, LedgerError, LedgerOwner};
use serde_json::{Value, json};

use super::{
    amount,
    context::Context,
    ledger::{in_words, quota, reason, unusable},
    members::Crowd,
    outbox::purpose,
    time::{duration, moment, now},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Index of the member, if there are several deposits for the commitment
    #[arg(long)]
    index: Option<u32>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let registry = context.registry()?;
    let (id, info) = (registry.id(), registry.info()?);
    let name = context.identity_name()?;
    let identity = context.open_identity(&name)?;
    let commitment = identity.seed.secret(&id, context.account()?)?.commitment();
    let owner = LedgerOwner { registry: id, commitment };
    let mut slots = Vec::new();
    for index in registry.slots_of(commitment)? {
        slots.push((index, registry.record(index)?));
    }
    let depositors: Vec<_> = slots.iter().map(|(index, record)| (*index, record.depositor)).collect();
    let index = match depositors.is_empty() {
        true => None,
        false => Some(context.own_slot(&owner, arguments.index, &depositors)?),
    };
    let record = slots.into_iter().find(|(slot, _)| Some(*slot) == index).map(|(_, record)| record);
    let standing = match &record {
        Some(record) => standing(context, &owner, identity.device, record)?,
        None => None,
    };
    let crowds = match index {
        Some(index) => crowds(context, &owner, index)?,
        None => Vec::new(),
    };
    let pending = pending(context, registry.node(), id.chain_id)?;
    if context.output().is_json() {
        return context.output().json(&json!({
            "identity": name,
            "account": context.account()?,
            "commitment": commitment,
            "index": index,
            "record": record,
            "amount": record.as_ref().and_then(|record| info.deposit_of(record)).map(|amount| amount.to_string()),
            "ledger": standing.as_ref().map(|standing| &standing.json),
            "quotas": standing.iter().flat_map(|standing| &standing.quotas).map(|left| &left.json).collect::<Vec<_>>(),
            "pending": pending.iter().map(|pending| pending.json.clone()).collect::<Vec<_>>(),
            "anonymity": crowds.iter().map(|(scope, crowd)| json!({ "scope": scope, "crowd": crowd })).collect::<Vec<_>>(),
        }));
    }
    let output = context.output();
    output.line(format!("identity    {name}, account {}", context.account()?))?;
    output.line(format!("commitment  {commitment}"))?;
    for pending in pending {
        output.line(format!("pending     {}", pending.text))?;
    }
    let (Some(index), Some(record)) = (index, record) else {
        return output.line("membership  none yet; run `quotapass deposit`");
    };
    output.line(format!("membership  {index}, {}", describe(&record.status)))?;
    let tier = if info.gate.is_none() { format!(" (tier {})", record.tier) } else { String::new() };
    output.line(format!(
        "deposit     {}{tier}: stake {}, {} messages per epoch and scope",
        amount::of_deposit(&info, &record),
        record.stake,
        record.message_limit
    ))?;
    output.line(format!("since       {}", &moment(UnixSeconds(u64::from(record.since.0) * 86_400))[..10]))?;
    output.line(format!("depositor   {}", record.depositor))?;
    if let Some(LedgerView { ledger, quotas, .. }) = &standing {
        output.line(format!("ledger      {ledger}"))?;
        for quota in quotas {
            output.line(format!("quota       {}", quota.text))?;
        }
    }
    for (scope, crowd) in crowds {
        output.line(format!("anonymity   `{scope}`: {crowd} what it asks for"))?;
        crowd.warn(context.config(), &scope)?;
    }
    Ok(())
}

/// Counts the members known to this device who meet the current requirement of each scope.
fn crowds(context: &Context, owner: &LedgerOwner, index: MemberIndex) -> Result<Vec<(String, Crowd)>> {
    let now = now()?;
    let mut crowds = Vec::new();
    for DatedPolicy { policy, .. } in context.config().in_force(now) {
        let requirement = policy.requirement(policy.epoch_at(now));
        if let Some(crowd) = context.known_crowd(owner, index, &requirement)? {
            crowds.push((policy.name.clone(), crowd));
        }
    }
    Ok(crowds)
}

fn describe(status: &MemberStatus) -> String {
    match status {
        MemberStatus::Active => "active".into(),
        MemberStatus::Exiting { withdrawable_at } => format!("exiting, can withdraw from {}", moment(*withdrawable_at)),
        MemberStatus::Withdrawn => "withdrawn".into(),
        MemberStatus::Slashed => "slashed".into(),
    }
}

/// What `post` finds in the ledger.
struct LedgerView {
    /// The state of the ledger, for people and for scripts.
    ledger: String,
    json: Value,
    quotas: Vec<Shown>,
}

/// A value as text and as JSON: a remaining quota, or a transaction.
struct Shown {
    text: String,
    json: Value,
}

/// Returns the transactions on a chain that this device has sent and whose outcome it does not know.
fn pending(context: &Context, node: &JsonRpcNode, chain_id: u64) -> Result<Vec<Shown>> {
    let sent = context.outbox()?.on_chain(chain_id)?;
    let mut pending = Vec::new();
    for attempts in sent.chunk_by(|one, next| (one.from, one.nonce) == (next.from, next.nonce)) {
        let Some(last) = attempts.last() else { continue };
        let (state, text) = match node.standing(attempts.to_vec())? {
            Standing::Included(block) => ("included", format!("in block {block}")),
            Standing::Waiting => ("waiting", "in no block yet".into()),
            Standing::Superseded => ("superseded", "replaced by another transaction of the wallet".into()),
            _ => ("unknown", "not known to this endpoint; it may still be mined".into()),
        };
        let what = purpose(last);
        pending.push(Shown {
            text: format!("{what} by {}: transaction {}, {text}", last.from, last.hash),
            json: json!({
                "what": what,
                "from": last.from,
                "nonce": last.nonce,
                "transaction": last.hash,
                "state": state,
            }),
        });
    }
    Ok(pending)
}

/// Reads the ledger of a member; a ledger that cannot be used is part of the answer.
fn standing(
    context: &Context,
    owner: &LedgerOwner,
    device: DeviceShare,
    record: &MemberRecord,
) -> Result<Option<LedgerView>> {
    if record.status != MemberStatus::Active {
        return Ok(None);
    }
    let (files, now) = (context.ledger_files(owner)?, now()?);
    let path = files.ledger().display();
    let (state, ledger, book) = match files.read_book(owner, device, now) {
        Ok(book) => ("ready", path.to_string(), Some(book)),
        Err(LedgerError::Missing(_)) => {
            // The first post creates a ledger with an unknown history.
            let mut book = Book::new(*owner, device);
            book.suspect(now);
            let text = "none on this device; `quotapass ledger new` or the first `post` creates one, and posting begins \
                        when the current epoch and the next are over";
            ("missing", text.into(), Some(book))
        }
        Err(error) => {
            let state = match error {
                LedgerError::Damaged { .. } => "damaged",
                LedgerError::OtherShare { .. } => "other_share",
                _ => "unreadable",
            };
            (state, unusable(&error), None)
        }
    };
    let json = json!({ "state": state, "path": files.ledger(), "text": ledger });
    let scopes = context.config().in_force(now).into_iter();
    let quotas = match book {
        Some(book) => scopes.map(|dated| left(&book, owner, &dated.policy, record, now)).collect(),
        None => Vec::new(),
    };
    Ok(Some(LedgerView { ledger, json, quotas }))
}

/// Asks a copy of the book for a message id, as `post` asks the ledger.
fn left(book: &Book, owner: &LedgerOwner, policy: &Policy, record: &MemberRecord, now: UnixSeconds) -> Shown {
    let limit = NonZeroU16::new(record.message_limit).unwrap_or(policy.limit_cap);
    let quota = quota(owner, policy, limit);
    let (status, refusal) = (book.status(now, &quota), book.clone().reserve(now, &quota).err());
    let text = match &refusal {
        Some(refusal) => format!("`{}`: {}", policy.name, in_words(refusal)),
        None => format!(
            "`{}`: {} of {} left in this epoch; the next begins at {} (in {})",
            policy.name,
            status.left,
            status.left + status.used,
            moment(status.next_begins),
            duration(status.next_begins.since(now))
        ),
    };
    let refused = refusal.as_ref().map(reason).map(|(reason, until)| json!({ "reason": reason, "until": until }));
    let json = json!({
        "scope": policy.name,
        "used": status.used,
        "left": status.left,
        "next_epoch_begins": status.next_begins,
        "refused": refused,
    });
    Shown { text, json }
}
