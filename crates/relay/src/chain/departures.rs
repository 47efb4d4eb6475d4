//! Departures: members that left the tree, and the time when convictions against them may be forgotten.

use std::collections::{HashSet, VecDeque};

use quotapass_circuits::{identity::IdentityCommitment, membership::MemberTree};
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{
    Change, FollowError, Follower, RegistryError, RegistryEvent, RegistryReader, node::NodeError,
};
use tracing::warn;

use crate::Relay;

/// The wait in addition to the longest root window, in seconds, in case a later policy has a longer window.
const MARGIN: u64 = 86_400;

/// Members whose slot was zeroed.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// Time and commitment, oldest first.
    departed: VecDeque<(UnixSeconds, IdentityCommitment)>,
    /// Convicted members that were forgotten. A member that left before it was slashed can come back with its
    /// commitment.
    forgotten: HashSet<IdentityCommitment>,
}

impl Departures {
    /// Reads the departures of convicted members from before the start of this process. The relay must have learnt the
    /// convictions.
    pub(super) fn of_convicted(
        relay: &Relay,
        copy: &Follower,
        registry: &dyn RegistryReader,
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

    /// Records the departures of a sync, also those of members without a conviction, because evidence may still follow.
    /// A convicted member that comes back is refused again.
    pub(super) fn note(&mut self, relay: &Relay, changes: &[Change]) {
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

    fn remember(&mut self, relay: &Relay, commitment: IdentityCommitment) {
        match relay.log().convictions(0) {
            Ok(convictions) => {
                let secrets = convictions.iter().filter_map(|conviction| Some((conviction.secret()?, conviction.at)));
                for (secret, at) in secrets.filter(|(secret, _)| secret.commitment() == commitment) {
                    relay.slash(secret, None, at);
                }
                self.forgotten.remove(&commitment);
            }
            Err(error) => {
                warn!(%error, member = %commitment, "cannot read the convictions of a member that came back")
            }
        }
    }

    /// Forgets members that left long ago. A commitment with several deposits, also one that was copied before it was
    /// slashed, stays known while any of its members is in the tree. Otherwise a convicted member could continue to
    /// post with its other deposit.
    pub(super) fn forget(&mut self, relay: &Relay, members: &MemberTree, now: UnixSeconds) {
        let window = u64::from(relay.policies().longest_root_window()).saturating_add(MARGIN);
        while let Some((at, commitment)) = self.departed.front().copied() {
            if now.since(at) <= window {
                return;
            }
            self.departed.pop_front();
            // The departure of the commitment's last member is recorded separately.
            if relay.slashed().contains(commitment) && members.index_of(commitment).is_none() {
                relay.forget_slashed(commitment);
                self.forgotten.insert(commitment);
            }
        }
    }
}
