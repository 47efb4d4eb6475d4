//! Who is told how something long goes on.

use std::sync::Arc;

/// Somebody who is told of progress, from whatever thread makes it; nobody by default.
pub struct Observer<T>(Option<Arc<dyn Fn(T) + Send + Sync>>);

impl<T> Observer<T> {
    /// Calls a function with every piece of progress. It should return soon, for the work waits for it, and must not
    /// call what it watches.
    pub fn new(observe: impl Fn(T) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    /// Tells it.
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
