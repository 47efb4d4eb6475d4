//! Cancelling long calls, and following them.

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
    /// The tables of the key are built: a second or a few.
    BuildTables,
    /// The upper nodes of the tree are fetched.
    FetchUpperNodes,
    /// A bucket of members is fetched.
    FetchBucket,
    /// What does not change from message to message is summed up.
    Prepare,
    /// A message id is reserved in the ledger.
    Reserve,
    /// The proof is made.
    Prove,
}

/// Hears of the steps of a call, on the thread that makes the call.
///
/// It must not use a handle that the call works on: that would wait for the call, and so for ever.
#[uniffi::export(foreign)]
pub trait ProgressListener: Send + Sync {
    /// A step begins. Steps that follow are not told in advance, for how many there are depends on what is known.
    fn begins(&self, step: Step);
}

/// Cancels calls that were given it, from any thread, and tells a listener of their steps.
///
/// A call looks between its steps; one step takes a fraction of a second on a phone, or a few seconds when tables are
/// built. A call that is cancelled before its message id is reserved has changed nothing. One that is cancelled after
/// that has used the id up.
#[derive(uniffi::Object)]
pub struct CancelToken {
    cancelled: AtomicBool,
    listener: Option<Arc<dyn ProgressListener>>,
}

#[uniffi::export]
impl CancelToken {
    /// A token, and who hears of the steps of its calls.
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

    /// Begins a step, unless the call was cancelled, perhaps by the listener that heard of the step.
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
