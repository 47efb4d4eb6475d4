//! Cancellation and progress of long calls.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::QuotapassError;

/// A step of a long call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum Step {
    /// A development key is made.
    MakeKey,
    /// A key is read and checked.
    LoadKey,
    /// The tables of the key are built. This takes a few seconds.
    BuildTables,
    /// The upper nodes of the tree are fetched.
    FetchUpperNodes,
    /// A bucket of members is fetched.
    FetchBucket,
    /// A part of a moderation log is fetched.
    FetchLog,
    /// The records for one list are precomputed. The step is repeated for each list.
    PrepareRecords,
    /// The values that are the same for all messages are precomputed.
    Prepare,
    /// A message id is reserved in the ledger.
    Reserve,
    /// The proof is made.
    Prove,
}

/// Receives the steps of a call, on the thread that makes the call.
///
/// It must not use a handle that the call works on: it would wait for the call, which waits for it, forever.
#[uniffi::export(foreign)]
pub trait ProgressListener: Send + Sync {
    /// Called when a step begins. The number of steps is not known in advance, because it depends on the data at hand.
    fn begins(&self, step: Step);
}

/// Cancels the calls that received this token, from any thread, and reports their steps to a listener.
///
/// A call checks the token between its steps; one step takes a fraction of a second on a phone, or a few seconds when
/// tables are built. A call that is cancelled before its message id is reserved has changed nothing. If it is cancelled
/// later, the id stays used.
#[derive(uniffi::Object)]
pub struct CancelToken {
    cancelled: AtomicBool,
    listener: Option<Arc<dyn ProgressListener>>,
}

#[uniffi::export]
impl CancelToken {
    /// Creates a token with an optional listener for the steps of its calls.
    #[uniffi::constructor(default(listener = None))]
    pub fn new(listener: Option<Arc<dyn ProgressListener>>) -> Self {
        Self { cancelled: AtomicBool::new(false), listener }
    }

    /// Cancels all calls that have this token, now and later.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

/// The token of a call, if it has one.
pub(crate) struct Progress(Option<Arc<CancelToken>>);

impl Progress {
    pub(crate) fn of(token: Option<Arc<CancelToken>>) -> Self {
        Self(token)
    }

    /// Begins a step, unless the call was cancelled. The listener itself may cancel it when it hears of the step.
    pub(crate) fn begin(&self, step: Step) -> Result<(), QuotapassError> {
        let Some(token) = &self.0 else { return Ok(()) };
        let check = || match token.is_cancelled() {
            true => Err(QuotapassError::Cancelled { reason: format!("cancelled before the step {step:?}") }),
            false => Ok(()),
        };
        check()?;
        if let Some(listener) = &token.listener {
            listener.begins(step);
        }
        check()
    }
}
