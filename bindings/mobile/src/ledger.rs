//! Which message ids are used up.

use core::num::NonZeroU16;
use std::{
    path::Path,
    sync::{Mutex, MutexGuard},
};

use quotapass::wallet::ledger::{self, DeviceShare, LedgerFiles, LedgerOwner};

use crate::{Account, EpochTimes, Membership, QuotapassError, Room, lock};

/// Where the files of a ledger lie.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct LedgerFolders {
    /// The folder of ledgers.
    pub ledgers: String,
    /// The folder of witnesses, by which a ledger that was set back is known. Choose one that no backup restores: on
    /// Android `noBackupFilesDir`, on iOS one that is excluded from backups.
    pub witnesses: String,
}

/// One of several devices that share an identity. Each has its own part of the message ids.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Device {
    /// The device's number, from 0.
    pub number: u16,
    /// How many there are, for as long as the identity is used.
    pub of: u16,
}

/// What the owner of a new ledger did before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum History {
    /// Nothing: the identity is new, and has never posted from anywhere.
    None,
    /// It may have posted, for example before it was restored from its mnemonic. The epoch at the time of creation and the
    /// next are not used. Right too for a new identity before its deposit: that it is new is an endpoint's word until the
    /// receipt is there, and `confirm_current` says so then.
    Unknown,
}

/// How a quota stands.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct QuotaStatus {
    /// The epoch that the asked moment lies in.
    pub epoch: EpochTimes,
    /// Message ids that this device has used in it.
    pub used: u16,
    /// Message ids that it can still use in it.
    pub left: u16,
    /// Unix second at which the next epoch begins in which ids can be used.
    pub next_begins: u64,
}

/// The message ids of an account that are used up, in two files. Two messages under one id reveal the secret and cost
/// the deposit, so an id lies on the disk before a proof is made with it: a crash loses ids, and never repeats one.
///
/// There must be one ledger for an account on a device, and one device for each part of the ids. While a ledger is open,
/// nobody else can open it.
#[derive(uniffi::Object)]
pub struct Ledger {
    owner: LedgerOwner,
    ledger: Mutex<Option<ledger::Ledger>>,
}

#[uniffi::export]
impl Ledger {
    /// Creates the ledger of an account at `now` (Unix seconds). Without a device the account is used on this one alone;
    /// that cannot be changed later.
    ///
    /// # Errors
    /// `LedgerExists` if there is one, or was; `BadInput` if there is no such device; `LedgerInUse`; `Ledger` if the disk
    /// does not take it.
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
        let ledger = ledger::Ledger::create(&files(&folders, &owner), &owner, share, now, history)?;
        Ok(Self { owner, ledger: Mutex::new(Some(ledger)) })
    }

    /// Opens the ledger of an account. A file that is missing or damaged is an error, never a new ledger.
    ///
    /// # Errors
    /// `LedgerMissing`, `LedgerInUse`, `BadInput` if there is no such device; `Ledger` if it is damaged, another's, or
    /// another device's.
    #[uniffi::constructor(default(device = None))]
    pub fn open(account: &Account, folders: LedgerFolders, device: Option<Device>) -> Result<Self, QuotapassError> {
        let (owner, share) = (owner(account), share(device)?);
        let ledger = ledger::Ledger::open(&files(&folders, &owner), &owner, share)?;
        Ok(Self { owner, ledger: Mutex::new(Some(ledger)) })
    }

    /// Why the ledger may be older than what was really used, as found at opening; nothing if it looks current. The first
    /// post then records that, and is refused until the next epoch is over.
    ///
    /// # Errors
    /// `Closed` after `release`.
    pub fn gap(&self) -> Result<Option<String>, QuotapassError> {
        self.with(|ledger| Ok(ledger.gap().map(|gap| gap.to_string())))
    }

    /// Says that the ledger is the newest state of the only one of this account and device, whatever it looks like.
    /// **Should that be wrong, the next post can cost the deposit.**
    ///
    /// # Errors
    /// `Ledger` if the disk does not take it, `Closed` after `release`.
    pub fn confirm_current(&self) -> Result<(), QuotapassError> {
        self.with(|ledger| Ok(ledger.confirm_current()?))
    }

    /// How the quota of a member stands in a room at `now` (Unix seconds).
    ///
    /// # Errors
    /// `Mismatch` if membership or room are not this account's, `Closed` after `release`; those of the membership.
    pub fn quota_left(&self, room: &Room, membership: &Membership, now: u64) -> Result<QuotaStatus, QuotapassError> {
        let (member, _) = membership.locate()?;
        if member.commitment != self.owner.commitment {
            return Err(QuotapassError::mismatch("this membership is not that of the ledger's account"));
        }
        let room = room.client();
        if *room.registry() != self.owner.registry {
            return Err(QuotapassError::mismatch("the room is at another registry than the ledger's account"));
        }
        let status = self.with(|ledger| Ok(ledger.status(now, &room.quota(&member.terms))))?;
        let ledger::QuotaStatus { epoch, used, left, next_begins } = status;
        Ok(QuotaStatus { epoch: epoch.into(), used, left, next_begins })
    }

    /// Closes the files now, whoever still holds the handle, so that they can be opened again.
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
