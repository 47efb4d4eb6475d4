//! A runtime of our own, so that callers need none and may stand in one.

use std::sync::mpsc;

use crate::registry::node::NodeError;

/// Runs futures on a thread of its own and waits for them.
#[derive(Debug)]
pub(super) struct Runtime {
    /// Taken when dropped.
    inner: Option<tokio::runtime::Runtime>,
}

impl Runtime {
    pub(super) fn new() -> std::io::Result<Self> {
        let inner = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("quotapass-rpc")
            .enable_all()
            .build()?;
        Ok(Self { inner: Some(inner) })
    }

    /// Waits for a future. Unlike `block_on` it may be called from a thread of another runtime, which it then blocks.
    pub(super) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, NodeError>> + Send + 'static,
    ) -> Result<T, NodeError> {
        let (sender, answer) = mpsc::sync_channel(1);
        if let Some(runtime) = &self.inner {
            runtime.spawn(async move {
                // Nobody waits any more if the caller's thread is gone.
                let _ = sender.send(future.await);
            });
        }
        answer.recv().unwrap_or(Err(NodeError::Failed))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // The ordinary drop waits, which a thread of another runtime must not.
        if let Some(runtime) = self.inner.take() {
            runtime.shutdown_background();
        }
    }
}
