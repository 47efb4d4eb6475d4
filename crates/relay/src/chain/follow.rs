//! The thread that follows the registry.

use std::{path::Path, sync::Arc};

use quotapass_circuits::membership::{Levels, MemberIndex, MemberTree, Root};
use quotapass_protocol::{Horizon, UnixSeconds};
use quotapass_registry::{FollowError, Follower, Head, RegistryEvent, RegistryReader, SyncedMembers};
use tracing::{debug, info, warn};

use super::{
    ChainError, ChainSettings,
    archive::{Questions, RootArchive},
    departures::Departures,
    limits::TreeLimits,
    link::RegistryLink,
    saved::{Saved, SavedRoot, SavedRoots},
};
use crate::{LatestTree, Relay, RelayContext, RelayEvent, StopSignal, Trouble, TroubleKind};

/// A check of the registry. It returns [`ChainError::Unfit`] with the reason if the registry does not suit this relay.
pub type RegistryCheck = Box<dyn Fn(&dyn RegistryReader) -> Result<(), ChainError> + Send>;

/// The parts that a chain follower works with.
pub struct ChainParts {
    /// The relay to update.
    pub relay: Arc<Relay>,
    /// The registry.
    pub registry: Arc<RegistryLink>,
    /// The copy of the registry.
    pub copy: Follower,
    /// The check of the registry, made when it answers for the first time.
    pub check: RegistryCheck,
    /// Clock, bus and status.
    pub context: RelayContext,
}

/// A follower that synchronizes a relay with its registry. See the [module](super).
pub struct ChainFollower {
    parts: ChainParts,
    settings: ChainSettings,
    /// A snapshot of the copy's tree as of the last sync.
    members: LatestTree,
    limits: TreeLimits,
    /// The number of occupied slots of the tree.
    occupied: u64,
    saved: Option<SavedRoots>,
    /// The roots that the relay has, oldest first, within the longest window.
    roots: Vec<SavedRoot>,
    departures: Departures,
    /// Whether the registry was checked.
    is_checked: bool,
    /// The registry's exit delay in seconds, if known. It never changes.
    exit_delay: Option<u32>,
    /// Whether the relay has roots from the chain, and not only from an earlier run.
    is_begun: bool,
    failures: u32,
    questions: Questions,
}

impl ChainFollower {
    /// Creates a follower that has not polled the chain yet. If the copy is complete, the relay gets its root. With
    /// `file`, the path of the copy, it also gets the saved earlier roots.
    ///
    /// # Errors
    /// [`ChainError`] if the copy cannot be read.
    pub fn new(parts: ChainParts, settings: ChainSettings, file: Option<&Path>) -> Result<Self, ChainError> {
        let members = LatestTree::new(MemberTree::new(Levels::STANDARD));
        let mut follower = Self {
            settings,
            limits: TreeLimits::new(members.clone()),
            members,
            occupied: 0,
            saved: file.map(SavedRoots::beside),
            roots: Vec::new(),
            departures: Departures::default(),
            is_checked: false,
            exit_delay: None,
            is_begun: false,
            failures: 0,
            questions: Questions::new(),
            parts,
        };
        follower.parts.relay.set_message_limits(Arc::new(follower.limits.clone()));
        if let Some(head) = follower.parts.copy.head() {
            follower.restore(&head)?;
        }
        Ok(follower)
    }

    /// Returns the tree as of the last sync, for the routes of light wallets.
    pub fn members(&self) -> LatestTree {
        self.members.clone()
    }

    /// Returns what answers questions about former roots, while this follower runs.
    pub fn archive(&self) -> RootArchive {
        self.questions.archive()
    }

    /// Gives the relay the roots of an earlier run.
    fn restore(&mut self, head: &Head) -> Result<(), ChainError> {
        let loaded = self.saved.as_ref().map_or_else(|| Ok(Saved::default()), |saved| saved.load(head.root));
        let Saved { exit_delay, mut roots } = loaded.unwrap_or_else(|error| {
            warn!(%error, "cannot read the saved roots");
            Saved::default()
        });
        self.exit_delay = exit_delay;
        if roots.is_empty() {
            roots.push(SavedRoot { root: head.root, since: UnixSeconds(0) });
        }
        self.see(head);
        self.publish_tree()?;
        self.install(roots);
        self.parts.context.status.update_chain(|chain| {
            chain.synced = Some(head.block.number);
            chain.members = self.occupied;
        });
        Ok(())
    }

    /// Updates the relay's [`Horizon`]. An unknown exit delay counts as zero: members might then leave at once.
    fn see(&self, head: &Head) {
        let now = self.parts.context.clock.now();
        let head_time = if self.settings.is_own { now.max(head.block.timestamp) } else { head.block.timestamp };
        self.parts.relay.see(Horizon { head_time, exit_delay: self.exit_delay.unwrap_or(0) });
    }

    /// Replaces all roots of the relay.
    fn install(&mut self, roots: Vec<SavedRoot>) {
        let known = self.parts.relay.roots().len();
        self.parts.relay.reorganise_roots(known, roots.iter().map(|saved| (saved.root, saved.since)));
        self.roots = roots;
    }

    /// Follows the chain until `stop` is set.
    ///
    /// # Errors
    /// [`ChainError::Unfit`] if the registry does not suit this relay; all other errors are retried.
    pub fn run(mut self, stop: &StopSignal) -> Result<(), ChainError> {
        while !stop.is_set() {
            let pause = match self.step() {
                Ok(()) => self.settings.poll,
                Err(error @ ChainError::Unfit(_)) => return Err(error),
                Err(_) => self.settings.backoff.pause(self.failures),
            };
            stop.wait(pause);
        }
        Ok(())
    }

    /// Polls the chain once, and updates relay, status and event bus.
    ///
    /// # Errors
    /// [`ChainError`]; the relay then keeps its state.
    pub fn step(&mut self) -> Result<(), ChainError> {
        let synced = self.sync();
        self.questions.answer(&self.parts.copy);
        match synced {
            Ok(synced) => self.answered(&synced),
            Err(error) => {
                self.failed(&error);
                return Err(error);
            }
        }
        self.departures.forget(&self.parts.relay, &self.members.get(), self.parts.context.clock.now());
        Ok(())
    }

    fn sync(&mut self) -> Result<SyncedMembers, ChainError> {
        let registry = self.parts.registry.reader()?;
        if !self.is_checked {
            (self.parts.check)(&*registry)?;
            self.exit_delay = Some(registry.info()?.exit_delay);
            self.is_checked = true;
        }
        let synced = self.parts.copy.sync(&*registry)?;
        if synced.behind > 0 {
            // Nothing has changed, and the endpoint does not have all blocks that a start asks for.
            return Ok(synced);
        }
        if let Some(undone) = synced.undone.filter(|_| self.is_begun) {
            // The copy counts events, but the roots of earlier runs are known by block, so more roots may be removed
            // here than were undone. All roots are read again below, or in the next poll if that fails.
            self.is_begun = false;
            self.publish_tree()?;
            let new = synced.roots.iter().map(|change| (change.root, change.since));
            self.parts.relay.reorganise_roots(undone.roots, new);
            warn!(undone = undone.roots, block = synced.head.block.number, "the chain was reorganised");
            let root = Some(synced.head.root);
            self.parts.context.events.publish(RelayEvent::Reorganised { undone: undone.roots, root });
        }
        if self.is_begun {
            let told = self.tell(&synced);
            // After an error some changes are unknown here, so the next poll reads everything again.
            self.is_begun = told.is_ok();
            told?;
        } else {
            self.begin(&synced, &*registry)?;
        }
        Ok(synced)
    }

    /// Reads all roots of the longest window, and replaces the known ones.
    fn begin(&mut self, synced: &SyncedMembers, registry: &dyn RegistryReader) -> Result<(), ChainError> {
        let relay = &self.parts.relay;
        let since = self.parts.context.clock.now().saturating_sub(relay.policies().longest_root_window().into());
        let roots = self.parts.copy.roots_since(registry, since)?;
        // Without the convictions no member can be forgotten; the next start corrects this.
        if let Err(error) = relay.learn_convictions(self.parts.context.clock.now()) {
            warn!(%error, "cannot read the convictions");
        }
        self.departures = Departures::of_convicted(relay, &self.parts.copy, registry)?;
        self.publish_tree()?;
        let before = self.root();
        self.install(roots.iter().map(|change| SavedRoot { root: change.root, since: change.since }).collect());
        self.save();
        self.is_begun = true;
        if before != self.root() {
            self.announce_root();
        }
        info!(
            block = synced.head.block.number,
            members = self.occupied,
            roots = self.roots.len(),
            "the copy of the members is complete"
        );
        Ok(())
    }

    /// Reports new roots and members to the relay.
    fn tell(&mut self, synced: &SyncedMembers) -> Result<(), ChainError> {
        if synced.roots.is_empty() {
            self.departures.note(&self.parts.relay, &synced.changes);
            return Ok(());
        }
        // First the tree, then the limits of its members, then its root: see `limits`.
        let followed = self.follow_tree(synced);
        self.departures.note(&self.parts.relay, &synced.changes);
        for change in &synced.roots {
            self.parts.relay.advance_root(change.root, change.since);
            self.roots.push(SavedRoot { root: change.root, since: change.since });
        }
        self.forget_old_roots();
        self.save();
        self.announce_root();
        followed
    }

    fn announce_root(&self) {
        if let Some(SavedRoot { root, since }) = self.roots.last().copied() {
            self.parts.context.events.publish(RelayEvent::RootChanged { root, since, members: self.occupied });
        }
    }

    /// Drops saved roots that were superseded longer ago than the longest window.
    fn forget_old_roots(&mut self) {
        let window = u64::from(self.parts.relay.policies().longest_root_window());
        let oldest = self.parts.context.clock.now().saturating_sub(window);
        let superseded = self.roots.iter().skip(1).take_while(|next| next.since < oldest).count();
        self.roots.drain(..superseded);
    }

    fn save(&self) {
        let Some(saved) = &self.saved else { return };
        if let Err(error) = saved.save(Saved { exit_delay: self.exit_delay, roots: self.roots.clone() }) {
            warn!(%error, "cannot save the roots; a start without the chain will know only the latest root");
        }
    }

    /// Publishes the copy's tree after changes that undo nothing.
    fn follow_tree(&mut self, synced: &SyncedMembers) -> Result<(), ChainError> {
        if synced.events != synced.changes.len() as u64 {
            return self.publish_tree();
        }
        let (mut added, mut removed) = (0, 0);
        for change in &synced.changes {
            match change.event.event {
                RegistryEvent::MemberAdded { .. } => added += 1,
                RegistryEvent::SlotZeroed { .. } => removed += 1,
                _ => {}
            }
        }
        let tree = self.parts.copy.tree()?.clone();
        self.limits.note_departed(&synced.changes);
        self.members.set(tree);
        self.limits.tell_new(&self.parts.relay, &synced.changes);
        self.occupied = (self.occupied + added).saturating_sub(removed);
        Ok(())
    }

    /// Publishes the copy's tree, and reads again what depends on its members.
    fn publish_tree(&mut self) -> Result<(), ChainError> {
        let tree = self.parts.copy.tree()?.clone();
        self.occupied =
            (0..tree.len() as u32).filter(|index| tree.member(MemberIndex(*index)).is_some()).count() as u64;
        let departures = self.parts.copy.departures()?;
        self.limits.set_departed(departures.into_iter().map(|(commitment, _)| commitment));
        self.members.set(tree);
        self.limits.tell_all(&self.parts.relay);
        Ok(())
    }

    fn answered(&mut self, SyncedMembers { head, behind, .. }: &SyncedMembers) {
        let now = self.parts.context.clock.now();
        self.see(head);
        let status = &self.parts.context.status;
        status.troubles().end(TroubleKind::ChainReorganised, now);
        match (status.chain().behind, *behind) {
            (0, 1..) => info!(behind, block = head.block.number, "the endpoint is behind; the relay keeps its roots"),
            (1.., 0) => info!(block = head.block.number, "the endpoint has caught up"),
            _ => {}
        }
        status.update_chain(|chain| {
            chain.head = Some(head.block.number);
            chain.behind = *behind;
            chain.head_time = Some(head.block.timestamp);
            chain.synced = Some(head.block.number);
            chain.members = self.occupied;
            chain.answered_at = Some(now);
            chain.failures = 0;
            chain.error = None;
            chain.cause = None;
        });
        if self.failures > 0 {
            warn!(block = head.block.number, failures = self.failures, "the chain answers again");
            self.failures = 0;
            self.parts.context.events.publish(RelayEvent::ChainBack { at: now });
        }
    }

    fn failed(&mut self, error: &ChainError) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            self.parts.context.events.publish(RelayEvent::ChainLost { at: self.parts.context.clock.now() });
            warn!(%error, "cannot follow the chain; the relay continues with the known roots");
        } else {
            debug!(%error, failures = self.failures, "still cannot follow the chain");
        }
        if let ChainError::Follow(too_deep @ FollowError::ReorganisedTooDeep { .. }) = error {
            let now = self.parts.context.clock.now();
            let trouble = Trouble::new(too_deep.to_string(), now);
            self.parts.context.status.troubles().begin(TroubleKind::ChainReorganised, trouble);
        }
        // The cause may be the connection and not the endpoint.
        self.parts.registry.reset();
        self.parts.context.status.update_chain(|chain| {
            chain.failures = self.failures;
            chain.error = Some(error.to_string());
            chain.cause = Some(error.cause());
        });
    }

    /// Returns the relay's latest root; none before the chain answered for the first time.
    pub fn root(&self) -> Option<Root> {
        self.roots.last().map(|saved| saved.root)
    }
}

impl core::fmt::Debug for ChainFollower {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ChainFollower({} members, {} failures)", self.occupied, self.failures)
    }
}
