//! The quota ledger: which message ids of an identity are used up.
//!
//! A member has a message limit in each epoch and scope. Two messages under one message id reveal the identity secret
//! and cost the deposit, so an id is reserved here, and lies on the disk, before a proof is made with it. A crash can
//! lose ids; it never repeats one.
//!
//! ```
//! # use std::{error::Error, num::{NonZeroU16, NonZeroU32}};
//! # use quotapass::circuits::{identity::IdentitySecret, membership::{Day, Terms}, registry_id::RegistryId, signal::Scope};
//! use quotapass::wallet::ledger::{DeviceShare, History, Ledger, LedgerError, LedgerFiles, LedgerOwner, Quota, Refusal};
//!
//! # fn main() -> Result<(), Box<dyn Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let registry = RegistryId { chain_id: 1, address: [0x11; 20] };
//! # let secret = IdentitySecret::from_seed(b"a seed", &registry, 0)?;
//! # let terms = Terms::new(100, 1, Day(20_700))?;
//! let owner = LedgerOwner { registry, commitment: secret.commitment() };
//! let files = LedgerFiles::in_folders(&folder.path().join("data"), &folder.path().join("state"), &owner);
//! // Or where this user's ledgers belong: LedgerFiles::of_user(&owner)?
//!
//! let now = 1_800_000_000; // the clock's Unix seconds
//! let mut ledger = Ledger::create(&files, &owner, DeviceShare::SOLE, now, History::None)?;
//!
//! // The room's epochs have ten minutes, and it lets nobody send more than five messages in one. This member's own
//! // limit is one.
//! let scope = Scope::new(&registry, "lobby");
//! let quota = Quota::new(scope, NonZeroU32::new(600).ok_or("zero")?, &terms, NonZeroU16::new(5).ok_or("zero")?);
//!
//! let reservation = ledger.reserve(now, &quota)?;
//! // Only now: prove with `reservation.epoch` and `reservation.message_id`.
//! assert_eq!((reservation.message_id, reservation.left), (0, 0));
//!
//! match ledger.reserve(now, &quota) {
//!     Err(LedgerError::Refused(Refusal::QuotaUsed { next_begins, .. })) => assert_eq!(next_begins, 1_800_000_600),
//!     other => panic!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it withstands
//!
//! - **A crash, a kill, a loss of power** at any moment: the file is replaced as a whole, flushed before its name and
//!   after, and an id is given to the caller only then.
//! - **A full disk**, or any other error of the file system: no id is given, and the file is as it was.
//! - **Two processes**: the second waits a little for the first and then gives up. Locks are held on the ledger and on
//!   the witness, so that two ledgers of one identity on a device exclude each other too.
//! - **Two devices**: each has a [`DeviceShare`] of the ids, fixed when its ledger is created.
//! - **A clock that jumps** back or forth: an epoch that was left is never entered again (see [`Book`]).
//! - **An old copy of the ledger** in the place of the newest: the [`Gap`] is seen by the *witness*, a small file in
//!   another folder that names the newest state by its checksum, or else by the inode and birth time of the file, which
//!   the ledger itself names. The first use then records that all epochs up to that moment may have been used, and
//!   refuses them, and the next epoch too, for a clock that is slow shows an epoch that is over: the one after works as
//!   usual. Whoever knows better says so with [`Ledger::confirm_current`].
//!
//! # What it cannot see
//!
//! - A disk, virtual machine or snapshot of a file system that is set back as a whole, ledger and witness included, file
//!   for file. Create the ledger anew with [`History::Unknown`] after that.
//! - The same identity on a second device that was given the same share, or in a second account of this device.
//! - Ids used more than one epoch ahead of the clock, by a clock that was wrong, and lost by an old copy.
//! - A file system that says it has flushed and has not.

mod book;
#[cfg(feature = "wallet")]
mod disk;
mod epochs;
#[cfg(feature = "wallet")]
mod error;
#[cfg(feature = "wallet")]
mod file;
mod format;
#[cfg(feature = "wallet")]
mod open;
mod quota;
#[cfg(feature = "wallet")]
mod store;
#[cfg(test)]
#[cfg(feature = "wallet")]
mod tests;

pub use self::{
    book::{Book, Refusal},
    quota::{DeviceShare, LedgerOwner, NoSuchDevice, Quota, QuotaStatus, Reservation},
};
#[cfg(feature = "wallet")]
pub use self::{
    error::LedgerError,
    open::{Ledger, LedgerFiles, STATE_FOLDER_VARIABLE},
    store::{Gap, History},
};
pub use crate::wallet::bytes::{FormatError, FormatErrorKind};
