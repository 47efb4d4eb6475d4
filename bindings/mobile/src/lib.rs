//! quotapass for Kotlin, Swift and Python, through [UniFFI](https://mozilla.github.io/uniffi-rs/).
//!
//! An app makes or restores an [`Identity`], follows its [`Membership`] in the tree of a registry, loads a [`Prover`],
//! prepares it for its account and a [`Room`], and then posts: each message is first counted in the [`Ledger`] and then
//! proved. Whoever reads the room checks what comes with a [`Verifier`].
//!
//! The app holds handles. Secrets stay behind them and are zeroized when the last handle goes, or at once with `wipe`;
//! the one that leaves is the mnemonic, for the backup. Times are Unix seconds and arguments, field elements are text:
//! `0x` and 64 hexadecimal digits, most significant first.
//!
//! Calls block. Those that take long take a [`CancelToken`], which cancels them and tells how far they are; make them on a
//! thread of their own. Nothing that is handed in makes them abort: it is an error that says what to do.

mod badge;
mod error;
mod identity;
mod ledger;
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

pub use badge::BadgePass;
pub use error::QuotapassError;
pub use identity::{Account, Identity};
pub use ledger::{Device, History, Ledger, LedgerFolders, QuotaStatus};
pub use membership::{MemberTerms, Membership, SyncReport};
pub use prepared::{PostPass, PreparedProver};
pub use progress::{CancelToken, ProgressListener, Step};
pub use prover::{KeyFiles, Prover, development_keys};
pub use recovery::{recover, recover_secret};
pub use registry::{ChainHead, Registry};
pub use rejection::{Gossip, Rejection};
pub use room::{EpochTimes, Room, RoomPolicy};
pub use roots::{Roots, SupersededRoot};
pub use source::{LocalMembers, MembersSource, SourceFailure};
pub use text::pass_from_text;
pub use verifier::{BadgeFacts, PostFacts, Verifier};

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

uniffi::setup_scaffolding!("quotapass");

// A call that panics under one of these locks leaves the data as it was before or after a whole change, so the others
// go on with it.

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
