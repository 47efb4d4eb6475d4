//! Message limits of members whose secret is known.
//!
//! A slashed secret can be deposited again for a greater limit. Its new message ids must be refused before the first
//! post of the new deposit can be accepted. So the order is: the tree gets the deposit, the relay gets its limit, the
//! root is accepted. A conviction uses the opposite order: the member becomes known without a limit, and then its limit
//! is looked up in the tree. In both cases one of the two finds the greater limit.
//!
//! A secret can also be deposited again for a lower limit. This must not free message ids of its first deposit, also not
//! after that deposit left the tree, because its roots are accepted for the root window.

use core::num::NonZeroU16;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::RwLock;
use quotapass_circuits::{identity::IdentityCommitment, membership::MemberIndex};
use quotapass_registry::{Change, RegistryEvent};

use crate::{LatestTree, MessageLimits, Relay};

/// A lookup of limits in the tree of the last sync. A clone has the same tree.
#[derive(Clone, Debug)]
pub(super) struct TreeLimits {
    members: LatestTree,
    /// The commitments of members that left the tree. The roots of such a member may still be accepted, and the tree
    /// does not have its limit, so the greatest limit of its commitment is not known.
    departed: Arc<RwLock<HashSet<IdentityCommitment>>>,
}

impl TreeLimits {
    pub(super) fn new(members: LatestTree) -> Self {
        Self { members, departed: Arc::default() }
    }

    /// Replaces the departed members. Call it before the tree without them is set.
    pub(super) fn set_departed(&self, departed: impl IntoIterator<Item = IdentityCommitment>) {
        *self.departed.write() = departed.into_iter().collect();
    }

    /// Adds the departed members of a sync. Call it before the tree without them is set.
    pub(super) fn note_departed(&self, changes: &[Change]) {
        let departed = changes.iter().filter_map(|change| match change.event.event {
            RegistryEvent::SlotZeroed { commitment, .. } => Some(commitment),
            _ => None,
        });
        self.departed.write().extend(departed);
    }

    /// Reports the limits of new deposits to a relay, before their roots are accepted.
    pub(super) fn tell_new(&self, relay: &Relay, changes: &[Change]) {
        for change in changes {
            if let RegistryEvent::MemberAdded { member, .. } = change.event.event
                && relay.slashed.contains(member.commitment)
                && let Some(limit) = NonZeroU16::new(member.terms.message_limit)
            {
                tell(relay, member.commitment, limit, self.message_limit(member.commitment));
            }
        }
    }

    /// Reports the limits of all members whose secret is known to a relay, before the tree's root is accepted.
    pub(super) fn tell_all(&self, relay: &Relay) {
        let wanted: HashSet<_> = relay.slashed.commitments().into_iter().collect();
        if wanted.is_empty() {
            return;
        }
        let mut limits: HashMap<IdentityCommitment, NonZeroU16> = HashMap::new();
        let tree = self.members.get();
        for member in (0..tree.len() as u32).filter_map(|index| tree.member(MemberIndex(index))) {
            if wanted.contains(&member.commitment)
                && let Some(limit) = NonZeroU16::new(member.terms.message_limit)
            {
                let greatest = limits.entry(member.commitment).or_insert(limit);
                *greatest = limit.max(*greatest);
            }
        }
        for (commitment, limit) in limits {
            let is_greatest = !self.departed.read().contains(&commitment);
            tell(relay, commitment, limit, is_greatest.then_some(limit));
        }
    }
}

/// Reports the limit of a deposit, and the greatest limit of its commitment if known.
fn tell(relay: &Relay, commitment: IdentityCommitment, limit: NonZeroU16, greatest: Option<NonZeroU16>) {
    relay.slashed.learn_limit(commitment, limit);
    if let Some(greatest) = greatest {
        relay.slashed.bound_limit(commitment, greatest);
    }
}

impl MessageLimits for TreeLimits {
    fn message_limit(&self, commitment: IdentityCommitment) -> Option<NonZeroU16> {
        let tree = self.members.get();
        let limit = |index| NonZeroU16::new(tree.member(index)?.terms.message_limit);
        let greatest = tree.indices_of(commitment).filter_map(limit).max();
        // After the tree: a member that is not in it any more is here.
        greatest.filter(|_| !self.departed.read().contains(&commitment))
    }
}
