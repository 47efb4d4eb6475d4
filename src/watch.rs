//! `quotapass watch`.

use std::{thread, time::Duration};

use alloy_primitives::U256;
use anyhow::Result;
use clap::Args;
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{FollowError, RegistryError, RegistryEvent, RegistryReader, TokenInfo};
use serde_json::json;

use super::{amount, context::Context, members::behind, output::note, time::moment};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Seconds between two polls of the chain
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// Stop after one poll
    #[arg(long)]
    once: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let registry = context.registry()?;
    let token = registry.info()?.token;
    let (copy, synced) = context.synced_copy(&registry)?;
    let (mut head, mut was_behind) = (synced.head, synced.behind > 0);
    if context.output().is_json() {
        context.output().json(&json!({
            "event": "synced",
            "members": head.member_count,
            "root": head.root,
            "block": head.block.number,
        }))?;
    } else {
        let end = if arguments.once { "." } else { "; following the chain until Ctrl-C." };
        note(format!("{} members at block {}{end}", head.member_count, head.block.number));
    }
    if arguments.once {
        return Ok(());
    }
    // Other programs can use the file meanwhile.
    let mut copy = copy.into_memory()?;
    loop {
        thread::sleep(Duration::from_secs(arguments.interval));
        let synced = match copy.sync(&registry) {
            Ok(synced) => synced,
            // The endpoint may recover, and the copy is unchanged.
            Err(FollowError::Registry(RegistryError::Node(error))) => {
                note(format!("{error}. Retrying."));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if synced.behind > 0 && !was_behind {
            note(behind(synced.behind));
        }
        was_behind = synced.behind > 0;
        if let Some(undone) = synced.undone {
            let ancestor = undone.ancestor.map(|block| block.number);
            let since =
                ancestor.map_or_else(|| "from the first block on".into(), |block| format!("after block {block}"));
            context
                .output()
                .result(&format!("reorganised  {since}"), json!({ "event": "reorganised", "ancestor": ancestor }))?;
        }
        for change in &synced.changes {
            let logged = &change.event;
            show(&logged.event, logged.block, change.timestamp, &token, context)?;
        }
        if synced.head.root != head.root {
            context.output().result(
                &format!("root         {} at block {}", synced.head.root, synced.head.block.number),
                json!({ "event": "root", "root": synced.head.root, "block": synced.head.block.number }),
            )?;
        }
        head = synced.head;
    }
}

fn show(event: &RegistryEvent, block: u64, timestamp: UnixSeconds, token: &TokenInfo, context: &Context) -> Result<()> {
    let tokens = |amount: U256| amount::show(amount, token);
    let (name, text, mut value) = match event {
        RegistryEvent::MemberAdded { index, member, depositor, tier } => (
            "member_added",
            format!("member {index} joins with tier {tier}, paid by {depositor}"),
            json!({ "index": index, "commitment": member.commitment, "depositor": depositor, "tier": tier }),
        ),
        RegistryEvent::SlotZeroed { index, commitment } => (
            "slot_zeroed",
            format!("member {index} leaves the tree"),
            json!({ "index": index, "commitment": commitment }),
        ),
        RegistryEvent::ExitRequested { index, withdrawable_at } => (
            "exit_requested",
            format!("member {index} can withdraw from {} on", moment(*withdrawable_at)),
            json!({ "index": index, "withdrawable_at": withdrawable_at }),
        ),
        RegistryEvent::Withdrawn { index, to, amount } => (
            "withdrawn",
            format!("member {index} withdraws {} to {to}", tokens(*amount)),
            json!({ "index": index, "to": to, "amount": amount.to_string() }),
        ),
        RegistryEvent::Slashed { index, commitment, receiver, reward, rest } => (
            "slashed",
            format!("member {index} is slashed: {} to {receiver}, {} to the treasury", tokens(*reward), tokens(*rest)),
            json!({
                "index": index,
                "commitment": commitment,
                "receiver": receiver,
                "reward": reward.to_string(),
                "rest": rest.to_string(),
            }),
        ),
        RegistryEvent::Credited { account, amount } => (
            "credited",
            format!("the token refused a payment to {account}, which can claim {}", tokens(*amount)),
            json!({ "account": account, "amount": amount.to_string() }),
        ),
        RegistryEvent::Claimed { account, to, amount } => (
            "claimed",
            format!("{} of {account} are paid to {to}", tokens(*amount)),
            json!({ "account": account, "to": to, "amount": amount.to_string() }),
        ),
    };
    if let Some(fields) = value.as_object_mut() {
        fields.insert("event".into(), name.into());
        fields.insert("block".into(), block.into());
        fields.insert("timestamp".into(), timestamp.0.into());
    }
    context.output().result(&format!("{name:<15}{text} (block {block}, {})", moment(timestamp)), value)
}
