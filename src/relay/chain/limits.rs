//! Message limits of members whose secret is known.
//!
//! A slashed secret can be deposited again for a greater limit. So that its new message ids are refused before the first
//! post of the new deposit can be accepted, the order is: the tree has the deposit, the relay is told its limit, the root
//! is accepted. Who convicts does it the other way round: the member is known, without a limit, and then its limit is
//! looked up in the tree. Whichever comes first, one of the two finds the greater limit.

use core::num::NonZeroU16;
use std::{
    collections::HashSet,
    sync::{Arc, RwLock},
};

use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{MemberIndex, MemberTree},
};

use crate::{
    registry::{Change, RegistryEvent},
    relay::{MessageLimits, Relay, read},
};

/// Looks limits up in the tree of the last sync, from the first member to the last.
pub(super) struct TreeLimits(pub(super) Arc<RwLock<MemberTree>>);

impl MessageLimits for TreeLimits {
    fn message_limit(&self, commitment: IdentityCommitment) -> Option<NonZeroU16> {
        let tree = read(&self.0);
        let limit = |index| NonZeroU16::new(tree.member(index)?.terms.message_limit);
        tree.indices_of(commitment).filter_map(limit).max()
    }
}

/// Tells a relay the limits of new deposits, before their roots are accepted.
pub(super) fn tell_new<L>(relay: &Relay<L>, changes: &[Change]) {
    for change in changes {
        if let RegistryEvent::MemberAdded { member, .. } = change.event.event
            && let Some(limit) = NonZeroU16::new(member.terms.message_limit)
        {
            relay.slashed.learn_limit(member.commitment, limit);
        }
    }
}

/// Tells a relay the limits of all members whose secret is known, before the tree's root is accepted.
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
