//! The protocol that writes a book to the disk, and the checks when it is read.
//!
//! One commit writes the ledger, then the witness, each atomically (see [`replace`]). The ledger contains the checksum
//! of the previous ledger, and the witness contains the checksum of the newest ledger. So after a crash at any step,
//! the witness matches the ledger or the previous one, and both include every id that a caller received. Any other pair
//! shows that a file was restored, removed or replaced.

use std::{
    io,
    path::{Path, PathBuf},
};

use quotapass_protocol::UnixSeconds;

use super::{
    book::{Book, LedgerRefusal},
    disk::{Disk, Stored, replace},
    error::LedgerError,
    file::{LedgerFile, Witness},
    quota::{DeviceShare, LedgerOwner, Quota, Reservation},
};
use crate::bytes::Checksum;

/// Reason why a ledger may be older than the last use of the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Gap {
    /// The witness is missing.
    #[error("the witness of the ledger is missing")]
    WitnessMissing,
    /// The witness cannot be read.
    #[error("the witness of the ledger is damaged")]
    WitnessDamaged,
    /// The witness records another state.
    #[error("the witness recorded state {witness} of the ledger, but state {ledger} was found here")]
    WitnessDiffers {
        /// Number of times the found ledger was written.
        ledger: u64,
        /// Number of times the ledger that the witness recorded was written.
        witness: u64,
    },
    /// The ledger is in another file than the one it was written to.
    #[error("the file of the ledger is a copy of the one that was written")]
    FileReplaced,
}

/// Earlier activity of the owner of a new ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// None: the identity is new and has never posted from any device.
    None,
    /// It may have posted, for example before it was restored from its mnemonic. The epoch at the time of creation and
    /// the next one are not used.
    Unknown,
}

/// A ledger as its files show it.
struct Found {
    file: LedgerFile,
    checksum: Checksum,
    seen: Option<Witness>,
    gap: Option<Gap>,
}

impl Found {
    /// Reads a ledger, and checks whether it may be older than the last use.
    fn read<D: Disk>(
        disk: &D,
        ledger: &Path,
        witness: &Path,
        owner: &LedgerOwner,
        share: DeviceShare,
    ) -> Result<Self, LedgerError> {
        let stored = read(disk, ledger)?.ok_or_else(|| LedgerError::Missing(ledger.into()))?;
        let file = LedgerFile::from_bytes(&stored.content)
            .map_err(|reason| LedgerError::Damaged { path: ledger.into(), reason })?;
        if file.book.owner != *owner {
            return Err(LedgerError::OtherOwner(ledger.into()));
        }
        if file.book.share != share {
            return Err(LedgerError::OtherShare { path: ledger.into(), found: file.book.share, expected: share });
        }
        let checksum = Checksum::of(&stored.content);
        let seen = read(disk, witness)?.map(|seen| Witness::from_bytes(&seen.content));
        let gap = match &seen {
            None => Some(Gap::WitnessMissing),
            Some(Err(_)) => Some(Gap::WitnessDamaged),
            Some(Ok(seen)) if seen.ledger != checksum && seen.ledger != file.previous => {
                Some(Gap::WitnessDiffers { ledger: file.generation, witness: seen.generation })
            }
            Some(Ok(_)) if file.stamp.is_some() && file.stamp != stored.stamp => Some(Gap::FileReplaced),
            Some(Ok(_)) => None,
        };
        Ok(Self { file, checksum, seen: seen.and_then(Result::ok), gap })
    }

    /// Time of the last use of the ledger that the witness records.
    fn witnessed_use(&self) -> UnixSeconds {
        self.seen.map_or(UnixSeconds(0), |seen| seen.last_use)
    }
}

/// Reads the book as the next reservation at `now` finds it. Needs no lock, and changes nothing.
pub(super) fn read_book<D: Disk>(
    disk: &D,
    ledger: &Path,
    witness: &Path,
    owner: &LedgerOwner,
    share: DeviceShare,
    now: UnixSeconds,
) -> Result<Book, LedgerError> {
    loop {
        let found = Found::read(disk, ledger, witness, owner, share)?;
        if found.gap.is_none() {
            return Ok(found.file.book);
        }
        // Another process may have replaced both files between the two reads, which looks like a gap.
        if read(disk, ledger)?.is_some_and(|again| Checksum::of(&again.content) == found.checksum) {
            let witnessed_use = found.witnessed_use();
            return Ok(suspected(found.file.book, now, witnessed_use));
        }
    }
}

/// Returns the book of a ledger with a gap that is used at `now`.
fn suspected(mut book: Book, now: UnixSeconds, witnessed_use: UnixSeconds) -> Book {
    book.suspect(now.max(book.last_use).max(witnessed_use));
    book
}

/// A book on a disk. The caller must lock it.
#[derive(Debug)]
pub(super) struct Store<D> {
    disk: D,
    ledger: PathBuf,
    witness: PathBuf,
    book: Book,
    generation: u64,
    checksum: Checksum,
    /// Whether the witness records this state.
    is_witnessed: bool,
    /// The gap found at opening and not yet recorded in the book.
    gap: Option<Gap>,
    /// Time of the last use of the ledger that the witness records.
    witnessed_use: UnixSeconds,
    /// Whether this value created the ledger, with no other ledger here before.
    is_first: bool,
}

impl<D: Disk> Store<D> {
    /// Writes a new ledger.
    pub(super) fn create(
        disk: D,
        ledger: &Path,
        witness: &Path,
        book: Book,
        now: UnixSeconds,
        history: History,
    ) -> Result<Self, LedgerError> {
        if read(&disk, ledger)?.is_some() {
            return Err(LedgerError::Exists(ledger.into()));
        }
        let seen = read(&disk, witness)?.map(|seen| Witness::from_bytes(&seen.content).ok());
        // An interrupted creation leaves a witness of no ledger.
        let is_first = seen.is_none_or(|seen| seen.is_some_and(|seen| seen.ledger == Checksum::NOTHING));
        if history == History::None && !is_first {
            return Err(LedgerError::AnotherLedger { witness: witness.into() });
        }
        Self::begin(disk, ledger, witness, book, now, history, is_first)
    }

    /// Writes a ledger with an unknown history in place of another one, which is kept at `former`. Unless the other one is
    /// damaged, the new one knows of all its uses. The name of the ledger refers to one of the two at every moment.
    pub(super) fn replace(
        disk: D,
        ledger: &Path,
        witness: &Path,
        former: &Path,
        book: Book,
        now: UnixSeconds,
    ) -> Result<Self, LedgerError> {
        let Some(Stored { content, .. }) = read(&disk, ledger)? else {
            return Self::create(disk, ledger, witness, book, now, History::Unknown);
        };
        let book = match LedgerFile::from_bytes(&content) {
            Ok(file) if file.book.owner == book.owner => file.book.replaced(book.share, now),
            _ => book,
        };
        replace(&disk, former, |_| content).map_err(|source| io_error("write", former, source))?;
        Self::begin(disk, ledger, witness, book, now, History::Unknown, false)
    }

    fn begin(
        disk: D,
        ledger: &Path,
        witness: &Path,
        mut book: Book,
        now: UnixSeconds,
        history: History,
        is_first: bool,
    ) -> Result<Self, LedgerError> {
        if history == History::Unknown {
            let seen = read(&disk, witness)?.and_then(|seen| Witness::from_bytes(&seen.content).ok());
            // Stored, so that the next ledger in this place knows of it too.
            book.last_use = book.last_use.max(seen.map_or(UnixSeconds(0), |seen| seen.last_use));
            book.suspect(now.max(book.last_use));
        }
        let mut store = Self {
            disk,
            ledger: ledger.into(),
            witness: witness.into(),
            book: book.clone(),
            generation: 0,
            checksum: Checksum::NOTHING,
            // Before the first ledger, a witness of no ledger is written, so that a crash between the two is not a gap.
            is_witnessed: !is_first,
            gap: None,
            witnessed_use: UnixSeconds(0),
            is_first,
        };
        store.commit(book)?;
        Ok(store)
    }

    /// Reads a ledger, and checks whether it may be older than the last use.
    pub(super) fn open(
        disk: D,
        ledger: &Path,
        witness: &Path,
        owner: &LedgerOwner,
        share: DeviceShare,
    ) -> Result<Self, LedgerError> {
        let found = Found::read(&disk, ledger, witness, owner, share)?;
        // The process that wrote them may have been killed before their names were flushed. Without this flush, a later
        // power loss could change the files that the check has relied on.
        for path in [ledger, witness] {
            disk.sync_folder(path).map_err(|source| io_error("flush the folder of", path, source))?;
        }
        let witnessed_use = found.witnessed_use();
        let Found { file, checksum, seen, gap } = found;
        Ok(Self {
            disk,
            ledger: ledger.into(),
            witness: witness.into(),
            book: file.book,
            generation: file.generation,
            checksum,
            is_witnessed: seen.is_some_and(|seen| seen.ledger == checksum),
            gap,
            witnessed_use,
            is_first: false,
        })
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    pub(super) fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// Reserves an id for any message; on return, the reservation is on the disk.
    pub(super) fn reserve(&mut self, now: UnixSeconds, quota: &Quota) -> Result<Reservation, LedgerError> {
        self.reserve_in(now, |book| book.reserve(now, quota))
    }

    /// Reserves an id for a message; on return, the reservation is on the disk.
    pub(super) fn reserve_message(
        &mut self,
        now: UnixSeconds,
        quota: &Quota,
        message: &[u8],
    ) -> Result<Reservation, LedgerError> {
        self.reserve_in(now, |book| book.reserve_message(now, quota, message))
    }

    fn reserve_in(
        &mut self,
        now: UnixSeconds,
        reserve: impl FnOnce(&mut Book) -> Result<Reservation, LedgerRefusal>,
    ) -> Result<Reservation, LedgerError> {
        let mut book = self.book.clone();
        if self.gap.is_some() {
            book = suspected(book, now, self.witnessed_use);
            self.commit(book.clone())?;
        }
        let reservation = reserve(&mut book)?;
        // A message that has an id already changes nothing, and its id is on the disk since it was reserved. A crash or a
        // failed write may have left the witness at the state before: while it is there, an old copy of the ledger that
        // lacks the id would look like the newest one.
        if book != self.book {
            self.commit(book)?;
        } else if !self.is_witnessed {
            self.write_witness()?;
        }
        Ok(reservation)
    }

    /// Accepts the found state as the newest.
    pub(super) fn confirm_current(&mut self) -> Result<(), LedgerError> {
        let mut book = self.book.clone();
        book.confirm_current();
        self.commit(book)
    }

    /// Undoes an unknown history, unless there was an earlier ledger here.
    pub(super) fn confirm_first(&mut self) -> Result<bool, LedgerError> {
        if self.is_first {
            self.confirm_current()?;
        }
        Ok(self.is_first)
    }

    fn commit(&mut self, book: Book) -> Result<(), LedgerError> {
        // The witness must not be two states behind, because a restored ledger looks the same.
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
