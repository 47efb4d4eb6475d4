//! The strikes of the own log, and the events that tell of them.

use std::collections::HashMap;

use parking_lot::Mutex;
use quotapass_circuits::{registry_id::RegistryId, share::Nullifier, signal::Epoch};
use quotapass_log::{
    LogStore, SignedLeaf,
    moderation::{Body, Entry, EntryId, Journal, JournalError, Lift},
};
use quotapass_protocol::UnixSeconds;

use super::strike::of_post;
use crate::{Relay, moderation::Struck};

/// The name, beside the log, of the number of entries whose events are told: u64 big-endian.
const TOLD: &str = "told";
/// The most entries that are read at once.
const AT_ONCE: u64 = 1_024;

/// The strikes that are in force in the own log, published or not, and how far their events are told.
///
/// Events follow from the entries, and the number of entries that are told is kept beside the log. So a crash between an entry
/// and its event loses no event; telling one twice changes nothing.
#[derive(Default)]
pub(super) struct Strikes(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The number of entries that were read.
    read: u64,
    by_id: HashMap<EntryId, Struck>,
    by_nullifier: HashMap<Nullifier, EntryId>,
    /// Strikes and lifts that are not told yet, with the size of the log after each.
    untold: Vec<(u64, Change)>,
    told: Option<u64>,
}

enum Change {
    Struck(Struck),
    Lifted(Struck),
}

impl Strikes {
    /// Returns the strike in force of a post.
    pub(super) fn of(&self, nullifier: Nullifier) -> Option<Struck> {
        let known = self.0.lock();
        known.by_nullifier.get(&nullifier).and_then(|id| known.by_id.get(id)).cloned()
    }

    /// Reads the entries that are new, and tells the relay of their strikes and lifts.
    ///
    /// # Errors
    /// The reason; what is not told yet is told by the next call.
    pub(super) fn tell<S: LogStore>(
        &self,
        journal: &Journal<S>,
        relay: &Relay,
        now: UnixSeconds,
    ) -> Result<(), String> {
        let mut known = self.0.lock();
        let failed = |error: JournalError| error.to_string();
        let told = match known.told {
            Some(told) => told,
            None => {
                let kept = journal.beside(TOLD).map_err(failed)?.and_then(|kept| kept.try_into().ok());
                *known.told.insert(kept.map_or(0, u64::from_be_bytes))
            }
        };
        known.read_to(journal, relay.policies().registry(), told)?;
        let untold = core::mem::take(&mut known.untold);
        let mut left = untold.into_iter();
        let mut result = Ok(());
        for (size, change) in left.by_ref() {
            let done = match &change {
                Change::Struck(struck) => relay.moderation().struck(struck, now),
                Change::Lifted(struck) => relay.moderation().lifted(struck, now),
            };
            if let Err(error) = done {
                known.untold.push((size, change));
                result = Err(error.to_string());
                break;
            }
        }
        known.untold.extend(left);
        let told_now = known.untold.first().map_or(known.read, |(size, _)| size - 1);
        if told_now > told {
            journal.keep_beside(TOLD, told_now.to_be_bytes().to_vec()).map_err(failed)?;
            known.told = Some(told_now);
        }
        result
    }
}

impl Known {
    /// Reads the entries that are new. Those up to `told` have been told by an earlier run.
    fn read_to<S: LogStore>(&mut self, journal: &Journal<S>, registry: RegistryId, told: u64) -> Result<(), String> {
        let size = journal.log().size().map_err(|error| error.to_string())?;
        while self.read < size {
            let end = size.min(self.read + AT_ONCE);
            let entries = journal.log().store().entries(self.read..end).map_err(|error| error.to_string())?;
            for bytes in entries {
                self.read += 1;
                let leaf = SignedLeaf::read(&bytes).map_err(|error| error.to_string())?;
                let entry = Entry::from_json(leaf.json()).map_err(|error| error.to_string())?;
                let change = self.apply(entry, registry);
                let read = self.read;
                self.untold.extend(change.filter(|_| read > told).map(|change| (read, change)));
            }
        }
        Ok(())
    }

    fn apply(&mut self, entry: Entry, registry: RegistryId) -> Option<Change> {
        match entry.body {
            // The log may serve other registries, whose posts this relay does not have.
            Body::Strike(strike) if strike.registry == registry => {
                let struck = Struck {
                    id: entry.id.to_string(),
                    epoch: Epoch::new(strike.epoch_seconds, strike.epoch),
                    entry: of_post(&strike.entry),
                    scope: strike.scope,
                    pass: strike.pass,
                    at: entry.at,
                };
                self.by_nullifier.insert(strike.entry.nullifier, entry.id);
                self.by_id.insert(entry.id, struck.clone());
                Some(Change::Struck(struck))
            }
            Body::Lift(Lift { strike, .. }) => {
                let struck = self.by_id.remove(&strike)?;
                self.by_nullifier.remove(&struck.entry.nullifier);
                Some(Change::Lifted(struck))
            }
            _ => None,
        }
    }
}
