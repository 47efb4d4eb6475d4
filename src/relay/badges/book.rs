//! Chat keys and restrictions of pseudonyms, as a store keeps them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use quotapass_circuits::{
    share::Pseudonym,
    signal::{ChatKeyHash, Scope},
};

use super::super::{LogError, MemoryLog, lock, log::Fields};

/// The last Unix second at which a restriction with an end may end: the last of the year 9999. A later end is none.
pub const LATEST_END: u64 = 253_402_300_799;

/// A pseudonym in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Persona {
    /// The scope.
    pub scope: Scope,
    /// The member's only pseudonym in it.
    pub pseudonym: Pseudonym,
}

impl Persona {
    /// The 64 bytes: scope, pseudonym.
    pub fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.scope.to_be_bytes());
        bytes[32..].copy_from_slice(&self.pseudonym.to_be_bytes());
        bytes
    }
}

/// A chat key that is bound to a pseudonym, as a store keeps it.
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

/// A restriction of a pseudonym, as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// The last Unix second at which it is in force; without end if none. At most [`LATEST_END`].
    pub until: Option<u64>,
    /// Optional fields, which the store keeps as they are.
    pub fields: Fields,
}

impl Restriction {
    /// A restriction without optional fields. An end after the year 9999 is none.
    pub fn new(until: Option<u64>) -> Self {
        Self { until: until.filter(|until| *until <= LATEST_END), fields: Fields::new() }
    }

    /// Whether it is in force at Unix second `now`.
    pub fn is_in_force(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now <= until)
    }
}

/// What a store knows of a pseudonym.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonaRecord {
    /// The chat key that is bound to it.
    pub bound: Option<BoundKey>,
    /// The restriction, which may be over.
    pub restriction: Option<Restriction>,
}

/// Chat keys and restrictions by pseudonym. Of all relays that share a store, each sees at once what another has written.
///
/// It grows by one chat key for each pseudonym, and a deposit has one pseudonym in each scope that a relay carries: a
/// chat key is bound only by a badge whose proof verified. Restrictions with an end are dropped when
/// [`expire`](super::super::NullifierLog::expire) is called after it.
pub trait BadgeBook: Send + Sync {
    /// What is known of a pseudonym.
    ///
    /// # Errors
    /// [`LogError`].
    fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError>;

    /// Binds a chat key unless one is bound, and returns the one that was. One atomic operation: of any number of callers
    /// exactly one binds its own, but a caller whose write was sent again may be told its own as bound before.
    ///
    /// # Errors
    /// [`LogError`].
    fn bind_first(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError>;

    /// Binds a chat key in place of the one that is bound, which is returned.
    ///
    /// # Errors
    /// [`LogError`].
    fn rebind(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError>;

    /// Restricts a pseudonym, in place of an earlier restriction.
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

/// A pointer to a book is a book.
macro_rules! pointer {
    ($pointer:ident) => {
        impl<B: BadgeBook + ?Sized> BadgeBook for $pointer<B> {
            fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError> {
                (**self).persona(persona)
            }

            fn bind_first(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
                (**self).bind_first(persona, key)
            }

            fn rebind(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
                (**self).rebind(persona, key)
            }

            fn restrict(&self, persona: Persona, restriction: &Restriction) -> Result<(), LogError> {
                (**self).restrict(persona, restriction)
            }

            fn lift(&self, persona: Persona) -> Result<bool, LogError> {
                (**self).lift(persona)
            }
        }
    };
}

pointer!(Box);
pointer!(Arc);

/// A book in memory.
#[derive(Debug, Default)]
pub(in crate::relay) struct MemoryBook {
    keys: HashMap<Persona, BoundKey>,
    restrictions: HashMap<Persona, Restriction>,
}

impl MemoryBook {
    pub(in crate::relay) fn expire(&mut self, now: u64) {
        self.restrictions.retain(|_, restriction| restriction.is_in_force(now));
    }
}

impl BadgeBook for MemoryLog {
    fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError> {
        let book = lock(self.book());
        let (bound, restriction) = (book.keys.get(&persona).cloned(), book.restrictions.get(&persona).cloned());
        Ok(PersonaRecord { bound, restriction })
    }

    fn bind_first(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        Ok(match lock(self.book()).keys.entry(persona) {
            Entry::Vacant(vacant) => {
                vacant.insert(key.clone());
                None
            }
            Entry::Occupied(bound) => Some(bound.get().clone()),
        })
    }

    fn rebind(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        Ok(lock(self.book()).keys.insert(persona, key.clone()))
    }

    fn restrict(&self, persona: Persona, restriction: &Restriction) -> Result<(), LogError> {
        lock(self.book()).restrictions.insert(persona, restriction.clone());
        Ok(())
    }

    fn lift(&self, persona: Persona) -> Result<bool, LogError> {
        Ok(lock(self.book()).restrictions.remove(&persona).is_some())
    }
}
