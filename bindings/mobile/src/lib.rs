//! quotapass for Kotlin, Swift and Python, through [UniFFI](https://mozilla.github.io/uniffi-rs/).
//!
//! An app creates or restores an [`Identity`], follows its [`Membership`] in the tree of a registry, loads a
//! [`Prover`], prepares it for its account and a [`Room`], and then posts: each message is first counted in the
//! [`Ledger`] and then proved. A reader of the room checks messages with a [`Verifier`]. In a room with moderation it reads
//! the [`Lists`] first.
//!
//! The app holds handles. Secrets stay inside them and are zeroized when the last handle is dropped, or immediately
//! with `wipe`. Only the mnemonic leaves, for the backup. Times are arguments, in Unix seconds. Field elements are
//! text: `0x` and 64 hexadecimal digits, most significant first.
//!
//! Calls block. Long calls accept a [`CancelToken`], which cancels them and reports their progress; make them on a
//! separate thread. Invalid arguments never abort the process: they give an error that says what to do.

mod author;
mod badge;
mod error;
mod identity;
mod ledger;
mod lists;
mod membership;
mod prepared;
mod progress;
mod prover;
mod recovery;
mod registry;
mod rejection;
mod room;
mod roots;
mod source;
mod text;
mod verifier;

pub use author::{PostEntry, Reason, Report};
pub use badge::BadgePass;
pub use error::QuotapassError;
pub use identity::{Account, Identity};
pub use ledger::{Device, History, Ledger, LedgerFolders, QuotaStatus};
pub use lists::{
    ListState, Lists, LogFolder, LogServers, LogStatement, LogStore, OwnedStrike, StoreFailure, StrikeFacts,
};
pub use membership::{MemberTerms, Membership, SyncReport};
pub use prepared::{PostPass, PostSender, PreparedProver};
pub use progress::{CancelToken, ProgressListener, Step};
pub use prover::{Circuit, KeyFiles, Prover, development_key, development_keys};
pub use recovery::{recover, recover_secret};
pub use registry::{ChainHead, Registry};
pub use rejection::{Gossip, Rejection};
pub use room::{EpochTimes, ModerationPolicy, PolicyList, Room, RoomPolicy};
pub use roots::{Roots, SupersededRoot};
pub use source::{LocalMembers, MembersSource, SourceFailure};
pub use text::pass_from_text;
pub use verifier::{BadgeFacts, PostFacts, Verifier};

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

uniffi::setup_scaffolding!("quotapass");

// A call that panics under one of these locks leaves the data in the state before or after a complete change, so other
// calls continue with it.

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
