//! `quotapass relay log`: repair of a nullifier log by the operator.

use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Subcommand;
use quotapass_protocol::{HEAD_SECONDS, UnixSeconds};
use quotapass_relay::{Clock, LogStatistics, SystemClock};
use serde_json::json;

use super::{
    settings::Settings,
    surroundings::{ChainAccess, Folders},
};
use crate::output::{Output, note};

/// A log on this machine's disk can be opened by one program at a time: stop the relay first. Relays that share a log
/// on servers may keep running.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Reopen epochs that a relay with a wrong clock closed too early
    ///
    /// No recorded post can be accepted again: epochs whose nullifiers may be deleted stay closed. This machine's clock
    /// must agree with the clock of the log's server or with the chain's newest block.
    Reopen {
        /// Trust this machine's clock, which you have checked yourself
        #[arg(long)]
        trust_clock: bool,
    },
}

pub(super) fn run(verb: &Verb, settings: &Settings, folders: &Folders, output: Output) -> Result<()> {
    let chain = ChainAccess::open(&settings.fixed.chain, &settings.fixed.slashing, Arc::new(SystemClock))?;
    let store = folders.open_store(&settings.fixed, &chain.id, false)?;
    let Verb::Reopen { trust_clock } = verb;
    let LogStatistics { closed_until, time, .. } = store.statistics()?;
    let own = SystemClock.now();
    if closed_until <= own {
        return output.result(
            "No epoch was closed too early; nothing was changed.",
            json!({ "closed_until": closed_until, "reopened": false }),
        );
    }
    if !trust_clock {
        let head = match chain.link.reader().and_then(|registry| registry.latest_block()) {
            Ok(block) => Some(block.timestamp),
            Err(error) => {
                note(format!("the chain does not answer: {error}"));
                None
            }
        };
        if !is_right(own, time, head, settings.fixed.clock.tolerance) {
            bail!(
                "no second clock agrees with this machine's clock, which shows {own}: the server's clock shows {}, \
                 the chain's newest block has the time {}; synchronise the clocks with NTP, or pass --trust-clock if \
                 you have checked this one",
                shown(time),
                shown(head)
            );
        }
    }
    let until = store.reopen(own)?;
    let kept = if until > own { " Nullifiers of earlier epochs may be deleted, so these stay closed." } else { "" };
    output.result(
        &format!(
            "Epochs were closed until Unix second {closed_until}, and are now closed until {until}.{kept} No recorded \
             post can be accepted again."
        ),
        json!({ "closed_until": until, "reopened": until < closed_until }),
    )
}

/// Whether a second clock agrees with this machine's clock.
fn is_right(own: UnixSeconds, server: Option<UnixSeconds>, head: Option<UnixSeconds>, tolerance: u64) -> bool {
    let by_server = server.is_some_and(|server| own.abs_diff(server) <= tolerance);
    let by_chain =
        head.is_some_and(|head| own.saturating_add(tolerance) >= head && own <= head + u64::from(HEAD_SECONDS));
    by_server || by_chain
}

fn shown(time: Option<UnixSeconds>) -> String {
    time.map_or_else(|| "nothing".into(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_clock_must_agree() {
        const NOW: UnixSeconds = UnixSeconds(1_795_176_000);
        assert!(!is_right(NOW, None, None, 30));
        assert!(is_right(NOW, Some(NOW + 30), None, 30) && !is_right(NOW, Some(NOW + 31), None, 30));
        assert!(is_right(NOW, None, Some(NOW - 600), 30) && !is_right(NOW, None, Some(NOW - 601), 30));
        assert!(is_right(NOW, None, Some(NOW + 30), 30) && !is_right(NOW, None, Some(NOW + 31), 30));
        assert!(is_right(NOW, Some(NOW - 86_400), Some(NOW), 30));
    }
}
