//! The quota ledger, which records the used message ids of an identity.
//!
//! A member has a message limit in each epoch and scope. Two messages with the same message id reveal the identity
//! secret and cost the deposit. So an id is reserved here and written to the disk before a proof is made with it. A
//! crash can lose ids, but never repeats one.
//!
//! ```
//! # use std::{error::Error, num::{NonZeroU16, NonZeroU32}};
//! # use quotapass_circuits::{identity::IdentitySecret, membership::{Day, Terms}, registry_id::RegistryId, signal::Scope};
//! use quotapass_wallet::ledger::{DeviceShare, History, Ledger, LedgerError, LedgerFiles, LedgerOwner, Quota, LedgerRefusal};
//! use quotapass_protocol::UnixSeconds;
//!
//! # fn main() -> Result<(), Box<dyn Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let registry = RegistryId { chain_id: 1, address: [0x11; 20] };
//! # let secret = IdentitySecret::from_seed(b"a seed", &registry, 0)?;
//! # let terms = Terms::new(100, 1, Day(20_700))?;
//! let owner = LedgerOwner { registry, commitment: secret.commitment() };
//! let files = LedgerFiles::in_folders(&folder.path().join("data"), &folder.path().join("state"), &owner);
//! // Or in this user's folders: LedgerFiles::of_user(&owner)?
//!
//! let now = UnixSeconds(1_800_000_000); // the time of the clock
//! let mut ledger = Ledger::create(&files, &owner, DeviceShare::SOLE, now, History::None)?;
//!
//! // The scope's epochs are ten minutes long, and a member may send at most five messages in one. This member's own
//! // limit is one.
//! let scope = Scope::new(&registry, "lobby");
//! let quota = Quota::new(scope, NonZeroU32::new(600).ok_or("zero")?, &terms, NonZeroU16::new(5).ok_or("zero")?);
//!
//! let reservation = ledger.reserve(now, &quota)?;
//! // Only now: prove with a [`Poster`](crate::Poster), which consumes the reservation.
//! assert_eq!((reservation.message_id(), reservation.left()), (0, 0));
//!
//! match ledger.reserve(now, &quota) {
//!     Err(LedgerError::Refused(LedgerRefusal::QuotaUsed { next_begins, .. })) => {
//!         assert_eq!(next_begins, UnixSeconds(1_800_000_600));
//!     }
//!     other => panic!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it protects against
//!
//! - **A crash, a kill or a power loss** at any moment: the file is replaced atomically, flushed before and after it is
//!   renamed, and only then is an id returned to the caller.
//! - **A full disk** or any other file system error: no id is returned, and the file is unchanged.
//! - **Two processes**: the second waits briefly for the first and then gives up. Both the ledger and the witness are
//!   locked, so two ledgers of one identity on a device also exclude each other.
//! - **Two devices**: each has a [`DeviceShare`] of the ids, fixed when its ledger is created.
//! - **A clock that jumps** backwards or forwards: an epoch that was left is never entered again (see [`Book`]).
//! - **An old copy of the ledger** that replaces the newest: the [`Gap`] is detected with the *witness*, a small file
//!   in another folder that has the checksum of the newest state, or with the inode and creation time of the file,
//!   which the ledger itself stores. The first use then records that all epochs up to that moment may have been used.
//!   It refuses them and also the next epoch, because a slow clock may show an epoch that is already over. The epoch
//!   after that works as usual. A caller who knows that the ledger is current calls [`Ledger::confirm_current`].
//!
//! # What it cannot detect
//!
//! - A disk, virtual machine or file system snapshot that is restored as a whole, with ledger and witness. Create the
//!   ledger again with [`History::Unknown`] after that.
//! - The same identity on a second device that was given the same share, or in a second account of this device.
//! - Ids that a wrong clock used more than one epoch ahead, and that an old copy of the ledger lost.
//! - A file system that reports a flush without having flushed.

mod book;
#[cfg(feature = "files")]
mod disk;
mod epochs;
#[cfg(feature = "files")]
mod error;
#[cfg(feature = "files")]
mod file;
mod format;
#[cfg(feature = "files")]
mod open;
mod quota;
#[cfg(feature = "files")]
mod store;
#[cfg(test)]
#[cfg(feature = "files")]
mod tests;

pub use self::{
    book::{Book, LedgerRefusal},
    quota::{DeviceShare, LedgerOwner, NoSuchDevice, Quota, QuotaStatus, Reservation},
};
#[cfg(feature = "files")]
pub use self::{
    error::LedgerError,
    open::{Ledger, LedgerFiles, STATE_FOLDER_VARIABLE},
    store::{Gap, History},
};
pub use crate::bytes::{FormatError, FormatErrorKind};
