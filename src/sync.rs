//! `quotapass sync`.

use anyhow::Result;
use clap::Args;
use quotapass_registry::{Follower, RegistryReader};
use serde_json::json;

use super::{context::Context, members::when_free, output::note};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Move the local copy away, and read all events again
    #[arg(long)]
    from_scratch: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let registry = context.registry()?;
    let path = context.copy_path(&registry.id())?;
    if arguments.from_scratch
        && let Some(aside) = when_free(|| Ok(Follower::set_aside(&path)?))?
    {
        note(format!("The previous copy is now {}.", aside.display()));
    }
    let (_, synced) = context.synced_copy(&registry)?;
    let (head, block) = (synced.head, synced.head.block);
    if let Some(undone) = synced.undone {
        let ancestor =
            undone.ancestor.map_or_else(|| "the beginning".into(), |block| format!("block {}", block.number));
        note(format!("The chain was reorganised after {ancestor}; later events were undone and read again."));
    }
    context.output().result(
        &format!(
            "{} members at block {}; read {} events in {} blocks; the root matches the contract's.",
            head.member_count, block.number, synced.events, synced.blocks
        ),
        json!({
            "members": head.member_count,
            "root": head.root,
            "block": block,
            "events": synced.events,
            "blocks": synced.blocks,
            "reorganised": synced.undone.is_some(),
            "behind": synced.behind,
        }),
    )
}
