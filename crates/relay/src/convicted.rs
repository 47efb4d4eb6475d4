//! The convicted members, here or at a relay that shares the log, and the outcome of each case.

use std::collections::HashSet;

use parking_lot::Mutex;
use quotapass_circuits::{
    identity::IdentityCommitment,
    signal::{Epoch, Scope},
};
use quotapass_protocol::{LogError, UnixSeconds};
use tracing::warn;

use crate::{EventBus, RelayEvent, Settlement, SlashClaims, conviction::ConvictionPosition};

/// The maximum number of open cases that are checked in one round.
const LOOKED_AFTER: usize = 64;

/// A member that exceeded a quota. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvictedMember {
    /// The member's commitment.
    pub commitment: IdentityCommitment,
    /// The scope of the quota.
    pub scope: Scope,
    /// The epoch of the quota.
    pub epoch: Epoch,
    /// The outcome of the case; none if it is open.
    pub settlement: Option<Settlement>,
}

/// All convicted members, in the order of the log. The relay reads the convictions of the log once, refuses their
/// members, and adds them here; events and lists of convicted members follow this list.
#[derive(Debug, Default)]
pub(super) struct ConvictedMembers(Mutex<KnownMembers>);

#[derive(Debug, Default)]
struct KnownMembers {
    members: Vec<ConvictedMember>,
    /// The same members' commitments.
    commitments: HashSet<IdentityCommitment>,
    /// The position in the log after the convictions of these members.
    position: ConvictionPosition,
    /// The number of members whose conviction was published, or did not need to be.
    published: usize,
    /// The position of the case to check next.
    next: usize,
    /// Whether the log and its cases were read completely once. Contents from before that are not published as events.
    is_begun: bool,
}

impl ConvictedMembers {
    /// Returns convicted members from a position on, at most `limit`, and the total number.
    pub(super) fn page(&self, from: usize, limit: usize) -> (Vec<ConvictedMember>, usize) {
        let state = self.0.lock();
        (state.members.iter().skip(from).take(limit).cloned().collect(), state.members.len())
    }

    /// Returns the latest convicted members, latest first.
    pub(super) fn latest(&self, count: usize) -> Vec<ConvictedMember> {
        self.0.lock().members.iter().rev().take(count).cloned().collect()
    }

    /// Returns the position in the log after the convictions that were read.
    pub(super) fn position(&self) -> ConvictionPosition {
        self.0.lock().position
    }

    /// Adds the members of convictions that a thread read from the log, up to `position`. Other threads may have added
    /// some of them meanwhile.
    pub(super) fn add(&self, position: ConvictionPosition, read: impl IntoIterator<Item = ConvictedMember>) {
        let state = &mut *self.0.lock();
        for member in read {
            if state.commitments.insert(member.commitment) {
                state.members.push(member);
            }
        }
        state.position = position;
    }

    /// Publishes new convictions, at `now`. With `looks_after_cases` it also checks some of the open cases.
    /// The lock is not held during log operations.
    pub(super) fn publish(
        &self,
        cases: &dyn SlashClaims,
        events: &EventBus,
        now: UnixSeconds,
        looks_after_cases: bool,
    ) -> Result<(), LogError> {
        let open = {
            let state = &mut *self.0.lock();
            let news = state.members.iter().skip(state.published).filter(|_| state.is_begun);
            for ConvictedMember { commitment, epoch, .. } in news {
                warn!(
                    member = %commitment,
                    epoch = epoch.number(),
                    epoch_seconds = epoch.seconds().get(),
                    "a member exceeded a quota; the relay refuses all its posts from now on"
                );
                events.publish(RelayEvent::Convicted { commitment: *commitment, at: now });
            }
            state.published = state.members.len();
            if looks_after_cases { state.open() } else { Vec::new() }
        };
        for (position, commitment) in open {
            let Some(settlement) = cases.settlement(commitment)? else { continue };
            let state = &mut *self.0.lock();
            if let Some(member) = state.members.get_mut(position) {
                member.settlement = Some(settlement.clone());
            }
            if state.is_begun {
                events.publish(RelayEvent::Slashed { commitment, settlement, at: now });
            }
        }
        let state = &mut *self.0.lock();
        // Cases that were closed before this run are found over several rounds; they are not published either.
        state.is_begun |= state.next == 0;
        Ok(())
    }
}

impl KnownMembers {
    /// Returns some open cases; the next call returns others.
    fn open(&mut self) -> Vec<(usize, IdentityCommitment)> {
        let open = |(_, member): &(usize, &ConvictedMember)| member.settlement.is_none();
        let found: Vec<_> = (self.members.iter().enumerate().skip(self.next))
            .filter(open)
            .map(|(position, member)| (position, member.commitment))
            .take(LOOKED_AFTER)
            .collect();
        self.next = if found.len() < LOOKED_AFTER { 0 } else { found.last().map_or(0, |(position, _)| position + 1) };
        found
    }
}
