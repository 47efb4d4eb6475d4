//! Errors of a ledger.

use std::{io, path::PathBuf};

use super::{book::LedgerRefusal, quota::DeviceShare};
use crate::{bytes::FormatError, files::DATA_FOLDER_VARIABLE, ledger::STATE_FOLDER_VARIABLE};

/// Errors of a ledger. Unless the variant says otherwise, no id was reserved and the files are unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// No id can be reserved now; the refusal says when one can be.
    #[error(transparent)]
    Refused(#[from] LedgerRefusal),
    /// The platform has no data folder.
    #[error(
        "found no data folder for this user; name folders in the environment variables {DATA_FOLDER_VARIABLE} and \
         {STATE_FOLDER_VARIABLE}"
    )]
    NoFolder,
    /// No ledger exists there.
    #[error(
        "there is no ledger at {0}; check the path, or create one there. If this identity has posted before, create it \
         with an unknown history"
    )]
    Missing(PathBuf),
    /// A new ledger would replace another.
    #[error("a ledger already exists at {0}; open it")]
    Exists(PathBuf),
    /// Another ledger on this device has counted this identity's ids.
    #[error(
        "this identity has had another ledger on this device, recorded in {witness}; open that one, because two \
         ledgers of one identity use the same ids. If it is lost, create this one with an unknown history"
    )]
    AnotherLedger {
        /// The witness of the other ledger.
        witness: PathBuf,
    },
    /// Another process, or another handle in this process, has the ledger open.
    #[error("the ledger is in use ({0} is locked); close the other program that posts with this identity")]
    InUse(PathBuf),
    /// The file is damaged.
    #[error(
        "the ledger {path} cannot be read: {reason}. The file is unchanged. Restore it from a backup; without one, \
         move it away and create a ledger with an unknown history"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: FormatError,
    },
    /// The ledger belongs to another owner.
    #[error("the ledger {0} belongs to another identity or registry; check the path")]
    OtherOwner(PathBuf),
    /// The ledger was made for another device share.
    #[error(
        "the ledger {path} belongs to {found}, not to {expected}; a device keeps its share as long as its ledger \
         exists, because that device may have used ids of the share"
    )]
    OtherShare {
        /// The file.
        path: PathBuf,
        /// The share it was made with.
        found: DeviceShare,
        /// The expected share.
        expected: DeviceShare,
    },
    /// The system refused to read or write.
    #[error("cannot {action} {path}: {source}. No message id was reserved; fix the problem and try again")]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}
