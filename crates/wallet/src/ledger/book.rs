//! The state of a ledger, without a clock and without a file.

use core::num::{NonZeroU16, NonZeroU32};
use std::collections::BTreeMap;

use quotapass_circuits::signal::{Epoch, Scope, SignalHash, ZeroSignal};
use quotapass_protocol::UnixSeconds;

use super::{
    epochs::EnteredEpochs,
    quota::{DeviceShare, LedgerOwner, Quota, QuotaStatus, Reservation},
};

/// Time for which a scope's epochs are stored one by one after the last of them: 30 days, in seconds.
const KEPT_SECONDS: u64 = 30 * 86_400;
/// Maximum number of scopes that are stored one by one.
pub(super) const MAX_ENTRIES: usize = 1_024;
/// Maximum number of messages of one scope that are stored, the newest.
pub(super) const MAX_SIGNALS: usize = 128;

/// Reason why no message id was reserved. Nothing changes then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerRefusal {
    /// All ids of the epoch are used.
    #[error(
        "the quota is used up: this device ({share}) has {used} of the {limit} messages of this epoch, and all are \
         used; the next epoch begins at {next_begins} (Unix seconds)"
    )]
    QuotaUsed {
        /// Number of ids that belong to this device.
        used: u16,
        /// The limit of all devices together.
        limit: NonZeroU16,
        /// This device.
        share: DeviceShare,
        /// When ids can be reserved again.
        next_begins: UnixSeconds,
    },
    /// The limit is so low that this device has no ids in any epoch.
    #[error(
        "a limit of {limit} messages leaves none for {share}; post from another device, or deposit for a higher limit"
    )]
    NothingForDevice {
        /// The limit of all devices together.
        limit: NonZeroU16,
        /// This device.
        share: DeviceShare,
    },
    /// The clock shows an epoch that was left before, or may have been.
    #[error(
        "the clock went back to epoch {}, which was left before; check the clock, or wait until {next_begins} (Unix \
         seconds)",
        epoch.number()
    )]
    EpochLeft {
        /// The epoch that the clock shows.
        epoch: Epoch,
        /// When ids can be reserved again.
        next_begins: UnixSeconds,
    },
    /// Ids of this epoch may have been used without the ledger's knowledge.
    #[error(
        "the ledger may be older than the last use of this identity, and an id used twice costs the deposit; posting \
         resumes at {resumes_at} (Unix seconds). If you know that this is the newest state of the only ledger, confirm \
         that it is current"
    )]
    MayBeStale {
        /// When ids can be reserved again.
        resumes_at: UnixSeconds,
    },
    /// The message cannot be proved.
    #[error(transparent)]
    Signal(#[from] ZeroSignal),
}

/// The stored state of one scope and epoch length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The last epoch entered. Ids can be reserved only in this one.
    pub(super) current: u64,
    /// Number of its ids that are used, at least one.
    pub(super) used: u16,
    /// All epochs that were ever entered, the current one included.
    pub(super) entered: EnteredEpochs,
    /// The message of each id of the current epoch, ascending by id, at most [`MAX_SIGNALS`]. Ids that were reserved for
    /// any message are not in it.
    pub(super) signals: Vec<(u16, SignalHash)>,
}

impl Entry {
    fn id_of(&self, signal: SignalHash) -> Option<u16> {
        self.signals.iter().find(|(_, known)| *known == signal).map(|(id, _)| *id)
    }
}

/// The key of an entry: different epoch lengths never share nullifiers, so they are counted separately.
pub(super) type EntryKey = (Scope, NonZeroU32);

/// The used message ids of an identity, among those that this device may use.
///
/// A book is a value: it reads no clock and writes no file. [`Ledger`](super::Ledger) keeps one in a file; a browser
/// can keep one in its own database. A program that stores a book itself must store it after [`reserve`](Self::reserve)
/// and before it uses the reservation.
///
/// No sequence of calls gives an id twice in an epoch, except for the same message: ids are counted up within the last
/// epoch entered, and an epoch that was left is never entered again.
///
/// The book has the signal hashes of the newest messages of the current epochs, so that a message whose pass must be made
/// again keeps its id. A reader of the book can therefore tell which of these messages are its owner's. When an epoch is
/// over, its hashes are removed with the next reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    pub(super) owner: LedgerOwner,
    pub(super) share: DeviceShare,
    /// Time of the last reservation; zero if there was none.
    pub(super) last_use: UnixSeconds,
    /// Epochs up to the one after the epoch of this time may have been used without the book's knowledge.
    pub(super) suspect_until: Option<UnixSeconds>,
    /// For scopes without an entry, epochs that begin at this time or before may have been entered and forgotten.
    pub(super) forgotten_until: Option<UnixSeconds>,
    pub(super) entries: BTreeMap<EntryKey, Entry>,
}

impl Book {
    /// A book without entries. It does not know what its owner did before: see [`suspect`](Self::suspect).
    pub fn new(owner: LedgerOwner, share: DeviceShare) -> Self {
        Self {
            owner,
            share,
            last_use: UnixSeconds(0),
            suspect_until: None,
            forgotten_until: None,
            entries: BTreeMap::new(),
        }
    }

    /// Returns a book that replaces this one at `now`. Ids may have been used elsewhere up to now, or up to the last
    /// use that this book knows of if the clock went back since then. The epochs that this book has entered stay
    /// entered, with all ids used, because the new share may contain ids of the old one.
    #[must_use]
    pub fn replaced(&self, share: DeviceShare, now: UnixSeconds) -> Self {
        let mut book = Self { share, ..self.clone() };
        for entry in book.entries.values_mut() {
            entry.used = share.ids_below(NonZeroU16::MAX);
            entry.signals.clear();
        }
        book.suspect(now.max(book.last_use));
        book
    }

    /// The owner of the ids.
    pub fn owner(&self) -> &LedgerOwner {
        &self.owner
    }

    /// The device's share of the ids.
    pub fn share(&self) -> DeviceShare {
        self.share
    }

    /// Time of the last reservation; `None` if there was none.
    pub fn last_use(&self) -> Option<UnixSeconds> {
        (self.last_use != UnixSeconds(0)).then_some(self.last_use)
    }

    /// Time up to which ids may have been used without the book's knowledge.
    pub fn suspect_until(&self) -> Option<UnixSeconds> {
        self.suspect_until
    }

    /// Reserves the next free id of the epoch at `now`, for any message.
    ///
    /// # Errors
    /// [`LedgerRefusal`]; the book is then unchanged.
    pub fn reserve(&mut self, now: UnixSeconds, quota: &Quota) -> Result<Reservation, LedgerRefusal> {
        self.reserve_for(now, quota, None)
    }

    /// Reserves an id of the epoch at `now` for a message: the id that was reserved for the same message in this epoch, or
    /// the next free one. The book is unchanged in the first case.
    ///
    /// A pass must be made again if the root, a list or the policy has moved on before a relay accepted it. With another
    /// id it would be a second post. The same id is safe for the same message alone: share and nullifier are then the
    /// same, and a relay that has the first pass answers that the second is a replay.
    ///
    /// # Errors
    /// [`LedgerRefusal`]; the book is then unchanged.
    pub fn reserve_message(
        &mut self,
        now: UnixSeconds,
        quota: &Quota,
        message: &[u8],
    ) -> Result<Reservation, LedgerRefusal> {
        let signal = SignalHash::new(quota.scope, Epoch::at(quota.epoch_seconds, now), message)?;
        self.reserve_for(now, quota, Some(signal))
    }

    pub(super) fn reserve_for(
        &mut self,
        now: UnixSeconds,
        quota: &Quota,
        signal: Option<SignalHash>,
    ) -> Result<Reservation, LedgerRefusal> {
        let epoch = Epoch::at(quota.epoch_seconds, now);
        let own = self.share.ids_below(quota.limit);
        if own == 0 {
            return Err(LedgerRefusal::NothingForDevice { limit: quota.limit, share: self.share });
        }
        let used = self.used(epoch, quota)?;
        // An id at or above a limit that was lowered since proves nothing.
        let former = self.entry(quota).filter(|entry| entry.current == epoch.number());
        let former = former.zip(signal).and_then(|(entry, signal)| entry.id_of(signal));
        if let Some(message_id) = former.filter(|id| *id < quota.limit.get()) {
            return Ok(Reservation { epoch, message_id, left: own.saturating_sub(used), signal, is_again: true });
        }
        let id = if used < own { self.share.id(used) } else { None };
        let Some(message_id) = id else {
            let next_begins = self.next_begins(epoch, quota);
            return Err(LedgerRefusal::QuotaUsed { used: own, limit: quota.limit, share: self.share, next_begins });
        };
        self.enter(epoch, quota, used + 1, signal.map(|signal| (message_id, signal)));
        self.last_use = now;
        self.forget(now, (quota.scope, quota.epoch_seconds));
        Ok(Reservation { epoch, message_id, left: own - used - 1, signal, is_again: false })
    }

    /// Status of a quota at `now`.
    pub fn status(&self, now: UnixSeconds, quota: &Quota) -> QuotaStatus {
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

    /// Refuses every epoch up to the one after the epoch of `until`, because ids may have been used in them without the
    /// book's knowledge.
    ///
    /// The epoch after is included because `until` is the time of a clock. A slow clock shows the last seconds of an
    /// epoch when the devices that used the ids are already in the next one.
    pub fn suspect(&mut self, until: UnixSeconds) {
        self.suspect_until = self.suspect_until.max(Some(until));
    }

    /// Undoes [`suspect`](Self::suspect): the caller knows that no ids were used except those in the book. If this is
    /// wrong, the next message can cost the deposit.
    pub fn confirm_current(&mut self) {
        self.suspect_until = None;
    }

    fn entry(&self, quota: &Quota) -> Option<&Entry> {
        self.entries.get(&(quota.scope, quota.epoch_seconds))
    }

    /// Number of used ids of an epoch, if more can be reserved.
    fn used(&self, epoch: Epoch, quota: &Quota) -> Result<u16, LedgerRefusal> {
        if self.suspect_until.is_some_and(|until| epoch.number() <= number_after(Epoch::at(quota.epoch_seconds, until)))
        {
            return Err(LedgerRefusal::MayBeStale { resumes_at: self.next_begins(epoch, quota) });
        }
        let left = match self.entry(quota) {
            Some(entry) if entry.current == epoch.number() => return Ok(entry.used),
            Some(entry) => entry.entered.contains(epoch.number()),
            None => self.forgotten_until.is_some_and(|until| epoch.begins() <= until),
        };
        if left { Err(LedgerRefusal::EpochLeft { epoch, next_begins: self.next_begins(epoch, quota) }) } else { Ok(0) }
    }

    /// Start of the first epoch after `epoch` in which ids can be reserved.
    fn next_begins(&self, epoch: Epoch, quota: &Quota) -> UnixSeconds {
        let after =
            |until: Option<UnixSeconds>| until.map_or(0, |until| number_after(Epoch::at(quota.epoch_seconds, until)));
        let next =
            number_after(epoch).max(after(self.suspect_until).saturating_add(self.suspect_until.is_some().into()));
        let next = match self.entry(quota) {
            Some(entry) => entry.entered.next_outside(next),
            None => next.max(after(self.forgotten_until)),
        };
        Epoch::new(quota.epoch_seconds, next).begins()
    }

    fn enter(&mut self, epoch: Epoch, quota: &Quota, used: u16, message: Option<(u16, SignalHash)>) {
        let number = epoch.number();
        // A scope without an entry may have had one: every epoch that may have been forgotten counts as entered.
        let forgotten = self.forgotten_until.map(|until| Epoch::at(quota.epoch_seconds, until).number());
        let entry = self.entries.entry((quota.scope, quota.epoch_seconds)).or_insert_with(|| Entry {
            current: number,
            used,
            entered: forgotten.map_or_else(|| EnteredEpochs::new(number), EnteredEpochs::up_to),
            signals: Vec::new(),
        });
        if entry.current != number {
            entry.signals.clear();
        }
        entry.signals.extend(message);
        entry.signals.drain(..entry.signals.len().saturating_sub(MAX_SIGNALS));
        entry.current = number;
        entry.used = used;
        entry.entered.enter(number);
    }

    /// Drops the messages of epochs that are over, entries that are long past, and the oldest entries if there are too
    /// many. Dropped entries are summarised by one time: a scope without an entry cannot enter epochs up to that time.
    fn forget(&mut self, now: UnixSeconds, kept: EntryKey) {
        for ((_, seconds), entry) in &mut self.entries {
            if Epoch::new(*seconds, entry.current).ends() <= now {
                entry.signals.clear();
            }
        }
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
