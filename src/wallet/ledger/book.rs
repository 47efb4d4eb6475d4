//! The state of a ledger, without a clock and without a file.

use core::num::{NonZeroU16, NonZeroU32};
use std::collections::BTreeMap;

use quotapass_circuits::signal::{Epoch, Scope};

use super::{
    epochs::EnteredEpochs,
    quota::{DeviceShare, LedgerOwner, Quota, QuotaStatus, Reservation},
};

/// How long the epochs of a scope are remembered one by one after the last of them: 30 days, in seconds.
const KEPT_SECONDS: u64 = 30 * 86_400;
/// How many scopes are remembered one by one.
pub(super) const MAX_ENTRIES: usize = 1_024;

/// Why no message id was reserved. Nothing has changed then. Times are in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// All ids of the epoch are used.
    #[error(
        "the quota is used up: {used} of {limit} messages of this epoch are this device's ({share}), and all are spent; \
         the next epoch begins at {next_begins} (Unix seconds)"
    )]
    QuotaUsed {
        /// How many ids were this device's own.
        used: u16,
        /// The limit of all devices together.
        limit: NonZeroU16,
        /// This device.
        share: DeviceShare,
        /// When ids can be reserved again.
        next_begins: u64,
    },
    /// The limit leaves this device no id in any epoch.
    #[error(
        "a limit of {limit} messages leaves nothing to {share}; post from another device, or deposit for a higher limit"
    )]
    NothingForDevice {
        /// The limit of all devices together.
        limit: NonZeroU16,
        /// This device.
        share: DeviceShare,
    },
    /// The clock shows an epoch that was left before, or that may have been.
    #[error(
        "the clock has gone back to epoch {}, which was left before; check the clock, or wait until {next_begins} (Unix \
         seconds)",
        epoch.number()
    )]
    EpochLeft {
        /// The epoch that the clock shows.
        epoch: Epoch,
        /// When ids can be reserved again.
        next_begins: u64,
    },
    /// Ids of this epoch may have been used that the ledger does not know of.
    #[error(
        "the ledger may be older than what was really used, and an id used twice costs the deposit; posting resumes at \
         {resumes_at} (Unix seconds). If you know that this is the newest state of the only ledger, confirm that it is \
         current"
    )]
    MayBeStale {
        /// When ids can be reserved again.
        resumes_at: u64,
    },
}

/// What is known of one scope and epoch length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The epoch entered last, the only one in which ids may still be reserved.
    pub(super) current: u64,
    /// How many of its ids are used, at least one.
    pub(super) used: u16,
    /// All epochs that were ever entered, the current one included.
    pub(super) entered: EnteredEpochs,
}

/// The key of an entry: two lengths of epoch never share nullifiers, so they are counted apart.
pub(super) type EntryKey = (Scope, NonZeroU32);

/// Which message ids of an identity are used up, as far as this device may use them.
///
/// A book is a value: it reads no clock and writes no file. [`Ledger`](super::Ledger) keeps one in a file; a browser can
/// keep one in its own database. Whoever does must store the book after [`reserve`](Self::reserve) and before the
/// reservation is used.
///
/// No sequence of calls gives an id twice in an epoch: ids are counted up within the epoch entered last, and an epoch
/// that was entered and left is never entered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    pub(super) owner: LedgerOwner,
    pub(super) share: DeviceShare,
    /// When the last id was reserved, in Unix seconds; zero if none ever was.
    pub(super) last_use: u64,
    /// Epochs up to the one after that of this Unix second may have been used without the book's knowledge.
    pub(super) suspect_until: Option<u64>,
    /// For scopes that have no entry, epochs that begin at this Unix second or before may be forgotten ones.
    pub(super) forgotten_until: Option<u64>,
    pub(super) entries: BTreeMap<EntryKey, Entry>,
}

impl Book {
    /// A book without entries. What its owner did before is not known to it: see [`suspect`](Self::suspect).
    pub fn new(owner: LedgerOwner, share: DeviceShare) -> Self {
        Self { owner, share, last_use: 0, suspect_until: None, forgotten_until: None, entries: BTreeMap::new() }
    }

    /// A book in the place of one that is given up, at `now` (Unix seconds): ids may have been used elsewhere up to now, or
    /// to the last use that this one knows of if the clock has gone back since. The epochs that this one has entered stay
    /// entered, with all ids used, for the new share may have ids that were the old one's.
    #[must_use]
    pub fn replaced(&self, share: DeviceShare, now: u64) -> Self {
        let mut book = Self { share, ..self.clone() };
        for entry in book.entries.values_mut() {
            entry.used = share.ids_below(NonZeroU16::MAX);
        }
        book.suspect(now.max(book.last_use));
        book
    }

    /// Whose ids it counts.
    pub fn owner(&self) -> &LedgerOwner {
        &self.owner
    }

    /// Which ids are this device's.
    pub fn share(&self) -> DeviceShare {
        self.share
    }

    /// When the last id was reserved, in Unix seconds; none if none ever was.
    pub fn last_use(&self) -> Option<u64> {
        (self.last_use != 0).then_some(self.last_use)
    }

    /// Until when, in Unix seconds, ids may have been used that the book does not know of.
    pub fn suspect_until(&self) -> Option<u64> {
        self.suspect_until
    }

    /// Takes the next free id of the epoch that `now` (Unix seconds) lies in.
    ///
    /// # Errors
    /// [`Refusal`]; the book is then unchanged.
    pub fn reserve(&mut self, now: u64, quota: &Quota) -> Result<Reservation, Refusal> {
        let epoch = Epoch::at(quota.epoch_seconds, now);
        let own = self.share.ids_below(quota.limit);
        if own == 0 {
            return Err(Refusal::NothingForDevice { limit: quota.limit, share: self.share });
        }
        let used = self.used(epoch, quota)?;
        let id = if used < own { self.share.id(used) } else { None };
        let Some(message_id) = id else {
            let next_begins = self.next_begins(epoch, quota);
            return Err(Refusal::QuotaUsed { used: own, limit: quota.limit, share: self.share, next_begins });
        };
        self.enter(epoch, quota, used + 1);
        self.last_use = now;
        self.forget(now, (quota.scope, quota.epoch_seconds));
        Ok(Reservation { epoch, message_id, left: own - used - 1 })
    }

    /// How a quota stands at `now` (Unix seconds).
    pub fn status(&self, now: u64, quota: &Quota) -> QuotaStatus {
        let epoch = Epoch::at(quota.epoch_seconds, now);
        let used = self.used(epoch, quota);
        let known = self.entry(quota).filter(|entry| entry.current == epoch.number()).map_or(0, |entry| entry.used);
        QuotaStatus {
            epoch,
            used: known,
            left: used.map_or(0, |used| self.share.ids_below(quota.limit).saturating_sub(used)),
            next_begins: self.next_begins(epoch, quota),
        }
    }

    /// Refuses every epoch up to the one after that of `until` (Unix seconds): ids may have been used in them that the book
    /// does not know of.
    ///
    /// The one after as well, for `until` is what a clock shows. One that is slow shows the last seconds of an epoch when
    /// others, whose ids these were, are in the next.
    pub fn suspect(&mut self, until: u64) {
        self.suspect_until = self.suspect_until.max(Some(until));
    }

    /// Takes back [`suspect`](Self::suspect): the caller knows that no id was used but those in the book. Should that be
    /// wrong, the next message can cost the deposit.
    pub fn confirm_current(&mut self) {
        self.suspect_until = None;
    }

    fn entry(&self, quota: &Quota) -> Option<&Entry> {
        self.entries.get(&(quota.scope, quota.epoch_seconds))
    }

    /// How many ids of an epoch are used, if more may be.
    fn used(&self, epoch: Epoch, quota: &Quota) -> Result<u16, Refusal> {
        if self.suspect_until.is_some_and(|until| epoch.number() <= number_after(Epoch::at(quota.epoch_seconds, until)))
        {
            return Err(Refusal::MayBeStale { resumes_at: self.next_begins(epoch, quota) });
        }
        let left = match self.entry(quota) {
            Some(entry) if entry.current == epoch.number() => return Ok(entry.used),
            Some(entry) => entry.entered.contains(epoch.number()),
            None => self.forgotten_until.is_some_and(|until| epoch.begins() <= until),
        };
        if left { Err(Refusal::EpochLeft { epoch, next_begins: self.next_begins(epoch, quota) }) } else { Ok(0) }
    }

    /// When the first epoch after `epoch` begins in which ids can be reserved.
    fn next_begins(&self, epoch: Epoch, quota: &Quota) -> u64 {
        let after = |until: Option<u64>| until.map_or(0, |until| number_after(Epoch::at(quota.epoch_seconds, until)));
        let next =
            number_after(epoch).max(after(self.suspect_until).saturating_add(self.suspect_until.is_some().into()));
        let next = match self.entry(quota) {
            Some(entry) => entry.entered.next_outside(next),
            None => next.max(after(self.forgotten_until)),
        };
        Epoch::new(quota.epoch_seconds, next).begins()
    }

    fn enter(&mut self, epoch: Epoch, quota: &Quota, used: u16) {
        let number = epoch.number();
        // A scope without an entry may have had one: all that may have been forgotten counts as entered.
        let forgotten = self.forgotten_until.map(|until| Epoch::at(quota.epoch_seconds, until).number());
        let entry = self.entries.entry((quota.scope, quota.epoch_seconds)).or_insert_with(|| Entry {
            current: number,
            used,
            entered: forgotten.map_or_else(|| EnteredEpochs::new(number), EnteredEpochs::up_to),
        });
        entry.current = number;
        entry.used = used;
        entry.entered.enter(number);
    }

    /// Drops the entries that are long past, and the oldest ones if there are too many. What was known of them becomes
    /// one time before which no scope without an entry is entered.
    fn forget(&mut self, now: u64, kept: EntryKey) {
        let last = |(key, entry): (&EntryKey, &Entry)| (Epoch::new(key.1, entry.entered.last()), *key);
        while let Some((epoch, key)) =
            self.entries.iter().filter(|(key, _)| **key != kept).map(last).min_by_key(|(epoch, _)| epoch.begins())
        {
            if self.entries.len() <= MAX_ENTRIES && epoch.ends().saturating_add(KEPT_SECONDS) >= now {
                return;
            }
            self.entries.remove(&key);
            self.forgotten_until = self.forgotten_until.max(Some(epoch.begins()));
        }
    }
}

fn number_after(epoch: Epoch) -> u64 {
    epoch.number().saturating_add(1)
}
