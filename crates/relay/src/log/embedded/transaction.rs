//! Writes that are committed together, and reads that see them.

use std::collections::HashMap;

use quotapass_circuits::{identity::IdentityCommitment, share::Nullifier};
use quotapass_protocol::{LogError, UnixSeconds};

use super::{
    moderation::{Kept, ModerationWrites},
    store::{Store, key_of, numbered, partition_of},
};
use crate::{
    BoundKey, Case, Conviction, Entry, LogEpoch, Outcome, Persona, Recorded, Restriction, Settlement, Swap, WorkerId,
    log::{Record, RecordError},
};

/// A place in the database.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// In the table of records.
    Record(Vec<u8>),
    /// In a partition, by its end.
    Nullifier { partition: UnixSeconds, key: [u8; 64] },
}

impl Place {
    pub(super) fn nullifier(epoch: &LogEpoch, nullifier: Nullifier) -> Self {
        Self::Nullifier { partition: partition_of(epoch), key: key_of(epoch, nullifier) }
    }

    pub(super) fn chat_key(persona: Persona) -> Self {
        Self::Record([&b"k"[..], &persona.to_bytes()].concat())
    }

    pub(super) fn restriction(persona: Persona) -> Self {
        Self::Record([&b"r"[..], &persona.to_bytes()].concat())
    }

    /// Returns the place in the index by end, which finds ended restrictions.
    fn end(until: UnixSeconds, persona: Persona) -> Self {
        Self::Record([&numbered(b'u', until.0)[..], &persona.to_bytes()].concat())
    }

    pub(super) fn case(commitment: IdentityCommitment) -> Self {
        Self::Record([&b"s"[..], &commitment.to_be_bytes()].concat())
    }
}

/// The writes of several callers. Each caller sees the earlier writes.
pub(super) struct Transaction<'a> {
    store: &'a Store,
    writes: HashMap<Place, Vec<u8>>,
    moderation: ModerationWrites,
    convictions: u64,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, writes: HashMap::new(), moderation: HashMap::new(), convictions: store.conviction_count() }
    }

    pub(super) fn into_writes(self) -> (HashMap<Place, Vec<u8>>, ModerationWrites) {
        (self.writes, self.moderation)
    }

    fn get<T: Record>(&self, place: &Place) -> Result<Option<T>, LogError> {
        self.get_by(place, T::from_bytes)
    }

    fn get_by<T>(
        &self,
        place: &Place,
        read: impl FnOnce(&[u8]) -> Result<T, RecordError>,
    ) -> Result<Option<T>, LogError> {
        let value = match self.writes.get(place) {
            Some(bytes) => read(bytes),
            None => match self.store.get(place)? {
                Some(bytes) => read(&bytes),
                None => return Ok(None),
            },
        };
        Ok(Some(value?))
    }

    pub(super) fn record(&mut self, entry: &Entry) -> Result<Outcome, LogError> {
        if entry.epoch.keep_until() <= self.store.watermark() {
            return Err(LogError::Expired);
        }
        let place = Place::nullifier(&entry.epoch, entry.nullifier);
        match self.get::<Recorded>(&place)? {
            Some(recorded) => Ok(Outcome::of(&recorded, entry)),
            None => {
                self.store.ensure_partition(partition_of(&entry.epoch))?;
                self.writes.insert(place, entry.recorded().to_bytes());
                Ok(Outcome::New)
            }
        }
    }

    /// Stores evidence against the member with this commitment, unless there is some. Returns whether it was stored.
    pub(super) fn convict(
        &mut self,
        commitment: IdentityCommitment,
        conviction: &Conviction,
    ) -> Result<bool, LogError> {
        let member = Place::Record([&b"m"[..], &commitment.to_be_bytes()].concat());
        if self.writes.contains_key(&member) || self.store.get(&member)?.is_some() {
            return Ok(false);
        }
        self.writes.insert(member, self.convictions.to_be_bytes().into());
        self.writes.insert(Place::Record(numbered(b'e', self.convictions)), conviction.to_bytes());
        self.convictions += 1;
        Ok(true)
    }

    /// Binds a chat key; replaces a bound key only with `replaces`. Returns the key that was bound before.
    pub(super) fn bind(
        &mut self,
        persona: Persona,
        key: &BoundKey,
        replaces: bool,
    ) -> Result<Option<BoundKey>, LogError> {
        let place = Place::chat_key(persona);
        let bound = self.get::<BoundKey>(&place)?;
        if bound.is_none() || replaces {
            self.writes.insert(place, key.to_bytes());
        }
        Ok(bound)
    }

    /// Restricts a pseudonym. Returns the former restriction.
    pub(super) fn restrict(
        &mut self,
        persona: Persona,
        restriction: &Restriction,
    ) -> Result<Option<Restriction>, LogError> {
        let place = Place::restriction(persona);
        let former = self.get::<Restriction>(&place)?;
        self.writes.insert(place, restriction.to_bytes());
        if let Some(until) = restriction.until {
            self.writes.insert(Place::end(until, persona), Vec::new());
        }
        Ok(former)
    }

    /// Lifts a restriction: its end moves to a time long ago, so that the next expiry drops it. Returns whether there
    /// was one.
    pub(super) fn lift(&mut self, persona: Persona) -> Result<bool, LogError> {
        let is_lifted = |restriction: &Restriction| restriction.until == Some(UnixSeconds(0));
        let known = self.get::<Restriction>(&Place::restriction(persona))?;
        if known.as_ref().is_none_or(is_lifted) {
            return Ok(false);
        }
        self.restrict(persona, &Restriction::new(Some(UnixSeconds(0)))).map(|_| true)
    }

    /// Replaces a record of moderation if it has the expected value. Returns whether it did.
    pub(super) fn swap(&mut self, Swap { key, expected, new, keep_until }: Swap) -> Result<bool, LogError> {
        let known = match self.moderation.get(&key) {
            Some(written) => written.clone(),
            None => self.store.moderation().read(&key)?,
        };
        let fits = known.map(|kept| kept.value) == expected;
        if fits {
            self.moderation.insert(key, new.map(|value| Kept { until: keep_until, value }));
        }
        Ok(fits)
    }

    pub(super) fn claim(
        &mut self,
        commitment: IdentityCommitment,
        worker: &WorkerId,
        now: UnixSeconds,
        until: UnixSeconds,
    ) -> Result<bool, LogError> {
        let place = Place::case(commitment);
        let is_free = self.get_by(&place, Case::from_json)?.is_none_or(|case| case.is_free_for(worker, now, until));
        if is_free {
            self.writes.insert(place, Case::Claimed { worker: worker.clone(), until }.to_json()?);
        }
        Ok(is_free)
    }

    pub(super) fn settle(&mut self, commitment: IdentityCommitment, settlement: Settlement) -> Result<(), LogError> {
        let place = Place::case(commitment);
        if !matches!(self.get_by(&place, Case::from_json)?, Some(Case::Settled(_))) {
            self.writes.insert(place, Case::Settled(settlement).to_json()?);
        }
        Ok(())
    }
}
