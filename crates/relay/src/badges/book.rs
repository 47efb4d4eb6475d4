//! The stored chat keys and restrictions of pseudonyms.

use std::collections::{HashMap, hash_map::Entry};

use quotapass_circuits::{
    share::Pseudonym,
    signal::{ChatKeyHash, Scope},
};
use quotapass_protocol::{LogError, UnixSeconds};

use super::super::{MemoryLog, log::Fields};

/// The latest end of a restriction: the last second of the year 9999. A later end counts as no end.
pub const LATEST_END: UnixSeconds = UnixSeconds(253_402_300_799);

/// A pseudonym in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Persona {
    /// The scope.
    pub scope: Scope,
    /// The member's only pseudonym in the scope.
    pub pseudonym: Pseudonym,
}

impl Persona {
    /// Returns the 64 bytes: scope, pseudonym.
    pub fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.scope.to_be_bytes());
        bytes[32..].copy_from_slice(&self.pseudonym.to_be_bytes());
        bytes
    }
}

/// The stored chat key that is bound to a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundKey {
    /// Hash of the chat key.
    pub chat_key: ChatKeyHash,
    /// Optional fields, which the store keeps as they are.
    pub fields: Fields,
}

impl From<ChatKeyHash> for BoundKey {
    fn from(chat_key: ChatKeyHash) -> Self {
        Self { chat_key, fields: Fields::new() }
    }
}

/// The stored restriction of a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// The last second at which it is in force; none means without end. At most [`LATEST_END`].
    pub until: Option<UnixSeconds>,
    /// Optional fields, which the store keeps as they are.
    pub fields: Fields,
}

impl Restriction {
    /// Creates a restriction without optional fields. An end after the year 9999 counts as no end.
    pub fn new(until: Option<UnixSeconds>) -> Self {
        Self { until: until.filter(|until| *until <= LATEST_END), fields: Fields::new() }
    }

    /// Returns whether it is in force at `now`.
    pub fn is_in_force(&self, now: UnixSeconds) -> bool {
        self.until.is_none_or(|until| now <= until)
    }
}

/// The stored record of a pseudonym.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonaRecord {
    /// The chat key that is bound to it.
    pub bound: Option<BoundKey>,
    /// The restriction, which may have ended.
    pub restriction: Option<Restriction>,
}

/// A store of chat keys and restrictions by pseudonym. Relays that share a store see each other's writes at once.
///
/// It grows by one chat key for each pseudonym, and a deposit has one pseudonym in each scope that a relay serves: only
/// a badge with a verified proof binds a chat key. [`expire`](super::super::NullifierLog::expire) drops restrictions
/// that have ended.
pub trait BadgeBook: Send + Sync {
    /// Returns the record of a pseudonym.
    ///
    /// # Errors
    /// [`LogError`].
    fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError>;

    /// Binds a chat key unless one is already bound, and returns the key that was bound before. One atomic operation:
    /// of any number of callers exactly one binds its own key. A caller whose write was sent twice may get its own key
    /// as the one bound before.
    ///
    /// # Errors
    /// [`LogError`].
    fn bind_first(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError>;

    /// Binds a chat key in place of the bound one, and returns the replaced key.
    ///
    /// # Errors
    /// [`LogError`].
    fn rebind(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError>;

    /// Restricts a pseudonym; replaces an earlier restriction.
    ///
    /// # Errors
    /// [`LogError`].
    fn restrict(&self, persona: Persona, restriction: &Restriction) -> Result<(), LogError>;

    /// Lifts a restriction; returns whether there was one.
    ///
    /// # Errors
    /// [`LogError`].
    fn lift(&self, persona: Persona) -> Result<bool, LogError>;
}

/// A book in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryBook {
    keys: HashMap<Persona, BoundKey>,
    restrictions: HashMap<Persona, Restriction>,
}

impl MemoryBook {
    pub(crate) fn expire(&mut self, now: UnixSeconds) {
        self.restrictions.retain(|_, restriction| restriction.is_in_force(now));
    }
}

impl BadgeBook for MemoryLog {
    fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError> {
        let book = self.book.lock();
        let (bound, restriction) = (book.keys.get(&persona).cloned(), book.restrictions.get(&persona).cloned());
        Ok(PersonaRecord { bound, restriction })
    }

    fn bind_first(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        Ok(match self.book.lock().keys.entry(persona) {
            Entry::Vacant(vacant) => {
                vacant.insert(key.clone());
                None
            }
            Entry::Occupied(bound) => Some(bound.get().clone()),
        })
    }

    fn rebind(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        Ok(self.book.lock().keys.insert(persona, key.clone()))
    }

    fn restrict(&self, persona: Persona, restriction: &Restriction) -> Result<(), LogError> {
        self.book.lock().restrictions.insert(persona, restriction.clone());
        Ok(())
    }

    fn lift(&self, persona: Persona) -> Result<bool, LogError> {
        Ok(self.book.lock().restrictions.remove(&persona).is_some())
    }
}
