//! Members that left the tree: when what is known against them may be forgotten.

use std::collections::{HashSet, VecDeque};

use quotapass_circuits::{identity::IdentityCommitment, membership::MemberTree};
use tracing::warn;

use crate::{
    registry::{Change, FollowError, Follower, Registry, RegistryError, RegistryEvent, node::NodeError},
    relay::{NullifierLog, Relay},
};

/// Seconds to wait beyond the longest root window, in case a later policy has a longer one.
const MARGIN: u64 = 86_400;

/// Members whose slot was zeroed.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// With the time, oldest first.
    departed: VecDeque<(u64, IdentityCommitment)>,
    /// Convicted members that were forgotten. One that left before it was slashed can come back with its commitment.
    forgotten: HashSet<IdentityCommitment>,
}

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
        Ok(Self { departed: departures.into(), forgotten: HashSet::new() })
    }

    /// Notes those of a sync, whether or not anything is known against them: it may be yet. A convicted member that comes
    /// back is known again.
    pub(super) fn note<L: NullifierLog>(&mut self, relay: &Relay<L>, changes: &[Change]) {
        for change in changes {
            match change.event.event {
                RegistryEvent::SlotZeroed { commitment, .. } => {
                    self.departed.push_back((change.timestamp, commitment));
                }
                RegistryEvent::MemberAdded { member, .. } if self.forgotten.contains(&member.commitment) => {
                    self.remember(relay, member.commitment);
                }
                _ => {}
            }
        }
    }

    fn remember<L: NullifierLog>(&mut self, relay: &Relay<L>, commitment: IdentityCommitment) {
        match relay.log().convictions(0) {
            Ok(convictions) => {
                let secrets = convictions.iter().filter_map(|conviction| Some((conviction.secret()?, conviction.at)));
                for (secret, at) in secrets.filter(|(secret, _)| secret.commitment() == commitment) {
                    relay.slash(secret, None, at);
                }
                self.forgotten.remove(&commitment);
            }
            Err(error) => {
                warn!(%error, member = %commitment, "a convicted member is back, and the convictions cannot be read")
            }
        }
    }

    /// Forgets those that are long gone. A commitment that others have deposited for as well, or that was copied before it
    /// was slashed, stays known while any of its members is in the tree: with one slashed and another forgotten, a
    /// convicted member would post on.
    pub(super) fn forget<L: NullifierLog>(&mut self, relay: &Relay<L>, members: &MemberTree, now: u64) {
        let window = u64::from(relay.policies().longest_root_window()).saturating_add(MARGIN);
        while let Some((at, commitment)) = self.departed.front().copied() {
            if now.saturating_sub(at) <= window {
                return;
            }
            self.departed.pop_front();
            // The departure of the last one is noted as well.
            if relay.slashed().contains(commitment) && members.index_of(commitment).is_none() {
                relay.forget_slashed(commitment);
                self.forgotten.insert(commitment);
            }
        }
    }
}
