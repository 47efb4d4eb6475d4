//! The work on open cases.

use std::{
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use quotapass_circuits::{identity::IdentitySecret, membership::MemberIndex, signal::Receiver, slash::slash};
use rand::rngs::OsRng;
use tracing::{info, warn};

use super::{
    SlashSender, SlasherError, SlasherParts, SlasherSettings,
    case::Case,
    search::{FoundSlash, find_slash},
};
use crate::{
    registry::{MemberStatus, Registry, RegistryError},
    relay::{Settlement, StopSignal},
};

/// Works through the convictions of a log. See the [module](super).
pub struct Slasher {
    parts: SlasherParts,
    settings: SlasherSettings,
    /// How many of the log's convictions were read.
    read: u64,
    cases: Vec<Case>,
}

/// Where a convicted member stands on the chain.
enum Standing {
    /// Its deposit can be taken.
    Liable(MemberIndex),
    /// Nothing can be taken any more.
    Closed(Settlement),
    /// It is to be looked at again.
    Unsettled,
}

impl Slasher {
    /// A slasher that has looked at nothing yet.
    pub fn new(parts: SlasherParts, settings: SlasherSettings) -> Self {
        Self { parts, settings, read: 0, cases: Vec::new() }
    }

    /// Works until it is told to stop. A transaction that is waited for delays the end; the process may be ended
    /// meanwhile.
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

    /// Reads what is new in the log, and works once on every case that is due.
    ///
    /// # Errors
    /// [`SlasherError`] if the log cannot be read; a case that fails is put off, and no error.
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

    /// Cases that are open and known to this worker.
    pub fn open(&self) -> usize {
        self.cases.len()
    }

    /// The time until something is to be done.
    fn pause(&self) -> Duration {
        let now = Instant::now();
        let next = self.cases.iter().map(|case| case.due.saturating_duration_since(now)).min();
        next.map_or(self.settings.poll, |next| next.min(self.settings.poll))
    }

    fn read_log(&mut self) -> Result<(), SlasherError> {
        for conviction in self.parts.store.convictions(self.read)? {
            if let Some(secret) = conviction.secret() {
                let case = Case::new(secret);
                if self.parts.store.settlement(case.commitment)?.is_none() {
                    self.cases.push(case);
                }
            }
            self.read += 1;
        }
        Ok(())
    }

    /// One attempt. Returns whether the case is closed.
    fn work(&self, case: &mut Case) -> Result<bool, SlasherError> {
        if self.parts.store.settlement(case.commitment)?.is_some() {
            return Ok(true);
        }
        let registry = self.parts.registry.get()?;
        let Some(sender) = &self.parts.sender else { return self.watch(case, &*registry) };
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

    /// Without anybody to send: says so once, and closes the case when somebody else has seen to it.
    fn watch(&self, case: &mut Case, registry: &dyn Registry) -> Result<bool, SlasherError> {
        match self.standing(case, registry)? {
            Standing::Unsettled => Ok(false),
            // Whoever sent it has the case, and says more of its end.
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
        Ok(self.parts.store.claim(case.commitment, &self.parts.worker, now, until)?)
    }

    fn settle(&self, case: &Case, settlement: &Settlement) -> Result<bool, SlasherError> {
        self.parts.store.settle(case.commitment, settlement)?;
        match settlement {
            Settlement::Slashed { transaction, block, reward } => {
                info!(member = %case.commitment, %transaction, block, %reward, "slashed a member");
            }
            Settlement::Gone => info!(member = %case.commitment, "a convicted member is gone already"),
            Settlement::NoMember => {
                warn!(member = %case.commitment, "evidence against somebody who never was a member")
            }
        }
        Ok(true)
    }

    fn standing(&self, case: &mut Case, registry: &dyn Registry) -> Result<Standing, RegistryError> {
        // Others can have deposited for the same commitment, and the member itself from several accounts: the secret takes
        // all of them, one after the other.
        let slots = registry.slots_of(case.commitment)?;
        if slots.is_empty() {
            let is_certain = case.is_absent();
            return Ok(if is_certain { Standing::Closed(Settlement::NoMember) } else { Standing::Unsettled });
        }
        case.is_known();
        let head = registry.latest_block()?.number;
        let first_seen = *case.first_seen.get_or_insert(head);
        let mut is_slashed = false;
        for index in slots {
            match registry.record(index)?.status {
                MemberStatus::Active | MemberStatus::Exiting { .. } => return Ok(Standing::Liable(index)),
                MemberStatus::Withdrawn => {}
                MemberStatus::Slashed => is_slashed = true,
            }
        }
        if !is_slashed {
            return Ok(Standing::Closed(Settlement::Gone));
        }
        // The latest, after which nothing was left.
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

    /// Proves and sends, and keeps the case meanwhile.
    fn send(
        &self,
        case: &Case,
        sender: &SlashSender,
        index: MemberIndex,
        registry: &dyn Registry,
    ) -> Result<(), SlasherError> {
        let done = StopSignal::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.wait(self.settings.lease / 3) {
                    // Without its lease it goes on: the chain pays once, whoever comes first.
                    if let Err(error) = self.claim(case) {
                        warn!(member = %case.commitment, %error, "cannot keep the case");
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
    registry: &dyn Registry,
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
