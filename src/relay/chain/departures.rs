//! Members that left the tree: when what is known against them may be forgotten.

use std::collections::VecDeque;

use quotapass_circuits::identity::IdentityCommitment;

use crate::{
    registry::{Change, FollowError, Follower, Registry, RegistryError, RegistryEvent, node::NodeError},
    relay::{NullifierLog, Relay},
};

/// Seconds to wait beyond the longest root window, in case a later policy has a longer one.
const MARGIN: u64 = 86_400;

/// Members whose slot was zeroed, with the time, oldest first.
#[derive(Debug, Default)]
pub(super) struct Departures(VecDeque<(u64, IdentityCommitment)>);

impl Departures {
    /// Those of convicted members before this process was started. The relay must have learnt the convictions.
    pub(super) fn of_convicted<L: NullifierLog>(
        relay: &Relay<L>,
        copy: &Follower,
        registry: &dyn Registry,
    ) -> Result<Self, FollowError> {
        let mut departures = Vec::new();
        if !relay.slashed().is_empty() {
            for (commitment, block) in copy.departures()? {
                if relay.slashed().contains(commitment) {
                    let missing = || {
                        RegistryError::Node(NodeError::BadAnswer(format!("no block {block}, which was read before")))
                    };
                    departures.push((registry.block(block)?.ok_or_else(missing)?.timestamp, commitment));
                }
            }
        }
        departures.sort_unstable_by_key(|(at, _)| *at);
        Ok(Self(departures.into()))
    }

    /// Notes those of a sync, whether or not anything is known against them: it may be yet.
    pub(super) fn note(&mut self, changes: &[Change]) {
        for change in changes {
            if let RegistryEvent::SlotZeroed { commitment, .. } = change.event.event {
                self.0.push_back((change.timestamp, commitment));
            }
        }
    }

    /// Forgets those that are long gone.
    pub(super) fn forget<L: NullifierLog>(&mut self, relay: &Relay<L>, now: u64) {
        let window = u64::from(relay.policies().longest_root_window()).saturating_add(MARGIN);
        while let Some((at, commitment)) = self.0.front().copied() {
            if now.saturating_sub(at) <= window {
                return;
            }
            self.0.pop_front();
            relay.forget_slashed(commitment);
        }
    }
}
