//! A separate runtime, so that callers need none and may be inside one.

use std::sync::mpsc;

use crate::node::NodeError;

/// A runtime on its own thread.
#[derive(Debug)]
pub(super) struct Runtime {
    /// Taken on drop.
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

    /// Runs a future and waits for its result. Unlike `block_on`, it may be called from a thread of another runtime,
    /// which it then blocks.
    pub(super) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, NodeError>> + Send + 'static,
    ) -> Result<T, NodeError> {
        let (sender, answer) = mpsc::sync_channel(1);
        if let Some(runtime) = &self.inner {
            runtime.spawn(async move {
                // Sending fails only if the caller's thread is gone, and then the result is not needed.
                let _ = sender.send(future.await);
            });
        }
        answer.recv().unwrap_or(Err(NodeError::Failed))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // The default drop waits, which is not allowed on a thread of another runtime.
        if let Some(runtime) = self.inner.take() {
            runtime.shutdown_background();
        }
    }
}
