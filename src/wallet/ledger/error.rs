//! Why a ledger does not open or does not reserve.

use std::{io, path::PathBuf};

use super::{book::Refusal, quota::DeviceShare};
use crate::{
    keys::DATA_FOLDER_VARIABLE,
    wallet::{bytes::FormatError, ledger::STATE_FOLDER_VARIABLE},
};

/// What a ledger cannot do. Unless it says otherwise, no id was reserved and the files are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// No id is reserved now; it says when one can be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The platform names no folder.
    #[error(
        "found no data folder for this user; name folders in the environment variables {DATA_FOLDER_VARIABLE} and \
         {STATE_FOLDER_VARIABLE}"
    )]
    NoFolder,
    /// There is no ledger there.
    #[error(
        "there is no ledger at {0}; check the path, or create one there. If this identity has posted before, create it \
         with an unknown history"
    )]
    Missing(PathBuf),
    /// A new ledger would replace another.
    #[error("there is a ledger at {0} already; open it")]
    Exists(PathBuf),
    /// Another ledger has counted this identity's ids on this device.
    #[error(
        "this identity has had another ledger on this device, of which {witness} speaks; open that one, for two ledgers \
         of one identity use the same ids. If it is lost, create this one with an unknown history"
    )]
    AnotherLedger {
        /// The witness of the other ledger.
        witness: PathBuf,
    },
    /// Another process, or another handle of this one, has the ledger open.
    #[error("the ledger is in use ({0} is locked); close the other program that posts with this identity")]
    InUse(PathBuf),
    /// The file is not what was written.
    #[error(
        "the ledger {path} cannot be read: {reason}. It was left as it is. Restore it from a backup; without one, move it \
         away and create a ledger with an unknown history"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: FormatError,
    },
    /// The file counts for somebody else.
    #[error("the ledger {0} is that of another identity or registry; check the path")]
    OtherOwner(PathBuf),
    /// The ledger was made for another device.
    #[error(
        "the ledger {path} is that of {found}, not of {expected}; a device keeps its share for as long as the ledger \
         lives, for ids given to one device may be used there"
    )]
    OtherShare {
        /// The file.
        path: PathBuf,
        /// The share it was made with.
        found: DeviceShare,
        /// The share asked for.
        expected: DeviceShare,
    },
    /// The system refused to read or write.
    #[error("cannot {action} {path}: {source}. No message id was reserved; once that is mended, try again")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}
