//! Observers of the progress of long operations.

use std::sync::Arc;

/// A callback for progress, called from any thread. By default there is none.
pub struct Observer<T>(Option<Arc<dyn Fn(T) + Send + Sync>>);

impl<T> Observer<T> {
    /// Calls a function for every progress report. The function should return quickly, because the operation waits for
    /// it, and it must not call the object that it observes.
    pub fn new(observe: impl Fn(T) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    /// Calls the function, if any.
    pub(crate) fn notify(&self, progress: T) {
        if let Some(observe) = &self.0 {
            observe(progress);
        }
    }
}

impl<T> Default for Observer<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Clone for Observer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> core::fmt::Debug for Observer<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.0.is_some() { "Observer(somebody)" } else { "Observer(nobody)" })
    }
}
