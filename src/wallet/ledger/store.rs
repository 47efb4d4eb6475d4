//! The protocol by which a book reaches the disk, and what is concluded from what is found there.
//!
//! One commit writes the ledger, then the witness, each as a whole (see [`replace`]). The ledger names the checksum of
//! the ledger before it, and the witness that of the newest ledger. So after a crash at any step the witness is that of
//! the ledger or of the one before it, and an id that a caller was given is in both. Any other pair shows that something
//! was restored, removed or replaced.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    book::Book,
    disk::{Disk, Stored, replace},
    error::LedgerError,
    file::{LedgerFile, Witness},
    quota::{DeviceShare, LedgerOwner, Quota, Reservation},
};
use crate::wallet::bytes::Checksum;

/// Why a ledger may be older than what was really used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Gap {
    /// The witness is not there.
    #[error("the witness of the ledger is missing")]
    WitnessMissing,
    /// The witness cannot be read.
    #[error("the witness of the ledger is damaged")]
    WitnessDamaged,
    /// The witness speaks of another state.
    #[error("the witness has seen state {witness} of the ledger, which is another than the state {ledger} found here")]
    WitnessDiffers {
        /// How many times the ledger found was written.
        ledger: u64,
        /// How many times the ledger that the witness has seen was written.
        witness: u64,
    },
    /// The ledger does not lie in the file that it was written to.
    #[error("the file of the ledger is a copy of the one that was written")]
    FileReplaced,
}

/// What the owner of a new ledger did before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Nothing: the identity is new, and has never posted from anywhere.
    None,
    /// It may have posted, for example before it was restored from its mnemonic. The epoch at the time of creation and the
    /// next are not used.
    Unknown,
}

/// A book on a disk. Locking is up to the caller.
#[derive(Debug)]
pub(super) struct Store<D> {
    disk: D,
    ledger: PathBuf,
    witness: PathBuf,
    book: Book,
    generation: u64,
    checksum: Checksum,
    /// Whether the witness has seen this state.
    is_witnessed: bool,
    /// What was found at opening and is not yet in the book.
    gap: Option<Gap>,
    /// When the ledger that the witness has seen was last used, in Unix seconds.
    witnessed_use: u64,
    /// Whether it was created here, where there was no other ledger before.
    is_first: bool,
}

impl<D: Disk> Store<D> {
    /// Writes a ledger where there is none.
    pub(super) fn create(
        disk: D,
        ledger: &Path,
        witness: &Path,
        mut book: Book,
        now: u64,
        history: History,
    ) -> Result<Self, LedgerError> {
        if read(&disk, ledger)?.is_some() {
            return Err(LedgerError::Exists(ledger.into()));
        }
        let seen = read(&disk, witness)?.map(|seen| Witness::from_bytes(&seen.content).ok());
        // A creation that was broken off has left a witness of no ledger.
        let is_first = seen.is_none_or(|seen| seen.is_some_and(|seen| seen.ledger == Checksum::NOTHING));
        if history == History::None && !is_first {
            return Err(LedgerError::AnotherLedger { witness: witness.into() });
        }
        if history == History::Unknown {
            // Kept, so that the next ledger in this place knows of it too.
            book.last_use = seen.flatten().map_or(0, |seen| seen.last_use);
            book.suspect(now.max(book.last_use));
        }
        let mut store = Self {
            disk,
            ledger: ledger.into(),
            witness: witness.into(),
            book: book.clone(),
            generation: 0,
            checksum: Checksum::NOTHING,
            // The first ledger gets a witness of nothing before it, so that a crash between the two is no gap.
            is_witnessed: !is_first,
            gap: None,
            witnessed_use: 0,
            is_first,
        };
        store.commit(book)?;
        Ok(store)
    }

    /// Reads a ledger, and finds out whether it may be older than what was used.
    pub(super) fn open(
        disk: D,
        ledger: &Path,
        witness: &Path,
        owner: &LedgerOwner,
        share: DeviceShare,
    ) -> Result<Self, LedgerError> {
        let stored = read(&disk, ledger)?.ok_or_else(|| LedgerError::Missing(ledger.into()))?;
        let file = LedgerFile::from_bytes(&stored.content)
            .map_err(|reason| LedgerError::Damaged { path: ledger.into(), reason })?;
        if file.book.owner != *owner {
            return Err(LedgerError::OtherOwner(ledger.into()));
        }
        if file.book.share != share {
            return Err(LedgerError::OtherShare { path: ledger.into(), found: file.book.share, expected: share });
        }
        let checksum = Checksum::of(&stored.content);
        let seen = read(&disk, witness)?;
        // Whoever wrote them may have been killed before their names were flushed. What is concluded here must not be
        // lost with the power later.
        for path in [ledger, witness] {
            disk.sync_folder(path).map_err(|source| io_error("flush the folder of", path, source))?;
        }
        let seen = seen.map(|seen| Witness::from_bytes(&seen.content));
        let gap = match &seen {
            None => Some(Gap::WitnessMissing),
            Some(Err(_)) => Some(Gap::WitnessDamaged),
            Some(Ok(seen)) if seen.ledger != checksum && seen.ledger != file.previous => {
                Some(Gap::WitnessDiffers { ledger: file.generation, witness: seen.generation })
            }
            Some(Ok(_)) if file.stamp.is_some() && file.stamp != stored.stamp => Some(Gap::FileReplaced),
            Some(Ok(_)) => None,
        };
        let seen = seen.and_then(Result::ok);
        Ok(Self {
            disk,
            ledger: ledger.into(),
            witness: witness.into(),
            book: file.book,
            generation: file.generation,
            checksum,
            is_witnessed: seen.is_some_and(|seen| seen.ledger == checksum),
            gap,
            witnessed_use: seen.map_or(0, |seen| seen.last_use),
            is_first: false,
        })
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    pub(super) fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// Reserves an id; on return it is on the disk.
    pub(super) fn reserve(&mut self, now: u64, quota: &Quota) -> Result<Reservation, LedgerError> {
        let mut book = self.book.clone();
        if self.gap.is_some() {
            book.suspect(now.max(book.last_use).max(self.witnessed_use));
            self.commit(book.clone())?;
        }
        let reservation = book.reserve(now, quota)?;
        self.commit(book)?;
        Ok(reservation)
    }

    /// Takes the state as found for the newest there is.
    pub(super) fn confirm_current(&mut self) -> Result<(), LedgerError> {
        let mut book = self.book.clone();
        book.confirm_current();
        self.commit(book)
    }

    /// Takes back an unknown history, unless there was a ledger here before this one.
    pub(super) fn confirm_first(&mut self) -> Result<bool, LedgerError> {
        if self.is_first {
            self.confirm_current()?;
        }
        Ok(self.is_first)
    }

    fn commit(&mut self, book: Book) -> Result<(), LedgerError> {
        // The witness must not fall two states behind, for that is what a restored ledger looks like.
        if self.gap.is_none() && !self.is_witnessed {
            self.write_witness()?;
        }
        let mut file = LedgerFile { generation: self.generation + 1, previous: self.checksum, stamp: None, book };
        let content = replace(&self.disk, &self.ledger, |stamp| {
            file.stamp = stamp;
            file.to_bytes()
        });
        let content = content.map_err(|source| io_error("write", &self.ledger, source))?;
        self.checksum = Checksum::of(&content);
        self.generation = file.generation;
        self.book = file.book;
        self.is_witnessed = false;
        self.write_witness()?;
        self.gap = None;
        Ok(())
    }

    fn write_witness(&mut self) -> Result<(), LedgerError> {
        let witness =
            Witness { ledger: self.checksum, generation: self.generation, last_use: self.book.last_use }.to_bytes();
        replace(&self.disk, &self.witness, |_| witness).map_err(|source| io_error("write", &self.witness, source))?;
        self.is_witnessed = true;
        Ok(())
    }
}

fn read<D: Disk>(disk: &D, path: &Path) -> Result<Option<Stored>, LedgerError> {
    disk.read(path).map_err(|source| io_error("read", path, source))
}

pub(super) fn io_error(action: &'static str, path: &Path, source: io::Error) -> LedgerError {
    LedgerError::Io { action, path: path.into(), source }
}
