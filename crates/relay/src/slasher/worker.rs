//! The work on open cases.

use core::cmp::Reverse;
use std::{
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use quotapass_circuits::{identity::IdentitySecret, membership::MemberIndex, signal::Receiver, slash::slash};
use quotapass_registry::{MemberStatus, RegistryError, RegistryReader, RegistryWriter};
use rand::rngs::OsRng;
use tracing::{info, warn};

use super::{
    SlashSender, SlasherError, SlasherParts, SlasherSettings,
    case::Case,
    search::{FoundSlash, find_slash},
};
use crate::{Settlement, StopSignal, conviction::ConvictionPosition};

/// A worker for the convictions of a log. See the [module](super).
pub struct Slasher {
    parts: SlasherParts,
    settings: SlasherSettings,
    /// The position in the log's convictions.
    position: ConvictionPosition,
    cases: Vec<Case>,
}

/// The state of a convicted member on the chain.
enum Standing {
    /// Its deposit can be taken.
    Liable(MemberIndex),
    /// There is no deposit left to take.
    Closed(Settlement),
    /// The outcome is not final; the case is checked again.
    Unsettled,
}

impl Slasher {
    /// Creates a slasher that has read nothing yet.
    pub fn new(parts: SlasherParts, settings: SlasherSettings) -> Self {
        Self { parts, settings, position: ConvictionPosition::default(), cases: Vec::new() }
    }

    /// Works until `stop` is set. Waiting for a transaction delays the return; the process may be ended meanwhile.
    pub fn run(mut self, stop: &StopSignal) {
        let mut failures = 0;
        while !stop.is_set() {
            let pause = match self.round(stop) {
                Ok(()) => {
                    failures = 0;
                    self.pause()
                }
                Err(error) => {
                    failures += 1;
                    warn!(%error, failures, "the slasher cannot read the log");
                    self.settings.backoff.pause(failures)
                }
            };
            stop.wait(pause);
        }
    }

    /// Reads new convictions from the log, and works once on every case that is due.
    ///
    /// # Errors
    /// [`SlasherError`] if the log cannot be read. A failed case is only postponed; it is not an error.
    pub fn round(&mut self, stop: &StopSignal) -> Result<(), SlasherError> {
        self.read_log()?;
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = self.cases.drain(..).partition(|case| case.due <= now);
        self.cases = later;
        for mut case in due {
            let worked = if stop.is_set() { Ok(false) } else { self.work(&mut case) };
            match worked {
                Ok(true) => {
                    self.parts.context.status.update_slashing(|slashing| {
                        slashing.settled += 1;
                        slashing.failures = 0;
                    });
                    continue;
                }
                Ok(false) => case.wait(&self.settings),
                Err(error) => {
                    case.failed(&error, &self.settings);
                    self.parts.context.status.update_slashing(|slashing| slashing.failures += 1);
                    let again_in = case.due.saturating_duration_since(Instant::now()).as_secs();
                    warn!(member = %case.commitment, %error, failures = case.failures, again_in, "cannot slash yet");
                }
            }
            self.cases.push(case);
        }
        self.parts.context.status.update_slashing(|slashing| slashing.open = self.cases.len() as u64);
        Ok(())
    }

    /// Returns the number of open cases that this worker knows.
    pub fn open(&self) -> usize {
        self.cases.len()
    }

    /// Returns the time until the next case is due, at most the polling pause.
    fn pause(&self) -> Duration {
        let now = Instant::now();
        let next = self.cases.iter().map(|case| case.due.saturating_duration_since(now)).min();
        next.map_or(self.settings.poll, |next| next.min(self.settings.poll))
    }

    fn read_log(&mut self) -> Result<(), SlasherError> {
        let (position, convictions) = self.position.read_on(&*self.parts.store)?;
        for conviction in convictions {
            let Some(secret) = conviction.secret() else { continue };
            let case = Case::new(secret, conviction.at);
            let is_known = self.cases.iter().any(|known| known.commitment == case.commitment);
            if !is_known && self.parts.store.cases().settlement(case.commitment)?.is_none() {
                self.cases.push(case);
            }
        }
        self.position = position;
        Ok(())
    }

    /// Makes one attempt at a case. Returns whether the case is closed.
    fn work(&self, case: &mut Case) -> Result<bool, SlasherError> {
        if self.parts.store.cases().settlement(case.commitment)?.is_some() {
            return Ok(true);
        }
        let Some(sender) = &self.parts.sender else { return self.watch(case, &*self.parts.registry.reader()?) };
        let registry = self.parts.registry.writer()?;
        if !self.claim(case)? {
            return Ok(false);
        }
        match self.standing(case, &*registry)? {
            Standing::Unsettled => Ok(false),
            Standing::Closed(settlement) => self.settle(case, &settlement),
            Standing::Liable(index) => {
                self.send(case, sender, index, &*registry)?;
                match self.standing(case, &*registry)? {
                    Standing::Closed(settlement) => self.settle(case, &settlement),
                    Standing::Liable(_) | Standing::Unsettled => Ok(false),
                }
            }
        }
    }

    /// Watches a case without a sender: logs this once, and closes the case when another party has taken the deposit.
    fn watch(&self, case: &mut Case, registry: &dyn RegistryReader) -> Result<bool, SlasherError> {
        match self.standing(case, registry)? {
            Standing::Unsettled => Ok(false),
            // If another relay has the case, it settles it with more detail.
            Standing::Closed(settlement) => Ok(self.claim(case)? && self.settle(case, &settlement)?),
            Standing::Liable(index) => {
                if !case.is_announced {
                    case.is_announced = true;
                    warn!(
                        member = %case.commitment, index = index.0,
                        "a member exceeded a quota, and no wallet is set to slash it: export the evidence with `quotapass \
                         relay evidence export`, and slash by hand with `quotapass slash --evidence`"
                    );
                }
                Ok(false)
            }
        }
    }

    fn claim(&self, case: &Case) -> Result<bool, SlasherError> {
        let now = self.parts.context.clock.now();
        let until = now.saturating_add(self.settings.lease.as_secs());
        Ok(self.parts.store.cases().claim(case.commitment, &self.parts.worker, now, until)?)
    }

    fn settle(&self, case: &Case, settlement: &Settlement) -> Result<bool, SlasherError> {
        self.parts.store.cases().settle(case.commitment, settlement)?;
        match settlement {
            Settlement::Slashed { transaction, block, reward } => {
                info!(member = %case.commitment, %transaction, block, %reward, "slashed a member");
            }
            Settlement::Gone => info!(member = %case.commitment, "a convicted member has no deposit left to slash"),
            Settlement::NoMember => {
                warn!(member = %case.commitment, "the evidence is not against a member of this registry")
            }
        }
        Ok(true)
    }

    fn standing(&self, case: &mut Case, registry: &dyn RegistryReader) -> Result<Standing, RegistryError> {
        // Before the slots, which are then at least as new.
        let head = registry.latest_block()?;
        // Other accounts can have deposited for the same commitment, also the member's own: with the secret all of
        // these deposits are taken, one after the other.
        let slots = registry.slots_of(case.commitment)?;
        if slots.is_empty() {
            let is_certain = case.is_absent(head.timestamp);
            return Ok(if is_certain { Standing::Closed(Settlement::NoMember) } else { Standing::Unsettled });
        }
        case.is_known();
        let head = head.number;
        let first_seen = *case.first_seen.get_or_insert(head);
        // Attack prevented: before it is caught, a member with a large deposit makes many small ones for its
        // commitment, and withdraws the large one while the small ones are taken. The largest is therefore the first.
        let (mut largest, mut is_slashed) = (None, false);
        for index in slots {
            let record = registry.record(index)?;
            match record.status {
                MemberStatus::Active | MemberStatus::Exiting { .. } => {
                    largest = largest.max(Some((record.stake, Reverse(index))));
                }
                MemberStatus::Withdrawn => {}
                MemberStatus::Slashed => is_slashed = true,
            }
        }
        if let Some((_, Reverse(index))) = largest {
            return Ok(Standing::Liable(index));
        }
        if !is_slashed {
            return Ok(Standing::Closed(Settlement::Gone));
        }
        // The latest slash; after it no deposit was left.
        let found = find_slash(registry, case.commitment, head, Some(first_seen))?;
        let deep = |slash: &FoundSlash| head >= slash.block.saturating_add(self.settings.confirmations);
        Ok(match found {
            Some(slash) if !deep(&slash) => Standing::Unsettled,
            Some(slash) if self.receiver() == Some(slash.receiver) => Standing::Closed(Settlement::Slashed {
                transaction: slash.transaction.to_string(),
                block: slash.block,
                reward: slash.reward.to_string(),
            }),
            _ => Standing::Closed(Settlement::Gone),
        })
    }

    fn receiver(&self) -> Option<Address> {
        self.parts.sender.as_ref().map(SlashSender::receiver)
    }

    /// Proves and sends a slash, and renews the claim meanwhile.
    fn send(
        &self,
        case: &Case,
        sender: &SlashSender,
        index: MemberIndex,
        registry: &dyn RegistryWriter,
    ) -> Result<(), SlasherError> {
        let done = StopSignal::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.wait(self.settings.lease / 3) {
                    // It continues without a lease: the chain pays only once, to the first slash.
                    if let Err(error) = self.claim(case) {
                        warn!(member = %case.commitment, %error, "cannot renew the claim on the case");
                    }
                }
            });
            let _guard = done.set_on_drop();
            prove_and_send(&case.secret, sender, index, registry)
        })
    }
}

fn prove_and_send(
    secret: &IdentitySecret,
    sender: &SlashSender,
    index: MemberIndex,
    registry: &dyn RegistryWriter,
) -> Result<(), SlasherError> {
    let to = sender.receiver();
    let receiver = Receiver::new(&registry.id(), &to.into_array());
    let (public, witness) = slash(secret, receiver);
    let proof = sender.prover.prove(&public, &witness, &mut OsRng)?;
    registry.slash(sender.account.get(), index, to, &proof)?;
    Ok(())
}

impl core::fmt::Debug for Slasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Slasher({}, {} open cases)", self.parts.worker, self.cases.len())
    }
}
