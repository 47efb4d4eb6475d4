//! A ledger in files: their paths, and the locks that exclude other processes.

use std::{
    env,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use etcetera::{BaseStrategy, choose_base_strategy};
use quotapass_protocol::UnixSeconds;

use super::{
    Book, DeviceShare, Gap, History, LedgerError, LedgerOwner, Quota, QuotaStatus, Reservation,
    disk::{Files, beside, create_folder_of, private},
    store::{Store, io_error, read_book},
};
use crate::files::DATA_FOLDER_VARIABLE;

/// Environment variable that names a state folder to use instead of the platform's default. It contains the ledger's
/// witness.
pub const STATE_FOLDER_VARIABLE: &str = "QUOTAPASS_STATE_DIR";

/// Default time that the second process waits for the first.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// Paths of the files of a ledger: the ledger is in one folder, its witness in another. Beside each is an empty file
/// that is locked while the ledger is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFiles {
    ledger: PathBuf,
    witness: PathBuf,
    lock_wait: Duration,
}

impl LedgerFiles {
    /// The ledger is in `ledgers` of the user's data folder for quotapass, or of the folder that
    /// [`QUOTAPASS_DATA_DIR`](DATA_FOLDER_VARIABLE) names. The witness is in `witnesses` of the user's state folder (of
    /// the cache folder if the platform has no state folder), or of the folder that
    /// [`QUOTAPASS_STATE_DIR`](STATE_FOLDER_VARIABLE) names.
    ///
    /// # Errors
    /// [`LedgerError::NoFolder`].
    pub fn of_user(owner: &LedgerOwner) -> Result<Self, LedgerError> {
        let platform = || choose_base_strategy().map_err(|_| LedgerError::NoFolder);
        let data = match env::var_os(DATA_FOLDER_VARIABLE) {
            Some(folder) => PathBuf::from(folder),
            None => platform()?.data_dir().join("quotapass"),
        };
        let state = match env::var_os(STATE_FOLDER_VARIABLE) {
            Some(folder) => PathBuf::from(folder),
            None => {
                let platform = platform()?;
                platform.state_dir().unwrap_or_else(|| platform.cache_dir()).join("quotapass")
            }
        };
        Ok(Self::in_folders(&data.join("ledgers"), &state.join("witnesses"), owner))
    }

    /// The ledger is in `ledgers` and the witness in `witnesses`, under the owner's [file
    /// name](LedgerOwner::file_name). Choose folders that are not restored from a backup together. All ledgers of a
    /// device should have their witnesses in one folder.
    pub fn in_folders(ledgers: &Path, witnesses: &Path, owner: &LedgerOwner) -> Self {
        let name = owner.file_name();
        Self {
            ledger: ledgers.join(format!("{name}.ledger")),
            witness: witnesses.join(format!("{name}.witness")),
            lock_wait: LOCK_WAIT,
        }
    }

    /// The same files, with another time to wait for a process that has them open. The default is 2 seconds.
    pub fn with_lock_wait(self, lock_wait: Duration) -> Self {
        Self { lock_wait, ..self }
    }

    /// The ledger's path.
    pub fn ledger(&self) -> &Path {
        &self.ledger
    }

    /// The witness's path.
    pub fn witness(&self) -> &Path {
        &self.witness
    }

    /// Whether the ledger exists.
    ///
    /// # Errors
    /// [`LedgerError::Io`] if this cannot be determined.
    pub fn exists(&self) -> Result<bool, LedgerError> {
        self.ledger.try_exists().map_err(|source| io_error("look for", &self.ledger, source))
    }

    /// Reads a copy of the book as the next [reservation](Ledger::reserve) at `now` finds it: ids are suspect if the
    /// ledger may be older than the last use. Needs no lock, so another process may be posting, and changes nothing. It is
    /// for displaying quotas; ids reserved in the copy are not reserved in the ledger.
    ///
    /// # Errors
    /// Those of [`Ledger::open`], except [`LedgerError::InUse`].
    pub fn read_book(&self, owner: &LedgerOwner, share: DeviceShare, now: UnixSeconds) -> Result<Book, LedgerError> {
        read_book(&Files, &self.ledger, &self.witness, owner, share, now)
    }

    /// The path at which [`Ledger::replace`] keeps an existing ledger.
    pub fn former(&self) -> PathBuf {
        beside(&self.ledger, "old")
    }

    /// Locks the identity on this device, then the ledger itself, which other devices may also reach.
    fn lock(&self) -> Result<[File; 2], LedgerError> {
        let deadline = Instant::now() + self.lock_wait;
        let lock = |path: &Path| {
            let path = beside(path, "lock");
            let io = |source| io_error("lock", &path, source);
            create_folder_of(&path).map_err(io)?;
            let file = private().create(true).truncate(false).write(true).open(&path).map_err(io)?;
            loop {
                match try_lock(&file) {
                    Ok(()) => return Ok(file),
                    Err(TryLockError::Error(source)) => return Err(io(source)),
                    Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                        return Err(LedgerError::InUse(path));
                    }
                    Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
                }
            }
        };
        Ok([lock(&self.witness)?, lock(&self.ledger)?])
    }
}

/// Locks a file unless it is locked.
#[cfg(not(target_os = "android"))]
fn try_lock(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

/// Locks a file unless it is locked. The standard library does not support locks on Android, but the system has the
/// locks of Linux.
#[cfg(target_os = "android")]
fn try_lock(file: &File) -> Result<(), TryLockError> {
    use rustix::{
        fs::{FlockOperation, flock},
        io::Errno,
    };
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => TryLockError::WouldBlock,
        error => TryLockError::Error(error.into()),
    })
}

/// A ledger on the disk, open only in this process while the value lives.
#[derive(Debug)]
pub struct Ledger {
    store: Store<Files>,
    /// The locks end when the files are closed, however the process ends.
    _locks: [File; 2],
}

impl Ledger {
    /// Creates a ledger at `now`. Its share cannot change later.
    ///
    /// # Errors
    /// [`LedgerError::Exists`]; [`LedgerError::AnotherLedger`] if `history` is [`History::None`] and a witness of
    /// another ledger exists; [`LedgerError::InUse`]; [`LedgerError::Io`].
    pub fn create(
        files: &LedgerFiles,
        owner: &LedgerOwner,
        share: DeviceShare,
        now: UnixSeconds,
        history: History,
    ) -> Result<Self, LedgerError> {
        let locks = files.lock()?;
        let book = Book::new(*owner, share);
        let store = Store::create(Files, &files.ledger, &files.witness, book, now, history)?;
        Ok(Self { store, _locks: locks })
    }

    /// Creates a ledger at `now` with an unknown history. An existing ledger, which may be damaged or have another share,
    /// is kept beside it with the ending `.old`. Unless it is damaged, the new one knows of all its uses: epochs that it
    /// has entered, also later ones if the clock went back, stay used.
    ///
    /// # Errors
    /// [`LedgerError::InUse`]; [`LedgerError::Io`].
    pub fn replace(
        files: &LedgerFiles,
        owner: &LedgerOwner,
        share: DeviceShare,
        now: UnixSeconds,
    ) -> Result<Self, LedgerError> {
        let locks = files.lock()?;
        let book = Book::new(*owner, share);
        let store = Store::replace(Files, &files.ledger, &files.witness, &files.former(), book, now)?;
        Ok(Self { store, _locks: locks })
    }

    /// Opens the ledger of an identity. A file that is missing or damaged is an error, never a new ledger.
    ///
    /// # Errors
    /// [`LedgerError`] says what does not match.
    pub fn open(files: &LedgerFiles, owner: &LedgerOwner, share: DeviceShare) -> Result<Self, LedgerError> {
        if !files.exists()? {
            return Err(LedgerError::Missing(files.ledger.clone()));
        }
        let locks = files.lock()?;
        let store = Store::open(Files, &files.ledger, &files.witness, owner, share)?;
        Ok(Self { store, _locks: locks })
    }

    /// Reserves the next free id of the epoch at `now`, for any message. On return, the reservation is on the disk.
    ///
    /// If the ledger was opened with a [`gap`](Self::gap), the first call records it and is refused with
    /// [`LedgerRefusal::MayBeStale`](super::LedgerRefusal::MayBeStale).
    ///
    /// # Errors
    /// [`LedgerError::Refused`] says when an id can be reserved; [`LedgerError::Io`] if the disk cannot be written.
    pub fn reserve(&mut self, now: UnixSeconds, quota: &Quota) -> Result<Reservation, LedgerError> {
        self.store.reserve(now, quota)
    }

    /// Reserves an id of the epoch at `now` for a message: the one that the message has already, or the next free one. See
    /// [`Book::reserve_message`]. On return, the reservation is on the disk.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn reserve_message(
        &mut self,
        now: UnixSeconds,
        quota: &Quota,
        message: &[u8],
    ) -> Result<Reservation, LedgerError> {
        self.store.reserve_message(now, quota, message)
    }

    /// Status of a quota at `now`.
    pub fn status(&self, now: UnixSeconds, quota: &Quota) -> QuotaStatus {
        self.store.book().status(now, quota)
    }

    /// The book of the ledger.
    pub fn book(&self) -> &Book {
        self.store.book()
    }

    /// Reason why the ledger may be older than the last use of the identity, found at opening and not yet recorded.
    /// After it is recorded, [`Book::suspect_until`] has the time.
    pub fn gap(&self) -> Option<Gap> {
        self.store.gap()
    }

    /// Records that nothing was posted before this ledger, which was created with [`History::Unknown`] and has been
    /// open since then: the identity's first deposit is in a block after the ledger's creation. Returns false and
    /// changes nothing if the ledger was not created by this value, or if a witness records an earlier ledger here.
    ///
    /// Before the deposit is in a block, only an endpoint states that the identity is new, and an endpoint can lie. A
    /// process that ends before this call leaves a ledger with an unknown history, which costs some waiting time but no
    /// deposit.
    ///
    /// # Errors
    /// [`LedgerError::Io`] if the disk cannot be written.
    pub fn confirm_first(&mut self) -> Result<bool, LedgerError> {
        self.store.confirm_first()
    }

    /// Records that the ledger is current: the caller knows that it is the newest state of the only ledger of this
    /// identity and share. If this is wrong, the next message can cost the deposit.
    ///
    /// # Errors
    /// [`LedgerError::Io`] if the disk cannot be written.
    pub fn confirm_current(&mut self) -> Result<(), LedgerError> {
        self.store.confirm_current()
    }
}
