//! Ledgers of used message ids.

use core::num::NonZeroU16;
use std::{
    path::Path,
    sync::{Mutex, MutexGuard},
};

use quotapass_protocol::UnixSeconds;
use quotapass_wallet::ledger::{self, DeviceShare, LedgerFiles, LedgerOwner};

use crate::{Account, EpochTimes, Membership, QuotapassError, Room, lock};

/// Folders of a ledger's files.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct LedgerFolders {
    /// The folder of ledgers.
    pub ledgers: String,
    /// The folder of witnesses, which detect a ledger that was set back. Choose a folder that no backup restores:
    /// `noBackupFilesDir` on Android, a folder excluded from backups on iOS.
    pub witnesses: String,
}

/// One of several devices that share an identity. Each device has a separate share of the message ids.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Device {
    /// The device's number, from 0.
    pub number: u16,
    /// Number of devices. It cannot change while the identity is used.
    pub of: u16,
}

/// Earlier activity of the owner of a new ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum History {
    /// None: the identity is new and has never posted from any device.
    None,
    /// It may have posted, for example before it was restored from its mnemonic. The epoch at the time of creation and
    /// the next one are not used. Also use this for a new identity before its deposit: until the receipt exists, only
    /// an endpoint states that the identity is new. Call `confirm_current` after the receipt.
    Unknown,
}

/// Status of a quota.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct QuotaStatus {
    /// The epoch at the requested time.
    pub epoch: EpochTimes,
    /// Number of message ids that this device has used in it.
    pub used: u16,
    /// Number of message ids that it can still use in it.
    pub left: u16,
    /// Start of the next epoch in which ids can be used, in Unix seconds.
    pub next_begins: u64,
}

/// The used message ids of an account, in two files. Two messages with the same id reveal the secret and cost the
/// deposit. So an id is written to the disk before a proof is made with it: a crash can lose ids, but never repeats
/// one.
///
/// There must be exactly one ledger for an account on a device, and one device for each share of the ids. While a
/// ledger is open, nothing else can open it.
#[derive(uniffi::Object)]
pub struct Ledger {
    owner: LedgerOwner,
    ledger: Mutex<Option<ledger::Ledger>>,
}

#[uniffi::export]
impl Ledger {
    /// Creates the ledger of an account at `now` (Unix seconds). Without `device`, the account is used only on this
    /// device; this cannot be changed later.
    ///
    /// # Errors
    /// `LedgerExists` if a ledger exists or existed; `BadInput` if the device is not valid; `LedgerInUse`; `Ledger` if
    /// the disk cannot be written.
    #[uniffi::constructor(default(device = None))]
    pub fn create(
        account: &Account,
        folders: LedgerFolders,
        now: u64,
        history: History,
        device: Option<Device>,
    ) -> Result<Self, QuotapassError> {
        let (owner, share) = (owner(account), share(device)?);
        let history = match history {
            History::None => ledger::History::None,
            History::Unknown => ledger::History::Unknown,
        };
        let ledger = ledger::Ledger::create(&files(&folders, &owner), &owner, share, UnixSeconds(now), history)?;
        Ok(Self { owner, ledger: Mutex::new(Some(ledger)) })
    }

    /// Opens the ledger of an account. A file that is missing or damaged is an error, never a new ledger.
    ///
    /// # Errors
    /// `LedgerMissing`, `LedgerInUse`, `BadInput` if the device is not valid; `Ledger` if the ledger is damaged, or
    /// belongs to another account or device.
    #[uniffi::constructor(default(device = None))]
    pub fn open(account: &Account, folders: LedgerFolders, device: Option<Device>) -> Result<Self, QuotapassError> {
        let (owner, share) = (owner(account), share(device)?);
        let ledger = ledger::Ledger::open(&files(&folders, &owner), &owner, share)?;
        Ok(Self { owner, ledger: Mutex::new(Some(ledger)) })
    }

    /// The reason why the ledger may be older than the last use of the account, found at opening; null if the ledger
    /// looks current. If there is a reason, the first post records it, and posts are refused until the next epoch is
    /// over.
    ///
    /// # Errors
    /// `Closed` after `release`.
    pub fn gap(&self) -> Result<Option<String>, QuotapassError> {
        self.with(|ledger| Ok(ledger.gap().map(|gap| gap.to_string())))
    }

    /// Records that the ledger is the newest state of the only ledger of this account and device, even if it looks old.
    /// **If this is wrong, the next post can cost the deposit.**
    ///
    /// # Errors
    /// `Ledger` if the disk cannot be written, `Closed` after `release`.
    pub fn confirm_current(&self) -> Result<(), QuotapassError> {
        self.with(|ledger| Ok(ledger.confirm_current()?))
    }

    /// Returns the status of a member's quota in a room at `now` (Unix seconds).
    ///
    /// # Errors
    /// `Mismatch` if the membership or the room does not belong to this account, `Closed` after `release`; those of the
    /// membership.
    pub fn quota_left(&self, room: &Room, membership: &Membership, now: u64) -> Result<QuotaStatus, QuotapassError> {
        let (member, _) = membership.locate()?;
        if member.commitment != self.owner.commitment {
            return Err(QuotapassError::mismatch("this membership does not belong to the ledger's account"));
        }
        let policy = room.bound_policy();
        if *policy.registry() != self.owner.registry {
            return Err(QuotapassError::mismatch("the room and the ledger's account are at different registries"));
        }
        let status = self.with(|ledger| Ok(ledger.status(UnixSeconds(now), &policy.quota(&member.terms))))?;
        let ledger::QuotaStatus { epoch, used, left, next_begins } = status;
        Ok(QuotaStatus { epoch: epoch.into(), used, left, next_begins: next_begins.0 })
    }

    /// Closes the files now, even if the handle is still in use, so that they can be opened again.
    pub fn release(&self) {
        lock(&self.ledger).take();
    }
}

impl Ledger {
    pub(crate) fn owner(&self) -> &LedgerOwner {
        &self.owner
    }

    pub(crate) fn with<T>(
        &self,
        use_ledger: impl FnOnce(&mut ledger::Ledger) -> Result<T, QuotapassError>,
    ) -> Result<T, QuotapassError> {
        let mut ledger: MutexGuard<'_, _> = lock(&self.ledger);
        use_ledger(ledger.as_mut().ok_or_else(|| QuotapassError::closed("ledger"))?)
    }
}

fn owner(account: &Account) -> LedgerOwner {
    LedgerOwner { registry: account.registry_id(), commitment: account.identity_commitment() }
}

fn files(folders: &LedgerFolders, owner: &LedgerOwner) -> LedgerFiles {
    LedgerFiles::in_folders(Path::new(&folders.ledgers), Path::new(&folders.witnesses), owner)
}

fn share(device: Option<Device>) -> Result<DeviceShare, QuotapassError> {
    let Some(Device { number, of }) = device else { return Ok(DeviceShare::SOLE) };
    let of = NonZeroU16::new(of).ok_or_else(|| QuotapassError::bad_input("device.of", "must not be zero"))?;
    DeviceShare::new(number, of).map_err(|error| QuotapassError::bad_input("device.number", error))
}
