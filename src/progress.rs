//! Progress on standard error.

use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use quotapass_load::LoadProgress;
use quotapass_registry::{Observer, SyncProgress, rpc::NodeProgress};

use super::{keys, output::note, time::duration};

/// Reports transactions and repeated requests.
pub(super) fn transactions() -> Observer<NodeProgress> {
    Observer::new(|progress| match progress {
        NodeProgress::Sent { transaction, .. } => note(format!("Sent transaction {transaction}; waiting for a block.")),
        NodeProgress::Resumed { transaction } => {
            note(format!("Transaction {transaction} was sent by an earlier run; waiting for it."));
        }
        NodeProgress::Waiting { transaction, waited, blocks } => note(format!(
            "Transaction {transaction} is not in the {blocks} blocks of the last {}; still waiting.",
            duration(waited.as_secs())
        )),
        NodeProgress::Replaced { transaction, max_fee_per_gas, .. } => note(format!(
            "Sent it again as {transaction}, for at most {} gwei per unit of gas.",
            max_fee_per_gas / 1_000_000_000
        )),
        NodeProgress::Confirming { transaction, block, confirmations, wanted } => note(format!(
            "Transaction {transaction} is in block {block}, with {confirmations} of {wanted} confirmations."
        )),
        NodeProgress::Included { block, gas_used, .. } => note(format!("Included in block {block} ({gas_used} gas).")),
        NodeProgress::Retrying { reason, after, .. } => {
            note(format!("{reason}; retrying in {:.1} s.", after.as_secs_f32()));
        }
        _ => {}
    })
}

/// Shows the progress of a sync, at a terminal only.
pub(super) fn sync() -> Observer<SyncProgress> {
    let bar = Mutex::new(None::<ProgressBar>);
    Observer::new(move |progress: SyncProgress| {
        let mut bar = bar.lock();
        let bar = bar.get_or_insert_with(|| bar_of(progress.head, "{wide_bar} block {pos} of {len}  {msg}"));
        let left = progress.remaining().map_or_else(String::new, |left| format!(", {} left", duration(left.as_secs())));
        bar.set_length(progress.head);
        bar.set_position(progress.block);
        bar.set_message(format!("{} members, {:.0} per second{left}", progress.members, progress.members_per_second()));
        if progress.block >= progress.head {
            bar.finish_and_clear();
        }
    })
}

/// Returns a function that shows the progress of a load.
pub(super) fn load() -> impl Fn(LoadProgress) + Sync {
    let bar = OnceLock::new();
    move |progress| {
        let (template, done, all) = match progress {
            LoadProgress::Registry { members } => return note(format!("Creating a registry with {members} members.")),
            LoadProgress::Key(progress) => return keys::show(progress),
            LoadProgress::Passes { done, all } => {
                ("{wide_bar} {pos} of {len} proofs, {per_sec}, {eta} left", done, all)
            }
            LoadProgress::Posts { done, all } => ("{wide_bar} {pos} of {len} posts, {per_sec}", done, all),
            _ => return,
        };
        let bar = bar.get_or_init(|| bar_of(all, template));
        bar.set_length(all);
        bar.set_position(done);
        if done >= all {
            bar.finish_and_clear();
        }
    }
}

fn bar_of(length: u64, template: &str) -> ProgressBar {
    // The templates are constant and valid; the fallback avoids a panic.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}
