//! Message limits of members whose secret is known.
//!
//! A slashed secret can be deposited again for a greater limit. Its new message ids must be refused before the first
//! post of the new deposit can be accepted. So the order is: the tree gets the deposit, the relay gets its limit, the
//! root is accepted. A conviction uses the opposite order: the member becomes known without a limit, and then its limit
//! is looked up in the tree. In both cases one of the two finds the greater limit.

use core::num::NonZeroU16;
use std::{
    collections::HashSet,
    sync::{Arc, RwLock},
};

use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{MemberIndex, MemberTree},
};
use quotapass_registry::{Change, RegistryEvent};

use crate::{MessageLimits, Relay, read};

/// A lookup of limits in the tree of the last sync.
pub(super) struct TreeLimits(pub(super) Arc<RwLock<MemberTree>>);

impl MessageLimits for TreeLimits {
    fn message_limit(&self, commitment: IdentityCommitment) -> Option<NonZeroU16> {
        let tree = read(&self.0);
        let limit = |index| NonZeroU16::new(tree.member(index)?.terms.message_limit);
        tree.indices_of(commitment).filter_map(limit).max()
    }
}

/// Reports the limits of new deposits to a relay, before their roots are accepted.
pub(super) fn tell_new<L>(relay: &Relay<L>, changes: &[Change]) {
    for change in changes {
        if let RegistryEvent::MemberAdded { member, .. } = change.event.event
            && let Some(limit) = NonZeroU16::new(member.terms.message_limit)
        {
            relay.slashed.learn_limit(member.commitment, limit);
        }
    }
}

/// Reports the limits of all members whose secret is known to a relay, before the tree's root is accepted.
pub(super) fn tell_all<L>(relay: &Relay<L>, tree: &MemberTree) {
    let wanted: HashSet<_> = relay.slashed.commitments().into_iter().collect();
    if wanted.is_empty() {
        return;
    }
    for member in (0..tree.len() as u32).filter_map(|index| tree.member(MemberIndex(index))) {
        if wanted.contains(&member.commitment)
            && let Some(limit) = NonZeroU16::new(member.terms.message_limit)
        {
            relay.slashed.learn_limit(member.commitment, limit);
        }
    }
}
